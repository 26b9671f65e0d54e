//! What is between the way forward and the way back: the outputs, their slopes, and b₂.

use super::buffers::Buffers;
use super::network::Network;
use super::pass::Update;
use super::registers::{by_size, unroll, window};
use super::row::Row;
use super::tile::Tile;
use crate::simd::{Kernel, LANES, Simd};

/// Rows with a 1 in one lane.
const UNITS: [Row; LANES] = {
    let mut units = [Row::ZERO; LANES];
    let mut lane = 0;
    while lane < LANES {
        units[lane].0[lane] = 1.0;
        lane += 1;
    }
    units
};

/// g of a tile that has gone forward, for one plane of classes; adds it up for b₂.
pub(super) struct Slopes<'a> {
    pub(super) network: &'a Network,
    pub(super) plane: usize,
    pub(super) buffers: &'a mut Buffers,
    pub(super) tile: &'a mut Tile,
}

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let classes = self.network.layout.shape.classes;
        let here = (classes - self.plane * LANES).min(LANES);
        by_size!(here, LANES, R => self.slopes::<S, R>(s));
    }
}

impl Slopes<'_> {
    #[inline(always)]
    fn slopes<S: Simd, const R: usize>(self, s: S) {
        let Self { network, plane, buffers, tile } = self;
        let first = plane * LANES;
        let bias = s.add(s.load(&network.bias[plane].0), s.load(&buffers.bias[plane].0));
        let mut total = s.load(&buffers.bias_slopes[plane].0);
        let slopes = tile.slopes[plane * tile.count..].iter_mut().zip(tile.labels.iter().zip(&tile.factors));
        let sums = buffers.sums.chunks_exact(network.layout.shape.classes);
        for (sums, (slopes, (label, factor))) in sums.zip(slopes) {
            let sums: &[Row; R] = window(sums, first);
            let mut x = [s.splat(0.0); LANES];
            unroll!(r in R {
                x[r] = s.load(&sums[r].0);
            });
            let lane = (*label as usize).wrapping_sub(first);
            let target = UNITS.get(lane).unwrap_or(&Row::ZERO);
            let residuals = s.sub(s.add(s.totals(x), bias), s.load(&target.0));
            let g = s.mul(s.splat(*factor), residuals);
            s.store(g, &mut slopes.0);
            total = s.add(total, g);
        }
        s.store(total, &mut buffers.bias_slopes[plane].0);
    }
}

/// g of a tile that has gone forward.
#[inline(always)]
pub(super) fn slopes<S: Simd>(s: S, network: &Network, buffers: &mut Buffers, tile: &mut Tile) {
    for plane in 0..network.layout.class_planes() {
        s.call(Slopes { network, plane, buffers, tile });
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
