//! What happens to whom and when: drawn from a seed, before the run begins.

use std::fmt;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

/// How a run is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Not at all.
    Undisturbed,
    /// One thing at a time: the coordinator dies and comes back at once, workers leave in order, links are slow, or stand
    /// still for less than anyone has patience. Then no trial may be finished twice.
    Gentle,
    /// Anything at any time, for any length.
    Rough,
}

/// Which way messages are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Both.
    Both,
    /// To the coordinator.
    Up,
    /// From it.
    Down,
}

/// Whose end of a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The worker's.
    Worker,
    /// The coordinator's.
    Coordinator,
    /// Both at once.
    Both,
}

/// Something that happens. Workers go by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What is sent on a worker's link is lost, and what is under way.
    Partition(usize, Way),
    /// What is sent on a worker's link stays there, and what is under way.
    Hold(usize),
    /// The end of either.
    Heal(usize),
    /// A worker's link takes up to so long for a message.
    Latency(usize, Duration),
    /// The connections of a worker are reset.
    Reset(usize, End),
    /// A worker is no more.
    Kill(usize),
    /// A worker is no more, and nobody is told: its host lost power, or its network.
    Vanish(usize),
    /// A worker is asked to stop.
    Drain(usize),
    /// A worker is started again, with nothing of what it had.
    Start(usize),
    /// The coordinator is no more.
    KillCoordinator,
    /// The coordinator is no more, and nobody is told.
    VanishCoordinator,
    /// The coordinator is asked to stop.
    StopCoordinator,
    /// The coordinator is started again.
    StartCoordinator,
}

/// What a run is like.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How it is disturbed.
    pub manner: Manner,
    /// For each worker, its threads and what a step takes there.
    pub workers: Vec<(usize, Duration)>,
    /// Bytes of rows that a worker keeps in memory.
    pub memory: usize,
    /// The most that a message takes.
    pub latency: Duration,
    /// What happens, in order of time.
    pub faults: Vec<(Duration, Fault)>,
}

/// The messages of an undisturbed link take up to so long.
const LATENCIES: [u64; 3] = [2, 20, 80];
/// Faults begin within this time: an undisturbed sweep takes longer.
const SEASON: f64 = 20.0;

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64, manner: Manner) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let count = dice.random_range(2..=4);
        let speeds = [60.0, 150.0, 400.0];
        let workers = (0..count).map(|_| {
            let speed = speeds.choose(&mut dice).copied().unwrap_or(150.0) * dice.random_range(0.7..1.4);
            (dice.random_range(1..=2), Duration::from_secs_f64(speed * 1e-6))
        });
        let workers: Vec<_> = workers.collect();
        let memory = if dice.random_bool(0.2) { 0 } else { 64 << 20 };
        let latency = Duration::from_millis(LATENCIES.choose(&mut dice).copied().unwrap_or(20));
        let mut plan = Self { manner, workers, memory, latency, faults: Vec::new() };
        match manner {
            Manner::Undisturbed => {}
            Manner::Gentle => plan.draw_gentle(&mut dice),
            Manner::Rough => plan.draw_rough(&mut dice),
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan
    }

    /// One thing after the other, and time between them for everyone to be at work again.
    fn draw_gentle(&mut self, dice: &mut SmallRng) {
        let mut at = dice.random_range(2.0..6.0);
        while at < SEASON {
            let worker = dice.random_range(0..self.workers.len());
            let lasts = match dice.random_range(0..5) {
                0 => self.during(at, Fault::Hold(worker), dice.random_range(0.1..3.5), Fault::Heal(worker)),
                1 => {
                    let slow = Duration::from_millis(dice.random_range(200..800));
                    let lasts = dice.random_range(1.0..5.0);
                    self.during(at, Fault::Latency(worker, slow), lasts, Fault::Latency(worker, self.latency))
                }
                2 => self.during(at, Fault::Drain(worker), dice.random_range(8.0..10.0), Fault::Start(worker)),
                kind => {
                    let end = if kind == 3 { Fault::KillCoordinator } else { Fault::StopCoordinator };
                    self.during(at, end, dice.random_range(0.5..3.0), Fault::StartCoordinator)
                }
            };
            at += lasts + dice.random_range(5.0..9.0);
        }
    }

    /// A few things that happen to each worker, and to the coordinator, whatever happens to the others.
    fn draw_rough(&mut self, dice: &mut SmallRng) {
        for worker in 0..self.workers.len() {
            let mut at = dice.random_range(0.0..SEASON);
            while at < SEASON {
                // Most are short, and some longer than anyone has patience.
                let lasts =
                    if dice.random_bool(0.7) { dice.random_range(0.05..3.0) } else { dice.random_range(3.0..25.0) };
                at += match dice.random_range(0..8) {
                    0 | 1 => {
                        let way = *[Way::Both, Way::Up, Way::Down].choose(dice).unwrap_or(&Way::Both);
                        self.during(at, Fault::Partition(worker, way), lasts, Fault::Heal(worker))
                    }
                    2 => self.during(at, Fault::Hold(worker), lasts, Fault::Heal(worker)),
                    3 => {
                        let slow = Duration::from_millis(dice.random_range(100..3000));
                        self.during(at, Fault::Latency(worker, slow), lasts, Fault::Latency(worker, self.latency))
                    }
                    4 => {
                        let end = *[End::Worker, End::Coordinator, End::Both].choose(dice).unwrap_or(&End::Both);
                        self.faults.push((seconds(at), Fault::Reset(worker, end)));
                        0.0
                    }
                    5 => self.during(at, Fault::Kill(worker), lasts, Fault::Start(worker)),
                    6 => self.during(at, Fault::Vanish(worker), lasts, Fault::Start(worker)),
                    _ => self.during(at, Fault::Drain(worker), lasts, Fault::Start(worker)),
                };
                at += dice.random_range(0.1..SEASON);
            }
        }
        let mut at = dice.random_range(0.0..1.5 * SEASON);
        while at < SEASON {
            let lasts = if dice.random_bool(0.7) { dice.random_range(0.05..2.0) } else { dice.random_range(2.0..15.0) };
            let ends =
                [Fault::KillCoordinator, Fault::KillCoordinator, Fault::VanishCoordinator, Fault::StopCoordinator];
            let end = *ends.choose(dice).unwrap_or(&Fault::KillCoordinator);
            at += self.during(at, end, lasts, Fault::StartCoordinator);
            at += dice.random_range(0.1..SEASON);
        }
    }

    fn during(&mut self, at: f64, begin: Fault, lasts: f64, end: Fault) -> f64 {
        self.faults.push((seconds(at), begin));
        self.faults.push((seconds(at + lasts), end));
        lasts
    }
}

fn seconds(time: f64) -> Duration {
    Duration::from_secs_f64(time)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { manner, workers, memory, latency, faults } = self;
        writeln!(f, "  {manner:?}; {workers:?}, {memory} bytes of memory, {latency:?} of latency")?;
        faults.iter().try_for_each(|(at, fault)| writeln!(f, "  {:8.3} s  {fault:?}", at.as_secs_f64()))
    }
}
