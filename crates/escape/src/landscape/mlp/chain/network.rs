//! What all chains of a network share: its shape, θ*, and the examples, as f32.

use std::sync::{Arc, OnceLock};

use super::number::{Four, Number};
use super::row::{Layout, Numbers, Row};
use crate::landscape::mlp::{Activation, Loss, Mlp, Model, Shape};
use crate::simd::LANES;

/// A network around θ*, with its examples, ready for kernels in f32. Immutable.
#[derive(Debug, Clone)]
pub struct Network {
    /// As a chain by itself reads it.
    pub(super) alone: Shared<f32>,
    /// As four chains do, once there are some.
    four: OnceLock<Shared<Four>>,
    /// L(θ*) as a chain computes it, once one has.
    pub(super) loss: OnceLock<f64>,
}

/// A network, with θ* in the layout of vectors that N::CHAINS chains share.
#[derive(Debug, Clone)]
pub(super) struct Shared<N> {
    pub(super) layout: Layout,
    pub(super) activation: Activation,
    pub(super) loss_function: Loss,
    /// What s times a residual is multiplied with: 2/C, or 1 with cross-entropy.
    pub(super) slope_factor: f32,
    pub(super) weight_decay: f64,
    /// θ* without b₂, in strips.
    pub(super) theta: Vec<Row>,
    /// b₂ of θ*.
    pub(super) bias: Vec<Numbers<N>>,
    /// Inputs, and after them the 1 that goes with b₁, in the lanes: `[planes][examples]`.
    pub(super) inputs: Arc<[Row]>,
    /// `[examples]`; all whole, and below the number of classes.
    pub(super) labels: Arc<[f32]>,
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
        let layout = Layout::new::<f32>(model.shape());
        let mut strips = layout.zeros();
        let mut bias = vec![Row::ZERO; layout.class_planes()];
        layout.pack(0, theta, &mut strips, &mut bias);
        let examples = model.examples();
        let mut inputs = vec![Row::ZERO; layout.input_planes() * examples.len()];
        for example in 0..examples.len() {
            for (i, x) in examples.features_of(example).iter().chain(&[1.0]).enumerate() {
                inputs[i / LANES * examples.len() + example].0[i % LANES] = *x as f32;
            }
        }
        let alone = Shared {
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
            inputs: inputs.into(),
            labels: examples.labels().iter().map(|label| *label as f32).collect(),
        };
        Self { alone, four: OnceLock::new(), loss: OnceLock::new() }
    }

    /// As four chains read it.
    pub(super) fn four(&self) -> &Shared<Four> {
        self.four.get_or_init(|| self.alone.spread())
    }

    /// inputs → hidden → classes.
    pub fn shape(&self) -> Shape {
        self.alone.layout.shape
    }

    /// d, the length of θ.
    pub fn dim(&self) -> usize {
        self.shape().parameters()
    }

    /// N.
    pub fn examples(&self) -> usize {
        self.alone.labels.len()
    }

    /// Floating-point operations that one example takes in one step, forward and backward: what rates are measured in.
    pub fn operations(&self) -> u64 {
        let Shape { inputs, hidden, classes } = self.shape();
        // W₁x, W₂t, W₂ᵀg, g tᵀ and δ xᵀ, a multiplication and an addition each.
        2 * (2 * inputs + 3 * classes) as u64 * hidden as u64
    }
}

impl Shared<f32> {
    /// The same for vectors that several chains share.
    fn spread<N: Number>(&self) -> Shared<N> {
        let layout = Layout::new::<N>(self.layout.shape);
        let mut theta = vec![0.0; self.layout.shape.parameters()];
        self.layout.unpack(0, &self.theta, &self.bias, &mut theta);
        let mut strips = layout.zeros();
        let mut bias = vec![Numbers::ZERO; layout.class_planes()];
        for chain in 0..N::CHAINS {
            layout.pack(chain, &theta, &mut strips, &mut bias);
        }
        Shared {
            layout,
            activation: self.activation,
            loss_function: self.loss_function,
            slope_factor: self.slope_factor,
            weight_decay: self.weight_decay,
            theta: strips,
            bias,
            inputs: Arc::clone(&self.inputs),
            labels: Arc::clone(&self.labels),
        }
    }
}
