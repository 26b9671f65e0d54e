//! Random histories: joins, deaths, silence, late and doubled results, slow disks, restarts of the coordinator.
//!
//! Whatever happens, no trial is leased while it is leased to another or received, every row that was acknowledged is
//! durable, and once the faults end the sweep does too.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;
use taugrid_results::{CellKey, Coverage, Ranges};

use super::{Dismissal, Effect, Event, LeaseId, Machine, Moment, Receipt, Tuning, WorkerId};

const CELLS: u64 = 3;
const TRIALS: u64 = 40;

#[derive(Debug, Clone)]
enum Act {
    Join { threads: u32 },
    Die { who: usize },
    Work { who: usize, trials: u64, twice: bool },
    Write,
    Wait { seconds: u64 },
    Sleep,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (1..5u32).prop_map(|threads| Act::Join { threads }),
        2 => (0..8usize).prop_map(|who| Act::Die { who }),
        12 => (0..8usize, 1..20u64, any::<bool>()).prop_map(|(who, trials, twice)| Act::Work { who, trials, twice }),
        3 => Just(Act::Write),
        1 => (1..20u64).prop_map(|seconds| Act::Wait { seconds }),
        1 => Just(Act::Sleep),
        1 => Just(Act::Restart),
    ]
}

/// A worker process as the machine's surroundings see it.
struct Process {
    connection: WorkerId,
    threads: u32,
    leases: BTreeMap<LeaseId, (CellKey, Ranges)>,
    unacknowledged: BTreeMap<u64, Coverage>,
    last_sequence: u64,
}

struct World {
    machine: Machine,
    processes: Vec<Process>,
    /// Messages with the writer.
    writing: Vec<(Receipt, Coverage)>,
    durable: BTreeMap<CellKey, BTreeSet<u64>>,
    now: Moment,
    next_connection: u64,
    finished: bool,
}

fn machine(done: &Coverage) -> Machine {
    // Cells whose trials are run one, four and sixteen at a time.
    Machine::new((0..CELLS).map(|cell| (CellKey(cell), 1 << (2 * cell))), TRIALS, done, Tuning::default())
}

fn ranges(trials: Range<u64>) -> Ranges {
    let mut ranges = Ranges::new();
    ranges.insert(trials);
    ranges
}

fn coverage(cell: CellKey, trials: &[u64]) -> Coverage {
    Coverage::from([(cell, trials.iter().map(|&t| t..t + 1).collect())])
}

impl World {
    fn new() -> Self {
        let durable = (0..CELLS).map(|cell| (CellKey(cell), BTreeSet::new())).collect();
        let machine = machine(&Coverage::new());
        Self {
            machine,
            processes: Vec::new(),
            writing: Vec::new(),
            durable,
            now: Moment::ZERO,
            next_connection: 1,
            finished: false,
        }
    }

    fn step(&mut self, event: Event) {
        let mut dismissed = Vec::new();
        for effect in self.machine.step(event) {
            match effect {
                Effect::Lease { worker, lease, cell, trials } => {
                    assert!(trials.start < trials.end && trials.end <= TRIALS, "{trials:?}");
                    for process in &self.processes {
                        for (other, ranges) in process.leases.values() {
                            assert!(*other != cell || !ranges.overlaps(&trials), "{cell} {trials:?} is leased twice");
                        }
                    }
                    let taker = self.processes.iter_mut().find(|p| p.connection == worker).expect("a lease for nobody");
                    assert!(taker.leases.insert(lease, (cell, ranges(trials))).is_none());
                }
                Effect::Ack(receipt) => {
                    if let Some(process) = self.processes.iter_mut().find(|p| p.connection == receipt.worker)
                        && let Some(rows) = process.unacknowledged.remove(&receipt.sequence)
                    {
                        for (cell, ranges) in rows {
                            assert!(ranges.iter().flat_map(Clone::clone).all(|t| self.durable[&cell].contains(&t)));
                        }
                    }
                }
                // The worker is alive all the same: its stream breaks, and it comes back.
                Effect::Dismiss { worker, reason } => {
                    assert_eq!(reason, Dismissal::Silent);
                    let index = self.processes.iter().position(|p| p.connection == worker).expect("dismissed nobody");
                    let mut process = self.processes.remove(index);
                    process.leases.clear();
                    dismissed.push(process);
                }
                Effect::Flush => {}
                Effect::Finish => {
                    assert!(self.durable.values().all(|trials| trials.len() as u64 == TRIALS));
                    self.finished = true;
                }
            }
        }
        // They come back once all effects are carried out, as the shell carries them out.
        for mut process in dismissed {
            self.next_connection += 1;
            process.connection = WorkerId(self.next_connection);
            self.attach(process);
        }
    }

    /// A process connects: what it still holds first, then it is ready.
    fn attach(&mut self, process: Process) {
        let (worker, threads) = (process.connection, process.threads);
        let held: Vec<_> = process.unacknowledged.iter().map(|(&sequence, rows)| (sequence, rows.clone())).collect();
        self.processes.push(process);
        for (sequence, trials) in held {
            let receipt = Receipt { worker, sequence };
            self.writing.push((receipt, trials.clone()));
            self.step(Event::Received { receipt, trials });
        }
        self.step(Event::Joined { worker, threads, at: self.now });
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Join { threads } => {
                self.next_connection += 1;
                self.attach(Process {
                    connection: WorkerId(self.next_connection),
                    threads,
                    leases: BTreeMap::new(),
                    unacknowledged: BTreeMap::new(),
                    last_sequence: 0,
                });
            }
            Act::Die { who } if who < self.processes.len() => {
                let process = self.processes.remove(who);
                self.step(Event::Left { worker: process.connection });
            }
            Act::Work { who, trials, twice } if who < self.processes.len() => self.work(who, trials, twice),
            Act::Write => self.write(),
            Act::Wait { seconds } => {
                for _ in 0..seconds {
                    self.now += Duration::from_secs(1);
                    self.step(Event::Clock { at: self.now });
                }
            }
            Act::Sleep => {
                // The coordinator is stopped for a while and goes on: nobody is silent for that.
                self.now += Duration::from_secs(60);
                let before = self.processes.len();
                let connections: Vec<_> = self.processes.iter().map(|p| p.connection).collect();
                self.step(Event::Clock { at: self.now });
                assert_eq!(before, self.processes.len());
                assert!(self.processes.iter().map(|p| p.connection).eq(connections));
            }
            Act::Restart => self.restart(),
            Act::Die { .. } | Act::Work { .. } => {}
        }
    }

    fn work(&mut self, who: usize, trials: u64, twice: bool) {
        let process = &mut self.processes[who];
        let worker = process.connection;
        self.now += Duration::from_millis(1);
        let at = self.now;
        let Some((&lease, (cell, left))) = process.leases.iter_mut().next() else {
            return self.step(Event::Heard { worker, at });
        };
        let done: Vec<u64> = left.iter().flat_map(Clone::clone).take(trials as usize).collect();
        for &trial in &done {
            left.remove(trial..trial + 1);
        }
        let (cell, finished) = (*cell, left.is_empty());
        if finished {
            process.leases.remove(&lease);
        }
        process.last_sequence += 1;
        let receipt = Receipt { worker, sequence: process.last_sequence };
        let trials = coverage(cell, &done);
        process.unacknowledged.insert(receipt.sequence, trials.clone());
        self.step(Event::Heard { worker, at });
        for _ in 0..=u8::from(twice) {
            self.writing.push((receipt, trials.clone()));
            self.step(Event::Received { receipt, trials: trials.clone() });
        }
        if finished {
            self.step(Event::LeaseDone { worker, lease, busy: Duration::from_millis(3) });
        }
    }

    fn write(&mut self) {
        let written = std::mem::take(&mut self.writing);
        let receipts = written.iter().map(|(receipt, _)| *receipt).collect();
        for (_, rows) in written {
            for (cell, ranges) in rows {
                self.durable.get_mut(&cell).expect("a cell").extend(ranges.iter().flat_map(Clone::clone));
            }
        }
        self.step(Event::Durable { receipts });
    }

    /// kill -9 of the coordinator: what was not durable is gone from it; the workers come back with what they hold.
    fn restart(&mut self) {
        self.writing.clear();
        let done =
            self.durable.iter().map(|(&cell, trials)| (cell, trials.iter().map(|&t| t..t + 1).collect())).collect();
        self.machine = machine(&done);
        self.finished = false;
        // The machine's time begins anew with each life of the coordinator.
        self.now = Moment::ZERO;
        for mut process in std::mem::take(&mut self.processes) {
            process.leases.clear();
            self.attach(process);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn every_history_ends_with_every_trial_durable(acts in prop::collection::vec(act(), 0..120)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        // The faults end: one good worker, a disk that writes.
        world.act(Act::Join { threads: 2 });
        for _ in 0..10 * CELLS * TRIALS {
            for who in 0..world.processes.len() {
                world.act(Act::Work { who, trials: 7, twice: false });
            }
            world.act(Act::Write);
        }
        prop_assert!(world.finished);
        prop_assert_eq!(world.machine.standing().received, CELLS * TRIALS);
    }
}

#[test]
fn a_complete_sweep_finishes_at_once() {
    let all = (0..CELLS).map(|cell| (CellKey(cell), ranges(0..TRIALS))).collect();
    assert_eq!(machine(&all).step(Event::Clock { at: Moment::ZERO }), vec![Effect::Finish]);
}

#[test]
fn a_lease_said_to_be_done_without_its_rows_is_leased_anew() {
    let mut world = World::new();
    world.act(Act::Join { threads: 2 });
    let worker = world.processes[0].connection;
    let (&lease, (cell, ranges)) = world.processes[0].leases.iter().next().expect("a lease");
    let (cell, trials) = (*cell, ranges.iter().next().expect("trials").clone());
    let effects = world.machine.step(Event::LeaseDone { worker, lease, busy: Duration::ZERO });
    assert_eq!(effects, vec![Effect::Dismiss { worker, reason: Dismissal::RowsMissing }]);
    let joined = world.machine.step(Event::Joined { worker: WorkerId(99), threads: 2, at: Moment::ZERO });
    assert!(
        joined
            .iter()
            .any(|effect| matches!(effect, Effect::Lease { cell: c, trials: t, .. } if (*c, t) == (cell, &trials)))
    );
}

#[test]
fn a_lease_of_another_worker_cannot_be_closed() {
    let mut world = World::new();
    world.act(Act::Join { threads: 2 });
    world.act(Act::Join { threads: 2 });
    let theirs = *world.processes[0].leases.keys().next().expect("a lease");
    let me = world.processes[1].connection;
    let effects = world.machine.step(Event::LeaseDone { worker: me, lease: theirs, busy: Duration::ZERO });
    assert!(effects.contains(&Effect::Dismiss { worker: me, reason: Dismissal::UnknownLease }));
}
