//! How marks look: inks, colours, marker shapes; the same in all figures.

use std::f64::consts::PI;

use crate::svg::{Stroke, Svg};

pub(crate) const INK: &str = "#222222";
pub(crate) const SOFT_INK: &str = "#666666";
pub(crate) const FRAME: &str = "#444444";
pub(crate) const GRID: &str = "#e7e7e7";
/// Series beyond those that have a colour.
pub(crate) const PALE: &str = "#cfcfcf";

/// A few things side by side in one panel; told apart by the colour-blind too.
pub(crate) const COLORS: [&str; 4] = ["#1b5fa8", "#d55e00", "#2a9d74", "#7b4fa3"];

/// Values with a colour of their own.
pub(crate) const MAX_COLORS: usize = 8;
pub(crate) const SHAPES: [Shape; 5] = [Shape::Circle, Shape::Square, Shape::Diamond, Shape::Up, Shape::Down];
/// A marker's outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
}

/// A series' looks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Look {
    pub(crate) color: String,
    pub(crate) shape: Shape,
    pub(crate) dash: &'static str,
}

/// The look of the `index`-th of a few things of one kind; beyond four they repeat.
pub(crate) fn look(index: usize) -> Look {
    let color = COLORS[index % COLORS.len()].to_owned();
    Look { color, shape: SHAPES[index % SHAPES.len()], dash: "" }
}

/// Whether the value at `position` of `count` ascending ones has a colour: all up to eight, else eight spread evenly.
pub(crate) fn color_rank(position: usize, count: usize) -> Option<usize> {
    if count <= MAX_COLORS {
        return Some(position);
    }
    (0..MAX_COLORS).find(|rank| rank * (count - 1) / (MAX_COLORS - 1) == position)
}

/// The colour of the value at `position` of `count`: from dark (least) to light along viridis (van der Walt & Smith), without
/// its yellow end, which is lost on white.
pub(crate) fn value_color(position: usize, count: usize) -> String {
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
pub(crate) fn marker(svg: &mut Svg, at: (f64, f64), look: &Look, radius: f64, open: bool) {
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
