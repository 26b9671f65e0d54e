//! Cells, and their measurement.

// A rig of tests, where a broken expectation should end the run; and no test uses all of it.
#![allow(clippy::expect_used, dead_code)]

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::landscape::well::Well;
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype};
use taugrid_escape::scale::Scale;
use taugrid_escape::walk::TrialRecord;

pub(crate) const HESSIAN: Covariance = Covariance::Hessian;
pub(crate) const IDENTITY: Covariance = Covariance::Identity;
pub(crate) const BOTH: [Covariance; 2] = [HESSIAN, IDENTITY];

/// The seed of all measurements.
pub(crate) const SEED: u64 = 20_211_107;

/// A cell with α = β = B = 1 that no trial is censored in.
pub(crate) fn cell(landscape: AnyLandscape, domain: Domain, dynamics: Dynamics, eta: f64) -> CellProblem {
    CellProblem {
        landscape,
        domain,
        dynamics,
        scale: Scale { alpha: 1.0, beta: 1.0 },
        eta,
        batch_size: 1,
        max_steps: u64::MAX,
        check_every: 1,
        dtype: Dtype::F32,
    }
}

pub(crate) fn bowl(eigenvalues: &[f64]) -> AnyLandscape {
    AnyLandscape::Quadratic(Arc::new(Quadratic::new(eigenvalues.to_vec()).expect("positive")))
}

pub(crate) fn double_well(barrier: f64, half_width: f64, transverse: &[f64]) -> AnyLandscape {
    AnyLandscape::Well(Arc::new(Well::double(barrier, half_width, transverse).expect("positive")))
}

pub(crate) fn quartic(eigenvalues: &[f64], q: f64) -> AnyLandscape {
    AnyLandscape::Well(Arc::new(Well::quartic(eigenvalues, q).expect("sound")))
}

pub(crate) fn ball(radius: f64) -> Domain {
    Domain::Ball { radius, follows_alpha: true }
}

/// The records of trials 0 … n − 1, in their order, so that the same seed gives the same bits.
pub(crate) fn records(problem: &CellProblem, trials: u64) -> Vec<TrialRecord> {
    let simulation = problem.simulation(SEED, 0).expect("it can be simulated");
    let found = Mutex::new(Vec::new());
    ensemble::run(&*simulation, 0..trials, &AtomicBool::new(false), || Store(&found));
    let mut found = found.into_inner().expect("no thread panicked");
    found.sort_by_key(|record| record.trial);
    found
}

struct Store<'a>(&'a Mutex<Vec<TrialRecord>>);

impl Sink for Store<'_> {
    fn record(&mut self, record: TrialRecord) {
        self.0.lock().expect("no thread panicked").push(record);
    }
}

/// A mean exit time, and its standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) mean: f64,
    pub(crate) error: f64,
}

/// The mean exit *time* over trials of which none is censored: steps times what a step lasts, which is η/substeps of an
/// SDE.
pub(crate) fn measure(problem: &CellProblem, trials: u64) -> Measured {
    let length = match problem.dynamics {
        Dynamics::Sde { substeps, .. } => problem.eta / f64::from(substeps),
        _ => problem.eta,
    };
    let steps = records(problem, trials);
    let steps = steps.iter().map(|record| record.exit_step().expect("no trial is censored") as f64);
    let n = trials as f64;
    let mean = steps.clone().sum::<f64>() / n;
    let variance = steps.map(|steps| (steps - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Measured { mean: length * mean, error: length * (variance / n).sqrt() }
}

impl Measured {
    /// Within `sigmas` standard errors and `bias` of `exact`.
    pub(crate) fn assert_meets(self, exact: f64, sigmas: f64, bias: f64, what: &str) {
        let Self { mean, error } = self;
        let (z, ratio) = ((mean - exact) / error, mean / exact);
        println!("{what}: {mean:.4} ± {error:.4} against {exact:.4}, ratio {ratio:.4}, z = {z:+.2}");
        let apart = (mean - exact).abs();
        assert!(apart < sigmas * error + bias * exact, "{what}: {mean} ± {error} against {exact}, z = {z}");
    }
}
