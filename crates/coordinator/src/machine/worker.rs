//! One worker, and the leases it holds.

use std::collections::{BTreeMap, BTreeSet};

use taugrid_results::{CellKey, Ranges};

use super::cell::CellState;
use super::{LeaseId, Moment, Tuning};

/// A connected worker.
#[derive(Debug)]
pub(super) struct WorkerState {
    /// Trials it runs at once.
    pub(super) threads: u32,
    /// When it was last heard of.
    pub(super) heard: Moment,
    pub(super) leases: BTreeSet<LeaseId>,
}

/// A shard that was given to a worker.
#[derive(Debug)]
pub(super) struct LeaseState {
    pub(super) cell: CellKey,
    /// Trials of the shard.
    pub(super) trials: u64,
    /// Trials whose rows have not come.
    pub(super) missing: Ranges,
}

impl LeaseState {
    pub(super) fn receive(&mut self, ranges: &Ranges) {
        for range in ranges.iter() {
            self.missing.remove(range.clone());
        }
    }

    fn missing_count(&self) -> u64 {
        self.missing.iter().map(|r| r.end - r.start).sum()
    }
}

impl WorkerState {
    pub(super) fn new(threads: u32, at: Moment) -> Self {
        Self { threads: threads.max(1), heard: at, leases: BTreeSet::new() }
    }

    /// Whether the worker holds as many trials as keep its threads busy until the next lease can reach it: enough to
    /// fill all lanes of each thread and one to spare, and a window's worth of time. A cell of unknown cost is taken to
    /// fill a tenth of the window with each trial of a thread.
    pub(super) fn has_enough<'a>(
        &self,
        held: impl Iterator<Item = &'a LeaseState>,
        cells: &BTreeMap<CellKey, CellState>,
        tuning: Tuning,
    ) -> bool {
        const MOST_LEASES: usize = 256;
        let window = tuning.window.as_secs_f64();
        let (mut full_threads, mut seconds) = (0.0, 0.0);
        for lease in held {
            let missing = lease.missing_count() as f64;
            let cell = cells.get(&lease.cell);
            let lanes = cell.map_or(1, CellState::lanes) as f64;
            full_threads += missing / lanes;
            seconds += missing * cell.and_then(CellState::cost).unwrap_or(0.1 * window / lanes);
        }
        let threads = f64::from(self.threads);
        self.leases.len() >= MOST_LEASES || (full_threads > threads && seconds >= window * threads)
    }
}
