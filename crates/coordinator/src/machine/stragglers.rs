//! The end of a sweep: when nothing is open and workers idle, what others hold is shared out.
//!
//! The machine does not know which trials of a lease are begun, so it asks the worker to give back those that are not,
//! and the worker's answer decides. Trials that are begun are called back only from leases that have taken far longer than
//! they should: their worker is slow, or stalled; they go on elsewhere from a checkpoint.

use std::time::Duration;

use super::event::{Effect, LeaseId, Moment, WorkerId};
use super::worker::LeaseState;
use super::{Machine, cell::CellState};

/// Leases that are looked at for one idle worker.
const SAMPLE: usize = 512;
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
        if self.cells.has_work() || self.paused || self.work_left(idle) > 0.25 * self.tuning.window.as_secs_f64() {
            return;
        }
        let Some(lease) = self.most_to_give(idle) else { return };
        let Some(state) = self.leases.get_mut(&lease) else { return };
        state.recalls += 1;
        let most = state.missing_count().div_ceil(2);
        effects.push(Effect::Recall { worker: state.worker, lease, most, begun: false });
    }

    /// Idle workers ask again, some of them: what was all begun then may be no more.
    pub(super) fn ask_again(&mut self, effects: &mut Vec<Effect>) {
        const AT_ONCE: usize = 64;
        let idle: Vec<_> = self.hungry.iter().copied().take(AT_ONCE).collect();
        idle.into_iter().for_each(|worker| self.seek(worker, effects));
    }

    /// The lease of another worker from which most can be had that is not begun.
    fn most_to_give(&mut self, idle: WorkerId) -> Option<LeaseId> {
        // Where there are very many, a sample will do: it begins elsewhere each time.
        self.sampled = self.sampled.wrapping_add(SAMPLE as u64);
        let from = if self.leases.len() > SAMPLE { LeaseId(self.sampled % self.next_lease) } else { LeaseId(0) };
        let mut best: Option<(f64, LeaseId)> = None;
        for (&id, lease) in self.leases.range(from..).chain(self.leases.range(..from)).take(SAMPLE) {
            if lease.worker == idle || lease.is_recalled() || lease.all_begun {
                continue;
            }
            let worth = self.spare(id, lease);
            if worth > WORTH_SHARING && best.is_none_or(|(most, _)| worth > most) {
                best = Some((worth, id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// Wall time of the trials of a lease that its worker has probably not begun.
    fn spare(&self, id: LeaseId, lease: &LeaseState) -> f64 {
        let (Some(worker), Some(cell)) = (self.workers.get(&lease.worker), self.cells.get(lease.cell)) else {
            return 0.0;
        };
        // Leases are begun in their order.
        let first = worker.leases.first() == Some(&id);
        let begun = if first { u64::from(worker.threads) * cell.lanes() } else { 0 };
        let spare = lease.missing_count().saturating_sub(begun) as f64;
        spare * self.expected_cost(cell) / f64::from(worker.threads)
    }

    /// Calls back half of what late leases hold, begun or not, as long as there are idle workers to take it.
    pub(super) fn call_back_late(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        let idle = |id: &&WorkerId| self.workers.get(id).is_some_and(|worker| worker.leases.is_empty());
        let mut takers = self.hungry.iter().filter(idle).count();
        if takers == 0 || self.cells.has_work() || self.paused {
            return;
        }
        let late: Vec<_> = self.leases.iter().filter(|(_, lease)| self.is_late(lease, at)).map(|(&id, _)| id).collect();
        for id in late {
            let Some(lease) = self.leases.get_mut(&id).filter(|_| takers > 0) else { break };
            takers -= 1;
            lease.recalls += 1;
            lease.patience = 2 * at.saturating_sub(lease.given);
            let most = lease.missing_count().div_ceil(2);
            effects.push(Effect::Recall { worker: lease.worker, lease: id, most, begun: true });
        }
    }

    fn is_late(&self, lease: &LeaseState, at: Moment) -> bool {
        let (Some(worker), Some(cell)) = (self.workers.get(&lease.worker), self.cells.get(lease.cell)) else {
            return false;
        };
        let Some(cost) = cell.cost().filter(|_| !lease.is_recalled() && !worker.probing) else { return false };
        let rounds = (lease.missing_count() as f64 / f64::from(worker.threads)).max(cell.lanes() as f64);
        let due = Duration::try_from_secs_f64(LATE * cost * rounds).unwrap_or(Duration::MAX);
        at.saturating_sub(lease.given) > due.saturating_add(LATE_AT_LEAST).max(lease.patience)
    }

    /// Wall time of what a worker holds.
    fn work_left(&self, worker: WorkerId) -> f64 {
        self.workers.get(&worker).map_or(f64::INFINITY, |state| self.load(state).seconds)
    }

    /// Thread time of a trial, or a guess where nothing is known: enough to be worth sharing.
    fn expected_cost(&self, cell: &CellState) -> f64 {
        cell.cost().unwrap_or(0.1 * self.tuning.window.as_secs_f64())
    }
}
