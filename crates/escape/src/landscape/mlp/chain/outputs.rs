//! What is between the way forward and the way back: the outputs, their slopes, and b₂.

use super::buffers::Buffers;
use super::network::Network;
use super::pass::Update;
use super::registers::{by_size, unroll, window};
use super::row::Row;
use super::softmax::{self, Place};
use super::tile::Tile;
use crate::landscape::mlp::Loss;
use crate::simd::{Kernel, LANES, Simd};

/// Rows with a 1 in one lane.
static UNITS: [Row; LANES] = {
    let mut units = [Row::ZERO; LANES];
    let mut lane = 0;
    while lane < LANES {
        units[lane].0[lane] = 1.0;
        lane += 1;
    }
    units
};

/// Lane l is the total of row l, and 0 where there is none; for up to sixteen rows.
#[inline(always)]
pub(super) fn totals<S: Simd>(s: S, rows: &[Row]) -> S::F {
    by_size!(rows.len(), LANES, R => totals_of::<S, R>(s, window(rows, 0)))
}

#[inline(always)]
fn totals_of<S: Simd, const R: usize>(s: S, rows: &[Row; R]) -> S::F {
    let mut x = [s.splat(0.0); LANES];
    unroll!(r in R {
        x[r] = s.load(&rows[r].0);
    });
    s.totals(x)
}

/// The target of an example of the class that has this lane; zeros where it has none.
#[inline(always)]
pub(super) fn target(lane: usize) -> &'static Row {
    UNITS.get(lane).unwrap_or(const { &Row::ZERO })
}

/// What it takes to turn the sums of W₂t into g, for a tile that has gone forward.
pub(super) struct Finish<'a> {
    network: &'a Network,
    /// b₂ of z.
    bias: &'a [Row],
    /// Σg, for b₂.
    totals: &'a mut [Row],
    tile: &'a mut Tile,
}

impl<'a> Finish<'a> {
    pub(super) fn new(network: &'a Network, bias: &'a [Row], totals: &'a mut [Row], tile: &'a mut Tile) -> Self {
        Self { network, bias, totals, tile }
    }

    /// Whether f is to stay where g would go.
    pub(super) fn keeps_outputs(&self) -> bool {
        self.tile.keeps_outputs
    }

    /// g of one example in one plane of classes, from W₂t; with cross-entropy, f.
    #[inline(always)]
    pub(super) fn slopes<S: Simd>(&mut self, s: S, plane: usize, example: usize, outputs: S::F) {
        let lane = (self.tile.labels[example] as usize).wrapping_sub(plane * LANES);
        let target = target(lane);
        let bias = s.add(s.load(&self.network.bias[plane].0), s.load(&self.bias[plane].0));
        let outputs = s.add(outputs, bias);
        if self.network.loss_function == Loss::CrossEntropy {
            s.store(outputs, &mut self.tile.slopes[plane * self.tile.count + example].0);
            return;
        }
        let residuals = s.sub(outputs, s.load(&target.0));
        let g = s.mul(s.splat(self.tile.factors[example]), residuals);
        s.store(g, &mut self.tile.slopes[plane * self.tile.count + example].0);
        let total = &mut self.totals[plane].0;
        s.store(s.add(s.load(total), g), total);
    }
}

/// With cross-entropy, g of all examples from their f.
pub(super) struct CrossEntropy<'a, 'b> {
    pub(super) finish: &'a mut Finish<'b>,
}

impl Kernel for CrossEntropy<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Finish { network, totals, tile, .. } = self.finish;
        let (count, classes) = (tile.count, network.layout.shape.classes);
        for example in 0..count {
            let place = Place { first: example, stride: count, classes };
            let (label, weight) = (tile.labels[example], tile.factors[example]);
            softmax::Slopes { rows: &mut tile.slopes, place, label, weight }.run(s);
            for (plane, total) in totals.iter_mut().enumerate() {
                let g = s.load(&tile.slopes[plane * count + example].0);
                s.store(s.add(s.load(&total.0), g), &mut total.0);
            }
        }
    }
}

/// g of all examples, from sums that were stored.
pub(super) struct Slopes<'a, 'b> {
    pub(super) sums: &'a [Row],
    pub(super) finish: &'a mut Finish<'b>,
}

impl Kernel for Slopes<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let classes = self.finish.network.layout.shape.classes;
        for example in 0..self.finish.tile.count {
            for (plane, sums) in self.sums[example * classes..][..classes].chunks(LANES).enumerate() {
                let totals = totals(s, sums);
                self.finish.slopes(s, plane, example, totals);
            }
        }
    }
}

/// The step of b₂; adds its z² to the distance.
#[inline(always)]
pub(super) fn update_bias<S: Simd>(
    s: S,
    network: &Network,
    buffers: &mut Buffers,
    update: Update,
    mut distance: S::D,
) -> S::D {
    for ((z, minimum), gradient) in buffers.bias.iter_mut().zip(&network.bias).zip(&mut buffers.bias_slopes) {
        let old = s.load(&z.0);
        let mut new = s.fnma(s.splat(update.drift), s.load(&gradient.0), old);
        if update.decay != 0.0 {
            new = s.fnma(s.splat(update.decay), s.add(s.load(&minimum.0), old), new);
        }
        distance = s.add_d(distance, s.widen(s.mul(new, new)));
        s.store(new, &mut z.0);
        *gradient = Row::ZERO;
    }
    distance
}
