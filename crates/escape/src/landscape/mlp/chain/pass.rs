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
use super::registers::by_size;
use super::row::Row;
use super::tile::{Tile, runs};
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

/// One pass: `back` on its way back, `forward` on its way to its slopes. After an update there is ‖z‖² in
/// [`Buffers::squares`].
#[inline(always)]
pub(super) fn pass<S: Simd, N: Number>(
    s: S,
    network: &Shared<N>,
    buffers: &mut Buffers<N>,
    back: Option<Backward<'_, N>>,
    mut forward: Option<&mut Tile<N>>,
) {
    let layout = network.layout;
    if let Some(update) = back.and_then(|back| back.update) {
        outputs::update_bias(s, network, buffers, update);
    }
    let mut start = 0;
    while start < layout.strips() {
        let end = layout.strips().min(start + BLOCK);
        for index in start..end {
            let tile = forward.as_deref();
            if layout.width(index) == 2 {
                Strip::<N, 2>::new(network, buffers, index, index - start).pass(s, back, tile);
            } else {
                Strip::<N, 1>::new(network, buffers, index, index - start).pass(s, back, tile);
            }
        }
        if let Some(tile) = forward.as_deref_mut() {
            add_block(s, network, buffers, tile, start, end);
        }
        start = end;
    }
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
    let (fresh, last, at_once) = (start == 0, end == layout.strips(), classes <= S::SQUARE_ROWS);
    let mut finish = Finish::new(network, &buffers.bias, &mut buffers.bias_slopes, tile);
    for rows in runs(classes, S::SQUARE_ROWS) {
        for vectors in runs(examples, S::SQUARE_VECTORS) {
            if rows.times == 0 || vectors.times == 0 {
                continue;
            }
            let finish = if last && at_once { Some(&mut finish) } else { None };
            macro_rules! outputs {
                ($V:literal, $R:ident) => {
                    s.call(Outputs::<N, $V, $R> {
                        classes,
                        rows,
                        vectors,
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
            by_size!(rows.len, S::SQUARE_ROWS, R => {
                if const { S::SQUARE_VECTORS == 2 } {
                    if vectors.len == 2 { outputs!(2, R) } else { outputs!(1, R) }
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
    squares: &'a mut [f64; LANES],
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
            squares: &mut buffers.squares,
            kept: layout.strips() <= BLOCK,
        }
    }

    #[inline(always)]
    fn pass<S: Simd>(mut self, s: S, back: Option<Backward<'_, N>>, forward: Option<&Tile<N>>) {
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
            let mut distance = s.load_d(self.squares);
            for square in &squares[..W] {
                distance = s.add_d(distance, s.widen(s.load(&square.0)));
            }
            s.store_d(distance, self.squares);
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
    }

    /// t of V groups.
    #[inline(always)]
    fn forward<S: Simd, const V: usize>(&mut self, s: S, tile: &Tile<N>, group: usize) {
        let (activation, inputs) = (self.network.activation, self.first.len() - 1);
        let (weights, bias) = (&self.first[..inputs], &self.first[inputs]);
        for run in tile.runs {
            if run.times == 0 {
                continue;
            }
            let (example, hidden) = (run.start, &mut self.hidden[run.range()]);
            by_size!(run.len, S::BLOCK_ROWS, R => {
                s.call(Hidden::<N, W, V, R> { activation, weights, bias, group, tile, example, hidden });
            });
        }
    }

    /// δ, the gradient and the new z of V groups. Adds z² to `squares`, row by row.
    #[inline(always)]
    fn back<S: Simd, const V: usize>(&mut self, s: S, back: Backward<'_, N>, group: usize, squares: &mut [Row; 2]) {
        let (activation, tile) = (self.network.activation, back.tile);
        for run in tile.runs {
            if run.times == 0 {
                continue;
            }
            let (example, weights) = (run.start, &*self.second);
            let (hidden, deltas) = (&self.hidden[run.range()], &mut self.deltas[run.range()]);
            by_size!(run.len, S::BLOCK_ROWS, R => {
                s.call(Deltas::<N, W, V, R> { activation, weights, group, tile, example, hidden, deltas });
            });
        }
        self.rows::<S, V>(s, back, group, Layer::Second, squares);
        self.rows::<S, V>(s, back, group, Layer::First, squares);
    }

    /// The gradient and the new z of V groups in a layer.
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(
        &mut self,
        s: S,
        back: Backward<'_, N>,
        group: usize,
        layer: Layer,
        squares: &mut [Row; 2],
    ) {
        let Backward { tile, fresh, update } = back;
        // Where the layer begins in a strip, what its units pass on, what goes with it, and where θ goes.
        let (offset, values, numbers, theta) = match layer {
            Layer::First => (0, &self.deltas[..tile.count], &tile.inputs, &mut *self.first),
            Layer::Second => (self.first.len(), &self.hidden[..tile.count], &tile.slopes, &mut *self.second),
        };
        for plane in 0..theta.len().div_ceil(LANES) {
            let (first, numbers) = (plane * LANES, &numbers[plane * tile.count..][..tile.count]);
            for run in runs(LANES.min(theta.len() - first), S::BLOCK_ROWS) {
                if run.times == 0 {
                    continue;
                }
                let rows = first + run.start..first + run.range().end;
                let in_strip = offset + rows.start..offset + rows.end;
                by_size!(run.len, S::BLOCK_ROWS, R => s.call(Rows::<N, W, V, R> {
                    values,
                    group,
                    numbers,
                    lane: run.start,
                    gradient: self.gradient.get_mut(in_strip.clone()),
                    fresh,
                    update,
                    minimum: &self.theta[in_strip.clone()],
                    z: &mut self.z[in_strip],
                    theta: &mut theta[rows],
                    squares,
                }));
            }
        }
    }
}

/// One of the two.
#[derive(Debug, Clone, Copy)]
enum Layer {
    /// W₁ and b₁.
    First,
    /// W₂.
    Second,
}

/// sum ← x + y.
#[inline(always)]
fn add_rows<S: Simd, const W: usize>(s: S, x: &[[Row; W]], y: &[[Row; W]], sum: &mut [[Row; W]]) {
    for ((x, y), sum) in x.as_flattened().iter().zip(y.as_flattened()).zip(sum.as_flattened_mut()) {
        s.store(s.add(s.load(&x.0), s.load(&y.0)), &mut sum.0);
    }
}
