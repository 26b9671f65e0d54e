//! What is between the way forward and the way back: the outputs, their slopes, and b₂.

use super::buffers::Buffers;
use super::network::Shared;
use super::number::Number;
use super::pass::Update;
use super::registers::{by_size, unroll, window};
use super::row::{Numbers, Row};
use super::softmax::{self, Place};
use super::tile::{Tile, target};
use crate::landscape::mlp::Loss;
use crate::simd::{Kernel, LANES, Simd};

/// The totals of up to sixteen rows, and 0 where there is none.
#[inline(always)]
pub(super) fn totals<S: Simd, N: Number>(s: S, rows: &[Row]) -> [S::F; 4] {
    by_size!(rows.len(), LANES, R => totals_of::<S, N, R>(s, window(rows, 0)))
}

#[inline(always)]
fn totals_of<S: Simd, N: Number, const R: usize>(s: S, rows: &[Row; R]) -> [S::F; 4] {
    let mut x = [s.splat(0.0); LANES];
    unroll!(r in R {
        x[r] = s.load(&rows[r].0);
    });
    N::totals(s, x)
}

/// What it takes to turn the sums of W₂t into g, for a tile that has gone forward.
pub(super) struct Finish<'a, N> {
    network: &'a Shared<N>,
    /// b₂ of z.
    bias: &'a [Numbers<N>],
    /// Σg, for b₂.
    totals: &'a mut [Numbers<N>],
    tile: &'a mut Tile<N>,
}

impl<'a, N: Number> Finish<'a, N> {
    pub(super) fn new(
        network: &'a Shared<N>,
        bias: &'a [Numbers<N>],
        totals: &'a mut [Numbers<N>],
        tile: &'a mut Tile<N>,
    ) -> Self {
        Self { network, bias, totals, tile }
    }

    /// Whether f is to stay where g would go.
    pub(super) fn keeps_outputs(&self) -> bool {
        self.tile.keeps_outputs
    }

    /// g of one example in one plane of classes, from W₂t; with cross-entropy, f.
    #[inline(always)]
    pub(super) fn slopes<S: Simd>(&mut self, s: S, plane: usize, example: usize, sums: [S::F; 4]) {
        self.part(s, plane, 0, example, sums[0]);
        if const { N::CHAINS == 4 } {
            self.part(s, plane, 1, example, sums[1]);
            self.part(s, plane, 2, example, sums[2]);
            self.part(s, plane, 3, example, sums[3]);
        }
    }

    /// The same for one of the vectors of a plane. Where it has no class there is nothing to do: zeros stay there.
    #[inline(always)]
    fn part<S: Simd>(&mut self, s: S, plane: usize, part: usize, example: usize, sums: S::F) {
        if plane * LANES + part * N::UNITS >= self.network.layout.shape.classes {
            return;
        }
        let at = plane * self.tile.count + example;
        let bias = s.add(s.load(&self.network.bias[plane].rows()[part]), s.load(&self.bias[plane].rows()[part]));
        let outputs = s.add(sums, bias);
        let slopes = &mut self.tile.slopes[at].rows_mut()[part];
        if self.network.loss_function == Loss::CrossEntropy {
            s.store(outputs, slopes);
            return;
        }
        let residuals = s.sub(outputs, target(s, self.tile.labels[example], plane, part));
        let g = s.mul(s.splat(self.tile.factors[example]), residuals);
        s.store(g, slopes);
        let total = &mut self.totals[plane].rows_mut()[part];
        s.store(s.add(s.load(total), g), total);
    }
}

/// With cross-entropy, g of all examples from their f.
pub(super) struct CrossEntropy<'a, 'b, N> {
    pub(super) finish: &'a mut Finish<'b, N>,
}

impl<N: Number> Kernel for CrossEntropy<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Finish { network, totals, tile, .. } = self.finish;
        let (count, classes) = (tile.count, network.layout.shape.classes);
        for example in 0..count {
            let place = Place { first: example, stride: count, classes };
            let (label, weight) = (tile.labels[example], tile.factors[example]);
            softmax::Slopes { outputs: &mut tile.slopes, label, place, weight }.run(s);
            for (plane, total) in totals.iter_mut().enumerate() {
                let slopes = tile.slopes[plane * count + example].rows();
                for (total, g) in total.rows_mut().iter_mut().zip(slopes) {
                    s.store(s.add(s.load(total), s.load(g)), total);
                }
            }
        }
    }
}

/// g of all examples, from sums that were stored.
pub(super) struct Slopes<'a, 'b, N> {
    pub(super) sums: &'a [Row],
    pub(super) finish: &'a mut Finish<'b, N>,
}

impl<N: Number> Kernel for Slopes<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let classes = self.finish.network.layout.shape.classes;
        for example in 0..self.finish.tile.count {
            for (plane, sums) in self.sums[example * classes..][..classes].chunks(LANES).enumerate() {
                let totals = totals::<S, N>(s, sums);
                self.finish.slopes(s, plane, example, totals);
            }
        }
    }
}

/// The step of b₂, whose z² are the first of [`Buffers::squares`].
#[inline(always)]
pub(super) fn update_bias<S: Simd, N: Number>(s: S, network: &Shared<N>, buffers: &mut Buffers<N>, update: Update) {
    let mut distance = s.splat_d(0.0);
    for ((z, minimum), gradient) in buffers.bias.iter_mut().zip(&network.bias).zip(&mut buffers.bias_slopes) {
        for ((z, minimum), gradient) in z.rows_mut().iter_mut().zip(minimum.rows()).zip(gradient.rows()) {
            let old = s.load(z);
            let mut new = s.fnma(s.splat(update.drift), s.load(gradient), old);
            if update.decay != 0.0 {
                new = s.fnma(s.splat(update.decay), s.add(s.load(minimum), old), new);
            }
            distance = s.add_d(distance, s.widen(s.mul(new, new)));
            s.store(new, z);
        }
        *gradient = Numbers::ZERO;
    }
    s.store_d(distance, &mut buffers.squares);
}
