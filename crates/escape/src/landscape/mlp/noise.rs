//! The gradients of single examples, and their covariance C(θ), without either ever being formed.
//!
//! C = (1/N) Σ (∇ℓ_i − ∇L)(∇ℓ_i − ∇L)ᵀ, so Cv = Σ u_i ∇ℓ_i with u_i = (s_i − s̄)/N and s_i = ⟨∇ℓ_i, v⟩: a forward pass
//! with its R-operator for the s_i, and a weighted backward pass, together about the price of a Hessian-vector product.
//! The centring takes ∇L out twice over: Σ u_i = 0. What all ∇ℓ_i have in common, the part of weight decay, is left out
//! from the start.

use std::ops::Range;

use super::block::{BLOCK, Block};
use super::chunks::{self, Slot};
use super::lanes::{self, LANES};
use super::model::{Model, Workspace};
use super::packed::Packed;
use super::tangent::Tangent;

impl Model {
    /// ⟨∇ℓ_i(θ), v⟩ of every example into `out`, of length N: how steep each ℓ_i is along v.
    ///
    /// # Panics
    /// Unless θ and v have length [`dim`](Self::dim), and `out` has one place for each example.
    pub fn directional_derivatives(&self, theta: &[f64], v: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        self.data_slopes(theta, v, out, workspace);
        if self.weight_decay() != 0.0 {
            let common = self.weight_decay() * lanes::dot(theta, v);
            out.iter_mut().for_each(|slope| *slope += common);
        }
    }

    /// Σ w_i ∇ℓ_i(θ) into `out`, over all examples. With all w_i = 1/N it is ∇L(θ), but for rounding.
    ///
    /// # Panics
    /// Unless θ and `out` have length [`dim`](Self::dim), and there is one weight for each example.
    pub fn weighted_gradient(&self, theta: &[f64], weights: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        self.data_gradient(theta, weights, out, workspace);
        if self.weight_decay() != 0.0 {
            let factor = self.weight_decay() * weights.iter().fold(0.0, |sum, weight| sum + weight);
            out.iter_mut().zip(theta).for_each(|(out, theta)| *out += factor * theta);
        }
    }

    /// C(θ)·v into `out`, C being the covariance of the ∇ℓ_i over the examples, with the factor 1/N.
    ///
    /// # Panics
    /// Unless θ, v and `out` have length [`dim`](Self::dim).
    pub fn noise_covariance_vector(&self, theta: &[f64], v: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        let mut weights = vec![0.0; self.examples().len()];
        self.data_slopes(theta, v, &mut weights, workspace);
        let n = weights.len() as f64;
        let mean = weights.iter().fold(0.0, |sum, slope| sum + slope) / n;
        weights.iter_mut().for_each(|slope| *slope = (*slope - mean) / n);
        self.data_gradient(theta, &weights, out, workspace);
    }

    /// tr C(θ) = (1/N) Σ ‖∇ℓ_i‖² − ‖∇L‖², exactly, for about the price of a gradient: the gradient of one example
    /// is an outer product in each layer, so its norm is that of the factors.
    ///
    /// # Panics
    /// Unless θ has length [`dim`](Self::dim).
    pub fn noise_trace(&self, theta: &[f64], workspace: &mut Workspace) -> f64 {
        let Workspace { parameters, total, slots, .. } = &mut *workspace;
        self.pack(parameters, theta);
        total.clear();
        let mut squares = 0.0;
        chunks::for_each(
            self.examples().len(),
            slots,
            |slot, chunk| {
                slot.vector.clear();
                slot.numbers.clear();
                slot.blocks(self.examples(), chunk, |slot| {
                    slot.block.forward(parameters);
                    squared_norms(&slot.block, parameters, &mut slot.numbers);
                    slot.block.backward(parameters, &mut slot.vector);
                });
            },
            |slot| {
                total.add(&slot.vector);
                slot.numbers.iter().for_each(|square| squares += square);
            },
        );
        let n = self.examples().len() as f64;
        let mut mean = vec![0.0; self.dim()];
        total.unpack_scaled(self.shape(), 1.0 / n, &mut mean);
        squares / n - lanes::dot(&mean, &mean)
    }

    /// [`directional_derivatives`](Self::directional_derivatives) without weight decay.
    fn data_slopes(&self, theta: &[f64], v: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        assert_eq!(out.len(), self.examples().len(), "not one place for each example");
        let Workspace { parameters, direction, slots, .. } = workspace;
        self.pack(parameters, theta);
        let direction = direction.get_or_insert_with(|| Packed::new(self.shape()));
        self.pack(direction, v);
        let direction = &*direction;
        let mut done = 0;
        chunks::for_each(
            self.examples().len(),
            slots,
            |slot, chunk| {
                slot.numbers.clear();
                slot.blocks(self.examples(), chunk, |Slot { block, tangent, numbers, .. }| {
                    block.forward(parameters);
                    let tangent = tangent.get_or_insert_with(|| Tangent::new(self.shape()));
                    tangent.forward(block, parameters, direction);
                    numbers.extend(tangent.derivatives(block));
                });
            },
            |slot| {
                out[done..done + slot.numbers.len()].copy_from_slice(&slot.numbers);
                done += slot.numbers.len();
            },
        );
    }

    /// [`weighted_gradient`](Self::weighted_gradient) without weight decay.
    fn data_gradient(&self, theta: &[f64], weights: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        assert_eq!(weights.len(), self.examples().len(), "not one weight for each example");
        assert_eq!(out.len(), self.dim(), "a vector of another length than theta");
        let Workspace { parameters, total, slots, .. } = workspace;
        self.pack(parameters, theta);
        total.clear();
        chunks::for_each(
            self.examples().len(),
            slots,
            |slot, chunk: Range<usize>| {
                slot.vector.clear();
                let mut weights = weights[chunk.clone()].chunks(BLOCK);
                slot.blocks(self.examples(), chunk, |Slot { block, vector, .. }| {
                    block.forward(parameters);
                    // All of ∇ℓ_i is linear in g.
                    let weights = weights.next().unwrap_or(&[]);
                    for slopes in &mut block.output_slopes {
                        slopes.iter_mut().zip(weights).for_each(|(g, weight)| *g *= weight);
                    }
                    block.backward(parameters, vector);
                });
            },
            |slot| total.add(&slot.vector),
        );
        total.unpack_scaled(self.shape(), 1.0, out);
    }
}

/// ‖∇ℓ‖² of each example of the block, without weight decay: (‖g‖² (‖t‖² + 1)) + (‖δ‖² (‖x‖² + 1)). After
/// [`Block::forward`].
fn squared_norms(block: &Block, parameters: &Packed, out: &mut Vec<f64>) {
    for k in 0..block.count {
        let (mut hidden, mut deltas) = ([0.0; LANES], [0.0; LANES]);
        for (group, t) in parameters.iter(block.shape).zip(&block.hidden) {
            let mut back = [0.0; LANES];
            for (g, w) in block.output_slopes.iter().zip(group.w2) {
                lanes::add_scaled(&mut back, g[k], w);
            }
            let mut delta = [0.0; LANES];
            lanes::add_product(&mut delta, &block.activation.slopes(&t[k]), &back);
            lanes::add_product(&mut hidden, &t[k], &t[k]);
            lanes::add_product(&mut deltas, &delta, &delta);
        }
        let square = |values: &[[f64; BLOCK]]| values.iter().fold(0.0, |sum, x| sum + x[k] * x[k]);
        let outer = square(&block.output_slopes) * (lanes::total(&hidden) + 1.0);
        out.push(outer + lanes::total(&deltas) * (square(&block.inputs) + 1.0));
    }
}
