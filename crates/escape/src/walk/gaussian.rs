//! Steps of a chain along the gradient of all examples, with Gaussian noise: θ ← θ − h∇L_αβ(θ) + A s C^½ ξ, ξ ~ N(0, I).
//!
//! h, the length of a step, and s, the size of its noise, are numbers of their own, so that one set of kernels serves
//!
//! | dynamics | h | s |
//! | --- | --- | --- |
//! | gaussian-sgd (Eq. 2) | η | η/√B |
//! | Euler–Maruyama with n steps in η, of dθ = −∇L dt + √(η/B) C^½ dw (Eq. 3) | η/n | √(hη/B) |
//!
//! A is 1, or drawn anew for each step: with √A heavy-tailed, √A C^½ ξ is a heavy-tailed noise of the shape of C. In base
//! coordinates z = √α (θ − θ*) a step is z ← z − hαβ∇L(θ* + z) + A s √α C^½ ξ.

use std::fmt;
use std::sync::Arc;

use crate::landscape::mlp::chain::{Chain, Factor, Network};
use crate::rng::TrialStream;
use crate::scale::Scale;
use crate::simd::{Isa, LANES};

/// C, the covariance of the gradient noise of one example of L_αβ.
#[derive(Debug, Clone)]
pub(crate) enum ChainCovariance {
    /// That of the examples' gradients at θ: Σ_i w_i ∇ℓ_i with w_i = 1/N + (A s/h) (ξ_i − ξ̄)/√N, ξ_i ~ N(0, 1), has the
    /// mean ∇L and the covariance (A s/h)² (1/N) Σ_i (∇ℓ_i − ∇L)(∇ℓ_i − ∇L)ᵀ, which is never formed.
    Sample,
    /// The same at θ*: ∇L(θ) + (A s/h) Σ_i ((ξ_i − ξ̄)/√N) ∇ℓ_i(θ*). Two passes a step.
    Frozen,
    /// C = I (Eq. 4).
    Isotropic,
    /// C = `variance` · F Fᵀ. Of a factor F Fᵀ = H* the Hessian of L_αβ is αβ F Fᵀ.
    #[cfg_attr(not(test), expect(dead_code, reason = "for Hessians, which no cell asks for yet"))]
    Factor {
        /// F.
        factor: Arc<Factor>,
        /// What F Fᵀ is multiplied with.
        variance: f64,
    },
}

/// A, a factor on the noise of a step.
pub(crate) trait Amplitude: Send + Sync {
    /// Draws one. It is drawn before the normals of the step; words and normals of the stream may be drawn in turns.
    fn draw(&self, stream: &mut TrialStream) -> f64;
}

/// The noise of a step: A s C^½ ξ.
#[derive(Clone)]
pub(crate) struct Gaussian {
    /// C.
    pub(crate) covariance: ChainCovariance,
    /// s.
    pub(crate) size: f64,
    /// A; without one it is 1.
    pub(crate) amplitude: Option<Arc<dyn Amplitude>>,
    /// Whether trials leave by the smaller domain of [`correction`](super::correction). It is for a Gaussian noise: A = 1.
    pub(crate) corrected: bool,
}

impl fmt::Debug for Gaussian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { covariance, size, amplitude, corrected } = self;
        f.debug_struct("Gaussian")
            .field("covariance", covariance)
            .field("size", size)
            .field("amplitude", &amplitude.is_some())
            .field("corrected", corrected)
            .finish()
    }
}

impl Gaussian {
    /// Operations of a step beside one pass over all examples.
    pub(crate) fn operations(&self, network: &Network) -> u64 {
        match &self.covariance {
            ChainCovariance::Sample | ChainCovariance::Isotropic => 0,
            ChainCovariance::Frozen => network.operations() * network.examples() as u64,
            ChainCovariance::Factor { factor, .. } => factor.operations(),
        }
    }
}

/// Makes the steps, on one thread.
pub(crate) struct GaussianSteps<'a> {
    noise: &'a Gaussian,
    network: &'a Network,
    isa: Isa,
    scale: Scale,
    /// h.
    step: f64,
    /// Of all examples.
    weights: Vec<f32>,
    normals: Vec<f32>,
    /// Goes from θ* by the noise of a step; made when first asked for.
    at_minimum: Option<Chain<'a>>,
}

impl<'a> GaussianSteps<'a> {
    /// Steps of length h = `step`.
    pub(crate) fn new(noise: &'a Gaussian, scale: Scale, step: f64, network: &'a Network, isa: Isa) -> Self {
        let normals = match &noise.covariance {
            ChainCovariance::Sample => 0,
            ChainCovariance::Frozen => network.examples(),
            ChainCovariance::Isotropic => 64 * LANES,
            ChainCovariance::Factor { factor, .. } => factor.rank(),
        };
        Self {
            noise,
            network,
            isa,
            scale,
            step,
            weights: vec![1.0 / network.examples() as f32; network.examples()],
            normals: vec![0.0; normals],
            at_minimum: None,
        }
    }

    /// One step; ‖z‖² after it.
    pub(crate) fn step(&mut self, chain: &mut Chain<'_>, stream: &mut TrialStream) -> f64 {
        let Self { noise, network, isa, scale, step, weights, normals, at_minimum } = self;
        let drift = (*step * scale.hessian_factor()) as f32;
        let size = noise.size * noise.amplitude.as_ref().map_or(1.0, |amplitude| amplitude.draw(stream));
        match &noise.covariance {
            ChainCovariance::Sample => {
                stream.normals(weights);
                centre(weights, 1.0, size / *step);
                chain.weighted_step(weights, drift)
            }
            ChainCovariance::Frozen => {
                let at_minimum = at_minimum.get_or_insert_with(|| Chain::new(network, *isa));
                stream.normals(normals);
                centre(normals, 0.0, size / *step);
                at_minimum.restart();
                at_minimum.weighted_step(normals, drift);
                chain.weighted_step(weights, drift);
                chain.add_displacement(at_minimum)
            }
            ChainCovariance::Factor { factor, variance } => {
                stream.normals(normals);
                chain.weighted_step(weights, drift);
                chain.add_factor_noise(factor, (size * (scale.alpha * variance).sqrt()) as f32, normals)
            }
            ChainCovariance::Isotropic => {
                chain.weighted_step(weights, drift);
                // What is left of the last buffer goes: every step draws as many of them.
                let mut at = normals.len();
                chain.add_noise((size * scale.alpha.sqrt()) as f32, &mut |out| {
                    if at == normals.len() {
                        stream.normals(normals);
                        at = 0;
                    }
                    out.copy_from_slice(&normals[at..at + LANES]);
                    at += LANES;
                })
            }
        }
    }
}

/// Turns normals ξ_i into weights w_i = `total`/N + `size` · (ξ_i − ξ̄)/√N.
fn centre(normals: &mut [f32], total: f64, size: f64) {
    let n = normals.len() as f64;
    let mean = normals.iter().map(|&xi| f64::from(xi)).sum::<f64>() / n;
    let scale = size / n.sqrt();
    for normal in normals {
        *normal = (total / n + (f64::from(*normal) - mean) * scale) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::StreamKey;

    /// Σ w = 1, and Var w = (1 − 1/N)/(N·B). H0 for the second: n = 200,000 normals; within 6 s.e., false alarm 2e-9.
    #[test]
    fn weights_have_the_sum_and_the_variance_that_the_covariance_asks_for() {
        let mut stream = TrialStream::new(StreamKey::derive(1, 2), 3, Isa::current());
        let (n, batch_size, rounds) = (1000, 10.0_f64, 200);
        let mut weights = vec![0.0; n];
        let mut squares = 0.0;
        for _ in 0..rounds {
            stream.normals(&mut weights);
            centre(&mut weights, 1.0, 1.0 / batch_size.sqrt());
            let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            squares += weights.iter().map(|&w| (f64::from(w) - 1.0 / n as f64).powi(2)).sum::<f64>();
        }
        let expected = (1.0 - 1.0 / n as f64) / (n as f64 * batch_size);
        let found = squares / (n * rounds) as f64;
        let error = expected * (2.0 / (n * rounds) as f64).sqrt();
        assert!((found - expected).abs() < 6.0 * error, "{found} against {expected} ± {error}");
    }
}
