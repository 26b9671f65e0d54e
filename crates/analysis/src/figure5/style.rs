//! How series look: colours, marker shapes and dashes, and what each of them stands for.

use super::data::{Panel, Series};
pub(super) use crate::look::{
    COLORS, INK, Look, MAX_COLORS, PALE, SHAPES, SOFT_INK, Shape, color_rank, look as dynamics_look, marker,
    value_color,
};

const DASHES: [&str; 3] = ["", "5 2.5", "1.5 2"];

/// Dynamics that fit into one panel.
pub(super) const MAX_OVERLAID: usize = COLORS.len();

/// What tells the series of a panel apart.
#[derive(Debug, Clone)]
pub(super) enum Scheme {
    /// One series a dynamics: colour and shape say which.
    Dynamics,
    /// Up to three parameters, by index into [`Panel::others`], each with its values.
    Parameters { color: Option<Coding>, shape: Option<Coding>, dash: Option<Coding> },
}

/// A parameter that a look stands for.
#[derive(Debug, Clone)]
pub(super) struct Coding {
    /// Into [`Panel::others`].
    pub(super) index: usize,
    /// Ascending.
    pub(super) values: Vec<f64>,
}

impl Coding {
    fn position(&self, series: &Series) -> usize {
        self.values.iter().position(|v| *v == series.others[self.index]).unwrap_or(0)
    }
}

impl Scheme {
    /// The other parameter with the most values is the colour, then come shape and dash; a parameter with more values
    /// than there are shapes (or dashes) is not told apart.
    pub(super) fn parameters(panel: &Panel) -> Self {
        let mut varied: Vec<Coding> = (0..3)
            .map(|index| Coding { index, values: panel.other_values(index) })
            .filter(|coding| coding.values.len() > 1)
            .collect();
        varied.sort_by_key(|coding| std::cmp::Reverse(coding.values.len()));
        let mut varied = varied.into_iter();
        let color = varied.next();
        let shape = varied.next().filter(|coding| coding.values.len() <= SHAPES.len());
        let dash = varied.next().filter(|coding| coding.values.len() <= DASHES.len());
        Self::Parameters { color, shape, dash }
    }

    pub(super) fn look(&self, series: &Series) -> Look {
        match self {
            Self::Dynamics => dynamics_look(series.dynamics),
            Self::Parameters { color, shape, dash } => Look {
                color: match color {
                    Some(coding) => value_color(coding.position(series), coding.values.len()),
                    None => COLORS[0].to_owned(),
                },
                shape: shape.as_ref().map_or(Shape::Circle, |coding| SHAPES[coding.position(series) % SHAPES.len()]),
                dash: dash.as_ref().map_or("", |coding| DASHES[coding.position(series) % DASHES.len()]),
            },
        }
    }
}

pub(super) fn dash(position: usize) -> &'static str {
    DASHES[position % DASHES.len()]
}
