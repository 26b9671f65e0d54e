//! One panel: frame, grid, ticks, and the series in it.

use super::data::{Panel, Parameter, Series, is_flat, pearson};
use super::style::{self, INK, SOFT_INK, Scheme};
use crate::axis::{Axis, Room, minus};
use crate::frame::{Frame, TICK_SIZE, grid_and_ticks};
use crate::svg::{Anchor, Stroke, Svg, TextStyle};
use crate::typeset::Text;

/// Length of the arrow on a lower bound, in px.
pub(super) const ARROW: f64 = 16.0;

/// What a row of panels has in common.
pub(super) struct Row<'a> {
    /// Which dynamics are shown.
    pub(super) dynamics: &'a [usize],
    pub(super) y: &'a Axis,
    /// Whether they are told apart by colour within each panel.
    pub(super) overlaid: bool,
    /// What an empty panel says.
    pub(super) vacancy: &'static str,
}

impl Row<'_> {
    /// Whether the correlations need a line to themselves.
    fn is_crowded(&self) -> bool {
        self.overlaid && self.dynamics.len() > 2
    }

    /// Height above the frame that the panels' headers take, in px.
    pub(super) fn header_height(&self) -> f64 {
        if self.is_crowded() { 36.0 } else { 22.0 }
    }
}

/// Draws `panel` into `frame`; `letter` is its name, `leftmost` says that it has the labels of the y axis.
pub(super) fn draw(
    svg: &mut Svg,
    frame: Frame,
    panel: &Panel,
    scheme: &Scheme,
    row: &Row<'_>,
    letter: char,
    leftmost: bool,
) {
    let distinct = panel.distinct(row.dynamics);
    let xs = || panel.of(row.dynamics).flat_map(|series| series.points.iter().map(|point| point.x));
    let x = (distinct > 0).then(|| {
        let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
        let whole = panel.parameter == Parameter::BatchSize;
        Axis::linear(low, high, 0.07, Room { length: frame.width, font_size: TICK_SIZE, whole })
    });

    svg.open_group(&format!("panel-{letter}"));
    grid_and_ticks(svg, frame, x.as_ref(), row.y, leftmost);
    if let Some(x) = &x {
        let place = |at: f64, height: f64| {
            (frame.left + x.position(at) * frame.width, frame.bottom() - row.y.position(height) * frame.height)
        };
        let count = panel.of(row.dynamics).count();
        let radius = if count > 8 { 2.3 } else { 3.1 };
        // Pale series below, so that they hide none that has a colour.
        let mut ordered: Vec<&Series> = panel.of(row.dynamics).collect();
        ordered.sort_by_key(|series| scheme.look(series).color != style::PALE);
        for series in &ordered {
            draw_series(svg, series, scheme, radius, &place);
        }
        // Above all, or markers would hide them.
        for series in ordered {
            draw_exact(svg, series, row.y, &place);
        }
    }
    header(svg, frame, panel, row, letter, distinct);
    if distinct == 0 {
        let note = TextStyle { size: 11.5, color: SOFT_INK, anchor: Anchor::Middle };
        svg.text((frame.center(), frame.top + frame.height / 2.0 + 4.0), &Text::plain(row.vacancy), note);
    }
    let label = TextStyle { size: 13.0, color: INK, anchor: Anchor::Middle };
    svg.text((frame.center(), frame.bottom() + 34.0), &panel.parameter.abscissa_label(), label);
    svg.close_group();
}

fn draw_series(svg: &mut Svg, series: &Series, scheme: &Scheme, radius: f64, place: &dyn Fn(f64, f64) -> (f64, f64)) {
    let look = scheme.look(series);
    let line: Vec<(f64, f64)> =
        series.points.iter().filter_map(|point| point.mean.map(|mean| place(point.x, mean))).collect();
    if line.len() > 1 {
        svg.path(&line, Stroke { color: &look.color, width: 1.2, dash: look.dash });
    }
    let bar = Stroke::solid(&look.color, 1.0);
    for point in &series.points {
        if let (Some(_), Some(lower), Some(upper)) = (point.mean, point.lower, point.upper) {
            let (at, low) = place(point.x, lower);
            let (_, high) = place(point.x, upper);
            svg.line((at, low), (at, high), bar);
            // Caps only where they are apart: on a short bar they would be a blot behind the marker.
            if low - high > 2.0 * radius {
                for end in [low, high] {
                    svg.line((at - 2.6, end), (at + 2.6, end), bar);
                }
            }
        } else if let (None, Some(lower)) = (point.mean, point.lower) {
            let (at, low) = place(point.x, lower);
            let tip = low - ARROW;
            svg.line((at, low), (at, tip + 3.0), bar);
            svg.polygon(
                &[(at, tip), (at - 2.8, tip + 5.0), (at + 2.8, tip + 5.0)],
                &look.color,
                Stroke::solid(&look.color, 0.5),
            );
        }
    }
    for point in &series.points {
        if let Some(height) = point.height() {
            style::marker(svg, place(point.x, height), &look, radius, point.censored);
        }
    }
}

/// The exact means of a series, as far as they are within the frame.
fn draw_exact(svg: &mut Svg, series: &Series, y: &Axis, place: &dyn Fn(f64, f64) -> (f64, f64)) {
    let inside = |height: &f64| (0.0..=1.0).contains(&y.position(*height));
    let line: Vec<(f64, f64)> = series
        .points
        .iter()
        .filter_map(|point| point.exact.filter(inside).map(|exact| place(point.x, exact)))
        .collect();
    if line.len() > 1 {
        svg.path(&line, Stroke { color: INK, width: 0.8, dash: "3 1.5" });
    }
}

/// The line above the frame: letter and property on the left, r on the right.
fn header(svg: &mut Svg, frame: Frame, panel: &Panel, row: &Row<'_>, letter: char, distinct: usize) {
    let at = frame.top - 8.0;
    let title = Text::default().bold(format!("{letter}")).roman(format!("  {}", panel.parameter.meaning()));
    let above = if row.is_crowded() { at - 14.0 } else { at };
    svg.text((frame.left, above), &title, TextStyle { size: 12.0, color: INK, anchor: Anchor::Start });

    let right = TextStyle { size: if row.is_crowded() { 10.5 } else { 11.5 }, color: INK, anchor: Anchor::End };
    let remark = match distinct {
        0 => return,
        1 => Some("not varied"),
        2 => Some("two values"),
        _ => None,
    };
    if let Some(remark) = remark {
        svg.text((frame.right(), at), &Text::plain(remark), TextStyle { color: SOFT_INK, ..right });
        return;
    }
    let groups: Vec<&[usize]> = if row.overlaid { row.dynamics.chunks(1).collect() } else { vec![row.dynamics] };
    let values: Vec<Text> = groups.iter().filter_map(|group| correlation(panel, group, groups.len() > 1)).collect();
    let mut text = Text::default().italic("r").roman(" = ");
    for (i, value) in values.iter().enumerate() {
        text = if i == 0 { text } else { text.roman(", ") }.then(value.clone());
    }
    if !values.is_empty() {
        svg.text((frame.right(), at), &text, right);
    }
}

/// r of some dynamics; in parentheses if their intervals leave room for no dependence at all.
fn correlation(panel: &Panel, dynamics: &[usize], colored: bool) -> Option<Text> {
    let r = minus(format!("{:.3}", pearson(panel.of(dynamics))?));
    let text = Text::plain(if is_flat(panel.of(dynamics)) { format!("({r})") } else { r });
    match dynamics.first() {
        Some(&first) if colored => Some(text.colored(&style::dynamics_look(first).color)),
        _ => Some(text),
    }
}
