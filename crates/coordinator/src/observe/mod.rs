//! What is read of a running coordinator by those who bring no certificate: probes, Prometheus, KEDA. It changes nothing,
//! and says how much there is to do, but not one row, nor who does it.
//!
//! | module | what it is |
//! | --- | --- |
//! | `arguments` | the options that say where this is served |
//! | `http` | `/metrics`, `/healthz`, `/readyz` |
//! | `metrics` | the metrics by their names |
//! | `health` | gRPC's health service |
//! | `scaler` | KEDA's external scaler |
//! | `useful` | how many slots the work is worth |

mod arguments;
mod health;
mod http;
mod metrics;
mod scaler;
#[cfg(test)]
mod tests;
mod useful;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use arguments::{ObserveArguments, Posts};
pub use health::serving;
pub use useful::useful_slots;

use crate::serve::Progress;

/// A dispatcher that has not been heard of for so long is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// How far the life of a coordinator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The dataset is opened, and what the landscape needs is made: that can take hours.
    Preparing,
    /// Workers are served.
    Running {
        /// From then on.
        since: Instant,
    },
    /// Every row is durable; the dataset is put in order.
    Finishing,
    /// The sweep is complete.
    Finished,
    /// It is but for trials that workers died of.
    Incomplete,
}

impl Phase {
    const NAMES: [&str; 5] = ["preparing", "running", "finishing", "finished", "incomplete"];

    fn name(self) -> &'static str {
        match self {
            Self::Preparing => Self::NAMES[0],
            Self::Running { .. } => Self::NAMES[1],
            Self::Finishing => Self::NAMES[2],
            Self::Finished => Self::NAMES[3],
            Self::Incomplete => Self::NAMES[4],
        }
    }
}

/// A coordinator, as it is seen from outside.
#[derive(Debug, Clone)]
pub struct Observed {
    name: String,
    sweep: String,
    phase: watch::Receiver<Phase>,
    progress: watch::Receiver<Progress>,
}

impl Observed {
    /// The coordinator of the sweep `name`, whose physics has the hash `sweep`; and what is to be told its phases.
    pub fn new(name: String, sweep: String, progress: watch::Receiver<Progress>) -> (watch::Sender<Phase>, Self) {
        let (sender, phase) = watch::channel(Phase::Preparing);
        (sender, Self { name, sweep, phase, progress })
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    fn progress(&self) -> Progress {
        let mut progress = *self.progress.borrow();
        if !matches!(self.phase(), Phase::Running { .. }) {
            // Nobody is served: what was last published is from before they left.
            (progress.standing.workers, progress.standing.threads, progress.standing.leases) = (0, 0, 0);
        }
        progress
    }

    /// Whether a worker that dials is answered.
    fn is_ready(&self) -> bool {
        self.is_alive() && matches!(self.phase(), Phase::Running { .. } | Phase::Finished | Phase::Incomplete)
    }

    /// Whether it does what it should.
    fn is_alive(&self) -> bool {
        match self.phase() {
            Phase::Running { since } => since.elapsed().saturating_sub(self.progress().uptime) < STUCK,
            _ => true,
        }
    }

    /// Slots that the work is worth now.
    fn useful_slots(&self, worth: Duration) -> u64 {
        match self.phase() {
            Phase::Running { .. } => useful_slots(&self.progress(), worth),
            _ => 0,
        }
    }

    /// Waits until something is different. Whether anything can be, any more.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.phase.changed() => changed.is_ok(),
            changed = self.progress.changed() => changed.is_ok(),
        }
    }
}
