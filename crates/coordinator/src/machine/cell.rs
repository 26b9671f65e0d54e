//! One cell's trials, and what they cost.

use std::cmp::Reverse;
use std::ops::Range;
use std::time::Duration;

use taugrid_results::Ranges;

use super::Tuning;

/// Which cell is leased first: those of unknown cost, to learn it, then the dearest, so that the end is not ragged.
pub(super) type Priority = Reverse<u64>;

/// The trials of one cell.
#[derive(Debug)]
pub(super) struct CellState {
    trials: u64,
    /// Trials that a thread of a worker runs side by side.
    lanes: u64,
    /// Neither leased nor received.
    open: Ranges,
    received: Ranges,
    received_count: u64,
    /// Thread time of one trial, in seconds, as far as it is known.
    cost: Option<f64>,
}

impl CellState {
    pub(super) fn new(trials: u64, lanes: u64, received: Ranges) -> Self {
        let mut open = Ranges::new();
        if trials > 0 {
            open.insert(0..trials);
        }
        let mut state =
            Self { trials, lanes: lanes.max(1), open, received: Ranges::new(), received_count: 0, cost: None };
        state.receive(&received);
        state
    }

    pub(super) fn trials(&self) -> u64 {
        self.trials
    }

    pub(super) fn lanes(&self) -> u64 {
        self.lanes
    }

    pub(super) fn received(&self) -> u64 {
        self.received_count
    }

    pub(super) fn cost(&self) -> Option<f64> {
        self.cost
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn priority(&self) -> Priority {
        Reverse(self.cost.map_or(u64::MAX, |seconds| (seconds * 1e9) as u64))
    }

    /// Marks trials as received; how many of them are new. Trials beyond the sweep's count do not matter.
    pub(super) fn receive(&mut self, ranges: &Ranges) -> u64 {
        let mut new = 0;
        for range in ranges.iter() {
            let range = range.start..range.end.min(self.trials);
            if range.is_empty() {
                continue;
            }
            let known: u64 =
                self.received.overlapping(&range).map(|r| r.end.min(range.end) - r.start.max(range.start)).sum();
            new += range.end - range.start - known;
            self.open.remove(range.clone());
            self.received.insert(range);
        }
        self.received_count += new;
        new
    }

    /// Frees trials that were leased, but for those received since.
    pub(super) fn reopen(&mut self, missing: &Ranges) {
        for range in missing.iter() {
            for gap in self.received.gaps(range) {
                self.open.insert(gap);
            }
        }
    }

    /// Takes a shard for a worker of `threads`: about a shard's time of work where the cost is known, but at least what
    /// fills the lanes of all its threads; and never more than leaves every one of `total_threads` something to do,
    /// unless that is less than fills the lanes of one.
    pub(super) fn take(&mut self, threads: u32, total_threads: u64, tuning: Tuning) -> Range<u64> {
        let threads = u64::from(threads);
        let full = threads * self.lanes;
        let wanted = match self.cost {
            None => full,
            Some(cost) => ((tuning.shard.as_secs_f64() * threads as f64 / cost.max(1e-9)) as u64).max(full),
        };
        let open: u64 = self.open.iter().map(|r| r.end - r.start).sum();
        let fair = open.div_ceil(2 * total_threads.max(1)).saturating_mul(threads).max(self.lanes);
        let Some(first) = self.open.iter().next().cloned() else { return 0..0 };
        let count = wanted.min(fair).max(1).min(first.end - first.start);
        let shard = first.start..first.start + count;
        self.open.remove(shard.clone());
        shard
    }

    /// Learns from a finished lease: the newest counts for half.
    pub(super) fn learn(&mut self, busy: Duration, trials: u64) {
        let seen = busy.as_secs_f64() / trials.max(1) as f64;
        self.cost = Some(self.cost.map_or(seen, |known| 0.5 * (known + seen)));
    }
}
