//! One worker, and the leases it holds.

use std::collections::BTreeSet;
use std::time::Duration;

use taugrid_results::{CellKey, Ranges};

use super::Tuning;
use super::cell::{CellState, count};
use super::cells::Cells;
use super::event::{Identity, LeaseId, Moment, WorkerId};

/// A connected worker.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) identity: Identity,
    /// Trials it runs at once.
    pub(super) threads: u32,
    pub(super) joined: Moment,
    /// When it was last heard of.
    pub(super) heard: Moment,
    pub(super) leases: BTreeSet<LeaseId>,
    /// Leases that ended because all that was left was given back; it may still say that they are done.
    pub(super) returned: BTreeSet<LeaseId>,
    /// It holds trials on probation, and is given nothing beside them.
    pub(super) probing: bool,
    /// It gives back what it holds without being asked: it is about to go.
    pub(super) leaving: bool,
}

/// A shard that was given to a worker.
#[derive(Debug)]
pub(super) struct LeaseState {
    pub(super) worker: WorkerId,
    pub(super) cell: CellKey,
    pub(super) given: Moment,
    /// The trials of the shard as it was given.
    pub(super) trials: Ranges,
    /// Trials whose rows have not come.
    missing: Ranges,
    missing_count: u64,
    /// How many trials it ran, or will.
    pub(super) size: u64,
    /// How often the worker was asked to give some back and has not answered.
    pub(super) recalls: u32,
    /// Whether it had nothing to give when it was asked last.
    pub(super) all_begun: bool,
    /// Not asked for trials that are begun before the lease is so old.
    pub(super) patience: Duration,
}

impl LeaseState {
    pub(super) fn new(worker: WorkerId, cell: CellKey, trials: Ranges, given: Moment) -> Self {
        let size = count(&trials);
        let missing = trials.clone();
        Self {
            worker,
            cell,
            given,
            trials,
            missing,
            missing_count: size,
            size,
            recalls: 0,
            all_begun: false,
            patience: Duration::ZERO,
        }
    }

    /// Rows of these trials came.
    pub(super) fn receive(&mut self, ranges: &Ranges) {
        for range in ranges.iter() {
            self.remove(range);
        }
    }

    /// These trials are given back; whether all of them were the lease's to give. If not, it has them still.
    pub(super) fn give_back(&mut self, ranges: &Ranges) -> bool {
        let given = count(ranges);
        let held: u64 = ranges.iter().map(|range| super::cell::length(&self.missing, range)).sum();
        if given != held {
            return false;
        }
        self.receive(ranges);
        self.size -= given;
        true
    }

    fn remove(&mut self, range: &std::ops::Range<u64>) {
        let held = super::cell::length(&self.missing, range);
        if held > 0 {
            self.missing_count -= held;
            self.missing.remove(range.clone());
        }
    }

    /// Whether the worker has been asked to give some back, and has not answered.
    pub(super) fn is_recalled(&self) -> bool {
        self.recalls > 0
    }

    pub(super) fn missing(&self) -> &Ranges {
        &self.missing
    }

    pub(super) fn missing_count(&self) -> u64 {
        self.missing_count
    }
}

impl WorkerState {
    pub(super) fn new(identity: Identity, threads: u32, at: Moment) -> Self {
        Self {
            identity,
            threads: threads.max(1),
            joined: at,
            heard: at,
            leases: BTreeSet::new(),
            returned: BTreeSet::new(),
            probing: false,
            leaving: false,
        }
    }

    /// What it holds.
    pub(super) fn load<'a>(&self, leases: impl Iterator<Item = &'a LeaseState>, cells: &Cells, tuning: Tuning) -> Load {
        let window = tuning.window.as_secs_f64();
        let threads = f64::from(self.threads);
        let mut load = Load { lanes: 0.0, seconds: 0.0 };
        for lease in leases {
            let missing = lease.missing_count() as f64;
            let cell = cells.get(lease.cell);
            let lanes = cell.map_or(1, CellState::lanes) as f64;
            load.lanes += missing / lanes / threads;
            // A cell of unknown cost is taken to fill a tenth of the window with each trial of a thread.
            load.seconds += missing * cell.and_then(CellState::cost).unwrap_or(0.1 * window / lanes) / threads;
        }
        load
    }
}

/// How much work a worker holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// How often over it fills the lanes of all threads.
    lanes: f64,
    /// Wall time.
    pub(super) seconds: f64,
}

impl Load {
    /// Whether it keeps all threads busy until the next lease can come: enough to fill all lanes of each and one to
    /// spare, and a window's worth of time.
    pub(super) fn is_enough(self, tuning: Tuning) -> bool {
        self.lanes > 1.0 && self.seconds >= tuning.window.as_secs_f64()
    }
}
