//! Gradient descent with the noise of the examples: C is the covariance of their gradients, and is never formed.
//!
//! θ ← θ − h ∇L(θ) − ν Σ_i ((ξ_i − ξ̄)/√N) ∇ℓ_i, with ξ_i independent standard normals: the mean of the step is that of
//! gradient descent, and the covariance of its noise is ν² (1/N) Σ_i (∇ℓ_i − ∇L)(∇ℓ_i − ∇L)ᵀ = ν²C, exactly.

use super::gaussian_sgd::amplitude;
use super::{Scheme, State, Step, Tail};
use crate::landscape::WeightedLoss;
use crate::scale::Scale;

/// Gradient descent with the covariance of the examples' gradients.
pub struct ExampleNoise {
    stretch: f64,
    /// β√α: ∇L_αβ for each unit of ∇L.
    factor: f64,
    length: f64,
    noise: f64,
    tail: Tail,
    /// Whether the covariance is that at θ*, and not that at θ itself.
    frozen: bool,
    examples: usize,
    work: u64,
}

impl ExampleNoise {
    /// `work` is the cost of one weighted gradient in multiplications.
    pub fn new(scale: Scale, scheme: Scheme, frozen: bool, examples: usize, work: u64) -> Self {
        Self {
            stretch: scale.stretch(),
            factor: scale.gradient_factor(),
            length: scheme.length,
            noise: scheme.noise,
            tail: scheme.tail,
            frozen,
            examples,
            work,
        }
    }
}

/// A thread's buffers.
pub struct Weights {
    /// One for each example.
    weights: Vec<f64>,
    /// Σ_i weight_i ∇ℓ_i.
    noise: Vec<f64>,
    /// θ* as z.
    origin: Vec<f64>,
}

impl<L: WeightedLoss> Step<L> for ExampleNoise {
    type Scratch = Weights;

    fn scratch(&self) -> Weights {
        Weights { weights: vec![0.0; self.examples], noise: Vec::new(), origin: Vec::new() }
    }

    fn step(&self, landscape: &L, state: &mut State<L>, scratch: &mut Weights) {
        let Weights { weights, noise, origin } = scratch;
        noise.resize(state.x.len(), 0.0);
        origin.resize(state.x.len(), 0.0);
        let amplitude = amplitude(self.tail, &mut state.stream);
        weights.iter_mut().for_each(|weight| *weight = state.stream.normal());
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let scale = amplitude / (weights.len() as f64).sqrt();
        weights.iter_mut().for_each(|weight| *weight = scale * (*weight - mean));
        landscape.gradient(&state.z, &mut state.gradient, &mut state.workspace);
        let at = if self.frozen { &*origin } else { &state.z };
        landscape.weighted_gradient(at, weights, noise, &mut state.workspace);
        let parts = state.gradient.iter().zip(&*noise);
        for ((x, z), (gradient, noise)) in state.x.iter_mut().zip(&mut state.z).zip(parts) {
            *x -= self.factor * (self.length * gradient + self.noise * noise);
            *z = self.stretch * *x;
        }
    }

    fn spread(&self, landscape: &L, state: &mut State<L>, direction: &[f64], scratch: &mut Weights) -> f64 {
        let at = if self.frozen { &scratch.origin } else { &state.z };
        self.noise * self.factor * landscape.noise_along(at, direction, &mut state.workspace).sqrt()
    }

    fn work(&self, _: &L) -> u64 {
        self.work
    }
}
