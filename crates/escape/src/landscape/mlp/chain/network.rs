//! What all chains of a network share: its shape, θ*, and the examples, as f32.

use std::sync::OnceLock;

use super::row::{Layout, Row};
use crate::landscape::mlp::{Activation, Loss, Mlp, Model, Shape};
use crate::simd::LANES;

/// A network around θ*, with its examples, ready for kernels in f32. Immutable.
#[derive(Debug, Clone)]
pub struct Network {
    pub(super) layout: Layout,
    pub(super) activation: Activation,
    pub(super) loss_function: Loss,
    /// What s times a residual is multiplied with: 2/C, or 1 with cross-entropy.
    pub(super) slope_factor: f32,
    pub(super) weight_decay: f64,
    /// θ* without b₂, in strips.
    pub(super) theta: Vec<Row>,
    /// b₂ of θ*.
    pub(super) bias: Vec<Row>,
    /// Inputs, and after them the 1 that goes with b₁, in the lanes: `[planes][examples]`.
    pub(super) inputs: Vec<Row>,
    /// `[examples]`; all below the number of classes.
    pub(super) labels: Vec<u32>,
    /// L(θ*) as a chain computes it, once one has.
    pub(super) loss: OnceLock<f64>,
}

impl Network {
    /// The network of a landscape, around its minimum.
    pub fn new(mlp: &Mlp) -> Self {
        Self::around(mlp.model(), mlp.theta())
    }

    /// The network of a model, around `theta`.
    ///
    /// # Panics
    /// Unless θ has the model's length.
    pub fn around(model: &Model, theta: &[f64]) -> Self {
        assert_eq!(theta.len(), model.dim(), "a vector of another length than theta");
        let layout = Layout::new(model.shape());
        let mut strips = layout.zeros();
        let mut bias = vec![Row::ZERO; layout.class_planes()];
        layout.pack(theta, &mut strips, &mut bias);
        let examples = model.examples();
        let mut inputs = vec![Row::ZERO; layout.input_planes() * examples.len()];
        for example in 0..examples.len() {
            for (i, x) in examples.features_of(example).iter().chain(&[1.0]).enumerate() {
                inputs[i / LANES * examples.len() + example].0[i % LANES] = *x as f32;
            }
        }
        Self {
            layout,
            activation: model.activation(),
            loss_function: model.loss_function(),
            slope_factor: match model.loss_function() {
                Loss::MeanSquared => 2.0 / layout.shape.classes as f32,
                Loss::CrossEntropy => 1.0,
            },
            weight_decay: model.weight_decay(),
            theta: strips,
            bias,
            inputs,
            labels: examples.labels().to_vec(),
            loss: OnceLock::new(),
        }
    }

    /// inputs → hidden → classes.
    pub fn shape(&self) -> Shape {
        self.layout.shape
    }

    /// d, the length of θ.
    pub fn dim(&self) -> usize {
        self.shape().parameters()
    }

    /// N.
    pub fn examples(&self) -> usize {
        self.labels.len()
    }

    /// Floating-point operations that one example takes in one step, forward and backward: what rates are measured in.
    pub fn operations(&self) -> u64 {
        let Shape { inputs, hidden, classes } = self.shape();
        // W₁x, W₂t, W₂ᵀg, g tᵀ and δ xᵀ, a multiplication and an addition each.
        2 * (2 * inputs + 3 * classes) as u64 * hidden as u64
    }
}
