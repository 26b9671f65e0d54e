//! The forward and the backward pass, for a block of up to eight examples at a time.
//!
//! A block is only there for speed: each group of weights is read once for eight examples, and each entry of the
//! gradient is loaded and stored once. Entry by entry the additions are those of the plain loop over examples, in the
//! same order, so that the gradient is the same to the last bit however the examples fall into blocks.
//!
//! For one example x of class y: a = W₁x + b₁, t = φ(a), f = W₂t + b₂, and ℓ is one of [`Loss`]. Backward:
//! g = ∂ℓ/∂f = (2/C)(f − onehot y), or with cross-entropy softmax f − onehot y; ∂ℓ/∂W₂ = g tᵀ, ∂ℓ/∂b₂ = g, δ = φ′(a) ∘ W₂ᵀg, ∂ℓ/∂W₁ = δ xᵀ, ∂ℓ/∂b₁ = δ.

use super::activation::Activation;
use super::lanes::{self, LANES, Lanes};
use super::loss::Loss;
use super::packed::{self, Packed};
use super::shape::Shape;
use super::softmax::CrossEntropy;
use crate::data::Examples;

/// The most examples in a block.
pub(super) const BLOCK: usize = 8;

/// A number for each example of a block.
pub(super) type PerExample = [f64; BLOCK];

/// A block of examples on its way through the network. The arrays are filled up to `count` examples.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) shape: Shape,
    pub(super) activation: Activation,
    pub(super) loss: Loss,
    /// Examples loaded.
    pub(super) count: usize,
    pub(super) labels: [u32; BLOCK],
    /// x, `[inputs]`.
    pub(super) inputs: Vec<PerExample>,
    /// t, `[groups]`.
    pub(super) hidden: Vec<[Lanes; BLOCK]>,
    /// W₂t in eight partial sums, `[classes]`.
    sums: Vec<[Lanes; BLOCK]>,
    /// f − onehot, or with cross-entropy softmax f, `[classes]`.
    pub(super) residuals: Vec<PerExample>,
    /// ℓ, where it is a cross-entropy.
    losses: PerExample,
    /// g = (2/C)(f − onehot), or softmax f − onehot, `[classes]`.
    pub(super) output_slopes: Vec<PerExample>,
}

impl Block {
    pub(super) fn new(shape: Shape, activation: Activation, loss: Loss) -> Self {
        Self {
            shape,
            activation,
            loss,
            count: 0,
            labels: [0; BLOCK],
            inputs: vec![[0.0; BLOCK]; shape.inputs],
            hidden: vec![[[0.0; LANES]; BLOCK]; packed::groups(shape)],
            sums: vec![[[0.0; LANES]; BLOCK]; shape.classes],
            residuals: vec![[0.0; BLOCK]; shape.classes],
            losses: [0.0; BLOCK],
            output_slopes: vec![[0.0; BLOCK]; shape.classes],
        }
    }

    /// Takes the next examples; at most [`BLOCK`] of them.
    #[inline]
    pub(super) fn load(&mut self, examples: &Examples, indices: impl Iterator<Item = usize>) {
        self.count = 0;
        for (k, index) in indices.enumerate() {
            for (input, x) in self.inputs.iter_mut().zip(examples.features_of(index)) {
                input[k] = *x;
            }
            self.labels[k] = examples.label_of(index);
            self.count = k + 1;
        }
    }

    /// Hidden values, residuals and g for the examples loaded.
    pub(super) fn forward(&mut self, parameters: &Packed) {
        let count = self.count;
        self.sums.fill([[0.0; LANES]; BLOCK]);
        for (group, hidden) in parameters.iter(self.shape).zip(&mut self.hidden) {
            for (k, values) in hidden[..count].iter_mut().enumerate() {
                let mut a = *group.b1;
                for (x, w) in self.inputs.iter().zip(group.w1) {
                    lanes::add_scaled(&mut a, x[k], w);
                }
                self.activation.values(&mut a);
                *values = a;
            }
            for (sums, w) in self.sums.iter_mut().zip(group.w2) {
                for (sum, values) in sums[..count].iter_mut().zip(&hidden[..count]) {
                    lanes::add_product(sum, w, values);
                }
            }
        }
        match self.loss {
            Loss::MeanSquared => self.squared_slopes(&parameters.output_bias),
            Loss::CrossEntropy => {
                for ((outputs, sums), bias) in self.residuals.iter_mut().zip(&self.sums).zip(&parameters.output_bias) {
                    for (output, sum) in outputs[..count].iter_mut().zip(sums) {
                        *output = bias + lanes::total(sum);
                    }
                }
                (0..count).for_each(|k| self.cross_entropy(k));
            }
        }
    }

    /// Residuals, and from them g.
    fn squared_slopes(&mut self, output_bias: &[f64]) {
        let factor = 2.0 / self.shape.classes as f64;
        for (c, (sums, bias)) in self.sums.iter().zip(output_bias).enumerate() {
            for (k, sum) in sums[..self.count].iter().enumerate() {
                let target = if self.labels[k] as usize == c { 1.0 } else { 0.0 };
                let residual = (bias + lanes::total(sum)) - target;
                self.residuals[c][k] = residual;
                self.output_slopes[c][k] = factor * residual;
            }
        }
    }

    /// ℓ, softmax f and g of example k, whose f stand where softmax f goes.
    ///
    /// g_y = softmax f_y − 1 is minus the sum of all the others, which loses no digits where softmax f_y is nearly 1.
    fn cross_entropy(&mut self, k: usize) {
        let label = self.labels[k] as usize;
        let outputs = || self.residuals.iter().map(|f| f[k]);
        let of = CrossEntropy::of(outputs());
        self.losses[k] = of.loss(outputs(), self.residuals[label][k]);
        let (mut rest, mut own) = (0.0, 0.0);
        for (class, f) in self.residuals.iter_mut().enumerate() {
            f[k] = of.exp(f[k]);
            if class == label { own = f[k] } else { rest += f[k] }
        }
        let sum = rest + own;
        for (class, (p, g)) in self.residuals.iter_mut().zip(&mut self.output_slopes).enumerate() {
            p[k] /= sum;
            g[k] = if class == label { -rest / sum } else { p[k] };
        }
    }

    /// Σ ℓ over the block's examples, added to `sum` one by one in order; without weight decay. After [`Self::forward`].
    pub(super) fn add_losses(&self, sum: &mut f64) {
        if self.loss == Loss::CrossEntropy {
            self.losses[..self.count].iter().for_each(|loss| *sum += loss);
            return;
        }
        for k in 0..self.count {
            let squares: f64 = self.residuals.iter().fold(0.0, |squares, r| squares + r[k] * r[k]);
            *sum += squares / self.shape.classes as f64;
        }
    }

    /// How many of the block's examples have their largest output at their class, ties going to the first. After
    /// [`Self::forward`].
    pub(super) fn count_correct(&self) -> usize {
        (0..self.count).filter(|&k| self.class_of(k) == Some(self.labels[k] as usize)).count()
    }

    /// The class of example `k`'s largest output; `None` if one of them is NaN.
    fn class_of(&self, k: usize) -> Option<usize> {
        let mut best = (0, f64::NEG_INFINITY);
        for (c, residual) in self.residuals.iter().enumerate() {
            // With cross-entropy it is softmax f that stands there, whose largest entry is that of f.
            let own = self.loss == Loss::MeanSquared && self.labels[k] as usize == c;
            let output = residual[k] + if own { 1.0 } else { 0.0 };
            if output.is_nan() {
                return None;
            }
            if output > best.1 {
                best = (c, output);
            }
        }
        Some(best.0)
    }

    /// Adds each example's ∇ℓ to `gradient`, in order; without weight decay. After [`Self::forward`].
    pub(super) fn backward(&self, parameters: &Packed, gradient: &mut Packed) {
        let count = self.count;
        let groups = parameters.iter(self.shape).zip(gradient.iter_mut(self.shape)).zip(&self.hidden);
        for ((group, gradient), hidden) in groups {
            let hidden = &hidden[..count];
            let mut deltas = [[0.0; LANES]; BLOCK];
            for (k, (delta, t)) in deltas.iter_mut().zip(hidden).enumerate() {
                let mut back = [0.0; LANES];
                for (g, w) in self.output_slopes.iter().zip(group.w2) {
                    lanes::add_scaled(&mut back, g[k], w);
                }
                lanes::add_product(delta, &self.activation.slopes(t), &back);
            }
            for (g, sum) in self.output_slopes.iter().zip(gradient.w2) {
                add_all(sum, &g[..count], hidden);
            }
            for (x, sum) in self.inputs.iter().zip(gradient.w1) {
                add_all(sum, &x[..count], &deltas);
            }
            for delta in &deltas[..count] {
                lanes::add(gradient.b1, delta);
            }
        }
        for (g, sum) in self.output_slopes.iter().zip(&mut gradient.output_bias) {
            for g in &g[..count] {
                *sum += g;
            }
        }
    }
}

/// sum ← ((sum + s₀x₀) + s₁x₁) + …, kept in registers meanwhile.
#[inline(always)]
pub(super) fn add_all(sum: &mut Lanes, s: &[f64], x: &[Lanes]) {
    let mut registers = *sum;
    for (s, x) in s.iter().zip(x) {
        lanes::add_scaled(&mut registers, *s, x);
    }
    *sum = registers;
}
