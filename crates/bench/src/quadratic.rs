//! W1: Gaussian SGD with C = H on a quadratic, 10,000 trials run to their exit.
//!
//! H = diag(10^(−k/(d−1))), η = 0.1, B = 10, α = β = 1, a sublevel set. The rate is that of the steps of trials that are
//! still inside, over the time from the first step to the last exit: that the lanes run empty at the end counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rayon::ThreadPool;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype, ProblemError};
use taugrid_escape::scale::Scale;
use taugrid_escape::walk::{Simulation, TrialRecord};

use crate::timing::{Budget, Rates};

/// Trials of a repetition.
pub(crate) const TRIALS: u64 = 10_000;

/// The cell in `d` dimensions; `None` for a d that W1 is not run in.
pub fn problem(d: u64, dtype: Dtype) -> Option<CellProblem> {
    let depth = match d {
        1 => 0.031,
        10 => 0.0427,
        100 => 0.167,
        1000 => 1.186,
        _ => return None,
    };
    let last = d.saturating_sub(1).max(1) as f64;
    let eigenvalues = (0..d).map(|k| 10f64.powf(-(k as f64) / last)).collect();
    Some(CellProblem {
        landscape: AnyLandscape::Quadratic(Arc::new(Quadratic::new(eigenvalues)?)),
        domain: Domain::Sublevel { depth },
        dynamics: Dynamics::GaussianSgd(Covariance::Hessian),
        scale: Scale { alpha: 1.0, beta: 1.0 },
        eta: 0.1,
        batch_size: 10,
        max_steps: u64::MAX,
        check_every: 1,
        dtype,
    })
}

/// Particle-steps/s. Every repetition walks the very same trials.
pub(crate) fn measure(pool: &ThreadPool, problem: &CellProblem, budget: Budget) -> Result<Rates, ProblemError> {
    let simulation = problem.simulation(SEED, 0)?;
    Ok(budget.repeat(|| {
        let began = Instant::now();
        let steps = pool.install(|| exit_steps(&*simulation, TRIALS));
        steps as f64 / began.elapsed().as_secs_f64()
    }))
}

const SEED: u64 = 20_211_107;

/// Σ of the exit steps of so many trials, on the current rayon pool.
fn exit_steps(simulation: &dyn Simulation, trials: u64) -> u64 {
    let total = AtomicU64::new(0);
    ensemble::run(simulation, 0..trials, &AtomicBool::new(false), || Sum(&total));
    total.into_inner()
}

struct Sum<'a>(&'a AtomicU64);

impl Sink for Sum<'_> {
    fn record(&mut self, record: TrialRecord) {
        self.0.fetch_add(record.steps, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_end_after_thousands_of_steps() {
        for d in [1, 10, 100] {
            let simulation = problem(d, Dtype::F32).expect("W1 has it").simulation(1, 0).expect("a quadratic");
            let mean = exit_steps(&*simulation, 100) as f64 / 100.0;
            assert!((1e3..1e5).contains(&mean), "d = {d}: {mean}");
        }
        assert!(problem(2, Dtype::F32).is_none());
    }

    #[test]
    fn the_eigenvalues_span_a_decade() {
        let Some(CellProblem { landscape: AnyLandscape::Quadratic(quadratic), .. }) = problem(10, Dtype::F32) else {
            panic!("W1 is run in ten dimensions, on a quadratic");
        };
        let eigenvalues = quadratic.eigenvalues();
        assert_eq!((eigenvalues.len(), eigenvalues[0], eigenvalues[9]), (10, 1.0, 0.1));
    }
}
