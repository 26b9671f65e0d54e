use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use proptest::prelude::*;
use taugrid_results::{CellKey, Coverage, Ranges};

use super::{
    Dismissal, Effect, Event, Held, Identity, LeaseId, Machine, Moment, Muster, Plan, Receipt, Tuning, WorkerId,
};

const CELLS: u64 = 3;
const TRIALS: u64 = 40;
/// The last cell stops by precision: it turns out to need so many trials.
const ENOUGH: u64 = 25;

#[derive(Debug, Clone)]
enum Act {
    Join { threads: u32 },
    Die { who: usize },
    Break { who: usize },
    Return { trials: u64 },
    Drain { who: usize },
    Work { who: usize, trials: u64, twice: bool },
    Answer { who: usize },
    Write,
    Wait { seconds: u64 },
    Sleep,
    Restart,
    Pause,
    Resume,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (1..5u32).prop_map(|threads| Act::Join { threads }),
        1 => (0..8usize).prop_map(|who| Act::Die { who }),
        1 => (0..8usize).prop_map(|who| Act::Break { who }),
        2 => (0..20u64).prop_map(|trials| Act::Return { trials }),
        1 => (0..8usize).prop_map(|who| Act::Drain { who }),
        12 => (0..8usize, 1..20u64, any::<bool>()).prop_map(|(who, trials, twice)| Act::Work { who, trials, twice }),
        4 => (0..8usize).prop_map(|who| Act::Answer { who }),
        3 => Just(Act::Write),
        1 => (1..20u64).prop_map(|seconds| Act::Wait { seconds }),
        1 => Just(Act::Sleep),
        1 => Just(Act::Restart),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
    ]
}

/// A worker process as the machine's surroundings see it.
struct Process {
    identity: Identity,
    connection: WorkerId,
    threads: u32,
    /// Its leases on this connection, and what of each has not been sent.
    leases: BTreeMap<LeaseId, (CellKey, Ranges)>,
    /// The same of earlier connections.
    held: Vec<(CellKey, Ranges)>,
    /// What it was asked to give back, and has not answered.
    recalls: Vec<(LeaseId, u64, bool)>,
    unacknowledged: BTreeMap<u64, Coverage>,
    last_sequence: u64,
}

struct World {
    machine: Machine,
    processes: Vec<Process>,
    /// Those whose stream broke; they are at work all the same.
    away: Vec<Process>,
    /// Whether the workers of an earlier life of the coordinator are on their way back.
    restarting: bool,
    deaths: usize,
    /// Messages with the writer.
    writing: Vec<(Receipt, Coverage)>,
    /// Rows of a message that the machine has not said are the writer's.
    offered: Option<(Receipt, Coverage)>,
    durable: BTreeMap<CellKey, BTreeSet<u64>>,
    quarantined: BTreeMap<CellKey, Ranges>,
    /// How many trials the cell that stops by precision is known to need.
    limit: u64,
    now: Moment,
    next_number: u64,
    finished: bool,
    /// Kernels fail at these trials: a cell's and whose number.
    poison: Option<(CellKey, u64)>,
}

fn machine(limit: u64, done: &Coverage, muster: Option<Muster>) -> Machine {
    // Cells whose trials are run one, four and sixteen at a time.
    let plans = (0..CELLS).map(|cell| {
        let open_ended = cell == CELLS - 1;
        let trials = if open_ended { limit } else { TRIALS };
        (CellKey(cell), Plan { trials, open_ended, lanes: 1 << (2 * cell) })
    });
    Machine::new(plans, done, muster, Tuning::default())
}

fn needed(cell: CellKey) -> u64 {
    if cell.0 == CELLS - 1 { ENOUGH } else { TRIALS }
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
    fn new(poison: Option<(CellKey, u64)>) -> Self {
        Self {
            machine: machine(5, &Coverage::new(), None),
            processes: Vec::new(),
            away: Vec::new(),
            restarting: false,
            deaths: 0,
            offered: None,
            writing: Vec::new(),
            durable: (0..CELLS).map(|cell| (CellKey(cell), BTreeSet::new())).collect(),
            quarantined: BTreeMap::new(),
            limit: 5,
            now: Moment::ZERO,
            next_number: 1,
            finished: false,
            poison,
        }
    }

    fn step(&mut self, event: Event) {
        let (mut dismissed, mut questions) = (Vec::new(), Vec::new());
        let effects = self.machine.step(event);
        assert_eq!(self.machine.audit(), Ok(()));
        for effect in effects {
            match effect {
                Effect::Lease { worker, lease, cell, trials } => {
                    assert!(trials.start < trials.end && trials.end <= needed(cell), "{trials:?}");
                    if self.restarting {
                        self.assert_nobody_has(cell, &trials);
                    }
                    self.give(worker, lease, cell, ranges(trials));
                }
                Effect::Adopted { worker, leases } => {
                    let taker = self.processes.iter_mut().find(|p| p.connection == worker).expect("adopted by nobody");
                    let held = std::mem::take(&mut taker.held);
                    for (index, lease, trials) in leases {
                        let (cell, left) = &held[index];
                        assert!(trials.iter().all(|range| left.count_within(&range) == range.end - range.start));
                        self.give(worker, lease, *cell, trials);
                    }
                }
                Effect::Recall { worker, lease, most, begun } => {
                    if let Some(process) = self.processes.iter_mut().find(|p| p.connection == worker) {
                        process.recalls.push((lease, most, begun));
                    }
                }
                Effect::Write(receipt) => {
                    let offered = self.offered.take().expect("rows that nobody sent");
                    assert_eq!(receipt, offered.0);
                    self.writing.push(offered);
                }
                Effect::Ack(receipt) => {
                    if let Some(process) = self.processes.iter_mut().find(|p| p.connection == receipt.worker)
                        && let Some(rows) = process.unacknowledged.remove(&receipt.sequence)
                    {
                        for (cell, ranges) in rows {
                            assert!(ranges.iter().flatten().all(|t| self.durable[&cell].contains(&t)));
                        }
                    }
                }
                // The worker is alive all the same: its stream breaks, and it comes back.
                Effect::Dismiss { worker, reason } => {
                    assert_eq!(reason, Dismissal::Silent);
                    self.deaths += 1;
                    let index = self.processes.iter().position(|p| p.connection == worker).expect("dismissed nobody");
                    dismissed.push(self.processes.remove(index));
                }
                Effect::Decide { cell, trials } => questions.push((cell, trials)),
                Effect::Quarantine(aside) => {
                    assert!(self.deaths >= 3 || self.poison.is_some(), "{aside:?} are innocent");
                    self.quarantined.entry(aside.cell).or_default().insert(aside.trials);
                }
                Effect::Flush => {}
                Effect::Finish => {
                    for (&cell, trials) in &self.durable {
                        let aside = self.quarantined.get(&cell);
                        let there = |t: &u64| trials.contains(t) || aside.is_some_and(|aside| aside.contains(*t));
                        // A cell that stops by precision cannot be decided without the trials in quarantine.
                        let needed = if aside.is_some() && cell.0 == CELLS - 1 { 5 } else { needed(cell) };
                        assert!((0..needed).all(|t| there(&t)), "{cell} lacks trials");
                    }
                    self.finished = true;
                }
            }
        }
        for (cell, trials) in questions {
            assert_eq!(cell, CellKey(CELLS - 1));
            assert_eq!(trials, self.limit);
            self.limit = ENOUGH.min(2 * trials);
            let limit = (trials < ENOUGH).then_some(self.limit);
            self.step(Event::Decided { cell, limit });
        }
        // They come back once all effects are carried out, as the shell carries them out.
        for process in dismissed {
            self.attach(process);
        }
    }

    fn give(&mut self, worker: WorkerId, lease: LeaseId, cell: CellKey, trials: Ranges) {
        for process in &self.processes {
            for (other, ranges) in process.leases.values() {
                let twice = trials.iter().any(|range| ranges.overlaps(&range));
                assert!(*other != cell || !twice, "{cell} {trials:?} is leased twice");
            }
        }
        let taker = self.processes.iter_mut().find(|p| p.connection == worker).expect("a lease for nobody");
        assert!(taker.leases.insert(lease, (cell, trials)).is_none());
    }

    /// That no worker, here or on its way back, has rows of these trials or is at work on them.
    fn assert_nobody_has(&self, cell: CellKey, trials: &Range<u64>) {
        for process in self.processes.iter().chain(&self.away) {
            let rows = process.unacknowledged.values().filter_map(|rows| rows.get(&cell));
            let held = process.held.iter().filter(|(of, _)| *of == cell).map(|(_, left)| left);
            for has in rows.chain(held) {
                assert_eq!(has.count_within(trials), 0, "{cell} {trials:?} are leased, and a worker has them");
            }
        }
    }

    /// A process connects: its rows first, then it is ready, and says what it is at work on.
    fn attach(&mut self, mut process: Process) {
        self.next_number += 1;
        let worker = WorkerId(self.next_number);
        process.connection = worker;
        process.leave();
        let (identity, threads) = (process.identity, process.threads);
        let rows: Vec<_> = process.unacknowledged.iter().map(|(&sequence, rows)| (sequence, rows.clone())).collect();
        let held = process.held.iter().map(|(cell, left)| Held { cell: *cell, left: left.clone() }).collect();
        self.processes.push(process);
        for (sequence, trials) in rows {
            self.receive(Receipt { worker, sequence }, trials, true);
        }
        self.step(Event::Joined { worker, identity, threads, held, at: self.now });
    }

    fn receive(&mut self, receipt: Receipt, trials: Coverage, again: bool) {
        let granted = if again { trials.clone() } else { Coverage::new() };
        let rows = trials.values().map(Ranges::count).sum();
        self.offered = Some((receipt, trials.clone()));
        self.step(Event::Received { receipt, trials, rows, granted });
        assert_eq!(self.offered, None, "rows are refused");
    }

    fn act(&mut self, act: Act) {
        let at = self.now;
        match act {
            Act::Join { threads } => {
                self.next_number += 1;
                self.attach(Process {
                    identity: Identity(self.next_number),
                    connection: WorkerId(0),
                    threads,
                    leases: BTreeMap::new(),
                    held: Vec::new(),
                    recalls: Vec::new(),
                    unacknowledged: BTreeMap::new(),
                    last_sequence: 0,
                });
            }
            Act::Die { who } if who < self.processes.len() => {
                let process = self.processes.remove(who);
                self.deaths += 1;
                self.step(Event::Left { worker: process.connection, orderly: false, at });
            }
            Act::Break { who } if who < self.processes.len() => {
                let mut process = self.processes.remove(who);
                let worker = process.connection;
                process.leave();
                self.away.push(process);
                self.deaths += 1;
                self.step(Event::Left { worker, orderly: false, at });
            }
            Act::Return { trials } => {
                if let Some(mut process) = self.away.pop() {
                    process.work_alone(trials, self.poison);
                    self.attach(process);
                }
            }
            Act::Drain { who } if who < self.processes.len() => self.drain(who),
            Act::Work { who, trials, twice } if who < self.processes.len() => self.work(who, trials, twice),
            Act::Answer { who } if who < self.processes.len() => self.answer(who),
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
                let connections: Vec<_> = self.processes.iter().map(|p| p.connection).collect();
                self.step(Event::Clock { at: self.now });
                assert!(self.processes.iter().map(|p| p.connection).eq(connections));
            }
            Act::Restart => self.restart(),
            Act::Pause => self.step(Event::Pause),
            Act::Resume => self.step(Event::Resume),
            Act::Die { .. } | Act::Break { .. } | Act::Drain { .. } | Act::Work { .. } | Act::Answer { .. } => {}
        }
    }

    /// SIGTERM: everything is given back, in order.
    fn drain(&mut self, who: usize) {
        let process = &mut self.processes[who];
        let worker = process.connection;
        let leases = process.leases.clone();
        for (lease, (_, trials)) in leases {
            self.processes[who].leases.remove(&lease);
            self.step(Event::Returned { worker, lease, trials, at: self.now });
        }
        // What it has sent is with the writer; it waits until that has been read.
        self.processes.remove(who);
        self.step(Event::Left { worker, orderly: true, at: self.now });
    }

    fn work(&mut self, who: usize, trials: u64, twice: bool) {
        let poison = self.poison;
        let process = &mut self.processes[who];
        let worker = process.connection;
        self.now += Duration::from_millis(1);
        let at = self.now;
        let Some((&lease, (cell, left))) = process.leases.iter_mut().next() else {
            return self.step(Event::Heard { worker, at });
        };
        let cell = *cell;
        let sound = |trial: &u64| poison != Some((cell, *trial));
        let done: Vec<u64> = left.iter().flatten().filter(sound).take(trials as usize).collect();
        if done.is_empty() {
            // Nothing is left but the trial at which the kernel fails.
            process.leases.remove(&lease);
            self.step(Event::Heard { worker, at });
            return self.step(Event::Failed { worker, lease, at });
        }
        for &trial in &done {
            left.remove(&(trial..trial + 1));
        }
        let finished = left.is_empty();
        if finished {
            process.leases.remove(&lease);
        }
        process.last_sequence += 1;
        let receipt = Receipt { worker, sequence: process.last_sequence };
        let trials = coverage(cell, &done);
        process.unacknowledged.insert(receipt.sequence, trials.clone());
        self.step(Event::Heard { worker, at });
        for _ in 0..=u8::from(twice) {
            self.receive(receipt, trials.clone(), false);
        }
        if finished {
            self.step(Event::LeasesDone { worker, leases: vec![(lease, Duration::from_millis(3))] });
        }
    }

    /// A worker gives back what it was asked for.
    fn answer(&mut self, who: usize) {
        while let Some(process) = self.processes.get_mut(who)
            && !process.recalls.is_empty()
        {
            let (lease, most, begun) = process.recalls.remove(0);
            let trials = process.give_back(lease, most, begun);
            let event = Event::Returned { worker: process.connection, lease, trials, at: self.now };
            self.step(event);
        }
    }

    fn write(&mut self) {
        let written = std::mem::take(&mut self.writing);
        let receipts = written.iter().map(|(receipt, _)| *receipt).collect();
        for (_, rows) in written {
            for (cell, ranges) in rows {
                self.durable.get_mut(&cell).expect("a cell").extend(ranges.iter().flatten());
            }
        }
        self.step(Event::Durable { receipts });
    }

    /// kill -9 of the coordinator: what was not durable is gone from it; the workers come back with what they hold.
    fn restart(&mut self) {
        self.writing.clear();
        let done: Coverage =
            self.durable.iter().map(|(&cell, trials)| (cell, trials.iter().map(|&t| t..t + 1).collect())).collect();
        self.limit = 5;
        let by_precision = &self.durable[&CellKey(CELLS - 1)];
        while self.limit < ENOUGH && (0..self.limit).all(|trial| by_precision.contains(&trial)) {
            self.limit = ENOUGH.min(2 * self.limit);
        }
        let expected = self.processes.iter().map(|process| process.identity).collect();
        let muster = Muster { expected, least: Moment::ZERO, most: Duration::from_millis(2500) };
        self.machine = machine(self.limit, &done, Some(muster));
        self.finished = false;
        self.quarantined.clear();
        // The machine's time begins anew with each life of the coordinator.
        self.now = Moment::ZERO;
        let mut waiting = std::mem::take(&mut self.away);
        self.away = std::mem::take(&mut self.processes);
        self.away.iter_mut().for_each(Process::leave);
        self.restarting = true;
        while let Some(process) = self.away.pop() {
            self.attach(process);
        }
        self.restarting = false;
        self.away.append(&mut waiting);
    }
}

impl Process {
    /// Its stream is gone; it is at work all the same.
    fn leave(&mut self) {
        self.held.extend(std::mem::take(&mut self.leases).into_values());
        self.recalls.clear();
    }

    /// Takes trials from the end of a lease; the first trial of the first lease is begun.
    fn give_back(&mut self, lease: LeaseId, most: u64, begun: bool) -> Ranges {
        let kept = usize::from(self.leases.keys().next() == Some(&lease) && !begun);
        let mut given = Ranges::new();
        if let Some((_, left)) = self.leases.get_mut(&lease) {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let all: Vec<u64> = left.iter().flatten().skip(kept).collect();
            for &trial in all.iter().rev().take(most) {
                given.insert(trial..trial + 1);
                left.remove(&(trial..trial + 1));
            }
            if left.is_empty() {
                self.leases.remove(&lease);
            }
        }
        given
    }

    /// Finishes trials while it is away.
    fn work_alone(&mut self, trials: u64, poison: Option<(CellKey, u64)>) {
        for (cell, left) in &mut self.held {
            let sound = |trial: &u64| poison != Some((*cell, *trial));
            let done: Vec<u64> = left.iter().flatten().filter(sound).take(trials as usize).collect();
            for &trial in &done {
                left.remove(&(trial..trial + 1));
            }
            if !done.is_empty() {
                self.last_sequence += 1;
                self.unacknowledged.insert(self.last_sequence, coverage(*cell, &done));
            }
        }
        self.held.retain(|(_, left)| !left.is_empty());
    }
}

/// Ten thousand, or as many as the environment says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    #[test]
    fn every_history_ends_with_every_trial_durable(
        acts in prop::collection::vec(act(), 0..120),
        poison in prop::option::weighted(0.2, (0..CELLS, 0..TRIALS)),
    ) {
        let mut world = World::new(poison.map(|(cell, trial)| (CellKey(cell), trial)));
        for act in acts {
            world.act(act);
        }
        // The faults end: one good worker, a disk that writes.
        world.act(Act::Resume);
        world.act(Act::Join { threads: 2 });
        for _ in 0..10 * CELLS * TRIALS {
            world.act(Act::Return { trials: 3 });
            for who in 0..world.processes.len() {
                world.act(Act::Answer { who });
                world.act(Act::Work { who, trials: 7, twice: false });
            }
            world.act(Act::Write);
            if world.finished {
                break;
            }
            world.act(Act::Wait { seconds: 1 });
        }
        prop_assert!(world.finished);
        let standing = world.machine.standing();
        prop_assert_eq!(standing.received + standing.quarantined, standing.trials);
        let aside = world.quarantined.values().map(Ranges::count).sum::<u64>();
        prop_assert!(standing.quarantined <= aside);
    }
}

#[test]
fn a_complete_sweep_finishes_at_once() {
    let all = (0..CELLS).map(|cell| (CellKey(cell), ranges(0..needed(CellKey(cell))))).collect();
    let mut machine = machine(ENOUGH, &all, None);
    let effects = machine.step(Event::Clock { at: Moment::ZERO });
    assert_eq!(effects, vec![Effect::Decide { cell: CellKey(CELLS - 1), trials: ENOUGH }]);
    let effects = machine.step(Event::Decided { cell: CellKey(CELLS - 1), limit: None });
    assert_eq!(effects, vec![Effect::Finish]);
}
