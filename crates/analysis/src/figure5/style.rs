//! How series look: colours, marker shapes and dashes, and what each of them stands for.

use std::f64::consts::PI;

use super::data::{Panel, Series};
use crate::svg::{Stroke, Svg};

pub(super) const INK: &str = "#222222";
pub(super) const SOFT_INK: &str = "#666666";
pub(super) const FRAME: &str = "#444444";
pub(super) const GRID: &str = "#e7e7e7";
/// Series beyond those that have a colour.
pub(super) const PALE: &str = "#cfcfcf";

/// Dynamics side by side in one panel; told apart by the colour-blind too.
const DYNAMICS_COLORS: [&str; 4] = ["#1b5fa8", "#d55e00", "#2a9d74", "#7b4fa3"];

/// Values with a colour of their own.
pub(super) const MAX_COLORS: usize = 8;
pub(super) const SHAPES: [Shape; 5] = [Shape::Circle, Shape::Square, Shape::Diamond, Shape::Up, Shape::Down];
const DASHES: [&str; 3] = ["", "5 2.5", "1.5 2"];

/// Dynamics that fit into one panel.
pub(super) const MAX_OVERLAID: usize = DYNAMICS_COLORS.len();

/// A marker's outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
}

/// A series' looks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub(super) color: String,
    pub(super) shape: Shape,
    pub(super) dash: &'static str,
}

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
                    None => DYNAMICS_COLORS[0].to_owned(),
                },
                shape: shape.as_ref().map_or(Shape::Circle, |coding| SHAPES[coding.position(series) % SHAPES.len()]),
                dash: dash.as_ref().map_or("", |coding| DASHES[coding.position(series) % DASHES.len()]),
            },
        }
    }
}

pub(super) fn dynamics_look(dynamics: usize) -> Look {
    let color = DYNAMICS_COLORS[dynamics % DYNAMICS_COLORS.len()].to_owned();
    Look { color, shape: SHAPES[dynamics % SHAPES.len()], dash: "" }
}

pub(super) fn dash(position: usize) -> &'static str {
    DASHES[position % DASHES.len()]
}

/// Whether the value at `position` of `count` ascending ones has a colour: all up to eight, else eight spread evenly.
pub(super) fn color_rank(position: usize, count: usize) -> Option<usize> {
    if count <= MAX_COLORS {
        return Some(position);
    }
    (0..MAX_COLORS).find(|rank| rank * (count - 1) / (MAX_COLORS - 1) == position)
}

/// The colour of the value at `position` of `count`: from dark (least) to light along viridis (van der Walt & Smith), without
/// its yellow end, which is lost on white.
pub(super) fn value_color(position: usize, count: usize) -> String {
    const VIRIDIS: [[f64; 3]; 5] =
        [[68.0, 1.0, 84.0], [62.0, 74.0, 137.0], [38.0, 130.0, 142.0], [53.0, 183.0, 121.0], [150.0, 206.0, 50.0]];
    let Some(rank) = color_rank(position, count) else { return PALE.to_owned() };
    let last = count.min(MAX_COLORS).saturating_sub(1).max(1);
    let place = rank as f64 / last as f64 * (VIRIDIS.len() - 1) as f64;
    let below = (place.floor() as usize).min(VIRIDIS.len() - 2);
    let share = place - below as f64;
    let channel = |i: usize| {
        let (from, to) = (VIRIDIS[below][i], VIRIDIS[below + 1][i]);
        (from + share * (to - from)).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2))
}

/// Draws a marker; an open one is white inside.
pub(super) fn marker(svg: &mut Svg, at: (f64, f64), look: &Look, radius: f64, open: bool) {
    let fill = if open { "#ffffff" } else { look.color.as_str() };
    let stroke = Stroke::solid(&look.color, 1.2);
    let around = |count: usize, start: f64, scale: f64| -> Vec<(f64, f64)> {
        (0..count)
            .map(|i| start + 2.0 * PI * i as f64 / count as f64)
            .map(|angle| (at.0 + scale * radius * angle.cos(), at.1 + scale * radius * angle.sin()))
            .collect()
    };
    match look.shape {
        Shape::Circle => svg.circle(at, radius, fill, stroke),
        Shape::Square => svg.polygon(&around(4, PI / 4.0, 1.25), fill, stroke),
        Shape::Diamond => svg.polygon(&around(4, 0.0, 1.3), fill, stroke),
        Shape::Up => svg.polygon(&around(3, -PI / 2.0, 1.3), fill, stroke),
        Shape::Down => svg.polygon(&around(3, PI / 2.0, 1.3), fill, stroke),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_of_many_values_have_a_colour_the_ends_among_them() {
        let colored: Vec<usize> = (0..20).filter(|&i| color_rank(i, 20).is_some()).collect();
        assert_eq!(colored.len(), MAX_COLORS);
        assert_eq!((colored[0], colored[7]), (0, 19));
        assert_eq!(value_color(1, 20), PALE);
    }

    #[test]
    fn colours_differ() {
        for count in 2..=8 {
            let mut colors: Vec<String> = (0..count).map(|i| value_color(i, count)).collect();
            colors.sort();
            colors.dedup();
            assert_eq!(colors.len(), count);
        }
    }
}
