//! The coordinator as a pure state machine: `step(event) -> effects`.
//!
//! No socket, no clock and no disk in here: time comes in with events, and what is to be done goes out as effects. So
//! every fault is a plain unit test, and a property test can throw random histories at it.
//!
//! What is leased is a *shard*, a range of trials of one cell. A trial of a cell is *open*, *leased* to one worker,
//! *received*, or, because workers died of it, in *quarantine*. Rows that were received are the writer's to make
//! durable; should it fail, the coordinator stops, and the next one starts from what is on disk.
//!
//! | module | what it is |
//! | --- | --- |
//! | `event` | what the machine is told, and what it says is to be done |
//! | `cell`, `cells` | the trials of a cell; all cells together |
//! | `worker` | what a worker holds |
//! | `muster` | the workers of a predecessor come back |
//! | `stragglers` | what idle workers are given of what others hold |
//! | `suspects` | trials that workers may have died of |
//! | `audit` | that each trial is in one place |

mod audit;
mod cell;
mod cells;
mod event;
mod muster;
mod stragglers;
mod suspects;
mod worker;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod virtual_time;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use taugrid_results::{CellKey, Coverage, Ranges};

pub use cell::Plan;
pub use event::{Dismissal, Effect, Event, Held, Identity, LeaseId, Moment, Quarantined, Receipt, WorkerId};
pub use muster::Muster;

use cell::CellState;
use cells::Cells;
use suspects::{Mortality, Verdict};
use worker::{LeaseState, WorkerState};

/// The machine's constants.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// A worker that was not heard of for so long is gone.
    pub silence: Duration,
    /// How much work a worker holds, in wall time: enough that it never waits for a lease.
    pub window: Duration,
    /// How long a shard should take one worker.
    pub shard: Duration,
    /// Leases that a worker holds at most.
    pub most_leases: usize,
    /// Nothing is leased while more rows than this are not durable: the disk is slow, and memory has an end.
    pub most_unwritten: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(10),
            window: Duration::from_millis(1500),
            shard: Duration::from_millis(1000),
            most_leases: taugrid_wire::MOST_LEASES,
            most_unwritten: 1 << 22,
        }
    }
}

/// How far the sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// Trials of all cells, as far as is known.
    pub trials: u64,
    /// Trials whose rows have come, now or in an earlier run.
    pub received: u64,
    /// Trials that are leased.
    pub leased: u64,
    /// Leases that they are in.
    pub leases: usize,
    /// Trials in quarantine.
    pub quarantined: u64,
    /// Rows that have come and are not durable.
    pub unwritten: u64,
    /// Cells.
    pub cells: u64,
    /// Those of which nothing is to come any more.
    pub cells_done: u64,
    /// Workers connected.
    pub workers: usize,
    /// Their threads.
    pub threads: u64,
    /// Whether nothing is leased because somebody said so.
    pub paused: bool,
    /// Thread time that the trials still to come should take, where the cost of at least one cell is known.
    pub remaining: Option<Duration>,
}

/// What one worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerStanding {
    /// Its connection.
    pub worker: WorkerId,
    /// Trials it runs at once.
    pub threads: u32,
    /// Leases it holds.
    pub leases: usize,
    /// Their trials whose rows have not come.
    pub trials: u64,
    /// When it was heard of last.
    pub heard: Moment,
}

/// The coordinator's state.
#[derive(Debug)]
pub struct Machine {
    tuning: Tuning,
    cells: Cells,
    workers: BTreeMap<WorkerId, WorkerState>,
    connections: BTreeMap<Identity, WorkerId>,
    /// Their threads.
    threads: u64,
    /// Workers that could have more, had there been any.
    hungry: BTreeSet<WorkerId>,
    /// Workers that are given nothing until they are done, and then trials on probation.
    reserved: BTreeSet<WorkerId>,
    next_lease: u64,
    /// Whose leases are looked at next for what others could have.
    sampled: WorkerId,
    /// Who of the hungry asks next.
    asking: WorkerId,
    mortality: Mortality,
    muster: Option<Muster>,
    paused: bool,
    now: Moment,
    /// When the clock was heard of last.
    clock: Moment,
    /// Messages whose rows are with the writer, and how many rows those are.
    unwritten: BTreeMap<Receipt, u64>,
    unwritten_rows: u64,
    finished: bool,
}

impl Machine {
    /// A sweep of `cells`, of whose trials `done` are in the dataset.
    pub fn new(
        cells: impl IntoIterator<Item = (CellKey, Plan)>,
        done: &Coverage,
        muster: Option<Muster>,
        tuning: Tuning,
    ) -> Self {
        Self {
            tuning,
            cells: Cells::new(cells, done),
            connections: BTreeMap::new(),
            workers: BTreeMap::new(),
            threads: 0,
            hungry: BTreeSet::new(),
            reserved: BTreeSet::new(),
            next_lease: 1,
            sampled: WorkerId(0),
            asking: WorkerId(0),
            mortality: Mortality::default(),
            muster,
            paused: false,
            now: Moment::ZERO,
            clock: Moment::ZERO,
            unwritten: BTreeMap::new(),
            unwritten_rows: 0,
            finished: false,
        }
    }

    /// Takes in what happened; gives out what is to be done, in order.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Joined { worker, identity, threads, held, at } => {
                self.tell_time(at);
                self.join(worker, identity, threads, &held, &mut effects);
            }
            Event::Left { worker, orderly, at } => {
                self.tell_time(at);
                self.part(worker, orderly, &mut effects);
                self.fill_hungry(&mut effects);
            }
            Event::Heard { worker, at } => {
                if let Some(state) = self.workers.get_mut(&worker) {
                    state.heard = state.heard.max(at);
                }
            }
            Event::Received { receipt, trials, rows, granted } => {
                self.receive(receipt, &trials, rows, &granted, &mut effects);
            }
            Event::LeasesDone { worker, leases } => self.close(worker, leases, &mut effects),
            Event::Returned { worker, lease, trials, at } => {
                self.tell_time(at);
                self.take_back(worker, lease, &trials, &mut effects);
            }
            Event::Failed { worker, lease, at } => {
                self.tell_time(at);
                self.fail(worker, lease, &mut effects);
            }
            Event::Checkpointed { trials } => {
                for (&key, ranges) in &trials {
                    self.cells.change(key, |cell| ranges.iter().for_each(|range| cell.suspects.clear(&range)));
                }
            }
            Event::Durable { receipts } => {
                for receipt in receipts {
                    self.unwritten_rows -= self.unwritten.remove(&receipt).unwrap_or(0);
                    effects.push(Effect::Ack(receipt));
                }
                self.fill_hungry(&mut effects);
            }
            Event::Decided { cell, limit } => self.decide(cell, limit, &mut effects),
            Event::Pause => {
                self.paused = true;
                self.call_back(|_| true, &mut effects);
            }
            Event::Resume => {
                self.paused = false;
                self.fill_hungry(&mut effects);
            }
            Event::Clock { at } => self.expire(at, &mut effects),
        }
        let questions = self.cells.questions();
        effects.extend(questions.into_iter().map(|(cell, trials)| Effect::Decide { cell, trials }));
        self.finish_if_done(&mut effects);
        effects
    }

    /// How far the sweep is.
    pub fn standing(&self) -> Standing {
        let totals = self.cells.totals();
        Standing {
            trials: totals.limit,
            received: totals.received,
            leased: self.workers().map(|worker| worker.trials).sum(),
            leases: self.workers().map(|worker| worker.leases).sum(),
            unwritten: self.unwritten_rows,
            quarantined: totals.quarantined,
            cells: self.cells.len() as u64,
            cells_done: self.cells.done() as u64,
            workers: self.workers.len(),
            threads: self.threads,
            paused: self.paused,
            remaining: totals.remaining(),
        }
    }

    /// Threads of all workers.
    pub fn threads(&self) -> u32 {
        u32::try_from(self.threads).unwrap_or(u32::MAX)
    }

    /// What each worker holds.
    pub fn workers(&self) -> impl Iterator<Item = WorkerStanding> {
        self.workers.iter().map(|(&worker, state)| WorkerStanding {
            worker,
            threads: state.threads,
            leases: state.leases().len(),
            trials: state.leases().map(|(_, lease)| lease.missing_count()).sum(),
            heard: state.heard,
        })
    }

    /// What is in quarantine.
    pub fn quarantine(&self) -> impl Iterator<Item = Quarantined> {
        self.cells.iter().flat_map(|(cell, state)| {
            state.quarantine_list().map(move |(trials, workers)| Quarantined { cell, trials, workers })
        })
    }

    /// The processes that are connected.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        self.workers.values().map(|state| state.identity)
    }

    fn tell_time(&mut self, at: Moment) {
        self.now = self.now.max(at);
    }

    fn join(&mut self, worker: WorkerId, identity: Identity, threads: u32, held: &[Held], effects: &mut Vec<Effect>) {
        // Its last connection may be half open still: what it held then, it says that it holds now.
        for connection in self.connections.get(&identity).copied().into_iter().chain([worker]) {
            self.part(connection, true, effects);
        }
        if self.mortality.rose(identity) {
            self.forgive(identity);
        }
        self.mortality.came(self.now);
        let state = WorkerState::new(identity, threads, self.now);
        self.threads += u64::from(state.threads);
        self.workers.insert(worker, state);
        self.connections.insert(identity, worker);
        if !held.is_empty() {
            let leases = held.iter().enumerate().filter_map(|(index, held)| self.adopt(worker, index, held)).collect();
            effects.push(Effect::Adopted { worker, leases });
            if self.paused {
                self.call_back(|other| other == worker, effects);
            }
        }
        if let Some(muster) = &mut self.muster {
            muster.joined(identity);
        }
        self.muster_if_over(effects);
        self.fill(worker, effects);
        self.fill_hungry(effects);
    }

    /// Lets a worker keep what it holds and nobody else was given.
    fn adopt(&mut self, worker: WorkerId, index: usize, held: &Held) -> Option<(usize, LeaseId, Ranges)> {
        let trials = self.cells.change(held.cell, |cell| cell.claim(&held.left))?;
        (!trials.is_empty()).then(|| (index, self.give(worker, held.cell, trials.clone()), trials))
    }

    /// A worker that was thought dead is back: nothing is held against what it held.
    fn forgive(&mut self, identity: Identity) {
        for key in self.cells.keys() {
            self.cells.change(key, |cell| cell.forgive(identity));
        }
    }

    fn give(&mut self, worker: WorkerId, cell: CellKey, trials: Ranges) -> LeaseId {
        let lease = LeaseId(self.next_lease);
        self.next_lease += 1;
        if let (Some(state), Some(of)) = (self.workers.get_mut(&worker), self.cells.get(cell)) {
            state.give(lease, LeaseState::new(cell, of, trials, self.now));
        }
        lease
    }

    fn receive(
        &mut self,
        receipt: Receipt,
        trials: &Coverage,
        rows: u64,
        granted: &Coverage,
        effects: &mut Vec<Effect>,
    ) {
        if !self.may_send(receipt.worker, trials, granted) {
            return self.dismiss(&[receipt.worker], Dismissal::NotLeased, effects);
        }
        // First: what follows, such as the decision on a cell, can be about these very rows.
        effects.push(Effect::Write(receipt));
        for (key, ranges) in trials {
            self.cells.change(*key, |cell| cell.receive(ranges));
        }
        self.unwritten_rows += rows;
        self.unwritten_rows -= self.unwritten.insert(receipt, rows).unwrap_or(0);
        if let Some(state) = self.workers.get_mut(&receipt.worker) {
            for (key, ranges) in trials {
                state.receive(*key, ranges);
            }
            self.fill(receipt.worker, effects);
        }
        self.flush_if_all_came(effects);
    }

    /// The cell of a lease that a worker holds.
    pub fn cell_of(&self, worker: WorkerId, lease: LeaseId) -> Option<CellKey> {
        self.workers.get(&worker)?.lease(lease).map(|lease| lease.cell)
    }

    /// Whether all of these trials were given to the worker: on this connection, or, as it proved, on another.
    fn may_send(&self, worker: WorkerId, trials: &Coverage, granted: &Coverage) -> bool {
        let state = self.workers.get(&worker);
        trials.iter().all(|(key, ranges)| {
            let leases = || state.into_iter().flat_map(|state| state.leases_of(*key));
            let given = || leases().map(|(_, lease)| &lease.trials).chain(granted.get(key));
            ranges.iter().all(|range| {
                // In most messages one lease has them all.
                given().any(|given| given.count_within(&range) == range.end - range.start) || {
                    let mut rest = Ranges::from(range);
                    given().for_each(|given| rest.subtract(given));
                    rest.is_empty()
                }
            })
        })
    }

    fn close(&mut self, worker: WorkerId, leases: Vec<(LeaseId, Duration)>, effects: &mut Vec<Effect>) {
        for (lease, busy) in leases {
            let Some(state) = self.workers.get_mut(&worker) else { return };
            if state.returned.remove(&lease) {
                continue;
            }
            let Some(held) = state.lease(lease) else {
                return self.dismiss(&[worker], Dismissal::UnknownLease, effects);
            };
            if held.missing_count() > 0 {
                return self.dismiss(&[worker], Dismissal::RowsMissing, effects);
            }
            let (key, size) = (held.cell, held.size);
            state.end(lease);
            let cost = self.cells.change(key, |cell| {
                cell.learn(busy, size);
                cell.cost()
            });
            state.learn(key, cost.flatten());
        }
        self.fill(worker, effects);
    }

    fn take_back(&mut self, worker: WorkerId, lease: LeaseId, trials: &Ranges, effects: &mut Vec<Effect>) {
        let Some(state) = self.workers.get_mut(&worker) else { return };
        let Some(held) = state.lease_mut(lease) else {
            // It ended while the question was on its way.
            if !trials.is_empty() {
                self.dismiss(&[worker], Dismissal::NotItsTrials, effects);
            }
            return;
        };
        let unasked = !held.is_recalled();
        held.recalls = held.recalls.saturating_sub(1);
        held.all_begun = trials.is_empty();
        // It may have had some of them in hand for a lease that it lost, and so their rows have come after all.
        let (open, came) = self.cells.get(held.cell).map(|cell| cell.tell_apart(trials)).unwrap_or_default();
        held.receive(&came);
        if !held.give_back(&open) {
            return self.dismiss(&[worker], Dismissal::NotItsTrials, effects);
        }
        let (cell, is_empty) = (held.cell, held.missing_count() == 0);
        state.leaving |= unasked;
        if is_empty {
            state.end(lease);
            state.returned.insert(lease);
        }
        self.reopen(cell, &open);
        // Those who wait first, or the giver, who may be hungry itself, would have it back at once.
        self.hungry.remove(&worker);
        self.fill_hungry(effects);
        self.fill(worker, effects);
    }

    fn fail(&mut self, worker: WorkerId, lease: LeaseId, effects: &mut Vec<Effect>) {
        let Some(lease) = self.workers.get_mut(&worker).and_then(|state| state.end(lease)) else { return };
        self.accuse(&lease, None, effects);
        self.fill(worker, effects);
        self.fill_hungry(effects);
    }

    fn expire(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        let slept = at.saturating_sub(self.clock) > self.tuning.silence / 2;
        self.clock = at;
        self.tell_time(at);
        if slept {
            // It was the coordinator that was stopped, not the workers that were silent.
            self.workers.values_mut().for_each(|state| state.heard = at);
        }
        self.muster_if_over(effects);
        let silent: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, state)| at.saturating_sub(state.heard) > self.tuning.silence)
            .map(|(&worker, _)| worker)
            .collect();
        self.dismiss(&silent, Dismissal::Silent, effects);
        self.ask_again(effects);
        self.call_back_late(at, effects);
    }

    fn muster_if_over(&mut self, effects: &mut Vec<Effect>) {
        if self.muster.as_ref().is_some_and(|muster| muster.is_over(self.now)) {
            self.muster = None;
            self.fill_hungry(effects);
        }
    }

    /// Asks workers for all trials of their leases, begun or not.
    fn call_back(&mut self, which: impl Fn(WorkerId) -> bool, effects: &mut Vec<Effect>) {
        for (&worker, state) in self.workers.iter_mut().filter(|(worker, _)| which(**worker)) {
            for (lease, state) in state.leases_mut() {
                state.recalls += 1;
                effects.push(Effect::Recall { worker, lease, most: u64::MAX, begun: true });
            }
        }
    }

    fn decide(&mut self, key: CellKey, limit: Option<u64>, effects: &mut Vec<Effect>) {
        self.cells.answer(key, limit);
        self.fill_hungry(effects);
        self.flush_if_all_came(effects);
    }

    /// All of them go before anything is leased anew: what one held is not to go to the next.
    fn dismiss(&mut self, workers: &[WorkerId], reason: Dismissal, effects: &mut Vec<Effect>) {
        for &worker in workers {
            effects.push(Effect::Dismiss { worker, reason });
            self.part(worker, reason != Dismissal::Silent, effects);
        }
        if !workers.is_empty() {
            self.fill_hungry(effects);
        }
    }

    /// A worker is gone: what it held and had not sent is free at once.
    fn part(&mut self, worker: WorkerId, orderly: bool, effects: &mut Vec<Effect>) {
        let Some(mut state) = self.workers.remove(&worker) else { return };
        self.hungry.remove(&worker);
        self.reserved.remove(&worker);
        if self.connections.get(&state.identity) == Some(&worker) {
            self.connections.remove(&state.identity);
        }
        self.threads -= u64::from(state.threads);
        self.mortality.went(state.joined, self.now);
        if !orderly {
            self.mortality.died(state.identity);
        }
        for lease in state.end_all() {
            if orderly {
                self.reopen(lease.cell, lease.missing());
            } else {
                self.accuse(&lease, Some(state.identity), effects);
            }
        }
    }

    /// Frees what a lease held of which its worker may have died (or, without one, at which the kernel failed).
    fn accuse(&mut self, lease: &LeaseState, dead: Option<Identity>, effects: &mut Vec<Effect>) {
        self.reopen(lease.cell, lease.missing());
        let (held, mortality) = (self.now.saturating_sub(lease.given), &self.mortality);
        self.cells.change(lease.cell, |cell| {
            for range in lease.missing().iter() {
                let verdicts = match dead {
                    Some(worker) => cell.suspects.died(range.clone(), worker, held, mortality),
                    None => cell.suspects.failed(range.clone()),
                };
                for (trials, verdict) in verdicts {
                    match verdict {
                        Verdict::Free => {}
                        Verdict::Probation => cell.put_on_probation(&trials),
                        Verdict::Quarantine(workers) => {
                            cell.quarantine(&trials);
                            let cell = lease.cell;
                            effects.push(Effect::Quarantine(Quarantined { cell, trials, workers }));
                        }
                    }
                }
            }
        });
        self.flush_if_all_came(effects);
    }

    fn reopen(&mut self, key: CellKey, trials: &Ranges) {
        self.cells.change(key, |cell| cell.reopen(trials));
    }

    /// Leases to those who could have more, as long as there is anything.
    fn fill_hungry(&mut self, effects: &mut Vec<Effect>) {
        if !self.is_leasing() || !self.cells.has_work() {
            return;
        }
        // Each is looked at once, though it may come to be hungry again.
        let mut next = WorkerId(0);
        while self.cells.has_work()
            && let Some(&worker) = self.hungry.range(next..).next()
        {
            self.hungry.remove(&worker);
            self.fill(worker, effects);
            next = WorkerId(worker.0 + 1);
        }
    }

    fn is_leasing(&self) -> bool {
        !self.paused && self.muster.is_none() && self.unwritten_rows <= self.tuning.most_unwritten
    }

    /// Leases to `worker` until it has enough to do.
    fn fill(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        // Only looked at where there is room for another lease.
        let mut load = None;
        loop {
            let Some(state) = self.workers.get(&worker) else { return };
            let (held, threads) = (state.leases().len(), state.threads);
            let is_full = held >= self.tuning.most_leases
                || load.get_or_insert_with(|| state.load(self.tuning)).is_enough(self.tuning);
            if state.probing || state.leaving {
                return;
            }
            if !self.is_leasing() {
                self.hungry.insert(worker);
                return;
            }
            if self.cells.next_on_probation().is_none() {
                self.reserved.clear();
            } else if held == 0 {
                if self.lease_probation(worker, effects) {
                    return;
                }
            } else if self.reserved.contains(&worker) || self.reserved.len() <= self.workers.len() / 8 {
                self.reserved.insert(worker);
                return;
            }
            if is_full {
                return;
            }
            let Some(lease) = self.lease_open(worker, threads, effects) else {
                // While it works off what it has, it need not ask with every message; it does when its turn comes.
                if self.hungry.insert(worker) || held == 0 {
                    self.seek(worker, effects);
                }
                return;
            };
            let lease = self.workers.get(&worker).and_then(|state| state.lease(lease));
            if let (Some(load), Some(lease)) = (&mut load, lease) {
                load.add(lease, threads, self.tuning);
            }
        }
    }

    /// Leases open trials, if there are any.
    fn lease_open(&mut self, worker: WorkerId, threads: u32, effects: &mut Vec<Effect>) -> Option<LeaseId> {
        let key = self.cells.next_open()?;
        let (all_threads, tuning) = (self.threads, self.tuning);
        let trials = self.cells.change(key, |cell| cell.take(threads, all_threads, tuning))??;
        let lease = self.give(worker, key, Ranges::from(trials.clone()));
        effects.push(Effect::Lease { worker, lease, cell: key, trials });
        Some(lease)
    }

    /// Leases trials on probation, and nothing beside them; whether there were any.
    fn lease_probation(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) -> bool {
        let Some(key) = self.cells.next_on_probation() else { return false };
        let Some(trials) = self.cells.change(key, CellState::take_probation).flatten() else { return false };
        let lease = self.give(worker, key, Ranges::from(trials.clone()));
        self.reserved.remove(&worker);
        if let Some(state) = self.workers.get_mut(&worker) {
            state.probing = true;
        }
        effects.push(Effect::Lease { worker, lease, cell: key, trials });
        true
    }

    fn flush_if_all_came(&self, effects: &mut Vec<Effect>) {
        if !self.unwritten.is_empty() && self.cells.are_done() {
            effects.push(Effect::Flush);
        }
    }

    fn finish_if_done(&mut self, effects: &mut Vec<Effect>) {
        if !self.finished && self.unwritten.is_empty() && self.cells.are_done() {
            self.finished = true;
            effects.push(Effect::Finish);
        }
    }
}
