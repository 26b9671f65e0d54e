//! A panel's frame: where it is, its grid and its ticks.

use crate::axis::Axis;
use crate::look::{FRAME, GRID, INK};
use crate::svg::{Anchor, Stroke, Svg, TextStyle};

/// Of the labels of ticks, in px.
pub(crate) const TICK_SIZE: f64 = 11.0;

/// Where a panel's frame is, in px.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Frame {
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub(crate) fn center(&self) -> f64 {
        self.left + self.width / 2.0
    }
}

/// Draws the grid, the ticks and the frame; `labelled` says that the y axis has its labels.
pub(crate) fn grid_and_ticks(svg: &mut Svg, frame: Frame, x: Option<&Axis>, y: &Axis, labelled: bool) {
    let grid = Stroke::solid(GRID, 0.8);
    let line = Stroke::solid(FRAME, 0.9);
    let minor = Stroke::solid(FRAME, 0.6);
    let tick_text = |anchor| TextStyle { size: TICK_SIZE, color: INK, anchor };
    for tick in y.ticks.iter() {
        let height = frame.bottom() - y.position(tick.value) * frame.height;
        match &tick.label {
            Some(label) => {
                if x.is_some() {
                    svg.line((frame.left, height), (frame.right(), height), grid);
                }
                svg.line((frame.left - 4.0, height), (frame.left, height), line);
                if labelled {
                    svg.text((frame.left - 7.0, height + 3.9), label, tick_text(Anchor::End));
                }
            }
            None => svg.line((frame.left - 2.2, height), (frame.left, height), minor),
        }
    }
    for tick in x.iter().flat_map(|x| &x.ticks) {
        let Some((axis, label)) = x.zip(tick.label.as_ref()) else { continue };
        let at = frame.left + axis.position(tick.value) * frame.width;
        svg.line((at, frame.top), (at, frame.bottom()), grid);
        svg.line((at, frame.bottom()), (at, frame.bottom() + 4.0), line);
        svg.text((at, frame.bottom() + 16.0), label, tick_text(Anchor::Middle));
    }
    svg.path(&[(frame.left, frame.top), (frame.left, frame.bottom()), (frame.right(), frame.bottom())], line);
}
