//! The witness: hears every message, looks at the disk, and holds what was said against what was promised.
//!
//! - What is acknowledged is durable.
//! - A trial that the coordinator has the row of, durable or not, is not leased any more.
//! - A trial is leased to one worker at a time, unless that one's stream broke or it fell silent.
//! - Under gentle faults, where no worker dies and none is away for long, no trial is finished twice.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taugrid_results::{CellKey, CellTable, Dataset, Ranges};
use taugrid_wire::batch::Batched;
use taugrid_wire::leases::{self, Lease};
use taugrid_wire::rows::from_wire;
use taugrid_wire::trials;
use taugrid_wire::v1::{
    CoordinatorMessage, Results, Trials, WorkerMessage, coordinator_message as coordinator, worker_message,
};
use tracing::debug;

use crate::ear::Ear;
use crate::network::Listening;

/// What is decided now goes out, and what comes in is taken in, within so long.
const AT_ONCE: Duration = Duration::from_millis(100);
/// A worker that was not heard of for so long may be given up.
const SILENCE: Duration = Duration::from_millis(9_900);

type Trial = (CellKey, u64);

/// A message of rows, by the worker's life and the message's number.
type Letter = (u64, u64);

/// See the module.
#[derive(Clone)]
pub struct Witness(Arc<Mutex<Memory>>);

struct Memory {
    out: PathBuf,
    cells: CellTable,
    gentle: bool,
    /// Since when trials are known to be durable.
    durable: BTreeMap<Trial, Duration>,
    /// Since when this life of the coordinator has had rows.
    received: BTreeMap<Trial, Duration>,
    /// The trials of each message of rows, and the first message that had a trial's.
    letters: BTreeMap<Letter, Vec<Trial>>,
    finished: BTreeMap<Trial, Letter>,
    /// The cells of grants.
    grants: BTreeMap<Vec<u8>, CellKey>,
    /// The connections that the coordinator has.
    connections: BTreeMap<u64, Connection>,
    last: u64,
    story: Heard,
}

/// What the coordinator knows of a connection.
#[derive(Default)]
struct Connection {
    identity: Option<u64>,
    heard: Duration,
    offered: Vec<Vec<u8>>,
    leases: BTreeMap<u64, (CellKey, Ranges)>,
    has_left: bool,
}

/// What was heard.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Promises that were broken.
    pub broken: Vec<String>,
    /// Leases given.
    pub leases: u64,
    /// Leases that workers kept over the end of a stream.
    pub kept: u64,
    /// Leases called back.
    pub recalls: u64,
    /// Trials whose rows came to be sent, and those of them that were simulated again.
    pub finished: u64,
    /// See there.
    pub again: u64,
    /// Messages of rows acknowledged.
    pub acknowledged: u64,
    /// Checkpoints shown, by either end.
    pub checkpoints: u64,
}

impl Witness {
    /// Of a run whose dataset is in `out`.
    pub fn new(out: PathBuf, cells: CellTable, gentle: bool) -> Self {
        Self(Arc::new(Mutex::new(Memory {
            out,
            cells,
            gentle,
            durable: BTreeMap::new(),
            received: BTreeMap::new(),
            letters: BTreeMap::new(),
            finished: BTreeMap::new(),
            grants: BTreeMap::new(),
            connections: BTreeMap::new(),
            last: 0,
            story: Heard::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.lock().story.clone()
    }

    /// The next life of the coordinator begins.
    pub fn coordinator_starts(&self) {
        let mut memory = self.lock();
        memory.received.clear();
        memory.connections.clear();
    }

    /// Listens at the end of the worker's life `identity`.
    pub fn at_worker(&self, identity: u64) -> Listening {
        let (witness, mut ear) = (self.clone(), Ear::default());
        Box::new(move |sent, bytes| {
            if sent {
                for message in ear.hear(bytes) {
                    witness.lock().worker_says(identity, message);
                }
            }
        })
    }

    /// Listens at the coordinator's end.
    pub fn at_coordinator(&self) -> Listening {
        let (mut said, mut heard) = (Ear::default(), Ear::default());
        let connected = Connected::new(self.clone());
        Box::new(move |sent, bytes| {
            let mut memory = connected.witness.lock();
            if sent {
                for message in said.hear(bytes) {
                    memory.coordinator_says(connected.number, message);
                }
            } else {
                for message in heard.hear(bytes) {
                    memory.coordinator_hears(connected.number, message);
                }
            }
        })
    }
}

/// A connection of the coordinator's, while it is there.
struct Connected {
    witness: Witness,
    number: u64,
}

impl Connected {
    fn new(witness: Witness) -> Self {
        let mut memory = witness.lock();
        memory.last += 1;
        let number = memory.last;
        memory.connections.insert(number, Connection { heard: now(), ..Connection::default() });
        drop(memory);
        Self { witness, number }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.witness.lock().connections.remove(&self.number);
    }
}

fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

impl Memory {
    fn worker_says(&mut self, identity: u64, message: WorkerMessage) {
        message.kinds().into_iter().for_each(|kind| self.worker_says_part(identity, kind));
    }

    fn worker_says_part(&mut self, identity: u64, kind: worker_message::Kind) {
        match kind {
            worker_message::Kind::Results(results) => {
                let letter = (identity, results.sequence);
                if self.letters.contains_key(&letter) {
                    return;
                }
                let trials = self.trials(&results);
                for trial in &trials {
                    self.story.finished += 1;
                    if let Some(before) = self.finished.insert(*trial, letter) {
                        self.story.again += 1;
                        if self.gentle {
                            self.breaks(format!("{} was finished twice: {before:x?}, {letter:x?}", name(*trial)));
                        }
                    }
                }
                self.letters.insert(letter, trials);
            }
            worker_message::Kind::Failed(failed) => self.breaks(format!("a kernel failed: {}", failed.detail)),
            worker_message::Kind::Checkpoints(_) => self.story.checkpoints += 1,
            _ => {}
        }
    }

    fn coordinator_hears(&mut self, number: u64, message: WorkerMessage) {
        message.kinds().into_iter().for_each(|kind| self.coordinator_hears_part(number, kind));
    }

    fn coordinator_hears_part(&mut self, number: u64, kind: worker_message::Kind) {
        debug!(at = ?now(), connection = number, heard = told(&kind));
        let rows = match &kind {
            worker_message::Kind::Results(results) => self.trials(results),
            _ => Vec::new(),
        };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        connection.heard = now();
        match kind {
            worker_message::Kind::Hello(hello) => connection.identity = Some(hello.identity),
            worker_message::Kind::Ready(ready) => {
                connection.offered = ready.held.into_iter().map(|held| held.grant.to_vec()).collect();
                // What it held on a connection that is half open still, it says that it holds now.
                let identity = connection.identity;
                let before = self.connections.iter_mut().filter(|(other, _)| **other != number);
                before.filter(|(_, other)| other.identity == identity).for_each(|(_, other)| other.leases.clear());
            }
            worker_message::Kind::LeaseDone(done) => drop(connection.leases.remove(&done.lease)),
            worker_message::Kind::Returned(returned) => {
                if let Some((_, left)) = connection.leases.get_mut(&returned.lease) {
                    ranges(&returned.trials).iter().for_each(|range| left.remove(&range));
                }
            }
            worker_message::Kind::Goodbye(_) => (connection.has_left, connection.leases) = (true, BTreeMap::new()),
            _ => {}
        }
        for trial in rows {
            self.received.entry(trial).or_insert_with(now);
        }
    }

    fn coordinator_says(&mut self, number: u64, message: CoordinatorMessage) {
        message.kinds().into_iter().for_each(|kind| self.coordinator_says_part(number, kind));
    }

    fn coordinator_says_part(&mut self, number: u64, kind: coordinator::Kind) {
        debug!(at = ?now(), connection = number, said = told(&kind));
        match kind {
            coordinator::Kind::Leases(message) => match leases::from_wire(&message) {
                Ok(leases) => {
                    for Lease { number: lease, cell, trials, grant } in leases {
                        self.story.leases += 1;
                        self.grants.insert(grant.to_vec(), cell.key);
                        self.leases(number, lease, cell.key, Ranges::from_iter([trials]));
                    }
                }
                Err(error) => self.breaks(format!("leases: {error}")),
            },
            coordinator::Kind::Adopted(adopted) => {
                let offered = self.connections.get(&number).map(|connection| connection.offered.clone());
                for lease in adopted.leases {
                    let grant = offered.as_ref().and_then(|offered| offered.get(lease.held as usize));
                    match grant.and_then(|grant| self.grants.get(grant)) {
                        Some(&cell) => {
                            self.story.kept += 1;
                            self.leases(number, lease.lease, cell, ranges(&lease.trials));
                        }
                        None => self.breaks("a lease is adopted that was not offered".to_owned()),
                    }
                }
            }
            coordinator::Kind::Ack(ack) => self.acknowledges(number, ack.sequence),
            coordinator::Kind::Recall(_) => self.story.recalls += 1,
            coordinator::Kind::Checkpoints(_) => self.story.checkpoints += 1,
            _ => {}
        }
    }

    fn leases(&mut self, number: u64, lease: u64, cell: CellKey, trials: Ranges) {
        self.look_at_disk();
        let now = now();
        for trial in trials.iter().flatten().map(|trial| (cell, trial)) {
            for (what, since) in [("durable", &self.durable), ("received", &self.received)] {
                if since.get(&trial).is_some_and(|since| *since + AT_ONCE < now) {
                    self.story.broken.push(format!("at {now:?} {} is leased, which is {what}", name(trial)));
                }
            }
            let holds = |connection: &Connection| {
                let mut theirs = connection.leases.values().filter(|(other, _)| *other == cell);
                connection.heard + SILENCE > now && theirs.any(|(_, left)| left.contains(trial.1))
            };
            if !self.received.contains_key(&trial)
                && let Some((_, holder)) = self.connections.iter().find(|(_, connection)| holds(connection))
            {
                let (holder, trial) = (holder.identity, name(trial));
                self.story.broken.push(format!("at {now:?} {trial} is leased, which worker {holder:x?} holds"));
            }
        }
        // What is leased to one that says goodbye meanwhile is leased to nobody.
        if let Some(connection) = self.connections.get_mut(&number).filter(|connection| !connection.has_left) {
            connection.leases.insert(lease, (cell, trials));
        }
    }

    fn acknowledges(&mut self, number: u64, sequence: u64) {
        self.story.acknowledged += 1;
        let identity = self.connections.get(&number).and_then(|connection| connection.identity);
        let Some(trials) = identity.and_then(|identity| self.letters.get(&(identity, sequence))).cloned() else {
            return self.breaks(format!("message {sequence} is acknowledged, which nobody sent"));
        };
        self.look_at_disk();
        if let Some(lost) = trials.iter().find(|trial| !self.durable.contains_key(trial)) {
            self.breaks(format!("{} is acknowledged, and not durable", name(*lost)));
        }
    }

    /// The trials in the parts.
    fn look_at_disk(&mut self) {
        let Ok(dataset) = Dataset::open(&self.out) else { return };
        for (cell, ranges) in dataset.coverage() {
            for trial in ranges.iter().flatten() {
                self.durable.entry((*cell, trial)).or_insert_with(now);
            }
        }
    }

    fn trials(&mut self, results: &Results) -> Vec<Trial> {
        let rows = from_wire(results.rows.as_ref().expect("a message of rows"), &self.cells)
            .expect("workers send rows of the sweep");
        rows.iter().map(|row| (row.cell, row.record.trial)).collect()
    }

    fn breaks(&mut self, what: String) {
        self.story.broken.push(format!("at {:?} {what}", now()));
    }
}

/// A message as it is shown: without the bytes in it.
fn told(kind: &impl Debug) -> String {
    format!("{kind:?}").chars().take(400).collect()
}

fn name((cell, trial): Trial) -> String {
    format!("trial {trial} of cell {cell}")
}

fn ranges(trials: &[Trials]) -> Ranges {
    trials::from_wire(trials).expect("sets of trials")
}
