//! The end of a sweep: when nothing is open and workers idle, what others hold is shared out.
//!
//! The machine does not know which trials of a lease are begun, so it asks the worker to give back those that are not,
//! and the worker's answer decides. Trials that are begun are called back only from leases that have taken far longer than
//! they should: their worker is slow, or stalled; they go on elsewhere from a checkpoint.

use std::time::Duration;

use super::event::{Effect, LeaseId, Moment, WorkerId};
use super::worker::{LeaseState, WorkerState};
use super::{Machine, cell::CellState};

/// Leases that are looked at for one idle worker.
const SAMPLE: usize = 256;
/// Hungry workers that ask again at a time, at least; and in how many times all of them do, at most.
const AT_ONCE: usize = 64;
const ROUND: usize = 128;
/// Less work than this, in seconds, is not worth sharing.
const WORTH_SHARING: f64 = 0.02;
/// A lease is late when it has taken so many times as long as it should. Exit times are exponential: the longest of 64
/// takes five times the mean.
const LATE: f64 = 8.0;
/// And no sooner than this.
const LATE_AT_LEAST: Duration = Duration::from_secs(2);

impl Machine {
    /// Looks for trials that an idle worker could have of another's.
    pub(super) fn seek(&mut self, idle: WorkerId, effects: &mut Vec<Effect>) {
        if self.cells.has_work() || self.paused {
            return;
        }
        let Some(asker) = self.workers.get(&idle) else { return };
        let (left, threads) = (asker.load(self.tuning).seconds, asker.threads);
        if left > 0.25 * self.tuning.window.as_secs_f64() {
            return;
        }
        let Some((worker, lease)) = self.most_to_give(idle, left, threads) else { return };
        let state = self.workers.get_mut(&worker).and_then(|state| state.lease_mut(lease));
        let Some(state) = state else { return };
        state.recalls += 1;
        let most = half(state);
        effects.push(Effect::Recall { worker, lease, most, begun: false });
    }

    /// Hungry workers ask again, some of them in turn: what was all begun then may be no more.
    pub(super) fn ask_again(&mut self, effects: &mut Vec<Effect>) {
        let at_once = AT_ONCE.max(self.hungry.len() / ROUND);
        let turn = self.hungry.range(self.asking..).chain(self.hungry.range(..self.asking));
        let mut turn: Vec<_> = turn.copied().take(at_once + 1).collect();
        if turn.len() > at_once {
            self.asking = turn.pop().unwrap_or(self.asking);
        }
        turn.into_iter().for_each(|worker| self.seek(worker, effects));
    }

    /// The lease of another worker from which most can be had that is not begun, for one of so many threads that has work
    /// left for so many seconds.
    fn most_to_give(&mut self, idle: WorkerId, left: f64, threads: u32) -> Option<(WorkerId, LeaseId)> {
        // Where there are very many, a sample will do: the next one begins where this one ends.
        let (from, mut seen) = (self.sampled, 0);
        let tuning = self.tuning;
        let mut best: Option<(f64, WorkerId, LeaseId)> = None;
        for (&id, worker) in self.workers.range(from..).chain(self.workers.range(..from)) {
            if seen >= SAMPLE {
                self.sampled = id;
                break;
            }
            // One that has nothing is looked at as well.
            seen += worker.leases().len().max(1);
            // One that is about to go gives back what it holds by itself.
            if id == idle || worker.leaving {
                continue;
            }
            let theirs = worker.load(tuning).seconds;
            for (place, (lease, state)) in worker.leases().enumerate() {
                if state.is_recalled() || state.all_begun {
                    continue;
                }
                // Or it would ask for them back at once.
                if theirs <= left + state.seconds(half(state), threads, tuning) {
                    continue;
                }
                let worth = self.spare(worker, state, place == 0);
                if worth > WORTH_SHARING && best.is_none_or(|(most, ..)| worth > most) {
                    best = Some((worth, id, lease));
                }
            }
        }
        best.map(|(_, worker, lease)| (worker, lease))
    }

    /// Wall time of the trials of a lease that its worker has probably not begun. Leases are begun in their order.
    fn spare(&self, worker: &WorkerState, lease: &LeaseState, first: bool) -> f64 {
        let Some(cell) = self.cells.get(lease.cell) else { return 0.0 };
        let begun = if first { u64::from(worker.threads) * cell.lanes() } else { 0 };
        let spare = lease.missing_count().saturating_sub(begun) as f64;
        spare * self.expected_cost(cell) / f64::from(worker.threads)
    }

    /// Calls back half of what late leases hold, begun or not, as long as there are idle workers to take it.
    pub(super) fn call_back_late(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        let idle = |id: &&WorkerId| self.workers.get(id).is_some_and(|worker| worker.leases().len() == 0);
        let mut takers = self.hungry.iter().filter(idle).count();
        if takers == 0 || self.cells.has_work() || self.paused {
            return;
        }
        for (&id, worker) in &mut self.workers {
            let (threads, probing) = (worker.threads, worker.probing);
            for (lease, state) in worker.leases_mut() {
                if takers == 0 {
                    return;
                }
                if probing || !self.cells.get(state.cell).is_some_and(|cell| is_late(state, cell, threads, at)) {
                    continue;
                }
                takers -= 1;
                state.recalls += 1;
                state.patience = 2 * at.saturating_sub(state.given);
                let most = half(state);
                effects.push(Effect::Recall { worker: id, lease, most, begun: true });
            }
        }
    }

    /// Thread time of a trial, or a guess where nothing is known: enough to be worth sharing.
    fn expected_cost(&self, cell: &CellState) -> f64 {
        cell.cost().unwrap_or(0.1 * self.tuning.window.as_secs_f64())
    }
}

/// What is asked for of a lease at a time.
fn half(lease: &LeaseState) -> u64 {
    lease.missing_count().div_ceil(2)
}

/// Whether a lease of a worker of so many threads has taken far longer than it should.
fn is_late(lease: &LeaseState, cell: &CellState, threads: u32, at: Moment) -> bool {
    let Some(cost) = cell.cost().filter(|_| !lease.is_recalled()) else { return false };
    let rounds = (lease.missing_count() as f64 / f64::from(threads)).max(cell.lanes() as f64);
    let due = Duration::try_from_secs_f64(LATE * cost * rounds).unwrap_or(Duration::MAX);
    at.saturating_sub(lease.given) > due.saturating_add(LATE_AT_LEAST).max(lease.patience)
}
