//! A pass over the hidden units: ends a step, and begins the next.
//!
//! Once the outputs of a tile are known, the rest of the step goes strip by strip: δ, the gradient, the new z. And with
//! a strip's new z the next tile can go through the same strip at once, for which examples come next does not depend on
//! z. So parameters are read and written once a step, and a strip's activations give way to the next tile's in place.
//! Only the outputs, which are sums over all hidden units, have to wait for the end of the pass.

use super::buffers::{BLOCK, Buffers};
use super::network::Network;
use super::registers::{Block, add_gradient, add_layer, add_outputs, by_size, zeros};
use super::row::Row;
use super::tanh::tanh;
use super::tile::{Tile, pieces};
use crate::landscape::mlp::Activation;
use crate::simd::Simd;

/// The step to take along the gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    pub(super) drift: f32,
    /// drift · w · Σs.
    pub(super) decay: f32,
}

/// A tile that has its outputs, on its way back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backward<'a> {
    pub(super) tile: &'a Tile,
    /// Whether it is the first since the last update, whose gradient is added to nothing.
    pub(super) fresh: bool,
    /// After the last tile of a batch.
    pub(super) update: Option<Update>,
}

/// One pass: `back` on its way back, `forward` on its way to [`Buffers::sums`], which it must not be the same tile for.
/// Gives ‖z‖² without b₂, in sixteen partial sums; meaningful after an update.
#[inline(always)]
pub(super) fn pass<S: Simd>(
    s: S,
    network: &Network,
    buffers: &mut Buffers,
    back: Option<Backward<'_>>,
    forward: Option<&Tile>,
) -> S::D {
    let layout = network.layout;
    let mut distance = s.splat_d(0.0);
    let mut start = 0;
    while start < layout.strips() {
        let end = layout.strips().min(start + BLOCK);
        for index in start..end {
            let at = 2 * index * layout.rows();
            let width = layout.width(index);
            let rows = at..at + width * layout.rows();
            let gradient = if buffers.gradient.is_empty() { &mut [] } else { &mut buffers.gradient[rows.clone()] };
            let classes = layout.shape.classes;
            let strip = Strip {
                network,
                theta: &network.theta[rows.clone()],
                z: &mut buffers.z[rows],
                hidden: &mut buffers.hidden[2 * index * buffers.capacity..][..width * buffers.capacity],
                gradient,
                first: &mut buffers.first[..width * layout.first_rows()],
                second: &mut buffers.second[2 * (index - start) * classes..][..width * classes],
                deltas: &mut buffers.deltas,
            };
            if width == 2 {
                distance = strip.pass::<S, 2>(s, back, forward, distance);
            } else {
                distance = strip.pass::<S, 1>(s, back, forward, distance);
            }
        }
        if let Some(tile) = forward {
            add_block(s, network, buffers, tile, start, end);
        }
        start = end;
    }
    distance
}

/// Adds a block's part to the outputs of a tile.
#[inline(always)]
fn add_block<S: Simd>(s: S, network: &Network, buffers: &mut Buffers, tile: &Tile, start: usize, end: usize) {
    let (layout, capacity) = (network.layout, buffers.capacity);
    let classes = layout.shape.classes;
    let wide = if layout.width(end - 1) == 2 { end } else { end - 1 };
    let (second, second_narrow) = buffers.second.split_at(2 * (wide - start) * classes);
    let (hidden, hidden_narrow) = buffers.hidden[2 * start * capacity..].split_at(2 * (wide - start) * capacity);
    for chunk in &tile.chunks {
        let sums = &mut buffers.sums[chunk.start * classes..][..chunk.len * classes];
        for (class, count) in pieces(classes, S::BLOCK_VECTORS) {
            for (first, len) in pieces(chunk.len, S::BLOCK_ROWS) {
                let example = chunk.start + first;
                let part = Part { classes, class, capacity, example, len: chunk.len, first, fresh: start == 0 };
                let hidden = [hidden, hidden_narrow];
                by_size!(len, S, R => if count == 2 {
                    part.add::<S, 2, R>(s, sums, [second, second_narrow], hidden, wide < end);
                } else {
                    part.add::<S, 1, R>(s, sums, [second, second_narrow], hidden, wide < end);
                });
            }
        }
    }
}

/// Some outputs of some examples.
#[derive(Clone, Copy)]
struct Part {
    classes: usize,
    class: usize,
    capacity: usize,
    /// In the tile.
    example: usize,
    /// Examples of the chunk.
    len: usize,
    /// In the chunk.
    first: usize,
    fresh: bool,
}

impl Part {
    #[inline(always)]
    fn add<S: Simd, const V: usize, const R: usize>(
        self,
        s: S,
        sums: &mut [Row],
        second: [&[Row]; 2],
        hidden: [&[Row]; 2],
        narrow: bool,
    ) {
        let mut block = zeros::<S, V, R>(s);
        if !self.fresh {
            for v in 0..V {
                let sums = &sums[(self.class + v) * self.len + self.first..][..R];
                for r in 0..R {
                    block[v][r] = s.load(&sums[r].0);
                }
            }
        }
        let strips = second[0].chunks_exact(2 * self.classes).zip(hidden[0].chunks_exact(2 * self.capacity));
        for (weights, hidden) in strips {
            self.add_strip::<S, 2, V, R>(s, &mut block, weights, hidden);
        }
        if narrow {
            self.add_strip::<S, 1, V, R>(s, &mut block, second[1], hidden[1]);
        }
        for v in 0..V {
            let sums = &mut sums[(self.class + v) * self.len + self.first..][..R];
            for r in 0..R {
                s.store(block[v][r], &mut sums[r].0);
            }
        }
    }

    #[inline(always)]
    fn add_strip<S: Simd, const W: usize, const V: usize, const R: usize>(
        self,
        s: S,
        block: &mut Block<S, V, R>,
        weights: &[Row],
        hidden: &[Row],
    ) {
        let weights = weights.as_chunks::<W>().0[self.class..].first_chunk::<V>();
        let hidden = hidden.as_chunks::<W>().0[self.example..].first_chunk::<R>();
        if let (Some(weights), Some(hidden)) = (weights, hidden) {
            add_outputs::<S, W, V, R>(s, block, weights, hidden);
        }
    }
}

/// What a pass needs of one strip, of one or two groups.
struct Strip<'a> {
    network: &'a Network,
    theta: &'a [Row],
    z: &'a mut [Row],
    hidden: &'a mut [Row],
    gradient: &'a mut [Row],
    first: &'a mut [Row],
    second: &'a mut [Row],
    deltas: &'a mut [Row],
}

impl Strip<'_> {
    #[inline(always)]
    fn pass<S: Simd, const W: usize>(
        mut self,
        s: S,
        back: Option<Backward<'_>>,
        forward: Option<&Tile>,
        distance: S::D,
    ) -> S::D {
        let layout = self.network.layout;
        let first_rows = W * layout.first_rows();
        if back.is_none_or(|back| back.update.is_none()) {
            add_rows(s, &self.theta[..first_rows], &self.z[..first_rows], self.first);
        }
        add_rows(s, &self.theta[first_rows..], &self.z[first_rows..], self.second);
        let mut distance = distance;
        if let Some(back) = back {
            let squares = if W == 2 && S::BLOCK_VECTORS == 2 {
                let mut squares = [s.splat(0.0); 2];
                self.back::<S, W, 2>(s, back, 0, &mut squares);
                squares
            } else {
                let mut squares = [s.splat(0.0); 2];
                for group in 0..W {
                    let mut square = [s.splat(0.0)];
                    self.back::<S, W, 1>(s, back, group, &mut square);
                    squares[group] = square[0];
                }
                squares
            };
            for square in squares {
                distance = s.add_d(distance, s.widen(square));
            }
        }
        if let Some(tile) = forward {
            if W == 2 && S::BLOCK_VECTORS == 2 {
                self.forward::<S, W, 2>(s, tile, 0);
            } else {
                for group in 0..W {
                    self.forward::<S, W, 1>(s, tile, group);
                }
            }
        }
        distance
    }

    /// t of V groups.
    #[inline(always)]
    fn forward<S: Simd, const W: usize, const V: usize>(&mut self, s: S, tile: &Tile, group: usize) {
        let layout = self.network.layout;
        let (weights, bias) = self.first.split_at(W * layout.shape.inputs);
        let mut start = [s.splat(0.0); V];
        for v in 0..V {
            start[v] = s.load(&bias[group + v].0);
        }
        for (chunk, inputs) in tile.chunks.iter().zip(tile.inputs.chunks_exact(layout.first_rows())) {
            for (first, len) in pieces(chunk.len, S::BLOCK_ROWS) {
                let hidden = &mut self.hidden.as_chunks_mut::<W>().0[chunk.start + first..][..len];
                by_size!(len, S, R => {
                    let mut block: Block<S, V, R> = start.map(|start| [start; R]);
                    add_layer::<S, W, V, R>(s, &mut block, weights, group, inputs, first);
                    for (r, hidden) in hidden.iter_mut().enumerate().take(R) {
                        for v in 0..V {
                            let t = match self.network.activation {
                                // Zero first, so that NaN is kept.
                                Activation::Relu => s.max(s.splat(0.0), block[v][r]),
                                Activation::Tanh => block[v][r],
                            };
                            s.store(t, &mut hidden[group + v].0);
                        }
                    }
                });
                if self.network.activation == Activation::Tanh {
                    for hidden in hidden {
                        for row in &mut hidden[group..group + V] {
                            s.store(tanh(s, s.load(&row.0)), &mut row.0);
                        }
                    }
                }
            }
        }
    }

    /// δ, the gradient and the new z of V groups. Adds z² to `squares`, row by row.
    #[inline(always)]
    fn back<S: Simd, const W: usize, const V: usize>(
        &mut self,
        s: S,
        back: Backward<'_>,
        group: usize,
        squares: &mut [S::F; V],
    ) {
        let layout = self.network.layout;
        let (classes, first_rows) = (layout.shape.classes, layout.first_rows());
        for (chunk, slopes) in back.tile.chunks.iter().zip(back.tile.slopes.chunks_exact(classes)) {
            for (first, len) in pieces(chunk.len, S::BLOCK_ROWS) {
                let at = chunk.start + first;
                let hidden = &self.hidden.as_chunks::<W>().0[at..][..len];
                let deltas = &mut self.deltas.as_chunks_mut::<W>().0[at..][..len];
                by_size!(len, S, R => {
                    let mut block = zeros::<S, V, R>(s);
                    add_layer::<S, W, V, R>(s, &mut block, self.second, group, slopes, first);
                    for (r, (hidden, deltas)) in hidden.iter().zip(deltas).enumerate().take(R) {
                        for v in 0..V {
                            let t = s.load(&hidden[group + v].0);
                            let delta = match self.network.activation {
                                Activation::Relu => s.select(s.le(t, s.splat(0.0)), s.splat(0.0), block[v][r]),
                                Activation::Tanh => s.mul(s.fnma(t, t, s.splat(1.0)), block[v][r]),
                            };
                            s.store(delta, &mut deltas[group + v].0);
                        }
                    }
                });
            }
        }
        for (row, count) in pieces(classes, S::BLOCK_ROWS) {
            by_size!(count, S, R => {
                let rows = Rows { numbers: &back.tile.slopes, stride: classes, row, offset: W * first_rows };
                self.rows::<S, W, V, R>(s, back, group, rows, true, squares);
            });
        }
        for (row, count) in pieces(first_rows, S::BLOCK_ROWS) {
            by_size!(count, S, R => {
                let rows = Rows { numbers: &back.tile.inputs, stride: first_rows, row, offset: 0 };
                self.rows::<S, W, V, R>(s, back, group, rows, false, squares);
            });
        }
    }

    /// The gradient of R rows of V groups, and then their new z, if it is time for that.
    #[inline(always)]
    fn rows<S: Simd, const W: usize, const V: usize, const R: usize>(
        &mut self,
        s: S,
        back: Backward<'_>,
        group: usize,
        rows: Rows<'_>,
        second: bool,
        squares: &mut [S::F; V],
    ) {
        let mut block = zeros::<S, V, R>(s);
        let range = rows.offset + W * rows.row..rows.offset + W * (rows.row + R);
        if !back.fresh {
            let gradient = self.gradient[range.clone()].as_chunks::<W>().0;
            for (r, gradient) in gradient.iter().enumerate().take(R) {
                for v in 0..V {
                    block[v][r] = s.load(&gradient[group + v].0);
                }
            }
        }
        let values = if second { &*self.hidden } else { &*self.deltas };
        for (chunk, numbers) in back.tile.chunks.iter().zip(rows.numbers.chunks_exact(rows.stride)) {
            if let Some(numbers) = numbers[rows.row..].first_chunk::<R>() {
                let values = &values[W * chunk.start..][..W * chunk.len];
                add_gradient::<S, W, V, R>(s, &mut block, values, group, numbers);
            }
        }
        let Some(update) = back.update else {
            let gradient = self.gradient[range].as_chunks_mut::<W>().0;
            for (r, gradient) in gradient.iter_mut().enumerate().take(R) {
                for v in 0..V {
                    s.store(block[v][r], &mut gradient[group + v].0);
                }
            }
            return;
        };
        let (drift, decay) = (s.splat(update.drift), s.splat(update.decay));
        let minimum = self.theta[range.clone()].as_chunks::<W>().0;
        let z = self.z[range].as_chunks_mut::<W>().0;
        let theta = if second { &mut *self.second } else { &mut *self.first };
        let theta = theta[W * rows.row..][..W * R].as_chunks_mut::<W>().0;
        for (r, ((minimum, z), theta)) in minimum.iter().zip(z).zip(theta).enumerate().take(R) {
            for v in 0..V {
                let minimum = s.load(&minimum[group + v].0);
                let old = s.load(&z[group + v].0);
                let mut new = s.fnma(drift, block[v][r], old);
                if update.decay != 0.0 {
                    new = s.fnma(decay, s.add(minimum, old), new);
                }
                squares[v] = s.fma(new, new, squares[v]);
                s.store(new, &mut z[group + v].0);
                s.store(s.add(minimum, new), &mut theta[group + v].0);
            }
        }
    }
}

/// What the values of hidden units are multiplied with for a gradient: R rows from `row` on, of `stride` a chunk.
#[derive(Clone, Copy)]
struct Rows<'a> {
    numbers: &'a [Row],
    stride: usize,
    row: usize,
    /// Where they begin in a strip.
    offset: usize,
}

/// sum ← x + y.
#[inline(always)]
fn add_rows<S: Simd>(s: S, x: &[Row], y: &[Row], sum: &mut [Row]) {
    for ((x, y), sum) in x.iter().zip(y).zip(sum) {
        s.store(s.add(s.load(&x.0), s.load(&y.0)), &mut sum.0);
    }
}

