//! One trial at a time on a perceptron, in f32: the fused kernels of [`chain`](crate::landscape::mlp::chain).
//!
//! In base coordinates z = √α x a step of SGD on L_αβ is z ← z − ηαβ ∇L_B(θ* + z), so that the kernels know nothing of
//! α and β.

use std::sync::Arc;

use super::{Advance, Outcome, Queue, Simulation, TrialRecord, Walker, one_nan};
use crate::domain::Boundary;
use crate::dynamics::sgd::Minibatches;
use crate::landscape::mlp::Mlp;
use crate::landscape::mlp::chain::{Chain, Pace};
use crate::rng::{StreamKey, TrialStream};
use crate::scale::Scale;
use crate::simd::{Isa, LANES};

/// What moves a chain beside the mean gradient.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChainNoise {
    /// Minibatches (Eq. 1).
    Minibatch,
    /// Gaussian noise with the covariance that minibatches have at θ (Eq. 2): Σ_i w_i ∇ℓ_i with
    /// w_i = 1/N + (ξ_i − ξ̄)/√(N·B), ξ_i ~ N(0, 1), has the mean ∇L and the covariance
    /// (1/B)·(1/N) Σ_i (∇ℓ_i − ∇L)(∇ℓ_i − ∇L)ᵀ, which is never formed.
    Sample,
    /// Gaussian noise with C = I (Eq. 4).
    Isotropic,
}

/// A cell on a perceptron.
pub(crate) struct ChainWalk {
    pub(crate) landscape: Arc<Mlp>,
    pub(crate) noise: ChainNoise,
    pub(crate) scale: Scale,
    pub(crate) eta: f64,
    /// B; with minibatches, no more than there are examples.
    pub(crate) batch_size: u64,
    pub(crate) boundary: Boundary,
    /// A sublevel set is tested at every so manieth step; see [`CellProblem`](crate::problem::CellProblem).
    pub(crate) check_every: u64,
    pub(crate) max_steps: u64,
    pub(crate) key: StreamKey,
    pub(crate) isa: Isa,
}

impl Simulation for ChainWalk {
    fn lanes(&self) -> usize {
        1
    }

    fn walker(&self) -> Box<dyn Walker + '_> {
        const OPERATIONS_BETWEEN_LOOKS: u64 = 1 << 26;
        let network = self.landscape.network();
        let (examples, batch) = match self.noise {
            ChainNoise::Minibatch => (0, self.batch_size),
            ChainNoise::Sample | ChainNoise::Isotropic => (network.examples(), network.examples() as u64),
        };
        // A sublevel set takes the loss over all examples, which is most of the work.
        let tested = match self.boundary {
            Boundary::SquaredRadius(_) => 0,
            Boundary::BaseExcess(_) => network.examples() as u64 / self.check_every,
        };
        let operations = network.operations() * (batch + tested);
        Box::new(ChainWalker {
            walk: self,
            chain: Chain::new(network, self.isa),
            stream: TrialStream::new(self.key, 0, self.isa),
            batches: Minibatches::of(network.examples() as u32),
            weights: vec![1.0 / network.examples() as f32; examples],
            normals: Vec::new(),
            trial: None,
            steps: 0,
            slice: (OPERATIONS_BETWEEN_LOOKS / operations.max(1)).clamp(1, 1 << 16),
            safe_square: match self.boundary {
                Boundary::SquaredRadius(_) => 0.0,
                Boundary::BaseExcess(depth) => self.landscape.safe_radius(depth).powi(2),
            },
            z: vec![0.0; network.dim()],
        })
    }
}

struct ChainWalker<'a> {
    walk: &'a ChainWalk,
    chain: Chain<'a>,
    stream: TrialStream,
    batches: Minibatches,
    /// Of all examples, where there is a use for them.
    weights: Vec<f32>,
    normals: Vec<f32>,
    trial: Option<u64>,
    /// Steps of the trial.
    steps: u64,
    /// Steps between two looks.
    slice: u64,
    /// ‖z‖² below which a state is proved to be in the sublevel set.
    safe_square: f64,
    z: Vec<f64>,
}

impl Walker for ChainWalker<'_> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        let mut left = self.slice;
        while left > 0 {
            let Some(trial) = self.trial.or_else(|| self.begin(queue)) else { break };
            let steps = left.min(self.walk.max_steps - self.steps);
            let (made, has_left) = self.go(steps);
            self.steps += made;
            left -= made;
            if has_left || self.steps == self.walk.max_steps {
                finished.push(self.record(trial, has_left));
                self.trial = None;
            }
        }
        Advance { steps: self.slice - left, idle: self.trial.is_none() && left > 0 }
    }
}

impl ChainWalker<'_> {
    fn begin(&mut self, queue: &dyn Queue) -> Option<u64> {
        let trial = queue.next()?;
        self.chain.restart();
        self.stream = TrialStream::new(self.walk.key, trial, self.walk.isa);
        self.steps = 0;
        self.trial = Some(trial);
        self.trial
    }

    /// Goes on for up to so many steps; how many were made, and whether the last of them left D.
    fn go(&mut self, steps: u64) -> (u64, bool) {
        match self.walk.boundary {
            Boundary::SquaredRadius(square) => {
                // ‖z‖² = α‖x‖².
                let bound = square * self.walk.scale.alpha;
                let (made, square) = self.step(steps, bound);
                (made, Boundary::SquaredRadius(bound).left(square))
            }
            Boundary::BaseExcess(_) => {
                let every = self.walk.check_every;
                let (made, square) = self.step(steps.min(every - self.steps % every), f64::INFINITY);
                // A state that is not finite can stop the kernel before the next test is due: it has left.
                let overflowed = Boundary::SquaredRadius(f64::INFINITY).left(square);
                let due = (self.steps + made).is_multiple_of(every);
                let proved_inside = square < self.safe_square;
                let left = overflowed || due && !proved_inside && self.walk.boundary.left(self.chain.excess_loss());
                (made, left)
            }
        }
    }

    /// Up to so many steps, until ‖z‖² is not below `bound`; how many were made, and ‖z‖² then.
    fn step(&mut self, steps: u64, bound: f64) -> (u64, f64) {
        let Self { walk, chain, stream, batches, .. } = self;
        let drift = (walk.eta * walk.scale.hessian_factor()) as f32;
        match walk.noise {
            ChainNoise::Minibatch => {
                let pace = Pace { steps, batch_size: walk.batch_size as usize, drift, bound };
                let walked = chain.walk(pace, &mut |batch| batches.draw(batch, |n| stream.below(n)));
                (walked.steps, walked.squared_distance)
            }
            ChainNoise::Sample | ChainNoise::Isotropic => {
                let mut square = f64::NAN;
                for made in 1..=steps {
                    square = self.full_batch_step(drift);
                    if Boundary::SquaredRadius(bound).left(square) {
                        return (made, square);
                    }
                }
                (steps, square)
            }
        }
    }

    /// One step with the gradients of all examples; ‖z‖² after it.
    fn full_batch_step(&mut self, drift: f32) -> f64 {
        let Self { walk, chain, stream, weights, normals, .. } = self;
        if let ChainNoise::Sample = walk.noise {
            sample_weights(stream, walk.batch_size, weights);
            return chain.weighted_step(weights, drift);
        }
        chain.weighted_step(weights, drift);
        let deviation = walk.eta * (walk.scale.alpha / walk.batch_size as f64).sqrt();
        normals.resize(64 * LANES, 0.0);
        // What is left of the last buffer goes: every step draws as many of them.
        let mut at = normals.len();
        chain.add_noise(deviation as f32, &mut |out| {
            if at == normals.len() {
                stream.normals(normals);
                at = 0;
            }
            out.copy_from_slice(&normals[at..at + LANES]);
            at += LANES;
        })
    }

    fn record(&mut self, trial: u64, left: bool) -> TrialRecord {
        let exit_loss = one_nan(self.walk.scale.beta * self.chain.excess_loss());
        self.chain.write_displacement(&mut self.z);
        let square: f64 = self.z.iter().map(|z| z * z).sum();
        let exit_radius = one_nan((square / self.walk.scale.alpha).sqrt());
        let outcome = Outcome::of(left, exit_loss, exit_radius);
        TrialRecord { trial, outcome, steps: self.steps, exit_loss, exit_radius }
    }
}

/// w_i = 1/N + (ξ_i − ξ̄)/√(N·B).
fn sample_weights(stream: &mut TrialStream, batch_size: u64, weights: &mut [f32]) {
    stream.normals(weights);
    let n = weights.len() as f64;
    let mean = weights.iter().map(|&xi| f64::from(xi)).sum::<f64>() / n;
    let scale = 1.0 / (n * batch_size as f64).sqrt();
    for weight in weights {
        *weight = (1.0 / n + (f64::from(*weight) - mean) * scale) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ w = 1, and Var w = (1 − 1/N)/(N·B). H0 for the second: n = 200,000 normals; within 6 s.e., false alarm 2e-9.
    #[test]
    fn weights_have_the_sum_and_the_variance_that_the_covariance_asks_for() {
        let mut stream = TrialStream::new(StreamKey::derive(1, 2), 3, Isa::current());
        let (n, batch_size, rounds) = (1000, 10, 200);
        let mut weights = vec![0.0; n];
        let mut squares = 0.0;
        for _ in 0..rounds {
            sample_weights(&mut stream, batch_size, &mut weights);
            let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            squares += weights.iter().map(|&w| (f64::from(w) - 1.0 / n as f64).powi(2)).sum::<f64>();
        }
        let expected = (1.0 - 1.0 / n as f64) / (n as f64 * batch_size as f64);
        let found = squares / (n * rounds) as f64;
        let error = expected * (2.0 / (n * rounds) as f64).sqrt();
        assert!((found - expected).abs() < 6.0 * error, "{found} against {expected} ± {error}");
    }
}
