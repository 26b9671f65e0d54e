//! W2–W4: SGD on the MLP, from untrained parameters, in a ball that no trial leaves.
//!
//! A step is all of it: the draw of the indices (or of the weights), forward, backward, update, and the look whether it
//! has left. All trials take the same number of steps and are censored then. What a trial costs beside its steps (its
//! buffers, and the loss over all examples at its end) is not in the rates: a thread's clock runs only while its walker
//! neither begins nor ends a trial.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use taugrid_escape::data::Examples;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::landscape::Curvature;
use taugrid_escape::landscape::mlp::{Activation, Loss, Mlp, Shape};
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype, ProblemError};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::scale::Scale;
use taugrid_escape::walk::{Advance, TrialRecord};

use crate::suite::SuiteError;
use crate::timing::{Budget, Rates};

/// N.
pub(crate) const EXAMPLES: u32 = 10_430;
const INPUTS: usize = 10;
const CLASSES: usize = 12;

/// What the state of a trial is kept in.
pub(crate) const STATE: (&str, Option<&str>) = ("f32", None);

/// Where the noise comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    /// Minibatches without replacement.
    Minibatches,
    /// Gaussian, of the exact covariance of the sample: the full batch with weights w_i = 1/N + (ξ_i − ξ̄)/√(NB).
    SampleCovariance,
}

impl Noise {
    fn dynamics(self) -> Dynamics {
        match self {
            Self::Minibatches => Dynamics::Sgd,
            Self::SampleCovariance => Dynamics::GaussianSgd(Covariance::Sample),
        }
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
    let curvature = Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0, noise: None };
    Ok(Arc::new(Mlp::new(shape, Activation::Relu, Loss::MeanSquared, 0.0, examples, theta, curvature)?))
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

/// Steps/s of all chains together.
pub(crate) fn measure(
    pool: &ThreadPool,
    mlp: &Arc<Mlp>,
    noise: Noise,
    batch_size: u64,
    chains: u64,
    budget: Budget,
) -> Result<Rates, ProblemError> {
    let dynamics = noise.dynamics();
    let run = |chains: u64, steps: u64| -> Result<Watched, ProblemError> {
        let simulation = problem(mlp, dynamics, batch_size, steps).simulation(SEED, 0)?;
        let watched = Mutex::default();
        pool.install(|| ensemble::run(&*simulation, 0..chains, &AtomicBool::new(false), || Watch::new(&watched)));
        Ok(watched.into_inner().unwrap_or_else(PoisonError::into_inner))
    };
    let steps = steps_for(budget.share(), chains, pool.current_num_threads() as u64, run)?;
    // The time of a repetition is that of its steps: what comes beside them takes none of the others away.
    let all = Budget { time: Duration::MAX, ..budget };
    // What was run once can be run again.
    Ok(all.repeat(|| run(chains, steps).map_or(f64::NAN, |watched| watched.rate)))
}

/// How many steps of each of `chains` take about `time`, and are enough to be timed at all. Tried with a chain a thread:
/// more have the same rate, and only more to do beside.
fn steps_for<E>(
    time: Duration,
    chains: u64,
    threads: u64,
    mut run: impl FnMut(u64, u64) -> Result<Watched, E>,
) -> Result<u64, E> {
    const MOST: u64 = 1 << 40;
    let mut steps = 4;
    loop {
        let watched = run(threads, steps)?;
        let wanted = (watched.rate * time.as_secs_f64() / chains as f64) as u64;
        let seen_well = 2 * watched.steps >= threads * steps;
        if steps >= MOST || (seen_well && wanted <= 4 * steps) {
            return Ok(steps.max(wanted));
        }
        steps = if seen_well { wanted.clamp(2 * steps, 10 * steps) } else { 4 * steps };
    }
}

const SEED: u64 = 20_211_107;

/// What was seen of a run.
#[derive(Debug, Default, Clone, Copy)]
struct Watched {
    /// Steps that were timed.
    steps: u64,
    /// Steps/s, summed over the threads.
    rate: f64,
}

/// A thread's clock: it counts the goes of a walker in which no trial began or ended.
struct Watch<'a> {
    sum: &'a Mutex<Watched>,
    last: Instant,
    /// Whether the go that is under way holds more than steps.
    mixed: bool,
    steps: u64,
    time: Duration,
}

impl<'a> Watch<'a> {
    fn new(sum: &'a Mutex<Watched>) -> Self {
        // The first go makes the walker and begins its trial.
        Self { sum, last: Instant::now(), mixed: true, steps: 0, time: Duration::ZERO }
    }
}

impl Sink for Watch<'_> {
    fn record(&mut self, _: TrialRecord) {
        self.mixed = true;
    }

    fn advanced(&mut self, advance: Advance) -> taugrid_escape::ensemble::Order {
        let now = Instant::now();
        if !self.mixed {
            self.steps += advance.steps;
            self.time += now - self.last;
        }
        (self.last, self.mixed) = (now, false);
        taugrid_escape::ensemble::Order::GoOn
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.steps > 0 {
            let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.steps += self.steps;
            sum.rate += self.steps as f64 / self.time.as_secs_f64().max(1e-9);
        }
    }
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
    fn steps_are_found_for_any_speed() {
        // Goes of a millisecond or of a step, the first and the last of which do not count.
        for rate in [1.0, 100.0, 1e6, 1e9] {
            let go = (rate / 1000.0f64).ceil() as u64;
            let run = |chains: u64, steps: u64| {
                let steps = chains * steps.saturating_sub(2 * go);
                Ok::<_, ()>(Watched { steps, rate: if steps > 0 { 2.0 * rate } else { 0.0 } })
            };
            let steps = steps_for(Duration::from_secs(1), 256, 2, run).expect("it never fails") as f64;
            // Of a second's steps a 128th, and no fewer than a few goes.
            let expected = (rate / 128.0).floor().max(4.0 * go as f64);
            assert!((expected..=4.0 * expected).contains(&steps), "{rate}: {steps}");
        }
    }

    #[test]
    fn chains_are_measured_on_any_pool() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
        let mlp = landscape(2, 100).expect("it is well formed");
        let budget = Budget { time: Duration::from_millis(2), repetitions: std::num::NonZeroUsize::MIN };
        let rates = measure(&pool, &mlp, Noise::Minibatches, 10, 3, budget).expect("B is below N");
        assert!(rates.median() > 0.0 && rates.median().is_finite());
        assert!(measure(&pool, &mlp, Noise::Minibatches, 101, 3, budget).is_err());
    }
}
