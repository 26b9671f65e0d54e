//! One trial, from θ* to its exit: the plain scalar path, and the reference that faster kernels are tested against.

use crate::domain::Boundary;
use crate::dynamics::{State, Step};
use crate::landscape::Landscape;
use crate::rng::{Stream, StreamKey};

/// What a trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It left D.
    Exited,
    /// It left D with a state that is not finite, or whose loss or radius is not. Counts as an exit.
    Diverged,
    /// It was still inside at `max_steps`.
    Censored,
}

impl Outcome {
    /// The word used in the dataset.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Diverged => "diverged",
            Self::Censored => "censored",
        }
    }
}

/// The result of one trial of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialRecord {
    /// Which trial of its cell.
    pub trial: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Steps simulated: the exit step k*, or `max_steps` if censored.
    pub steps: u64,
    /// L_αβ(θ) − L_αβ(θ*) at the end.
    pub exit_loss: f64,
    /// ‖θ − θ*‖ at the end.
    pub exit_radius: f64,
}

impl TrialRecord {
    /// k*, the first k ≥ 1 with θ_k ∉ D; `None` if censored.
    pub fn exit_step(&self) -> Option<u64> {
        (self.outcome != Outcome::Censored).then_some(self.steps)
    }
}

/// A cell that can be simulated, whatever its landscape and dynamics.
pub trait Simulation: Send + Sync {
    /// A walker for one thread.
    fn walker(&self) -> Box<dyn Walker + '_>;
}

/// Walks one trial at a time.
pub trait Walker: Send {
    /// Begins trial `trial` at θ*.
    fn start(&mut self, trial: u64);

    /// Goes on for about a millisecond. The record, if the trial ended; `None` if it is still inside.
    fn advance(&mut self) -> Option<TrialRecord>;
}

/// A cell with its landscape and dynamics known to the compiler.
pub(crate) struct Walk<L, S> {
    pub(crate) landscape: std::sync::Arc<L>,
    pub(crate) step: S,
    pub(crate) boundary: Boundary,
    /// β, which makes a base excess loss one of L_αβ.
    pub(crate) beta: f64,
    pub(crate) max_steps: u64,
    pub(crate) key: StreamKey,
}

impl<L: Landscape, S: Step<L>> Simulation for Walk<L, S> {
    fn walker(&self) -> Box<dyn Walker + '_> {
        const WORK_BETWEEN_LOOKS: u64 = 1 << 20;
        Box::new(ScalarWalker {
            walk: self,
            state: State::at_minimum(&*self.landscape, Stream::new(self.key, 0)),
            scratch: self.step.scratch(),
            trial: 0,
            steps: 0,
            slice: (WORK_BETWEEN_LOOKS / self.step.work(&self.landscape).max(1)).clamp(1, 1 << 16),
        })
    }
}

struct ScalarWalker<'a, L: Landscape, S: Step<L>> {
    walk: &'a Walk<L, S>,
    state: State<L>,
    scratch: S::Scratch,
    trial: u64,
    steps: u64,
    slice: u64,
}

impl<L: Landscape, S: Step<L>> Walker for ScalarWalker<'_, L, S> {
    fn start(&mut self, trial: u64) {
        self.state.restart(Stream::new(self.walk.key, trial));
        self.trial = trial;
        self.steps = 0;
    }

    fn advance(&mut self) -> Option<TrialRecord> {
        let end = self.walk.max_steps.min(self.steps.saturating_add(self.slice));
        while self.steps < end {
            self.walk.step.step(&self.walk.landscape, &mut self.state, &mut self.scratch);
            self.steps += 1;
            if self.has_left() {
                return Some(self.record(Outcome::Exited));
            }
        }
        (self.steps == self.walk.max_steps).then(|| self.record(Outcome::Censored))
    }
}

impl<L: Landscape, S: Step<L>> ScalarWalker<'_, L, S> {
    fn has_left(&mut self) -> bool {
        let value = match self.walk.boundary {
            Boundary::SquaredRadius(_) => squared_norm(&self.state.x),
            Boundary::BaseExcess(_) => self.walk.landscape.excess_loss(&self.state.z, &mut self.state.workspace),
        };
        self.walk.boundary.left(value)
    }

    fn record(&mut self, outcome: Outcome) -> TrialRecord {
        let excess = self.walk.landscape.excess_loss(&self.state.z, &mut self.state.workspace);
        let exit_loss = one_nan(self.walk.beta * excess);
        let exit_radius = one_nan(squared_norm(&self.state.x).sqrt());
        // A state with a coordinate that is not finite has no finite radius.
        let finite = exit_loss.is_finite() && exit_radius.is_finite();
        let outcome = if outcome == Outcome::Exited && !finite { Outcome::Diverged } else { outcome };
        TrialRecord { trial: self.trial, outcome, steps: self.steps, exit_loss, exit_radius }
    }
}

fn squared_norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// The sign and payload of a NaN differ between instruction sets; in the dataset there is one NaN.
fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Domain;
    use crate::dynamics::{Covariance, Dynamics};
    use crate::landscape::quadratic::Quadratic;
    use crate::problem::{AnyLandscape, CellProblem};
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
        }
    }

    fn run(problem: &CellProblem, trial: u64) -> TrialRecord {
        let simulation = problem.simulation(1, 2).expect("it can be simulated");
        let mut walker = simulation.walker();
        walker.start(trial);
        std::iter::from_fn(|| Some(walker.advance())).flatten().next().expect("it ends")
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
        let simulation = problem.simulation(1, 2).expect("it can be simulated");
        let mut walker = simulation.walker();
        let mut one_after_the_other = [5, 2, 5].map(|trial| {
            walker.start(trial);
            std::iter::from_fn(|| Some(walker.advance())).flatten().next().expect("it ends")
        });
        one_after_the_other.rotate_left(1);
        assert_eq!(one_after_the_other, [2, 5, 5].map(|trial| run(&problem, trial)));
    }
}
