//! One worker, and the leases it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use taugrid_results::{CellKey, Ranges};

use super::Tuning;
use super::cell::CellState;
use super::event::{Identity, LeaseId, Moment};

/// A connected worker.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) identity: Identity,
    /// Trials it runs at once.
    pub(super) threads: u32,
    pub(super) joined: Moment,
    /// When it was last heard of.
    pub(super) heard: Moment,
    leases: BTreeMap<LeaseId, LeaseState>,
    /// The same by their cells.
    by_cell: BTreeSet<(CellKey, LeaseId)>,
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
    pub(super) cell: CellKey,
    /// Trials of it that a thread runs side by side.
    lanes: u64,
    /// Thread time of a trial of it, in seconds, as far as it is known.
    cost: Option<f64>,
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
    pub(super) fn new(key: CellKey, cell: &CellState, trials: Ranges, given: Moment) -> Self {
        let size = trials.count();
        let missing = trials.clone();
        Self {
            cell: key,
            lanes: cell.lanes(),
            cost: cell.cost(),
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
            self.missing_count -= self.missing.count_within(&range);
            self.missing.remove(&range);
        }
    }

    /// These trials are given back; whether all of them were the lease's to give. If not, it has them still.
    pub(super) fn give_back(&mut self, ranges: &Ranges) -> bool {
        let given = ranges.count();
        if given != ranges.intersection(&self.missing).count() {
            return false;
        }
        self.receive(ranges);
        self.size -= given;
        true
    }

    /// Whether the worker has been asked to give some back, and has not answered.
    pub(super) fn is_recalled(&self) -> bool {
        self.recalls > 0
    }

    /// Wall time that so many of its trials take so many threads.
    pub(super) fn seconds(&self, trials: u64, threads: u32, tuning: Tuning) -> f64 {
        // A cell of unknown cost is taken to fill a tenth of the window with each trial of a thread.
        let unknown = || 0.1 * tuning.window.as_secs_f64() / self.lanes as f64;
        trials as f64 * self.cost.unwrap_or_else(unknown) / f64::from(threads)
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
            leases: BTreeMap::new(),
            by_cell: BTreeSet::new(),
            returned: BTreeSet::new(),
            probing: false,
            leaving: false,
        }
    }

    /// Its leases, in the order in which they were given.
    pub(super) fn leases(&self) -> impl ExactSizeIterator<Item = (LeaseId, &LeaseState)> {
        self.leases.iter().map(|(&id, lease)| (id, lease))
    }

    pub(super) fn leases_mut(&mut self) -> impl Iterator<Item = (LeaseId, &mut LeaseState)> {
        self.leases.iter_mut().map(|(&id, lease)| (id, lease))
    }

    /// Its leases of one cell.
    pub(super) fn leases_of(&self, cell: CellKey) -> impl Iterator<Item = (LeaseId, &LeaseState)> {
        let ids = self.by_cell.range(all_of(cell));
        ids.filter_map(|(_, id)| self.leases.get(id).map(|lease| (*id, lease)))
    }

    pub(super) fn lease(&self, id: LeaseId) -> Option<&LeaseState> {
        self.leases.get(&id)
    }

    pub(super) fn lease_mut(&mut self, id: LeaseId) -> Option<&mut LeaseState> {
        self.leases.get_mut(&id)
    }

    /// Gives it a lease.
    pub(super) fn give(&mut self, id: LeaseId, lease: LeaseState) {
        self.by_cell.insert((lease.cell, id));
        self.leases.insert(id, lease);
    }

    /// Rows of these trials of a cell came.
    pub(super) fn receive(&mut self, cell: CellKey, trials: &Ranges) {
        self.change_of(cell, |lease| lease.receive(trials));
    }

    /// All leases are over.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = LeaseState> + use<> {
        self.by_cell.clear();
        std::mem::take(&mut self.leases).into_values()
    }

    /// A lease is over.
    pub(super) fn end(&mut self, id: LeaseId) -> Option<LeaseState> {
        let lease = self.leases.remove(&id)?;
        self.by_cell.remove(&(lease.cell, id));
        self.probing = false;
        Some(lease)
    }

    /// What a trial of a cell costs is known better now.
    pub(super) fn learn(&mut self, cell: CellKey, cost: Option<f64>) {
        self.change_of(cell, |lease| lease.cost = cost);
    }

    fn change_of(&mut self, cell: CellKey, change: impl Fn(&mut LeaseState)) {
        for (_, id) in self.by_cell.range(all_of(cell)) {
            self.leases.get_mut(id).into_iter().for_each(&change);
        }
    }

    /// That every lease is found by its cell, and nothing else is.
    pub(super) fn audit(&self) -> Result<(), String> {
        let leases: BTreeSet<_> = self.leases.iter().map(|(&id, lease)| (lease.cell, id)).collect();
        if leases == self.by_cell { Ok(()) } else { Err(format!("it has {leases:?}, and finds {:?}", self.by_cell)) }
    }

    /// How much work it holds.
    pub(super) fn load(&self, tuning: Tuning) -> Load {
        let mut load = Load::default();
        self.leases.values().for_each(|lease| load.add(lease, self.threads, tuning));
        load
    }
}

/// Where the leases of a cell are.
fn all_of(cell: CellKey) -> RangeInclusive<(CellKey, LeaseId)> {
    (cell, LeaseId(0))..=(cell, LeaseId(u64::MAX))
}

/// How much work a worker holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// How often over it fills the lanes of all threads.
    lanes: f64,
    /// Wall time.
    pub(super) seconds: f64,
}

impl Load {
    /// Adds a lease of a worker of so many threads.
    pub(super) fn add(&mut self, lease: &LeaseState, threads: u32, tuning: Tuning) {
        self.lanes += lease.missing_count as f64 / lease.lanes as f64 / f64::from(threads);
        self.seconds += lease.seconds(lease.missing_count, threads, tuning);
    }

    /// Whether it keeps all threads busy until the next lease can come: enough to fill all lanes of each and one to
    /// spare, and a window's worth of time.
    pub(super) fn is_enough(self, tuning: Tuning) -> bool {
        self.lanes > 1.0 && self.seconds >= tuning.window.as_secs_f64()
    }
}
