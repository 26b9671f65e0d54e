//! The paper's Figure 5: mean exit time on a log axis against α^(−1/2), 1/η, B and β.
//!
//! | what | how |
//! | --- | --- |
//! | height | E\[ν\], the mean exit time in units of time (steps × η) |
//! | error bars | the 95 % interval of the mean (the paper's show the standard deviation) |
//! | line | cells that agree in all parameters but the panel's |
//! | r | Pearson correlation of log E\[ν\] with the axis variable; of several lines, pooled after centring each |
//! | (r) | the intervals along each line have a value in common: r tells of noise |
//! | open marker | some of the cell's trials are censored |
//! | arrow | no trial left: the mean lies above |
//!
//! Each axis is what the paper says log E\[ν\] is linear in; β stands for ΔL as in the paper. One row of panels shares its
//! y axis, so that slopes can be compared. Where each panel has one line for each dynamics they share a row; otherwise
//! each dynamics has its own, and colour, marker and dash tell the other parameters.
//!
//! The same cells give the same bytes, in any order.

mod data;
mod legend;
mod panel;
#[cfg(test)]
pub(crate) mod sample;
mod style;

use taugrid_results::CellSummary;

use crate::axis::Axis;
use crate::figure::Figure;
use crate::frame::Frame;
use crate::svg::{Anchor, Svg, TextStyle};
use crate::typeset::Text;

use data::{Data, Panel};
use panel::{ARROW, Row};
use style::{INK, MAX_OVERLAID, Scheme};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const GAP: f64 = 22.0;
const PANEL_HEIGHT: f64 = 178.0;
const PANEL_WIDTH: f64 = (WIDTH - LEFT - RIGHT - 3.0 * GAP) / 4.0;

/// Draws `cells`, of one sweep, under `title`.
pub fn figure5(cells: &[CellSummary], title: &str) -> Figure {
    let data = Data::new(cells);
    let all: Vec<usize> = (0..data.dynamics.len()).collect();
    let overlaid = data.is_simple() && all.len() <= MAX_OVERLAID;
    let rows: Vec<&[usize]> = if overlaid { vec![&all] } else { all.chunks(1).collect() };

    let mut svg = Svg::default();
    let start = |size| TextStyle { size, color: INK, anchor: Anchor::Start };
    svg.text((LEFT, 26.0), &Text::default().bold(title), start(15.0));
    let mut y = 26.0;
    let schemes: Vec<Scheme> =
        data.panels.iter().map(|panel| if overlaid { Scheme::Dynamics } else { Scheme::parameters(panel) }).collect();
    for (index, dynamics) in rows.iter().enumerate() {
        y += if index == 0 { 22.0 } else { 34.0 };
        if overlaid && dynamics.len() > 1 {
            y = legend::draw_dynamics(&mut svg, (LEFT, y), WIDTH - LEFT - RIGHT, &data);
        } else if let Some(&first) = dynamics.first() {
            svg.text((LEFT, y), &Text::plain(data.name(first)), start(12.5));
        }
        let axis = y_axis(&data.panels, dynamics);
        let empty = data.panels.iter().all(|panel| panel.of(dynamics).next().is_none());
        let row = Row { dynamics, y: &axis, overlaid, vacancy: if empty { "no data" } else { "not varied" } };
        y += 10.0 + row.header_height();
        draw_row(&mut svg, y, &data.panels, &schemes, &row, index);
        y += PANEL_HEIGHT + 34.0;
    }
    y += 20.0;
    let mut bottom = y;
    for (i, (panel, scheme)) in data.panels.iter().zip(&schemes).enumerate() {
        bottom = bottom.max(legend::draw(&mut svg, (frame(i, 0.0).left, y), PANEL_WIDTH, panel, scheme));
    }
    let end = legend::caption(&mut svg, (LEFT, bottom + 8.0), WIDTH - LEFT - RIGHT, &data);
    Figure::new(svg.finish(WIDTH, end + 16.0, &format!("Mean exit times: {title}")))
}

fn frame(index: usize, top: f64) -> Frame {
    Frame { left: LEFT + index as f64 * (PANEL_WIDTH + GAP), top, width: PANEL_WIDTH, height: PANEL_HEIGHT }
}

/// The four panels of some dynamics, on one y axis.
fn draw_row(svg: &mut Svg, top: f64, panels: &[Panel], schemes: &[Scheme], row: &Row<'_>, index: usize) {
    for (i, (panel, scheme)) in panels.iter().zip(schemes).enumerate() {
        // Letters run on over the rows; a sweep has few dynamics.
        let letter = char::from(b'a' + ((4 * index + i) % 26) as u8);
        panel::draw(svg, frame(i, top), panel, scheme, row, letter, i == 0);
    }
    let label = Text::plain("mean exit time  E[").italic("ν").roman("]");
    let style = TextStyle { size: 13.0, color: INK, anchor: Anchor::Middle };
    svg.upward_text((22.0, top + PANEL_HEIGHT / 2.0), &label, style);
}

/// An axis that holds all means, bounds and intervals of these dynamics, and the arrows above the bounds.
fn y_axis(panels: &[Panel], dynamics: &[usize]) -> Axis {
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    let mut arrow_at = f64::NEG_INFINITY;
    for point in panels.iter().flat_map(|panel| panel.of(dynamics)).flat_map(|series| &series.points) {
        for value in [point.mean, point.lower, point.upper].into_iter().flatten() {
            range = (range.0.min(value), range.1.max(value));
        }
        if let (None, Some(lower)) = (point.mean, point.lower) {
            arrow_at = arrow_at.max(lower);
        }
    }
    if range.0 > range.1 {
        return Axis::logarithmic(1.0, 10.0, 0.0, 0.0);
    }
    let margin = 0.06;
    let top = if arrow_at >= range.1 { (ARROW + 6.0) / PANEL_HEIGHT } else { margin };
    Axis::logarithmic(range.0, range.1, margin, top)
}

#[cfg(test)]
mod tests {
    use taugrid_sweep::DynamicsSpec;

    use super::sample::{HESSIAN, IDENTITY, grid, one_at_a_time, summary, wide, without_exits};
    use super::*;

    /// The figures that are looked at; `TAUGRID_FIGURES=/tmp/figs cargo test -p taugrid-analysis samples` writes them.
    fn samples() -> Vec<(&'static str, Vec<CellSummary>)> {
        let single = vec![summary(HESSIAN, 1.0, 1.0, 0.1, 1)];
        let censored: Vec<CellSummary> = one_at_a_time(&[HESSIAN]).into_iter().map(without_exits).collect();
        let mut huge = one_at_a_time(&[IDENTITY]);
        for cell in &mut huge {
            for value in [&mut cell.mean_exit_time, &mut cell.lower, &mut cell.upper] {
                *value = value.map(|v| v.powf(4.0));
            }
        }
        vec![
            ("one-at-a-time", one_at_a_time(&[HESSIAN])),
            ("two-dynamics", one_at_a_time(&[HESSIAN, IDENTITY])),
            ("grid", grid()),
            ("single", single.clone()),
            ("single-censored", single.into_iter().map(without_exits).collect()),
            ("all-censored", censored),
            ("huge", huge),
            ("wide", wide()),
            ("three-dynamics", one_at_a_time(&[HESSIAN, IDENTITY, DynamicsSpec::Sgd])),
            ("one-axis", one_at_a_time(&[HESSIAN])[..5].to_vec()),
            ("empty", Vec::new()),
        ]
    }

    #[test]
    fn samples_are_drawn() {
        for (name, cells) in samples() {
            let figure = figure5(&cells, name);
            let png = figure.png().unwrap();
            assert!(png.starts_with(b"\x89PNG"), "{name}");
            assert!(!figure.svg().contains("NaN") && !figure.svg().contains("inf"), "{name}");
            if let Some(folder) = std::env::var_os("TAUGRID_FIGURES") {
                let folder = std::path::PathBuf::from(folder);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("{name}.svg")), figure.svg()).unwrap();
                std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
            }
        }
    }

    #[test]
    fn the_order_of_the_cells_does_not_matter() {
        let mut cells = grid();
        let first = figure5(&cells, "grid");
        cells.reverse();
        assert_eq!(first, figure5(&cells, "grid"));
        assert_eq!(first.png().unwrap(), figure5(&cells, "grid").png().unwrap());
    }

    #[test]
    fn text_stays_text() {
        let figure = figure5(&one_at_a_time(&[HESSIAN]), "a <b> & c");
        assert!(figure.svg().contains("a &lt;b&gt; &amp; c"));
        assert!(!figure.svg().contains("not varied") && figure.svg().contains("sharpness"));
        let single = figure5(&[summary(HESSIAN, 1.0, 1.0, 0.1, 1)], "one");
        assert_eq!(single.svg().matches("not varied").count(), 4);
    }
}
