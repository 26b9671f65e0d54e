//! Acknowledgements on their way out.
//!
//! A part that is durable has rows of many workers: thousands are told at one time, and each is a task to wake and a write
//! to a socket. Were all told at once, whoever asks for a lease meanwhile would wait for a tenth of a second. So they are
//! told some at a time, in the order in which there was something to tell them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::machine::{Receipt, WorkerId};

/// Workers that are told at one time, at least.
const SOME: usize = 128;
/// And the part of all that wait, where that is more.
const PART: usize = 64;
/// The time from some to the next.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Acks {
    waiting: VecDeque<WorkerId>,
    /// What each of them is to be told.
    sequences: HashMap<WorkerId, Vec<u64>>,
    /// When the next may be told.
    next: Instant,
}

impl Acks {
    pub(crate) fn new(now: Instant) -> Self {
        Self { waiting: VecDeque::new(), sequences: HashMap::new(), next: now }
    }

    pub(crate) fn add(&mut self, receipt: Receipt) {
        let sequences = self.sequences.entry(receipt.worker).or_default();
        if sequences.is_empty() {
            self.waiting.push_back(receipt.worker);
        }
        sequences.push(receipt.sequence);
    }

    /// When the next workers are to be told, if there are any.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// The next workers, and what they are to be told.
    pub(crate) fn take_some(&mut self, now: Instant) -> Vec<(WorkerId, Vec<u64>)> {
        self.next = now + PAUSE;
        self.take(SOME.max(self.waiting.len() / PART))
    }

    /// All that are left.
    pub(crate) fn take_rest(&mut self) -> Vec<(WorkerId, Vec<u64>)> {
        self.take(self.waiting.len())
    }

    fn take(&mut self, count: usize) -> Vec<(WorkerId, Vec<u64>)> {
        let workers = self.waiting.drain(..count.min(self.waiting.len()));
        workers.map(|worker| (worker, self.sequences.remove(&worker).unwrap_or_default())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_in_their_turn_and_each_of_all_at_once() {
        let start = Instant::now();
        let mut acks = Acks::new(start);
        assert_eq!(acks.due(), None);
        for sequence in [1, 2] {
            for worker in (0..300).rev() {
                acks.add(Receipt { worker: WorkerId(worker), sequence });
            }
        }
        let mut told = Vec::new();
        let mut now = start;
        while let Some(due) = acks.due() {
            assert!(due == start || due == now + PAUSE);
            now = due;
            let some = acks.take_some(now);
            assert!((1..=SOME).contains(&some.len()));
            told.extend(some);
        }
        let expected: Vec<_> = (0..300).rev().map(|worker| (WorkerId(worker), vec![1, 2])).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn the_more_wait_the_more_are_told_at_one_time() {
        let mut acks = Acks::new(Instant::now());
        (0..64_000).for_each(|worker| acks.add(Receipt { worker: WorkerId(worker), sequence: 1 }));
        assert_eq!(acks.take_some(Instant::now()).len(), 1000);
        assert_eq!(acks.take_rest().len(), 63_000);
        assert_eq!(acks.due(), None);
    }
}
