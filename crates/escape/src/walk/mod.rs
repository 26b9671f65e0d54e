//! Trials, from θ* to their exit.
//!
//! | module | walks |
//! | --- | --- |
//! | `lanes` | sixteen trials at a time on a landscape that is a sum over coordinates, one a lane |
//! | `force`, `noise`, `real` | what moves them there, and what their states are kept in |
//! | `chain` | one trial on a perceptron, in f32 |
//! | `four` | four trials at a time on a small one |
//! | `gaussian` | its steps along the full gradient, with noise of a covariance |
//! | `correction` | the boundary drawn in, for chains |
//! | `checkpoint` | trials under way, as bytes |
//! | `scalar` | one trial on any landscape, in f64 |

pub(crate) mod chain;
mod checkpoint;
pub(crate) mod correction;
pub(crate) mod force;
mod four;
pub(crate) mod gaussian;
pub(crate) mod lanes;
pub(crate) mod noise;
pub(crate) mod real;
pub(crate) mod scalar;

pub use checkpoint::{Checkpoint, CheckpointError, Start};

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
    /// Of a trial that left, or did not, with this loss and radius. A state with a coordinate that is not finite has no
    /// finite radius.
    pub(crate) fn of(left: bool, exit_loss: f64, exit_radius: f64) -> Self {
        match (left, exit_loss.is_finite() && exit_radius.is_finite()) {
            (false, _) => Self::Censored,
            (true, true) => Self::Exited,
            (true, false) => Self::Diverged,
        }
    }

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

/// Where a walker takes its trials from; many walkers may share one.
pub trait Queue: Sync {
    /// The next trial that nobody is at.
    fn next(&self) -> Option<Start>;
}

/// What a walker did in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// Steps, of all its trials together.
    pub steps: u64,
    /// It has no trial, and the queue had none.
    pub idle: bool,
}

/// A cell that can be simulated, whatever its landscape and dynamics.
pub trait Simulation: Send + Sync {
    /// Trials that one walker walks side by side, for little more than the price of one.
    fn lanes(&self) -> usize;

    /// A walker for one thread.
    fn walker(&self) -> Box<dyn Walker + '_>;

    /// Whether a walker of this cell can go on from there. Checkpoints come off a wire or a disk.
    ///
    /// # Errors
    /// If it is not of this cell's kind of walk and dimension, or holds numbers that cannot be.
    fn check(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError>;

    /// The size of a checkpoint's state, in bytes.
    fn checkpoint_bytes(&self) -> usize;
}

/// Walks trials of a cell on one thread.
pub trait Walker: Send {
    /// Goes on for about a millisecond with the trials it has, and with new ones from `queue` as it is free for them.
    /// Those that end are added to `finished`.
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance;

    /// Adds the trials it has in hand, as they are; it goes on with them.
    fn checkpoint(&self, into: &mut Vec<Checkpoint>);

    /// Gives up the trials in hand for which `leaves` is true, and adds them as they were last.
    fn release(&mut self, leaves: &dyn Fn(u64) -> bool, into: &mut Vec<Checkpoint>);
}

/// The sign and payload of a NaN differ between instruction sets; in the dataset there is one NaN.
fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

#[cfg(test)]
mod suspension;
#[cfg(test)]
mod systems;
#[cfg(test)]
mod tests;
