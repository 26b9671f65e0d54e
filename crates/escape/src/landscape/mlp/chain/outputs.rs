//! What is between the way forward and the way back: the outputs, their slopes, and b₂.

use super::buffers::Buffers;
use super::network::Network;
use super::pass::Update;
use super::registers::{by_size, unroll, window};
use super::row::Row;
use super::tile::Tile;
use crate::simd::{LANES, MAX_BLOCK_ROWS, Simd};

/// g of a tile that has gone forward; adds it up for b₂.
#[inline(always)]
pub(super) fn slopes<S: Simd>(s: S, network: &Network, buffers: &mut Buffers, tile: &mut Tile) {
    let classes = network.layout.shape.classes;
    for (index, chunk) in tile.chunks.iter().enumerate() {
        let factor = s.load(&tile.factors[index].0);
        let sums = &buffers.sums[chunk.start * classes..][..chunk.len * classes];
        let slopes = &mut tile.slopes[index * classes..][..classes];
        let targets = &tile.targets[index * classes..][..classes];
        for class in 0..classes {
            let bias = network.bias[class / LANES].0[class % LANES] + buffers.bias[class / LANES].0[class % LANES];
            let total = by_size!(chunk.len, MAX_BLOCK_ROWS, R => totals::<S, R>(s, window(sums, class * chunk.len)));
            let f = s.add(total, s.splat(bias));
            let g = s.mul(factor, s.sub(f, s.load(&targets[class].0)));
            s.store(g, &mut slopes[class].0);
            let total = &mut buffers.bias_slopes[class].0;
            s.store(s.add(s.load(total), g), total);
        }
    }
}

/// Lane l is the total of row l; 0 where there is none.
#[inline(always)]
fn totals<S: Simd, const R: usize>(s: S, rows: &[Row; R]) -> S::F {
    let mut x = [s.splat(0.0); LANES];
    unroll!(r in R {
        x[r] = s.load(&rows[r].0);
    });
    s.totals(x)
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
    let slopes = buffers.bias_slopes.as_chunks_mut::<LANES>().0;
    for ((z, minimum), slopes) in buffers.bias.iter_mut().zip(&network.bias).zip(slopes) {
        let gradient = totals(s, slopes);
        *slopes = [Row::ZERO; LANES];
        let old = s.load(&z.0);
        let mut new = s.fnma(s.splat(update.drift), gradient, old);
        if update.decay != 0.0 {
            new = s.fnma(s.splat(update.decay), s.add(s.load(&minimum.0), old), new);
        }
        distance = s.add_d(distance, s.widen(s.mul(new, new)));
        s.store(new, &mut z.0);
    }
    distance
}
