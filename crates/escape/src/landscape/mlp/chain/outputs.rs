//! What is between the way forward and the way back: the outputs, their slopes, and b₂.

use super::buffers::Buffers;
use super::network::Network;
use super::pass::Update;
use super::row::Row;
use super::tile::Tile;
use crate::simd::{LANES, Simd};

/// g of a tile that has gone forward; adds it up for b₂.
#[inline(always)]
pub(super) fn slopes<S: Simd>(s: S, network: &Network, buffers: &mut Buffers, tile: &mut Tile) {
    let classes = network.layout.shape.classes;
    let rows = tile.slopes.chunks_exact_mut(classes).zip(tile.targets.chunks_exact(classes));
    for ((chunk, factor), (slopes, targets)) in tile.chunks.iter().zip(&tile.factors).zip(rows) {
        let factor = s.load(&factor.0);
        let sums = buffers.sums[chunk.start * classes..].chunks_exact(chunk.len);
        let outputs = slopes.iter_mut().zip(targets).zip(&mut buffers.bias_slopes);
        for ((class, sums), ((slope, target), total)) in sums.enumerate().zip(outputs) {
            let bias = network.bias[class / LANES].0[class % LANES] + buffers.bias[class / LANES].0[class % LANES];
            let f = s.add(totals(s, sums), s.splat(bias));
            let g = s.mul(factor, s.sub(f, s.load(&target.0)));
            s.store(g, &mut slope.0);
            s.store(s.add(s.load(&total.0), g), &mut total.0);
        }
    }
}

/// Lane l is the total of row l; 0 where there is none.
#[inline(always)]
fn totals<S: Simd>(s: S, rows: &[Row]) -> S::F {
    let mut x = [s.splat(0.0); LANES];
    for (x, row) in x.iter_mut().zip(rows) {
        *x = s.load(&row.0);
    }
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
