//! Checkpoints that have come and belong to a lease that has not.

use std::collections::BTreeMap;
use std::ops::Range;

use taugrid_escape::walk::{Checkpoint, Simulation};
use taugrid_results::{CellKey, TrialCheckpoint};
use tracing::warn;

/// So many bytes of states are kept; trials whose states are beyond that begin anew.
const MOST_BYTES: usize = 256 << 20;

#[derive(Default)]
pub(super) struct Arriving {
    checkpoints: BTreeMap<(CellKey, u64), TrialCheckpoint>,
    bytes: usize,
}

impl Arriving {
    /// Keeps them until their lease comes.
    pub(super) fn keep(&mut self, checkpoints: Vec<TrialCheckpoint>) {
        for checkpoint in checkpoints {
            if self.bytes + checkpoint.state.len() > MOST_BYTES {
                warn!("more states of trials than can be kept: some trials begin anew");
                return;
            }
            self.bytes += checkpoint.state.len();
            let before = self.checkpoints.insert((checkpoint.cell, checkpoint.trial), checkpoint);
            self.bytes -= before.map_or(0, |before| before.state.len());
        }
    }

    /// Those of a lease. What the simulation cannot go on from is dropped: the trial begins anew, and comes out the same.
    pub(super) fn take(&mut self, cell: CellKey, trials: &Range<u64>, simulation: &dyn Simulation) -> Vec<Checkpoint> {
        let theirs: Vec<_> =
            self.checkpoints.range((cell, trials.start)..(cell, trials.end)).map(|(place, _)| *place).collect();
        let mut usable = Vec::new();
        for place in theirs {
            let Some(TrialCheckpoint { trial, steps, state, .. }) = self.checkpoints.remove(&place) else { continue };
            self.bytes -= state.len();
            let checkpoint = Checkpoint { trial, steps, state: state.to_vec() };
            match simulation.check(&checkpoint) {
                Ok(()) => usable.push(checkpoint),
                Err(error) => warn!("trial {trial} of cell {cell} begins anew: its checkpoint cannot be used: {error}"),
            }
        }
        usable
    }

    /// Forgets all: the stream broke, and the leases that they belong to come no more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
