//! The dense Hessian of a small network, put together from the structure of one hidden layer.
//!
//! With x̃ = (x, 1), t̃ = (t, 1), g = ∂ℓ/∂f and M = ∂g/∂f, an example's part in H is
//!
//! | between | and | is |
//! | --- | --- | --- |
//! | the weight from x̃_i to unit h | that from x̃_j to unit k | x̃_i x̃_j (φ′_h φ′_k (W₂ᵀMW₂)_hk + \[h = k\] φ″_h (W₂ᵀg)_h) |
//! | that from t̃_h to output c | that from x̃_j to unit k | x̃_j φ′_k (t̃_h (MW₂)_ck + \[h = k\] g_c) |
//! | that from t̃_h to output c | that from t̃_k to output c′ | M_cc′ t̃_h t̃_k |
//!
//! which is less than d²/2 multiplications, where d Hessian-vector products take about ten d². M is had from the R-operator, along
//! each output's bias, so nothing here knows the loss.

use rayon::prelude::*;

use super::block::{BLOCK, Block, PerExample, add_all};
use super::lanes::{self, LANES, Lanes};
use super::model::Model;
use super::packed::{self, Packed};
use super::shape::Shape;
use super::tangent::Tangent;

/// The most parameters that a Hessian is formed for: 128 MiB of it, and some 70 MiB on the way.
pub const MAX_DENSE: usize = 4096;

/// Blocks of examples in a wave, and entries of M in all of them, at most. Changing them changes no bits.
const WAVE: usize = 16;
const WAVE_ENTRIES: usize = 1 << 16;

impl Model {
    /// H(θ), d × d, row by row and exactly symmetric. `None` for more than [`MAX_DENSE`] parameters.
    ///
    /// It agrees with [`hessian_vector`](Self::hessian_vector) to rounding. The work is spread over rayon's current pool,
    /// entry by entry; every sum is taken in the order of the examples, to the same bits in any pool.
    ///
    /// # Panics
    /// Unless θ has length [`dim`](Self::dim).
    pub fn dense_hessian(&self, theta: &[f64]) -> Option<Vec<f64>> {
        let (shape, d, n) = (self.shape(), self.dim(), self.examples().len());
        assert_eq!(theta.len(), d, "a vector of another length than theta");
        if d > MAX_DENSE {
            return None;
        }
        let along_biases: Vec<Packed> = (0..shape.classes)
            .map(|c| {
                let mut direction = Packed::new(shape);
                direction.output_bias[c] = 1.0;
                direction
            })
            .collect();
        let mut parameters = Packed::new(shape);
        self.pack(&mut parameters, theta);
        let w2 = &theta[(shape.inputs + 1) * shape.hidden..];
        let mut parts = Part::all(shape);
        let most = (WAVE_ENTRIES / (shape.classes * shape.classes)).clamp(1, WAVE);
        let mut wave = vec![Terms::new(shape); most.min(n.div_ceil(BLOCK))];
        for first in (0..n).step_by(most * BLOCK) {
            let blocks = most.min((n - first).div_ceil(BLOCK));
            wave[..blocks].par_iter_mut().enumerate().for_each_init(
                || self.workspace(),
                |workspace, (k, terms)| {
                    let start = first + k * BLOCK;
                    let slot = &mut workspace.slots[0];
                    slot.block.load(self.examples(), start..(start + BLOCK).min(n));
                    slot.block.forward(&parameters);
                    let tangent = slot.tangent.get_or_insert_with(|| Tangent::new(shape));
                    for (c, direction) in along_biases.iter().enumerate() {
                        tangent.forward(&slot.block, &parameters, direction);
                        for (row, rg) in tangent.output_slopes.iter().enumerate() {
                            terms.output_hessian[row * shape.classes + c] = *rg;
                        }
                    }
                    terms.take(&slot.block, &parameters);
                },
            );
            parts.par_iter_mut().for_each_init(
                || vec![[[0.0; LANES]; BLOCK]; (shape.hidden + 1).div_ceil(LANES)],
                |along, part| wave[..blocks].iter().for_each(|terms| part.add(terms, shape, w2, along)),
            );
        }
        let mut hessian = vec![0.0; d * d];
        for part in &parts {
            part.write(shape, |i, j, sum| {
                let entry = sum * (1.0 / n as f64);
                hessian[i * d + j] = entry;
                hessian[j * d + i] = entry;
            });
        }
        (0..d).for_each(|k| hessian[k * d + k] += self.weight_decay());
        Some(hessian)
    }
}

/// What a block of examples brings to the sums. Where the block has no example, 0.
#[derive(Debug, Clone)]
struct Terms {
    /// x̃, `[inputs + 1]`.
    inputs: Vec<PerExample>,
    /// t̃, `[hidden + 1]`.
    hidden: Vec<PerExample>,
    /// t̃ in groups of eight.
    hidden_lanes: Vec<[Lanes; BLOCK]>,
    /// φ′, `[hidden]`.
    slopes: Vec<PerExample>,
    /// φ″ ∘ W₂ᵀg, `[hidden]`.
    bends: Vec<PerExample>,
    /// g, `[classes]`.
    output_slopes: Vec<PerExample>,
    /// M, `[classes][classes]`.
    output_hessian: Vec<PerExample>,
    /// φ′_k (MW₂)_ck, `[classes][groups]`.
    pulled: Vec<[Lanes; BLOCK]>,
}

impl Terms {
    fn new(shape: Shape) -> Self {
        let Shape { inputs, hidden, classes } = shape;
        let zeros = |count: usize| vec![[0.0; BLOCK]; count];
        let lanes = |count: usize| vec![[[0.0; LANES]; BLOCK]; count];
        Self {
            inputs: zeros(inputs + 1),
            hidden: zeros(hidden + 1),
            hidden_lanes: lanes((hidden + 1).div_ceil(LANES)),
            slopes: zeros(hidden),
            bends: zeros(hidden),
            output_slopes: zeros(classes),
            output_hessian: zeros(classes * classes),
            pulled: lanes(classes * packed::groups(shape)),
        }
    }

    /// All but M, from a block after its forward pass.
    fn take(&mut self, block: &Block, parameters: &Packed) {
        let (shape, count) = (block.shape, block.count);
        let clear = |values: &mut [PerExample]| values.iter_mut().for_each(|x| x[count..].fill(0.0));
        let Shape { inputs, hidden, classes } = shape;
        self.inputs[..inputs].copy_from_slice(&block.inputs);
        self.inputs[inputs] = [1.0; BLOCK];
        self.hidden[hidden] = [1.0; BLOCK];
        self.output_slopes.copy_from_slice(&block.output_slopes);
        clear(&mut self.inputs);
        clear(&mut self.output_slopes);
        clear(&mut self.output_hessian);
        let groups = packed::groups(shape);
        for (index, (group, t)) in parameters.iter(shape).zip(&block.hidden).enumerate() {
            for k in 0..count {
                let slopes = block.activation.slopes(&t[k]);
                let (mut back, mut bends) = ([0.0; LANES], [0.0; LANES]);
                for (g, w) in self.output_slopes.iter().zip(group.w2) {
                    lanes::add_scaled(&mut back, g[k], w);
                }
                lanes::add_product(&mut bends, &block.activation.bends(&t[k]), &back);
                for (l, unit) in (index * LANES..hidden.min((index + 1) * LANES)).enumerate() {
                    self.hidden[unit][k] = t[k][l];
                    self.slopes[unit][k] = slopes[l];
                    self.bends[unit][k] = bends[l];
                }
                for (c, row) in self.output_hessian.chunks_exact(classes).enumerate() {
                    let (mut mw, mut pulled) = ([0.0; LANES], [0.0; LANES]);
                    for (m, w) in row.iter().zip(group.w2) {
                        lanes::add_scaled(&mut mw, m[k], w);
                    }
                    lanes::add_product(&mut pulled, &slopes, &mw);
                    self.pulled[c * groups + index][k] = pulled;
                }
            }
        }
        clear(&mut self.hidden);
        clear(&mut self.slopes);
        clear(&mut self.bends);
        self.pulled.iter_mut().for_each(|pulled| pulled[count..].fill([0.0; LANES]));
        for (unit, t) in self.hidden.iter().enumerate() {
            for (k, t) in t.iter().enumerate() {
                self.hidden_lanes[unit / LANES][k][unit % LANES] = *t;
            }
        }
    }
}

/// Which entries of H a part holds.
#[derive(Debug, Clone, Copy)]
enum Between {
    /// The weights into unit h, and all weights into all units: for i ≤ j, over k.
    Inputs { h: usize },
    /// The weights from all t̃_h to output c, and those from x̃_j to all units k.
    Layers { c: usize, j: usize },
    /// The weights from all t̃_h to output c, and those from all t̃_k to output c′ ≤ c.
    Outputs { c: usize, other: usize },
}

/// Some entries of H, as sums over the examples so far.
#[derive(Debug)]
struct Part {
    between: Between,
    /// Rows of `groups` each.
    sums: Vec<Lanes>,
    groups: usize,
}

impl Part {
    fn new(between: Between, rows: usize, length: usize) -> Self {
        let groups = length.div_ceil(LANES);
        Self { between, sums: vec![[0.0; LANES]; rows * groups], groups }
    }

    /// The parts that together have all of H.
    fn all(shape: Shape) -> Vec<Self> {
        let Shape { inputs, hidden, classes } = shape;
        let pairs = (inputs + 1) * (inputs + 2) / 2;
        let mut parts: Vec<Self> = (0..hidden).map(|h| Self::new(Between::Inputs { h }, pairs, hidden)).collect();
        for c in 0..classes {
            parts.extend((0..=inputs).map(|j| Self::new(Between::Layers { c, j }, hidden + 1, hidden)));
            parts.extend((0..=c).map(|other| Self::new(Between::Outputs { c, other }, hidden + 1, hidden + 1)));
        }
        parts
    }

    /// Adds a block of examples, in their order. `w2` is W₂, row by row; `along` is room for what the rows are multiples
    /// of.
    fn add(&mut self, terms: &Terms, shape: Shape, w2: &[f64], along: &mut [[Lanes; BLOCK]]) {
        let Self { between, ref mut sums, groups } = *self;
        let along = &mut along[..groups];
        match between {
            Between::Inputs { h } => {
                for (g, along) in along.iter_mut().enumerate() {
                    for (k, along) in along.iter_mut().enumerate() {
                        let mut sum = [0.0; LANES];
                        for c in 0..shape.classes {
                            lanes::add_scaled(&mut sum, w2[c * shape.hidden + h], &terms.pulled[c * groups + g][k]);
                        }
                        *along = sum.map(|x| terms.slopes[h][k] * x);
                    }
                }
                let pairs = (0..=shape.inputs).flat_map(|i| (i..=shape.inputs).map(move |j| (i, j)));
                for ((i, j), row) in pairs.zip(sums.chunks_exact_mut(groups)) {
                    let square = products(&terms.inputs[i], &terms.inputs[j]);
                    row.iter_mut().zip(&*along).for_each(|(sum, along)| add_all(sum, &square, along));
                    add_to(row, h, &square, &terms.bends[h]);
                }
            }
            Between::Layers { c, j } => {
                let x = &terms.inputs[j];
                for (along, pulled) in along.iter_mut().zip(&terms.pulled[c * groups..]) {
                    *along = scaled(x, pulled);
                }
                add_outer(sums, &terms.hidden, along);
                let slope = products(&terms.output_slopes[c], x);
                for (h, row) in sums.chunks_exact_mut(groups).take(shape.hidden).enumerate() {
                    add_to(row, h, &slope, &terms.slopes[h]);
                }
            }
            Between::Outputs { c, other } => {
                let m = &terms.output_hessian[c * shape.classes + other];
                for (along, t) in along.iter_mut().zip(&terms.hidden_lanes) {
                    *along = scaled(m, t);
                }
                add_outer(sums, &terms.hidden, along);
            }
        }
    }

    /// Hands over every entry of H that this part stands for, or its mirror image, with its two places in θ.
    fn write(&self, shape: Shape, mut put: impl FnMut(usize, usize, f64)) {
        let Shape { inputs, hidden, classes } = shape;
        let first = |i: usize, h: usize| i * hidden + h;
        let second = |c: usize, h: usize| {
            if h == hidden { (inputs + 1 + classes) * hidden + c } else { (inputs + 1 + c) * hidden + h }
        };
        for (r, row) in self.sums.chunks_exact(self.groups).enumerate() {
            let sum = |k: usize| row[k / LANES][k % LANES];
            match self.between {
                Between::Inputs { h } => {
                    let mut pairs = (0..=inputs).flat_map(|i| (i..=inputs).map(move |j| (i, j)));
                    let Some((i, j)) = pairs.nth(r) else { return };
                    // Units up to h alone: the pair with one beyond is in the part of that unit.
                    for k in 0..=h {
                        put(first(i, h), first(j, k), sum(k));
                        put(first(j, h), first(i, k), sum(k));
                    }
                }
                Between::Layers { c, j } => (0..hidden).for_each(|k| put(second(c, r), first(j, k), sum(k))),
                Between::Outputs { c, other } => {
                    let last = if c == other { r } else { hidden };
                    (0..=last).for_each(|k| put(second(c, r), second(other, k), sum(k)));
                }
            }
        }
    }
}

/// x·y, example by example.
fn products(x: &PerExample, y: &PerExample) -> PerExample {
    let mut out = [0.0; BLOCK];
    out.iter_mut().zip(x.iter().zip(y)).for_each(|(out, (x, y))| *out = x * y);
    out
}

/// s·x, example by example.
fn scaled(s: &PerExample, x: &[Lanes; BLOCK]) -> [Lanes; BLOCK] {
    let mut out = *x;
    out.iter_mut().zip(s).for_each(|(out, s)| out.iter_mut().for_each(|x| *x *= s));
    out
}

/// Adds Σ s·y over the examples to place `at` of a row.
fn add_to(row: &mut [Lanes], at: usize, s: &PerExample, y: &PerExample) {
    let sum = &mut row[at / LANES][at % LANES];
    s.iter().zip(y).for_each(|(s, y)| *sum += s * y);
}

/// Adds Σ s xᵀ over the examples, row by row.
fn add_outer(sums: &mut [Lanes], s: &[PerExample], x: &[[Lanes; BLOCK]]) {
    for (row, s) in sums.chunks_exact_mut(x.len()).zip(s) {
        row.iter_mut().zip(x).for_each(|(sum, x)| add_all(sum, s, x));
    }
}
