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
    /// It left D with a state that is not finite. Counts as an exit.
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
                let finite = self.state.x.iter().all(|x| x.is_finite());
                return Some(self.record(if finite { Outcome::Exited } else { Outcome::Diverged }));
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
        TrialRecord {
            trial: self.trial,
            outcome,
            steps: self.steps,
            exit_loss: one_nan(self.walk.beta * excess),
            exit_radius: one_nan(squared_norm(&self.state.x).sqrt()),
        }
    }
}

fn squared_norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// The sign and payload of a NaN differ between instruction sets; in the dataset there is one NaN.
fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}
