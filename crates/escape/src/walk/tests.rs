use super::*;
use crate::domain::Domain;
use crate::dynamics::{Covariance, Dynamics};
use crate::ensemble::RangeQueue;
use crate::landscape::quadratic::Quadratic;
use crate::problem::{AnyLandscape, CellProblem, Dtype};
use crate::scale::Scale;
use std::sync::Arc;

fn problem(eta: f64, radius: f64, max_steps: u64) -> CellProblem {
    CellProblem {
        landscape: AnyLandscape::Quadratic(Arc::new(Quadratic::new(vec![1.0, 0.5]).expect("positive"))),
        domain: Domain::Ball { radius, follows_alpha: true },
        dynamics: Dynamics::GaussianSgd(Covariance::Hessian),
        scale: Scale { alpha: 2.0, beta: 3.0 },
        eta,
        batch_size: 1,
        max_steps,
        dtype: Dtype::F32,
    }
}

/// The records of these trials, one after the other through one walker with all its lanes, in the order of the trials.
fn run_all(problem: &CellProblem, trials: std::ops::Range<u64>) -> Vec<TrialRecord> {
    let simulation = problem.simulation(1, 2).expect("it can be simulated");
    let (mut walker, queue, mut records) = (simulation.walker(), RangeQueue::new(trials), Vec::new());
    while !walker.advance(&queue, &mut records).idle {}
    records.sort_by_key(|record| record.trial);
    records
}

fn run(problem: &CellProblem, trial: u64) -> TrialRecord {
    run_all(problem, trial..trial + 1)[0]
}

#[test]
fn a_trial_that_stays_inside_is_censored_at_the_last_step() {
    let record = run(&problem(0.01, 100.0, 70_000), 0);
    assert_eq!((record.outcome, record.steps, record.exit_step()), (Outcome::Censored, 70_000, None));
    assert!(record.exit_radius < 100.0);
}

#[test]
fn a_trial_that_leaves_is_just_outside_and_was_inside_before() {
    let record = run(&problem(0.05, 1.0, 1_000_000), 3);
    assert_eq!(record.outcome, Outcome::Exited);
    assert!(record.exit_radius >= 1.0 / 2f64.sqrt());
    let before = run(&problem(0.05, 1.0, record.steps - 1), 3);
    assert_eq!((before.outcome, before.steps), (Outcome::Censored, record.steps - 1));
}

/// ηλ far above 2: every step multiplies θ, until it overflows in a domain that holds every finite point.
#[test]
fn what_overflows_has_left_and_is_told_apart() {
    let record = run(&problem(100.0, f64::MAX, 1_000_000), 0);
    assert_eq!(record.outcome, Outcome::Diverged);
    assert_eq!(record.exit_step(), Some(record.steps));
    assert!(record.steps < 1000 && !record.exit_radius.is_finite());
}

#[test]
fn a_walker_carries_nothing_from_trial_to_trial() {
    let problem = problem(0.1, 1.0, 1_000_000);
    let together = run_all(&problem, 0..100);
    let alone: Vec<_> = (0..100).map(|trial| run(&problem, trial)).collect();
    assert_eq!(together, alone);
}
