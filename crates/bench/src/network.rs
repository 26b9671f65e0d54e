//! W2–W4: SGD on the MLP, from untrained parameters, in a ball that no trial leaves.
//!
//! A step is all of it: the draw of the indices (or of the weights), forward, backward, update, and the look whether it
//! has left. All trials take the same number of steps and are censored then. What a trial costs beside its steps (its
//! buffers, and the loss over all examples at its end) is measured with trials of one step, and taken off.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use taugrid_escape::data::Examples;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::Dynamics;
use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::landscape::Curvature;
use taugrid_escape::landscape::mlp::{Activation, Mlp, Shape};
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype, ProblemError};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::scale::Scale;
use taugrid_escape::walk::TrialRecord;

use crate::suite::SuiteError;
use crate::timing::{Budget, Rates, units_for};

/// N.
pub(crate) const EXAMPLES: u32 = 10_430;
const INPUTS: usize = 10;
const CLASSES: usize = 12;

/// What the state of a trial on the MLP is kept in today, and what must be known of it.
pub(crate) const STATE: (&str, Option<&str>) = ("f64", Some("scalar path"));

/// Where the noise comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    /// Minibatches without replacement.
    Minibatches,
    /// Gaussian, of the exact covariance of the sample: the full batch with weights w_i = 1/N + (ξ_i − ξ̄)/√(NB).
    SampleCovariance,
}

impl Noise {
    /// The dynamics; `None` where the core does not have it yet.
    fn dynamics(self) -> Option<Dynamics> {
        match self {
            Self::Minibatches => Some(Dynamics::Sgd),
            // To be `Dynamics::GaussianSgd(Covariance::Sample)` once that exists.
            Self::SampleCovariance => None,
        }
    }

    /// Whether the core has it.
    pub(crate) fn exists(self) -> bool {
        self.dynamics().is_some()
    }
}

/// 10 → `hidden` → 12, ReLU, on so many standard normal examples, around untrained parameters.
///
/// # Errors
/// If there are no hidden units or no examples.
pub fn landscape(hidden: usize, examples: u32) -> Result<Arc<Mlp>, SuiteError> {
    let mut stream = Stream::new(StreamKey::derive(SEED, 0), 0);
    let inputs = (0..examples as usize * INPUTS).map(|_| stream.normal()).collect();
    let labels = (0..examples).map(|example| example % CLASSES as u32).collect();
    let examples = Arc::new(Examples::new(inputs, labels, INPUTS, CLASSES)?);
    let shape = Shape { inputs: INPUTS, hidden, classes: CLASSES };
    let theta = shape.initial_parameters(|| stream.uniform());
    // No step looks at it.
    let curvature = Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0 };
    Ok(Arc::new(Mlp::new(shape, Activation::Relu, 0.0, examples, theta, curvature)?))
}

/// The cell: η = 0.05, α = β = 1, and a ball that no trial leaves before its last step.
pub fn problem(mlp: &Arc<Mlp>, dynamics: Dynamics, batch_size: u64, max_steps: u64) -> CellProblem {
    CellProblem {
        landscape: AnyLandscape::Mlp(Arc::clone(mlp)),
        domain: Domain::Ball { radius: 1e6, follows_alpha: true },
        dynamics,
        scale: Scale { alpha: 1.0, beta: 1.0 },
        eta: 0.05,
        batch_size,
        max_steps,
        check_every: 1,
        dtype: Dtype::F32,
    }
}

/// Floating-point operations of a step that looks at so many examples: forward, the gradient of both layers, and the
/// way back through the second.
pub(crate) fn flops(hidden: usize, examples: u64) -> f64 {
    let products = INPUTS + CLASSES + CLASSES + CLASSES + INPUTS;
    2.0 * products as f64 * hidden as f64 * examples as f64
}

/// Steps/s of all chains together; `None` where the core has no such noise yet.
pub(crate) fn measure(
    pool: &ThreadPool,
    mlp: &Arc<Mlp>,
    noise: Noise,
    batch_size: u64,
    chains: u64,
    budget: Budget,
) -> Result<Option<Rates>, ProblemError> {
    let Some(dynamics) = noise.dynamics() else { return Ok(None) };
    let cell = Cell { pool, mlp, dynamics, batch_size, chains };
    // Whatever is wrong with the cell comes to light here.
    cell.time(1)?;
    let run = |steps| cell.time(steps).unwrap_or_default();
    let mut beside = [run(1), run(1), run(1)];
    beside.sort();
    let further = |steps: u64| run(steps + 1).saturating_sub(beside[1]);
    let steps = units_for(budget.share(), further);
    let total = (steps * chains) as f64;
    Ok(Some(budget.repeat(|| total / further(steps).as_secs_f64().max(1e-9))))
}

const SEED: u64 = 20_211_107;

struct Cell<'a> {
    pool: &'a ThreadPool,
    mlp: &'a Arc<Mlp>,
    dynamics: Dynamics,
    batch_size: u64,
    chains: u64,
}

impl Cell<'_> {
    /// The time that all chains take for so many steps each.
    fn time(&self, steps: u64) -> Result<Duration, ProblemError> {
        let problem = problem(self.mlp, self.dynamics, self.batch_size, steps);
        let simulation = problem.simulation(SEED, 0)?;
        let began = Instant::now();
        self.pool.install(|| ensemble::run(&*simulation, 0..self.chains, &AtomicBool::new(false), || Forget));
        Ok(began.elapsed())
    }
}

struct Forget;

impl Sink for Forget {
    fn record(&mut self, _: TrialRecord) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_a_step() {
        // W2, B = 10.
        assert_eq!(flops(5000, 10), 5.6e6);
    }

    #[test]
    fn chains_are_measured_on_any_pool() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
        let mlp = landscape(2, 100).expect("it is well formed");
        let budget = Budget { time: Duration::from_millis(2), repetitions: std::num::NonZeroUsize::MIN };
        let rates = measure(&pool, &mlp, Noise::Minibatches, 10, 3, budget).expect("B is below N").expect("it exists");
        assert!(rates.median() > 0.0 && rates.median().is_finite());
        assert!(measure(&pool, &mlp, Noise::Minibatches, 101, 3, budget).is_err());
    }
}
