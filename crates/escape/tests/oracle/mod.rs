//! The exact mean exit steps and times in `exact.json`, and a measurement to hold against each.

// A rig of tests and benches, where a broken expectation should end the run.
#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype};
use taugrid_escape::scale::Scale;
use taugrid_escape::walk::TrialRecord;

/// One row of `exact.json`: a discrete chain, or an SDE.
pub(crate) struct Oracle {
    pub(crate) id: String,
    /// Steps of a discrete chain, the time of an SDE.
    pub(crate) exact: f64,
    pub(crate) dim: usize,
    pub(crate) problem: CellProblem,
}

impl Oracle {
    /// (measured mean, standard error) over `trials` trials of the exit step, or of the exit time of an SDE.
    pub(crate) fn measure(&self, seed: u64, trials: u64) -> (f64, f64) {
        let simulation = self.problem.simulation(seed, 0).expect("a quadratic with Gaussian noise");
        let steps = Mutex::new(vec![0u64; trials as usize]);
        ensemble::run(&*simulation, 0..trials, &AtomicBool::new(false), || Store(&steps));
        // In the order of the trials, so that the same seed gives the same bits.
        let steps = steps.into_inner().expect("no thread panicked");
        let n = trials as f64;
        let mean = steps.iter().map(|&s| s as f64).sum::<f64>() / n;
        let variance = steps.iter().map(|&s| (s as f64 - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (self.unit() * mean, self.unit() * (variance / n).sqrt())
    }

    /// What a step counts as: 1, or of an SDE its length in time.
    pub(crate) fn unit(&self) -> f64 {
        match self.problem.dynamics {
            Dynamics::Sde { .. } => self.problem.step_length(),
            _ => 1.0,
        }
    }
}

struct Store<'a>(&'a Mutex<Vec<u64>>);

impl Sink for Store<'_> {
    fn record(&mut self, record: TrialRecord) {
        let step = record.exit_step().expect("no trial is censored");
        self.0.lock().expect("no thread panicked")[record.trial as usize] = step;
    }
}

/// The discrete chains whose mean is under two million steps.
pub(crate) fn chains() -> Vec<Oracle> {
    let gaussian = Dynamics::GaussianSgd;
    rows("gaussian-sgd", "mean_exit_steps", gaussian).into_iter().filter(|oracle| oracle.exact < 2e6).collect()
}

/// The SDEs, with so many steps of the scheme in a time of η.
pub(crate) fn sdes(substeps: u32) -> Vec<Oracle> {
    rows("sde", "mean_exit_time", |covariance| Dynamics::Sde { covariance, substeps })
}

fn rows(kind: &str, exact: &str, dynamics: impl Fn(Covariance) -> Dynamics) -> Vec<Oracle> {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../exact.json")).expect("exact.json is JSON");
    rows.iter().filter(|row| row["dynamics"]["kind"] == kind).map(|row| read(row, exact, &dynamics)).collect()
}

fn read(row: &Value, exact: &str, dynamics: &impl Fn(Covariance) -> Dynamics) -> Oracle {
    let number = |value: &Value| value.as_f64().expect("a number");
    let eigenvalues: Vec<f64> =
        row["landscape"]["eigenvalues"].as_array().expect("a list").iter().map(number).collect();
    let domain = match row["domain"]["kind"].as_str() {
        Some("ball") => Domain::Ball { radius: number(&row["domain"]["radius"]), follows_alpha: true },
        Some("sublevel") => Domain::Sublevel { depth: number(&row["domain"]["depth"]) },
        other => panic!("unknown domain {other:?}"),
    };
    let covariance = match row["dynamics"]["covariance"].as_str() {
        Some("hessian") => Covariance::Hessian,
        Some("identity") => Covariance::Identity,
        other => panic!("unknown covariance {other:?}"),
    };
    let cell = &row["cell"];
    Oracle {
        id: row["id"].as_str().expect("a name").to_owned(),
        exact: number(&row[exact]),
        dim: eigenvalues.len(),
        problem: CellProblem {
            landscape: AnyLandscape::Quadratic(Arc::new(Quadratic::new(eigenvalues).expect("positive"))),
            domain,
            dynamics: dynamics(covariance),
            scale: Scale { alpha: number(&cell["alpha"]), beta: number(&cell["beta"]) },
            eta: number(&cell["eta"]),
            batch_size: cell["batch_size"].as_u64().expect("an integer"),
            max_steps: u64::MAX,
            check_every: 1,
            dtype: Dtype::F32,
        },
    }
}
