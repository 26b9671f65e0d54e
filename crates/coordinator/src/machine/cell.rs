//! One cell's trials, and what they cost.

use std::cmp::Reverse;
use std::ops::Range;
use std::time::Duration;

use taugrid_results::Ranges;

use super::Tuning;
use super::event::Identity;
use super::suspects::{Suspects, Verdict};

/// Which cell is leased first: those of unknown cost, to learn it, then the dearest, so that the end is not ragged.
pub(super) type Priority = Reverse<u64>;

/// What a machine is told of a cell at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Trials it needs, as far as is known.
    pub trials: u64,
    /// Whether that may turn out to be too few: once all of them have been received, it is asked.
    pub open_ended: bool,
    /// Trials that a thread of a worker runs side by side.
    pub lanes: u64,
}

/// The trials of one cell. Each below `limit` is open, on probation, leased, received or in quarantine.
#[derive(Debug)]
pub(super) struct CellState {
    limit: u64,
    pub(super) open_ended: bool,
    /// Whether it was asked if its trials are enough.
    pub(super) deciding: bool,
    lanes: u64,
    open: Ranges,
    open_count: u64,
    /// Open as well, but leased by themselves: a worker may die of them.
    probation: Ranges,
    received: Ranges,
    received_count: u64,
    quarantined: Ranges,
    quarantined_count: u64,
    pub(super) suspects: Suspects,
    /// Thread time of finished trials, in seconds, and how many they were.
    busy: f64,
    ran: f64,
}

impl CellState {
    pub(super) fn new(plan: Plan, received: Ranges) -> Self {
        let mut state = Self {
            limit: 0,
            open_ended: plan.open_ended,
            deciding: false,
            lanes: plan.lanes.max(1),
            open: Ranges::new(),
            open_count: 0,
            probation: Ranges::new(),
            received,
            received_count: 0,
            quarantined: Ranges::new(),
            quarantined_count: 0,
            suspects: Suspects::default(),
            busy: 0.0,
            ran: 0.0,
        };
        state.extend(plan.trials);
        state
    }

    /// Asks for more trials: those not received yet are open.
    pub(super) fn extend(&mut self, limit: u64) {
        let more = self.limit..limit.max(self.limit);
        if more.is_empty() {
            return;
        }
        self.limit = more.end;
        self.received_count += self.received.count_within(&more);
        self.reopen(&more.into());
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn lanes(&self) -> u64 {
        self.lanes
    }

    pub(super) fn received(&self) -> u64 {
        self.received_count
    }

    pub(super) fn quarantined(&self) -> u64 {
        self.quarantined_count
    }

    /// Trials whose rows are still to come.
    pub(super) fn outstanding(&self) -> u64 {
        self.limit - self.received_count - self.quarantined_count
    }

    /// Whether all of its trials are there, and it is to be asked if they are enough.
    pub(super) fn is_to_be_decided(&self) -> bool {
        self.open_ended && !self.deciding && self.received_count == self.limit
    }

    /// Thread time of one trial, in seconds, as far as it is known.
    pub(super) fn cost(&self) -> Option<f64> {
        (self.ran > 0.0).then(|| self.busy / self.ran)
    }

    pub(super) fn has_open(&self) -> bool {
        self.open_count > 0
    }

    pub(super) fn has_probation(&self) -> bool {
        !self.probation.is_empty()
    }

    /// Where it stands among the cells with open trials; `None` if it has none.
    pub(super) fn place_in_queue(&self) -> Option<Priority> {
        self.has_open().then(|| Reverse(self.cost().map_or(u64::MAX, |seconds| (seconds * 1e9) as u64)))
    }

    /// Marks trials as received; how many of them are new and asked for.
    pub(super) fn receive(&mut self, ranges: &Ranges) -> u64 {
        let before = self.received_count;
        for range in ranges.iter() {
            self.close(&range);
            self.probation.remove(&range);
            self.suspects.clear(&range);
            self.quarantined_count -= self.quarantined.count_within(&range);
            self.quarantined.remove(&range);
            let asked = range.start.min(self.limit)..range.end.min(self.limit);
            if !asked.is_empty() {
                self.received_count += (asked.end - asked.start) - self.received.count_within(&asked);
            }
            self.received.insert(range);
        }
        self.received_count - before
    }

    fn close(&mut self, range: &Range<u64>) {
        self.open_count -= self.open.count_within(range);
        self.open.remove(range);
    }

    /// Frees trials that were leased, but for those received since.
    pub(super) fn reopen(&mut self, missing: &Ranges) {
        for gap in missing.minus(&self.received).iter() {
            self.reopen_range(gap);
        }
    }

    /// Those of `trials` whose rows are still to come, and the others.
    pub(super) fn tell_apart(&self, trials: &Ranges) -> (Ranges, Ranges) {
        (trials.minus(&self.received), trials.intersection(&self.received))
    }

    fn reopen_range(&mut self, range: Range<u64>) {
        let held = self.open.count_within(&range);
        self.open_count += (range.end - range.start) - held;
        self.open.insert(range);
    }

    /// Moves open trials to where they are leased by themselves.
    pub(super) fn put_on_probation(&mut self, range: &Range<u64>) {
        self.close(range);
        self.probation.insert(range.clone());
    }

    /// A worker that was thought dead is back: what was held against its trials is looked at again.
    pub(super) fn forgive(&mut self, worker: Identity) {
        for (range, verdict) in self.suspects.forgive(worker) {
            let aside: Vec<_> = self.quarantined.within(&range).collect();
            let on_probation: Vec<_> = self.probation.within(&range).collect();
            if !matches!(verdict, Verdict::Quarantine(_)) {
                for free in aside {
                    self.quarantined_count -= free.end - free.start;
                    self.quarantined.remove(&free);
                    self.probation.insert(free);
                }
            }
            if verdict == Verdict::Free {
                for free in on_probation {
                    self.probation.remove(&free);
                    self.reopen_range(free);
                }
            }
        }
    }

    /// What is in quarantine, and how many workers died of it.
    pub(super) fn quarantine_list(&self) -> impl Iterator<Item = (Range<u64>, u32)> {
        self.quarantined.iter().map(|range| (range.clone(), self.suspects.strikes(range.start)))
    }

    /// Sets trials aside that are in no lease.
    pub(super) fn quarantine(&mut self, range: &Range<u64>) {
        self.close(range);
        self.probation.remove(range);
        self.quarantined_count += (range.end - range.start) - self.quarantined.count_within(range);
        self.quarantined.insert(range.clone());
    }

    /// Takes the trials among `wanted` that are open, for a worker that is at work on them already.
    pub(super) fn claim(&mut self, wanted: &Ranges) -> Ranges {
        let mut claimed = wanted.intersection(&self.open);
        claimed.extend(wanted.intersection(&self.probation).iter());
        for range in claimed.iter() {
            self.close(&range);
            self.probation.remove(&range);
            self.suspects.clear(&range);
        }
        claimed
    }

    /// Takes a shard for a worker of `threads`: about a shard's time of work where the cost is known, but at least what
    /// fills the lanes of all its threads; and never more than leaves every one of `total_threads` something to do,
    /// unless that is less than fills the lanes of one.
    pub(super) fn take(&mut self, threads: u32, total_threads: u64, tuning: Tuning) -> Option<Range<u64>> {
        let threads = u64::from(threads);
        let full = threads * self.lanes;
        let wanted = match self.cost() {
            None => full,
            Some(cost) => ((tuning.shard.as_secs_f64() * threads as f64 / cost.max(1e-9)) as u64).max(full),
        };
        let fair = self.open_count.div_ceil(2 * total_threads.max(1)).saturating_mul(threads).max(self.lanes);
        let first = self.open.first()?;
        let count = wanted.min(fair).max(1).min(first.end - first.start);
        let shard = first.start..first.start + count;
        self.close(&shard);
        Some(shard)
    }

    /// Takes trials that are on probation: an eighth of what is suspected together, so that little is set aside.
    pub(super) fn take_probation(&mut self) -> Option<Range<u64>> {
        let first = self.probation.first()?;
        let together = self.suspects.piece(first.start).map_or(1, |size| size.div_ceil(8));
        let shard = first.start..first.end.min(first.start + together.max(1));
        self.probation.remove(&shard);
        Some(shard)
    }

    /// That each trial is in one place; else what is wrong. `leased` are the trials that each lease lacks.
    pub(super) fn audit(&self, leased: &[&Ranges]) -> Result<(), String> {
        let free = [&self.open, &self.probation, &self.quarantined].into_iter().flat_map(Ranges::iter);
        let mut places: Vec<_> = free.collect();
        if let Some(range) = places.iter().find(|range| self.received.count_within(range) > 0) {
            return Err(format!("some of the trials {range:?} were received, and are to be run"));
        }
        // Rows of leased trials may have come from another worker.
        let leased = leased.iter().flat_map(|ranges| ranges.iter()).flat_map(|range| self.received.gaps(&range));
        let all = 0..self.limit;
        places.extend(leased.chain(self.received.within(&all)));
        places.sort_by_key(|range| (range.start, range.end));
        places.push(self.limit..self.limit);
        let mut at = 0;
        for range in places {
            if range.start != at {
                let times = if range.start > at { "nowhere" } else { "in two places" };
                return Err(format!("trial {} is {times}", at.min(range.start)));
            }
            at = range.end;
        }
        let there = [self.open.count(), self.received.count_within(&all), self.quarantined.count()];
        let counted = [self.open_count, self.received_count, self.quarantined_count];
        if there == counted {
            Ok(())
        } else {
            Err(format!("{there:?} are open, received and in quarantine, and counted are {counted:?}"))
        }
    }

    /// Learns from a finished lease. What was long ago counts for less: other nodes, other neighbours.
    pub(super) fn learn(&mut self, busy: Duration, trials: u64) {
        const REMEMBERED: f64 = 1e4;
        if self.ran > REMEMBERED {
            self.busy /= 2.0;
            self.ran /= 2.0;
        }
        self.busy += busy.as_secs_f64();
        self.ran += trials as f64;
    }
}
