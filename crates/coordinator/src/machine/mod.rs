//! The coordinator as a pure state machine: `step(event) -> effects`.
//!
//! No socket, no clock and no disk in here: time comes in with events, and what is to be done goes out as effects. So
//! every fault is a plain unit test, and a property test can throw random histories at it.
//!
//! What is leased is a *shard*, a range of trials of one cell. A trial of a cell is in exactly one of three states:
//! *open*, *leased* to one worker, or *received*. Rows that were received are the writer's to make durable; should it
//! fail, the coordinator stops, and the next one starts from what is on disk.

mod cell;
mod worker;

#[cfg(test)]
mod histories;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use taugrid_results::{CellKey, Coverage, Ranges};

use cell::CellState;
use worker::{LeaseState, WorkerState};

/// A connection of a worker. A worker that comes back has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// A lease. Never used twice within the life of a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// A message of results, as its worker numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// Who sent it.
    pub worker: WorkerId,
    /// Its number within that worker's life.
    pub sequence: u64,
}

/// Time since the coordinator started.
pub type Moment = Duration;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A worker can take leases. Rows may have come from it before.
    Joined {
        /// Its connection.
        worker: WorkerId,
        /// Trials it runs at once.
        threads: u32,
        /// When.
        at: Moment,
    },
    /// A worker's stream broke, or it said goodbye.
    Left {
        /// Its connection.
        worker: WorkerId,
    },
    /// Anything came from a worker.
    Heard {
        /// Its connection.
        worker: WorkerId,
        /// When.
        at: Moment,
    },
    /// Rows came, and are with the writer. They may be of any trials of the sweep: a worker that comes back after its
    /// lease was given away still hands over what it has.
    Received {
        /// The message.
        receipt: Receipt,
        /// The trials it holds.
        trials: Coverage,
    },
    /// A worker has sent all rows of a lease.
    LeaseDone {
        /// Its connection.
        worker: WorkerId,
        /// The lease.
        lease: LeaseId,
        /// Thread time it took.
        busy: Duration,
    },
    /// The rows of these messages are durable.
    Durable {
        /// The messages.
        receipts: Vec<Receipt>,
    },
    /// Time passed.
    Clock {
        /// The time.
        at: Moment,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Give a shard to a worker.
    Lease {
        /// To whom.
        worker: WorkerId,
        /// Under which number.
        lease: LeaseId,
        /// Of which cell.
        cell: CellKey,
        /// Which trials.
        trials: Range<u64>,
    },
    /// Tell a worker, if it is still there, that its rows are durable.
    Ack(Receipt),
    /// Close a worker's stream.
    Dismiss {
        /// Whose.
        worker: WorkerId,
        /// Why.
        reason: Dismissal,
    },
    /// All rows have been received: make them durable without waiting for more.
    Flush,
    /// All rows are durable.
    Finish,
}

/// Why a worker is sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissal {
    /// Nothing came from it for too long.
    Silent,
    /// It said a lease was done whose rows it had not sent.
    RowsMissing,
    /// It named a lease it does not hold.
    UnknownLease,
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "nothing was heard of it for too long",
            Self::RowsMissing => "it said that a lease was done, and its rows had not come",
            Self::UnknownLease => "it said that a lease was done that it does not hold",
        })
    }
}

/// The machine's constants.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// A worker that was not heard of for so long is gone.
    pub silence: Duration,
    /// How much work a worker holds, in wall time: enough that it never waits for a lease.
    pub window: Duration,
    /// How long a shard should take one worker.
    pub shard: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(10),
            window: Duration::from_millis(1000),
            shard: Duration::from_millis(400),
        }
    }
}

/// How far the sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// Trials of all cells.
    pub trials: u64,
    /// Trials whose rows have come, now or in an earlier run.
    pub received: u64,
    /// Workers connected.
    pub workers: usize,
    /// Their threads.
    pub threads: u64,
    /// Thread time that the trials still to come should take, where the cost of at least one cell is known.
    pub remaining: Option<Duration>,
}

/// The coordinator's state.
#[derive(Debug)]
pub struct Machine {
    tuning: Tuning,
    cells: BTreeMap<CellKey, CellState>,
    /// Cells with open trials, by what they cost.
    queue: BTreeSet<(cell::Priority, CellKey)>,
    workers: BTreeMap<WorkerId, WorkerState>,
    leases: BTreeMap<LeaseId, LeaseState>,
    next_lease: u64,
    trials: u64,
    received: u64,
    last_clock: Moment,
    /// Messages whose rows are with the writer.
    unwritten: BTreeSet<Receipt>,
    finished: bool,
}

impl Machine {
    /// A sweep of `cells` with `trials` each, of which `done` are in the dataset. With each cell comes how many of its
    /// trials one thread runs side by side.
    pub fn new(cells: impl IntoIterator<Item = (CellKey, u64)>, trials: u64, done: &Coverage, tuning: Tuning) -> Self {
        let cells: BTreeMap<_, _> = cells
            .into_iter()
            .map(|(key, lanes)| (key, CellState::new(trials, lanes, done.get(&key).cloned().unwrap_or_default())))
            .collect();
        let queue = cells.iter().filter(|(_, c)| c.has_open()).map(|(&key, c)| (c.priority(), key)).collect();
        let received = cells.values().map(CellState::received).sum();
        Self {
            tuning,
            queue,
            trials: trials * cells.len() as u64,
            received,
            cells,
            workers: BTreeMap::new(),
            leases: BTreeMap::new(),
            next_lease: 1,
            last_clock: Moment::ZERO,
            unwritten: BTreeSet::new(),
            finished: false,
        }
    }

    /// Takes in what happened; gives out what is to be done, in order.
    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Joined { worker, threads, at } => {
                self.forget(worker, &mut effects);
                self.workers.insert(worker, WorkerState::new(threads, at));
                self.fill(worker, &mut effects);
            }
            Event::Left { worker } => self.forget(worker, &mut effects),
            Event::Heard { worker, at } => {
                if let Some(state) = self.workers.get_mut(&worker) {
                    state.heard = state.heard.max(at);
                }
            }
            Event::Received { receipt, trials } => self.receive(receipt, &trials, &mut effects),
            Event::LeaseDone { worker, lease, busy } => self.close(worker, lease, busy, &mut effects),
            Event::Durable { receipts } => {
                for receipt in receipts {
                    self.unwritten.remove(&receipt);
                    effects.push(Effect::Ack(receipt));
                }
            }
            Event::Clock { at } => self.expire(at, &mut effects),
        }
        self.finish_if_done(&mut effects);
        effects
    }

    /// How far the sweep is.
    pub fn standing(&self) -> Standing {
        let known: Vec<f64> = self.cells.values().filter_map(CellState::cost).collect();
        let typical = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        let remaining = typical.map(|typical| {
            let seconds = self.cells.values().map(|c| (c.trials() - c.received()) as f64 * c.cost().unwrap_or(typical));
            Duration::try_from_secs_f64(seconds.sum()).unwrap_or(Duration::MAX)
        });
        Standing {
            trials: self.trials,
            received: self.received,
            workers: self.workers.len(),
            threads: self.workers.values().map(|w| u64::from(w.threads)).sum(),
            remaining,
        }
    }

    fn receive(&mut self, receipt: Receipt, trials: &Coverage, effects: &mut Vec<Effect>) {
        for (key, ranges) in trials {
            let Some(cell) = self.cells.get_mut(key) else { continue };
            let before = cell.priority();
            self.received += cell.receive(ranges);
            requeue(&mut self.queue, *key, before, cell);
        }
        self.unwritten.insert(receipt);
        if let Some(state) = self.workers.get_mut(&receipt.worker) {
            for lease in &state.leases {
                if let Some(lease) = self.leases.get_mut(lease)
                    && let Some(ranges) = trials.get(&lease.cell)
                {
                    lease.receive(ranges);
                }
            }
            self.fill(receipt.worker, effects);
        }
        if self.received == self.trials {
            effects.push(Effect::Flush);
        }
    }

    fn close(&mut self, worker: WorkerId, lease: LeaseId, busy: Duration, effects: &mut Vec<Effect>) {
        let held = self.workers.get_mut(&worker).is_some_and(|state| state.leases.remove(&lease));
        let Some(state) = self.leases.remove(&lease).filter(|_| held) else {
            if self.workers.contains_key(&worker) {
                self.dismiss(&[worker], Dismissal::UnknownLease, effects);
            }
            return;
        };
        if !state.missing.is_empty() {
            self.reopen(&state);
            self.dismiss(&[worker], Dismissal::RowsMissing, effects);
            return;
        }
        if let Some(cell) = self.cells.get_mut(&state.cell) {
            let before = cell.priority();
            cell.learn(busy, state.trials);
            requeue(&mut self.queue, state.cell, before, cell);
        }
        self.fill(worker, effects);
    }

    fn expire(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        let slept = at.saturating_sub(self.last_clock) > self.tuning.silence / 2;
        self.last_clock = at;
        if slept {
            // It was the coordinator that was stopped, not the workers that were silent.
            self.workers.values_mut().for_each(|state| state.heard = at);
        }
        let silent: Vec<_> = self
            .workers
            .iter()
            .filter(|(_, state)| at.saturating_sub(state.heard) > self.tuning.silence)
            .map(|(&worker, _)| worker)
            .collect();
        self.dismiss(&silent, Dismissal::Silent, effects);
    }

    /// All of them go before anything is leased anew: what one held is not to go to the next.
    fn dismiss(&mut self, workers: &[WorkerId], reason: Dismissal, effects: &mut Vec<Effect>) {
        for &worker in workers {
            effects.push(Effect::Dismiss { worker, reason });
            self.remove(worker);
        }
        if !workers.is_empty() {
            self.fill_all(effects);
        }
    }

    /// A worker is gone: what it held and had not sent is free at once, and idle workers get it.
    fn forget(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        if self.remove(worker) {
            self.fill_all(effects);
        }
    }

    /// Frees what a worker held; whether it was there.
    fn remove(&mut self, worker: WorkerId) -> bool {
        let Some(state) = self.workers.remove(&worker) else { return false };
        for lease in state.leases {
            if let Some(lease) = self.leases.remove(&lease) {
                self.reopen(&lease);
            }
        }
        true
    }

    fn fill_all(&mut self, effects: &mut Vec<Effect>) {
        let workers: Vec<_> = self.workers.keys().copied().collect();
        for worker in workers {
            self.fill(worker, effects);
        }
    }

    fn reopen(&mut self, lease: &LeaseState) {
        if let Some(cell) = self.cells.get_mut(&lease.cell) {
            let before = cell.priority();
            cell.reopen(&lease.missing);
            requeue(&mut self.queue, lease.cell, before, cell);
        }
    }

    /// Leases to `worker` until it has enough to do.
    fn fill(&mut self, worker: WorkerId, effects: &mut Vec<Effect>) {
        let total_threads: u64 = self.workers.values().map(|w| u64::from(w.threads)).sum();
        let Some(state) = self.workers.get_mut(&worker) else { return };
        while let Some(&(priority, key)) = self.queue.first() {
            let held = state.leases.iter().filter_map(|id| self.leases.get(id));
            if state.has_enough(held, &self.cells, self.tuning) {
                break;
            }
            // The queue holds the keys of cells with open trials, and of no others.
            let Some(cell) = self.cells.get_mut(&key) else { break };
            let trials = cell.take(state.threads, total_threads, self.tuning);
            self.queue.remove(&(priority, key));
            if cell.has_open() {
                self.queue.insert((cell.priority(), key));
            }
            let lease = LeaseId(self.next_lease);
            self.next_lease += 1;
            let missing = Ranges::from_iter([trials.clone()]);
            self.leases.insert(lease, LeaseState { cell: key, trials: trials.end - trials.start, missing });
            state.leases.insert(lease);
            effects.push(Effect::Lease { worker, lease, cell: key, trials });
        }
    }

    fn finish_if_done(&mut self, effects: &mut Vec<Effect>) {
        if !self.finished && self.received == self.trials && self.unwritten.is_empty() {
            self.finished = true;
            effects.push(Effect::Finish);
        }
    }
}

fn requeue(queue: &mut BTreeSet<(cell::Priority, CellKey)>, key: CellKey, before: cell::Priority, cell: &CellState) {
    queue.remove(&(before, key));
    if cell.has_open() {
        queue.insert((cell.priority(), key));
    }
}
