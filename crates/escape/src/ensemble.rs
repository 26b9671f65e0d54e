//! Many trials on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::walk::{Advance, Checkpoint, Queue, Simulation, Start, TrialRecord, Walker};

/// What a walker is to do with the trials that it has in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Go on with them.
    GoOn,
    /// Show them, and go on.
    Checkpoint,
    /// Give up these, and go on with the others and with new ones.
    Release(Vec<u64>),
    /// Give up all, and end.
    ReleaseAll,
}

/// Where finished trials go. One sink serves one thread for a while; it is dropped when that thread has nothing left to
/// add, and a sink that gathers records hands them on then.
pub trait Sink: Send {
    /// Takes a finished trial. Trials finish in no order.
    fn record(&mut self, record: TrialRecord);

    /// Told after every go of a millisecond or so what was done in it; says how to go on.
    fn advanced(&mut self, advance: Advance) -> Order {
        let _ = advance;
        Order::GoOn
    }

    /// The trials in hand, as they are: the answer to [`Order::Checkpoint`].
    fn checkpointed(&mut self, checkpoints: Vec<Checkpoint>) {
        let _ = checkpoints;
    }

    /// The trials given up, as they were: the answer to [`Order::Release`] and [`Order::ReleaseAll`].
    fn released(&mut self, checkpoints: Vec<Checkpoint>) {
        let _ = checkpoints;
    }
}

/// Trials first, first + 1, … of a range, to whoever asks.
pub struct RangeQueue {
    next: AtomicU64,
    end: u64,
}

impl RangeQueue {
    /// The trials of `range`.
    pub fn new(range: Range<u64>) -> Self {
        Self { next: AtomicU64::new(range.start), end: range.end }
    }
}

impl Queue for RangeQueue {
    fn next(&self) -> Option<Start> {
        // Looked at first, so that it never runs away from the end.
        if self.next.load(Ordering::Relaxed) >= self.end {
            return None;
        }
        let trial = self.next.fetch_add(1, Ordering::Relaxed);
        (trial < self.end).then(|| Start::from(trial))
    }
}

/// Walks trials of `queue` on this thread until there are none left. Once `stop` is set, trials that are not finished are
/// abandoned within about a millisecond; what was recorded stays recorded.
pub fn walk(simulation: &dyn Simulation, queue: &dyn Queue, stop: &AtomicBool, sink: &mut dyn Sink) {
    let mut walker = simulation.walker();
    let mut finished = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let advance = walker.advance(queue, &mut finished);
        finished.drain(..).for_each(|record| sink.record(record));
        let order = sink.advanced(advance);
        if advance.idle {
            break;
        }
        match order {
            Order::GoOn => {}
            Order::Checkpoint => {
                let mut checkpoints = Vec::new();
                walker.checkpoint(&mut checkpoints);
                sink.checkpointed(checkpoints);
            }
            Order::Release(trials) => sink.released(released(&mut *walker, &|trial| trials.contains(&trial))),
            Order::ReleaseAll => {
                sink.released(released(&mut *walker, &|_| true));
                break;
            }
        }
    }
}

fn released(walker: &mut dyn Walker, leaves: &dyn Fn(u64) -> bool) -> Vec<Checkpoint> {
    let mut checkpoints = Vec::new();
    walker.release(leaves, &mut checkpoints);
    checkpoints
}

/// Runs `trials` on the current rayon pool, each record to a sink made by `sink`, one a thread. See [`walk`].
pub fn run<S: Sink>(simulation: &dyn Simulation, trials: Range<u64>, stop: &AtomicBool, sink: impl Fn() -> S + Sync) {
    let count = trials.end.saturating_sub(trials.start);
    let queue = RangeQueue::new(trials);
    // More threads than trials, or than groups of lanes, would only share the lanes out more thinly.
    let walkers = count.div_ceil(simulation.lanes() as u64).clamp(1, rayon::current_num_threads() as u64);
    rayon::scope(|scope| {
        for _ in 0..walkers {
            scope.spawn(|_| walk(simulation, &queue, stop, &mut sink()));
        }
    });
}
