//! Below a panel, what its colours, markers and dashes stand for; and the figure's caption.

use super::data::{Data, Panel, is_flat, pearson};
use super::style::{self, Coding, INK, Look, MAX_COLORS, SHAPES, SOFT_INK, Scheme, Shape};
use crate::axis::minus;
use crate::numbers::{parameter, trimmed};
use crate::svg::{Anchor, Stroke, Svg, TextStyle};
use crate::typeset::{Text, wrap};

const SIZE: f64 = 10.5;
/// Height of a line of the legend.
const LINE: f64 = 15.0;
/// Length of a swatch.
const SWATCH: f64 = 12.0;

/// A swatch and what it stands for.
struct Entry {
    swatch: Swatch,
    label: Text,
}

/// A sample of the look that is explained, the rest of it neutral.
enum Swatch {
    None,
    Color(String),
    Shape(Shape),
    Dash(&'static str),
}

/// Draws the legend of `panel` from `top` downward, in `width` px from `left`; returns where it ends.
pub(super) fn draw(svg: &mut Svg, (left, top): (f64, f64), width: f64, panel: &Panel, scheme: &Scheme) -> f64 {
    let mut top = top;
    for group in groups(panel, scheme) {
        top = flow(svg, (left, top), width, &group);
    }
    top
}

/// The dynamics in one row, for a figure in which they share panels.
pub(super) fn draw_dynamics(svg: &mut Svg, at: (f64, f64), width: f64, data: &Data) -> f64 {
    let entries: Vec<Entry> = (0..data.dynamics.len())
        .map(|dynamics| Entry { swatch: Swatch::None, label: Text::plain(data.name(dynamics)) })
        .collect();
    let style = TextStyle { size: 12.0, color: INK, anchor: Anchor::Start };
    let (mut x, mut y) = at;
    for (dynamics, entry) in entries.iter().enumerate() {
        let needed = 24.0 + entry.label.width(style.size);
        if x > at.0 && x + needed > at.0 + width {
            (x, y) = (at.0, y + LINE);
        }
        let look = style::dynamics_look(dynamics);
        let middle = y - 4.0;
        svg.line((x, middle), (x + 18.0, middle), Stroke::solid(&look.color, 1.2));
        style::marker(svg, (x + 9.0, middle), &look, 3.1, false);
        svg.text((x + 24.0, y), &entry.label, style);
        x += needed + 22.0;
    }
    y
}

fn groups(panel: &Panel, scheme: &Scheme) -> Vec<Vec<Entry>> {
    let mut groups = Vec::new();
    let mut explained = Vec::new();
    if let Scheme::Parameters { color, shape, dash } = scheme {
        if let Some(coding) = color {
            let count = coding.values.len();
            let swatch = |i| style::color_rank(i, count).map(|_| Swatch::Color(style::value_color(i, count)));
            groups.push(group(panel, coding, swatch));
        }
        if let Some(coding) = shape {
            groups.push(group(panel, coding, |i| Some(Swatch::Shape(SHAPES[i % SHAPES.len()]))));
        }
        if let Some(coding) = dash {
            groups.push(group(panel, coding, |i| Some(Swatch::Dash(style::dash(i)))));
        }
        explained.extend([color, shape, dash].into_iter().flatten().map(|coding| coding.index));
    }
    groups.push((0..3).filter(|index| !explained.contains(index)).filter_map(|index| common(panel, index)).collect());
    groups
}

/// "η" and then each value with its swatch; values without one are named together.
fn group(panel: &Panel, coding: &Coding, swatch: impl Fn(usize) -> Option<Swatch>) -> Vec<Entry> {
    let mut entries = vec![Entry { swatch: Swatch::None, label: panel.others[coding.index].symbol() }];
    // Three digits where they tell the values apart.
    let mut labels: Vec<String> = coding.values.iter().map(|&value| trimmed(value, 3)).collect();
    if labels.windows(2).any(|pair| pair[0] == pair[1]) {
        labels = coding.values.iter().map(|&value| parameter(value)).collect();
    }
    for (i, label) in labels.into_iter().enumerate() {
        if let Some(swatch) = swatch(i) {
            entries.push(Entry { swatch, label: Text::plain(minus(label)) });
        }
    }
    if coding.values.len() > MAX_COLORS {
        entries.push(Entry { swatch: Swatch::None, label: Text::plain("(others grey)") });
    }
    entries
}

/// "β = 1", a parameter in which all series agree, or "B = 1 … 6", one in which they differ without looking different.
fn common(panel: &Panel, index: usize) -> Option<Entry> {
    let values = panel.other_values(index);
    let (first, last) = (*values.first()?, *values.last()?);
    let text = match values.len() {
        1 => parameter(first),
        _ => format!("{} … {}", parameter(first), parameter(last)),
    };
    let label = panel.others[index].symbol().roman(format!(" = {}", minus(text)));
    Some(Entry { swatch: Swatch::None, label: label.colored(SOFT_INK) })
}

/// Sets entries side by side, in as many lines as they need; returns the bottom.
fn flow(svg: &mut Svg, (left, top): (f64, f64), width: f64, entries: &[Entry]) -> f64 {
    if entries.is_empty() {
        return top;
    }
    let text = TextStyle { size: SIZE, color: INK, anchor: Anchor::Start };
    let (mut x, mut y) = (left, top);
    for entry in entries {
        let swatch = if matches!(entry.swatch, Swatch::None) { 0.0 } else { SWATCH + 3.0 };
        let needed = swatch + entry.label.width(SIZE);
        if x > left && x + needed > left + width {
            (x, y) = (left + 11.0, y + LINE);
        }
        let middle = y - 3.6;
        let line = |svg: &mut Svg, color: &str, dash, width| {
            svg.line((x, middle), (x + SWATCH, middle), Stroke { color, width, dash });
        };
        match &entry.swatch {
            Swatch::None => {}
            Swatch::Color(color) => line(svg, color, "", 3.2),
            Swatch::Shape(shape) => {
                let look = Look { color: SOFT_INK.to_owned(), shape: *shape, dash: "" };
                style::marker(svg, (x + SWATCH / 2.0, middle), &look, 2.6, false);
            }
            Swatch::Dash(dash) => line(svg, SOFT_INK, *dash, 1.2),
        }
        svg.text((x + swatch, y), &entry.label, text);
        x += needed + 8.0;
    }
    y + LINE
}

/// Sets the caption; returns the baseline of its last line.
pub(super) fn caption(svg: &mut Svg, (left, top): (f64, f64), width: f64, data: &Data) -> f64 {
    let points = || data.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let correlated = |dynamics: usize| data.panels.iter().filter(move |panel| panel.distinct(&[dynamics]) > 2);
    let dynamics = 0..data.dynamics.len();
    let mut sentences = vec![
        "E[ν]: mean exit time, in units of time (steps × their length). Error bars: its 95 % confidence interval.",
    ];
    if points().any(|point| point.censored && point.mean.is_some()) {
        sentences.push("Open markers: some trials were censored; the mean is the maximum likelihood estimate.");
    }
    if points().any(|point| point.mean.is_none()) {
        sentences.push("Arrows: no trial left; 95 % lower bound.");
    }
    if points().any(|point| point.exact.is_some()) {
        sentences.push("Thin dashed lines: the exact mean, computed and not measured.");
    }
    if !data.is_simple() {
        sentences.push("Lines join cells that agree in all other parameters.");
    }
    if dynamics.clone().any(|dynamics| correlated(dynamics).any(|panel| pearson(panel.of(&[dynamics])).is_some())) {
        sentences.push(match data.is_simple() {
            true => "r: Pearson correlation of log E[ν] with the axis variable.",
            false => {
                "r: Pearson correlation of log E[ν] with the axis variable, pooled over the lines after centring each."
            }
        });
        let flat = |dynamics: usize| correlated(dynamics).any(|panel| is_flat(panel.of(&[dynamics])));
        if dynamics.clone().any(flat) {
            sentences.push("(r): the intervals along each line have a value in common, no dependence is seen.");
        }
    }
    let style = TextStyle { size: 10.5, color: SOFT_INK, anchor: Anchor::Start };
    let mut y = top;
    for (i, line) in wrap(&sentences.join(" "), style.size, width).iter().enumerate() {
        y = top + i as f64 * 14.0;
        svg.text((left, y), &Text::plain(line.as_str()), style);
    }
    y
}
