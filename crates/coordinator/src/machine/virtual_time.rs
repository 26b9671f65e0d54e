//! A thousand workers in virtual time: how well the end of a skewed sweep is shared out, and what the machine costs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use taugrid_results::{CellKey, Coverage, Ranges};

use super::{Effect, Event, Identity, LeaseId, Machine, Moment, Plan, Receipt, Tuning, WorkerId};

/// On the wire, one way.
const LATENCY: Duration = Duration::from_millis(2);

/// A cluster, and what the trials of each cell take.
struct Cluster {
    machine: Machine,
    workers: HashMap<WorkerId, Simulated>,
    /// Mean time of a trial of each cell, in seconds.
    means: HashMap<CellKey, f64>,
    happenings: BinaryHeap<Reverse<(Moment, u64, Happening)>>,
    order: u64,
    now: Moment,
    finished: Option<Moment>,
    sequence: u64,
    /// When the workers' hearts beat next.
    heartbeat: Moment,
    /// Leases that were given.
    leases: u64,
    /// Real time that the machine took.
    cost: Duration,
    /// What is left of trials that were given back in the middle, in seconds.
    left: HashMap<(CellKey, u64), f64>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A message of the machine reaches a worker.
    Lease(WorkerId, LeaseId, CellKey, Range64),
    Recall(WorkerId, LeaseId, u64, bool),
    /// The trial that a worker is at ends, the so manieth that it began.
    TrialEnds(WorkerId, u64),
    /// A message of a worker reaches the machine.
    Said(Message),
    Tick,
}

/// A range that can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range64(u64, u64);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Rows(WorkerId, CellKey, Range64),
    Done(WorkerId, LeaseId, Duration),
    Returned(WorkerId, LeaseId, Range64),
    Durable(WorkerId, u64),
}

/// A worker of one thread that runs one trial at a time.
#[derive(Default)]
struct Simulated {
    leases: VecDeque<(LeaseId, CellKey, Range<u64>)>,
    is_busy: bool,
    began_lease: Moment,
    /// Trials that it began.
    begun: u64,
    /// Rows that are not sent yet: those of the lease it is at.
    rows: Range<u64>,
    /// Intervals in which it ran a trial.
    busy: Vec<(Moment, Moment)>,
    /// How much slower than others it is.
    slowness: f64,
}

/// A uniform number that follows from a trial, and from nothing else.
fn uniform(cell: CellKey, trial: u64) -> f64 {
    let mut x = (cell.0 << 40) ^ trial ^ 0x9E37_79B9_7F4A_7C15;
    for _ in 0..3 {
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

fn ranges(trials: Range64) -> Ranges {
    let mut ranges = Ranges::new();
    if trials.0 < trials.1 {
        ranges.insert(trials.0..trials.1);
    }
    ranges
}

impl Cluster {
    fn new(workers: u64, cells: &[f64], trials: u64) -> Self {
        let plan = Plan { trials, open_ended: false, lanes: 1 };
        let keys = (0..cells.len() as u64).map(CellKey);
        let machine = Machine::new(keys.clone().map(|key| (key, plan)), &Coverage::new(), None, Tuning::default());
        let mut cluster = Self {
            machine,
            workers: HashMap::new(),
            means: keys.zip(cells.iter().copied()).collect(),
            happenings: BinaryHeap::new(),
            order: 0,
            now: Moment::ZERO,
            finished: None,
            sequence: 0,
            heartbeat: Moment::ZERO,
            leases: 0,
            cost: Duration::ZERO,
            left: HashMap::new(),
        };
        for id in 0..workers {
            let worker = WorkerId(id);
            cluster.workers.insert(worker, Simulated { slowness: 1.0, ..Simulated::default() });
            let at = cluster.now;
            cluster.step(Event::Joined { worker, identity: Identity(id), threads: 1, held: Vec::new(), at });
        }
        cluster.later(Duration::from_millis(100), Happening::Tick);
        cluster
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        self.order += 1;
        self.happenings.push(Reverse((self.now + after, self.order, happening)));
    }

    fn step(&mut self, event: Event) {
        let began = std::time::Instant::now();
        let effects = self.machine.step(event);
        self.cost += began.elapsed();
        for effect in effects {
            match effect {
                Effect::Lease { worker, lease, cell, trials } => {
                    self.leases += 1;
                    self.later(LATENCY, Happening::Lease(worker, lease, cell, Range64(trials.start, trials.end)));
                }
                Effect::Recall { worker, lease, most, begun } => {
                    self.later(LATENCY, Happening::Recall(worker, lease, most, begun));
                }
                Effect::Finish => self.finished = Some(self.now),
                Effect::Write(_) | Effect::Flush | Effect::Ack(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn run(&mut self) {
        const MOST: u64 = 200_000_000;
        while self.finished.is_none() {
            assert!(self.order < MOST, "at {:?} it goes in circles: {:?}", self.now, self.machine.standing());
            let Reverse((at, _, happening)) = self.happenings.pop().expect("the sweep ends");
            self.now = at;
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let at = self.now;
        match happening {
            Happening::Lease(worker, lease, cell, trials) => {
                let state = self.workers.get_mut(&worker).expect("a worker");
                state.leases.push_back((lease, cell, trials.0..trials.1));
                if !state.is_busy {
                    self.begin(worker);
                }
            }
            Happening::Recall(worker, lease, most, begun) => self.recall(worker, lease, most, begun),
            Happening::TrialEnds(worker, begun) => {
                if self.workers[&worker].begun == begun {
                    self.end_trial(worker);
                }
            }
            Happening::Said(message) => self.hear(message),
            Happening::Tick => {
                // Heartbeats, as often as real workers have them.
                if self.now >= self.heartbeat {
                    self.heartbeat = self.now + Duration::from_secs(2);
                    for id in 0..self.workers.len() as u64 {
                        self.step(Event::Heard { worker: WorkerId(id), at });
                    }
                }
                self.step(Event::Clock { at });
                self.later(Duration::from_millis(100), Happening::Tick);
            }
        }
    }

    fn recall(&mut self, worker: WorkerId, lease: LeaseId, most: u64, begun: bool) {
        let now = self.now;
        let state = self.workers.get_mut(&worker).expect("a worker");
        let is_first = state.leases.front().is_some_and(|(id, ..)| *id == lease);
        let (mut given, mut unsent) = (Range64(0, 0), None);
        if let Some((_, cell, trials)) = state.leases.iter_mut().find(|(id, ..)| *id == lease) {
            // Of the lease it is at, the first trial is begun.
            let kept = u64::from(is_first && !begun);
            let count = most.min((trials.end - trials.start).saturating_sub(kept));
            given = Range64(trials.end - count, trials.end);
            trials.end -= count;
            if is_first && trials.is_empty() && count > 0 {
                // The trial that it is at goes on elsewhere.
                let (_, end) = state.busy.last_mut().expect("it is at a trial");
                let left = (*end - now).as_secs_f64() / state.slowness;
                *end = now;
                self.left.insert((*cell, given.0), left);
                state.begun += 1;
                state.is_busy = false;
                // Rows of it that wait for others do so no longer.
                unsent = (!state.rows.is_empty()).then_some((*cell, Range64(state.rows.start, state.rows.end)));
            }
        }
        state.leases.retain(|(_, _, trials)| !trials.is_empty());
        let is_free = !state.is_busy;
        if let Some((cell, rows)) = unsent {
            self.later(LATENCY, Happening::Said(Message::Rows(worker, cell, rows)));
        }
        self.later(LATENCY, Happening::Said(Message::Returned(worker, lease, given)));
        if is_free {
            self.begin(worker);
        }
    }

    fn begin(&mut self, worker: WorkerId) {
        let state = self.workers.get_mut(&worker).expect("a worker");
        let Some((_, cell, trials)) = state.leases.front() else { return };
        if !state.is_busy {
            state.began_lease = self.now;
            state.rows = trials.start..trials.start;
        }
        state.is_busy = true;
        let drawn = -self.means[cell] * (1.0 - uniform(*cell, trials.start)).ln();
        let seconds = self.left.get(&(*cell, trials.start)).copied().unwrap_or(drawn);
        let time = Duration::from_secs_f64(seconds * state.slowness);
        state.busy.push((self.now, self.now + time));
        state.begun += 1;
        let begun = state.begun;
        self.later(time, Happening::TrialEnds(worker, begun));
    }

    fn end_trial(&mut self, worker: WorkerId) {
        let now = self.now;
        let state = self.workers.get_mut(&worker).expect("a worker");
        let (lease, cell, trials) = state.leases.front_mut().expect("the lease it is at");
        trials.start += 1;
        state.rows.end = trials.start;
        let (lease, cell, over) = (*lease, *cell, trials.is_empty());
        // Rows wait for others for some time, as in the real one.
        if over || now - state.began_lease > Duration::from_millis(20) {
            let rows = Range64(state.rows.start, state.rows.end);
            state.rows.start = state.rows.end;
            let took = now - state.began_lease;
            if over {
                state.leases.pop_front();
                state.is_busy = false;
            }
            self.later(LATENCY, Happening::Said(Message::Rows(worker, cell, rows)));
            if over {
                self.later(LATENCY, Happening::Said(Message::Done(worker, lease, took)));
            }
        }
        self.begin(worker);
    }

    fn hear(&mut self, message: Message) {
        let at = self.now;
        match message {
            Message::Rows(worker, cell, rows) => {
                self.sequence += 1;
                let receipt = Receipt { worker, sequence: self.sequence };
                let trials = Coverage::from([(cell, ranges(rows))]);
                self.later(Duration::from_millis(50), Happening::Said(Message::Durable(worker, self.sequence)));
                self.step(Event::Received { receipt, trials, rows: rows.1 - rows.0, granted: Coverage::new() });
            }
            Message::Done(worker, lease, busy) => self.step(Event::LeasesDone { worker, leases: vec![(lease, busy)] }),
            Message::Returned(worker, lease, given) => {
                let trials = ranges(given);
                self.step(Event::Returned { worker, lease, trials, at });
            }
            Message::Durable(worker, sequence) => {
                self.step(Event::Durable { receipts: vec![Receipt { worker, sequence }] });
            }
        }
    }

    /// The share of worker time in which none ran a trial, in the last tenth of the sweep.
    fn idle_at_the_end(&self) -> f64 {
        let end = self.workers.values().flat_map(|w| w.busy.last()).map(|&(_, end)| end).max().expect("trials ran");
        let from = end.mul_f64(0.9);
        let busy: f64 = self
            .workers
            .values()
            .flat_map(|worker| worker.busy.iter().rev().take_while(|(_, end)| *end > from))
            .map(|(began, ended)| ended.saturating_sub((*began).max(from)).as_secs_f64())
            .sum();
        1.0 - busy / ((end - from).as_secs_f64() * self.workers.len() as f64)
    }
}

/// Exit times over four decades: the dearest trial takes 30 s on average, the cheapest 3 ms.
const SKEWED: [f64; 9] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

#[test]
fn the_end_of_a_skewed_sweep_is_not_ragged() {
    // 1000 workers, some twelve hundred seconds.
    let mut cluster = Cluster::new(1000, &SKEWED, 27_000);
    cluster.run();
    let idle = cluster.idle_at_the_end();
    let wall = cluster.finished.expect("finished").as_secs_f64();
    println!("{wall:.0} s, idle in the last tenth: {:.2} %", 100.0 * idle);
    assert!(idle < 0.10, "{:.1} % of the worker time of the last tenth is idle", 100.0 * idle);
}

/// Runs a cluster, and says how well and at what cost.
fn report(workers: u64, trials: u64) {
    let mut cluster = Cluster::new(workers, &SKEWED, trials);
    cluster.run();
    let wall = cluster.finished.expect("finished").as_secs_f64();
    let (leases, cost) = (cluster.leases as f64, cluster.cost.as_secs_f64());
    println!(
        "{workers} workers: {wall:.0} s, idle in the last tenth: {:.1} %; {leases} leases, {:.1} µs of the machine for each, \
         {:.2} cores",
        100.0 * cluster.idle_at_the_end(),
        1e6 * cost / leases,
        cost / wall
    );
    assert!(cost < wall, "the machine does not keep up with its workers");
}

#[test]
#[ignore = "takes a minute or two: `just scaling`"]
fn ten_thousand_workers() {
    report(10_000, 270_000);
}

/// Few trials for so many: at the end most workers wait for the longest ones.
#[test]
#[ignore = "takes a minute or two: `just scaling`"]
fn a_hundred_thousand_workers() {
    report(100_000, 100_000);
}

#[test]
fn a_slow_worker_does_not_hold_up_the_end() {
    let run = |slowness: f64| {
        let mut cluster = Cluster::new(20, &[0.01, 0.1], 4000);
        cluster.workers.get_mut(&WorkerId(7)).expect("a worker").slowness = slowness;
        cluster.run();
        cluster.finished.expect("finished").as_secs_f64()
    };
    let (even, uneven) = (run(1.0), run(20.0));
    // What one of twenty does not do, the others do; and its last trial takes it two seconds on average.
    assert!(uneven < even * 20.0 / 19.0 + 4.0, "{even} s, and {uneven} s with one that is slow");
}
