//! A pass over the hidden units: ends a step, and begins the next.
//!
//! Once the outputs of a tile are known, the rest of the step goes strip by strip: δ, the gradient, the new z. And with
//! a strip's new z the next tile can go through the same strip at once, for which examples come next does not depend on
//! z. So parameters are read and written once a step, and a strip's activations give way to the next tile's in place.
//! Only the outputs, which are sums over all hidden units, have to wait for the end of the pass.

use super::backward::{Deltas, Rows};
use super::buffers::{BLOCK, Buffers};
use super::forward::{Hidden, Outputs};
use super::network::Shared;
use super::number::Number;
use super::outputs::{self, CrossEntropy, Finish, Slopes};
use super::registers::{by_size, window, window_mut};
use super::row::Row;
use super::tile::{Tile, pieces};
use crate::landscape::mlp::Loss;
use crate::simd::{LANES, Simd};

/// The step to take along the gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Update {
    pub(super) drift: f32,
    /// drift · w · Σs.
    pub(super) decay: f32,
}

/// A tile that has its outputs, on its way back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backward<'a, N> {
    pub(super) tile: &'a Tile<N>,
    /// Whether it is the first since the last update, whose gradient is added to nothing.
    pub(super) fresh: bool,
    /// After the last tile of a batch.
    pub(super) update: Option<Update>,
}

/// One pass: `back` on its way back, `forward` on its way to its slopes. Gives ‖z‖² in sixteen partial sums; meaningful
/// after an update.
#[inline(always)]
pub(super) fn pass<S: Simd, N: Number>(
    s: S,
    network: &Shared<N>,
    buffers: &mut Buffers<N>,
    back: Option<Backward<'_, N>>,
    mut forward: Option<&mut Tile<N>>,
) -> S::D {
    let layout = network.layout;
    let mut distance = s.splat_d(0.0);
    if let Some(update) = back.and_then(|back| back.update) {
        distance = outputs::update_bias(s, network, buffers, update, distance);
    }
    let mut start = 0;
    while start < layout.strips() {
        let end = layout.strips().min(start + BLOCK);
        for index in start..end {
            let tile = forward.as_deref();
            distance = if layout.width(index) == 2 {
                Strip::<N, 2>::new(network, buffers, index, index - start).pass(s, back, tile, distance)
            } else {
                Strip::<N, 1>::new(network, buffers, index, index - start).pass(s, back, tile, distance)
            };
        }
        if let Some(tile) = forward.as_deref_mut() {
            add_block(s, network, buffers, tile, start, end);
        }
        start = end;
    }
    distance
}

/// Adds a block's part to the outputs of a tile; after the last, turns them into slopes.
#[inline(always)]
fn add_block<S: Simd, N: Number>(
    s: S,
    network: &Shared<N>,
    buffers: &mut Buffers<N>,
    tile: &mut Tile<N>,
    start: usize,
    end: usize,
) {
    let (layout, capacity) = (network.layout, buffers.capacity);
    let classes = layout.shape.classes;
    let groups = layout.groups.min(2 * end) - 2 * start;
    let (weights, hidden) = (&buffers.second[..], &buffers.hidden[2 * start * capacity..]);
    let (sums, examples) = (&mut buffers.sums[..], tile.count);
    let (fresh, last, at_once) = (start == 0, end == layout.strips(), classes <= S::BLOCK_ROWS);
    let mut finish = Finish::new(network, &buffers.bias, &mut buffers.bias_slopes, tile);
    for (class, len) in pieces(classes, S::BLOCK_ROWS) {
        for (example, count) in pieces(examples, S::BLOCK_VECTORS) {
            let finish = if last && at_once { Some(&mut finish) } else { None };
            macro_rules! outputs {
                ($V:literal, $R:ident) => {
                    s.call(Outputs::<N, $V, $R> {
                        classes,
                        class,
                        example,
                        capacity,
                        groups,
                        weights,
                        hidden,
                        fresh,
                        sums,
                        finish,
                    })
                };
            }
            by_size!(len, S::BLOCK_ROWS, R => {
                if const { S::BLOCK_VECTORS == 2 } {
                    if count == 2 { outputs!(2, R) } else { outputs!(1, R) }
                } else {
                    outputs!(1, R);
                }
            });
        }
    }
    if last && !at_once {
        s.call(Slopes { sums, finish: &mut finish });
    }
    if last && network.loss_function == Loss::CrossEntropy && !finish.keeps_outputs() {
        s.call(CrossEntropy { finish: &mut finish });
    }
}

/// What a pass needs of one strip, of W groups.
struct Strip<'a, N, const W: usize> {
    network: &'a Shared<N>,
    theta: &'a [[Row; W]],
    z: &'a mut [[Row; W]],
    hidden: &'a mut [[Row; W]],
    gradient: &'a mut [[Row; W]],
    first: &'a mut [[Row; W]],
    second: &'a mut [[Row; W]],
    deltas: &'a mut [[Row; W]],
    /// Whether `second` is still there from the last pass: so it is where one block is all.
    kept: bool,
}

impl<'a, N: Number, const W: usize> Strip<'a, N, W> {
    #[inline(always)]
    fn new(network: &'a Shared<N>, buffers: &'a mut Buffers<N>, index: usize, in_block: usize) -> Self {
        let layout = network.layout;
        let (classes, capacity) = (layout.shape.classes, buffers.capacity);
        let rows = 2 * index * layout.rows()..(2 * index + W) * layout.rows();
        let gradient = if buffers.gradient.is_empty() { &mut [] } else { &mut buffers.gradient[rows.clone()] };
        Self {
            network,
            theta: network.theta[rows.clone()].as_chunks().0,
            z: buffers.z[rows].as_chunks_mut().0,
            hidden: buffers.hidden[2 * index * capacity..][..W * capacity].as_chunks_mut().0,
            gradient: gradient.as_chunks_mut().0,
            first: buffers.first[..W * layout.first_rows()].as_chunks_mut().0,
            second: buffers.second[2 * in_block * classes..][..W * classes].as_chunks_mut().0,
            deltas: buffers.deltas.as_chunks_mut().0,
            kept: layout.strips() <= BLOCK,
        }
    }

    #[inline(always)]
    fn pass<S: Simd>(
        mut self,
        s: S,
        back: Option<Backward<'_, N>>,
        forward: Option<&Tile<N>>,
        mut distance: S::D,
    ) -> S::D {
        let (theta_first, theta_second) = self.theta.split_at(self.first.len());
        let (z_first, z_second) = self.z.split_at(self.first.len());
        if back.is_none_or(|back| back.update.is_none()) {
            add_rows(s, theta_first, z_first, self.first);
        }
        if !self.kept || back.is_none() {
            add_rows(s, theta_second, z_second, self.second);
        }
        if let Some(back) = back {
            let mut squares = [Row::ZERO; 2];
            if const { W == 2 && S::BLOCK_VECTORS == 2 } {
                self.back::<S, 2>(s, back, 0, &mut squares);
            } else {
                for group in 0..W {
                    self.back::<S, 1>(s, back, group, &mut squares);
                }
            }
            for square in &squares[..W] {
                distance = s.add_d(distance, s.widen(s.load(&square.0)));
            }
        }
        if let Some(tile) = forward {
            if const { W == 2 && S::BLOCK_VECTORS == 2 } {
                self.forward::<S, 2>(s, tile, 0);
            } else {
                for group in 0..W {
                    self.forward::<S, 1>(s, tile, group);
                }
            }
        }
        distance
    }

    /// t of V groups.
    #[inline(always)]
    fn forward<S: Simd, const V: usize>(&mut self, s: S, tile: &Tile<N>, group: usize) {
        let (activation, inputs) = (self.network.activation, self.first.len() - 1);
        let (weights, bias) = (&self.first[..inputs], &self.first[inputs]);
        for (example, len) in pieces(tile.count, S::BLOCK_ROWS) {
            by_size!(len, S::BLOCK_ROWS, R => {
                let hidden = window_mut(self.hidden, example);
                s.call(Hidden::<N, W, V, R> { activation, weights, bias, group, tile, example, hidden });
            });
        }
    }

    /// δ, the gradient and the new z of V groups. Adds z² to `squares`, row by row.
    #[inline(always)]
    fn back<S: Simd, const V: usize>(&mut self, s: S, back: Backward<'_, N>, group: usize, squares: &mut [Row; 2]) {
        let (activation, first_rows) = (self.network.activation, self.first.len());
        let Backward { tile, fresh, update } = back;
        for (example, len) in pieces(tile.count, S::BLOCK_ROWS) {
            let weights = &*self.second;
            by_size!(len, S::BLOCK_ROWS, R => {
                let (hidden, deltas) = (window(self.hidden, example), window_mut(self.deltas, example));
                s.call(Deltas::<N, W, V, R> { activation, weights, group, tile, example, hidden, deltas });
            });
        }
        // What of: values, numbers, where θ goes, and where its rows begin in a strip.
        let second = (&self.hidden[..tile.count], &tile.slopes, &mut *self.second, first_rows);
        let first = (&self.deltas[..tile.count], &tile.inputs, &mut *self.first, 0);
        for (values, numbers, theta, offset) in [second, first] {
            for (plane, numbers) in numbers.chunks_exact(tile.count).enumerate() {
                let rows = LANES.min(theta.len() - plane * LANES);
                for (lane, count) in pieces(rows, S::BLOCK_ROWS) {
                    let row = plane * LANES + lane;
                    let has_gradient = !self.gradient.is_empty();
                    by_size!(count, S::BLOCK_ROWS, R => s.call(Rows::<N, W, V, R> {
                        values,
                        group,
                        numbers,
                        lane,
                        gradient: has_gradient.then(|| window_mut(self.gradient, offset + row)),
                        fresh,
                        update,
                        minimum: window(self.theta, offset + row),
                        z: window_mut(self.z, offset + row),
                        theta: window_mut(theta, row),
                        squares,
                    }));
                }
            }
        }
    }
}

/// sum ← x + y.
#[inline(always)]
fn add_rows<S: Simd, const W: usize>(s: S, x: &[[Row; W]], y: &[[Row; W]], sum: &mut [[Row; W]]) {
    for ((x, y), sum) in x.as_flattened().iter().zip(y.as_flattened()).zip(sum.as_flattened_mut()) {
        s.store(s.add(s.load(&x.0), s.load(&y.0)), &mut sum.0);
    }
}
