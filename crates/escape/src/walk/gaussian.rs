//! Steps of a chain along the gradient of all examples, with Gaussian noise: θ ← θ − h∇L_αβ(θ) + A s C^½ ξ, ξ ~ N(0, I).
//!
//! h, the length of a step, and s, the size of its noise, are numbers of their own, so that one set of kernels serves
//!
//! | dynamics | h | s |
//! | --- | --- | --- |
//! | gaussian-sgd (Eq. 2) | η | η/√B |
//! | Euler–Maruyama with n steps in η, of dθ = −∇L dt + √(η/B) C^½ dw (Eq. 3) | η/n | √(hη/B) |
//!
//! A is 1, or drawn anew for each step, which makes A C^½ ξ a vector with heavy tails of the shape of C. In base
//! coordinates z = √α (θ − θ*) a step is z ← z − hαβ∇L(θ* + z) + A s √α C^½ ξ.

use std::sync::Arc;

use crate::dynamics::Tail;
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
    Factor {
        /// F.
        factor: Arc<Factor>,
        /// What F Fᵀ is multiplied with.
        variance: f64,
    },
}

/// The noise of a step: A s C^½ ξ.
#[derive(Debug, Clone)]
pub(crate) struct Gaussian {
    /// C.
    pub(crate) covariance: ChainCovariance,
    /// s.
    pub(crate) size: f64,
    /// The law of A ξ; independent stable variates where C = I alone.
    pub(crate) tail: Tail,
    /// Whether trials leave by the smaller domain of [`correction`](super::correction). It is for a Gaussian noise: A = 1.
    pub(crate) corrected: bool,
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
        let size = match noise.tail {
            Tail::Isotropic(stability) => noise.size * f64::from(stream.amplitude(stability)),
            Tail::Gaussian | Tail::Independent(_) => noise.size,
        };
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
                        match noise.tail {
                            Tail::Independent(stability) => stream.stables(stability, normals),
                            Tail::Gaussian | Tail::Isotropic(_) => stream.normals(normals),
                        }
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
