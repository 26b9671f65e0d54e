//! One walker's go: its trials' rows out, what it is asked in.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use taugrid_escape::ensemble::{Order, Sink};
use taugrid_escape::walk::{Advance, Checkpoint, Queue, Start, TrialRecord};
use taugrid_results::{Row, TrialCheckpoint};
use tokio::sync::mpsc;

use super::state::{HandId, Wish};
use super::{Feed, Report};
use crate::threads::Threads;

/// A walk hands on its rows when the last time was so long ago, or when they are so many.
const ROWS_AGE: Duration = Duration::from_millis(10);
const MOST_ROWS: usize = 1024;

/// Where a walker takes its trials.
pub(super) struct Taker<'a> {
    pub(super) feed: &'a Feed,
    pub(super) hand: HandId,
}

impl Queue for Taker<'_> {
    fn next(&self) -> Option<Start> {
        if self.feed.is_paused() {
            return None;
        }
        self.feed.lock().take(self.hand)
    }
}

/// Gathers one thread's records.
pub(super) struct Walk<'a> {
    feed: &'a Feed,
    hand: HandId,
    reports: &'a mpsc::UnboundedSender<Report>,
    clock: &'a dyn Threads,
    rows: Vec<Row>,
    flushed: Duration,
    looked: Duration,
    sampler: Option<Sampler>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        feed: &'a Feed,
        hand: HandId,
        reports: &'a mpsc::UnboundedSender<Report>,
        clock: &'a dyn Threads,
    ) -> Self {
        let now = clock.now(0);
        let sampler = feed.showing.every.map(|every| Sampler::new(every, now));
        Self { feed, hand, reports, clock, rows: Vec::new(), flushed: now, looked: now, sampler }
    }

    fn flush(&mut self) {
        self.flushed = self.looked;
        if self.rows.is_empty() {
            return;
        }
        let ended = self.feed.lock().end(self.hand, std::mem::take(&mut self.rows));
        self.report(Report::Rows(ended));
    }

    fn report(&self, report: Report) {
        // Nobody listens once the worker is on its way out.
        let _ = self.reports.send(report);
    }

    fn shown(&self, checkpoint: Checkpoint) -> TrialCheckpoint {
        let Checkpoint { trial, steps, state } = checkpoint;
        TrialCheckpoint { cell: self.feed.cell, trial, steps, state: Bytes::from(state) }
    }
}

impl Sink for Walk<'_> {
    fn record(&mut self, record: TrialRecord) {
        self.rows.push(Row { cell: self.feed.cell, record });
    }

    fn advanced(&mut self, advance: Advance) -> Order {
        let now = self.clock.now(advance.steps);
        let (answered, wish) = self.feed.lock().look_up(self.hand, now - self.looked, advance.steps);
        self.looked = now;
        if let Some(request) = answered {
            self.feed.report(request, self.reports);
        }
        if wish.is_some() || advance.idle || self.rows.len() >= MOST_ROWS || now - self.flushed >= ROWS_AGE {
            self.flush();
        }
        match wish.as_deref() {
            Some(Wish::All) => Order::ReleaseAll,
            Some(Wish::Some(trials)) => Order::Release(trials.iter().flatten().collect()),
            None if self.sampler.as_mut().is_some_and(|sampler| sampler.is_due(now)) => Order::Checkpoint,
            None => Order::GoOn,
        }
    }

    fn checkpointed(&mut self, mut checkpoints: Vec<Checkpoint>) {
        if let Some(sampler) = &mut self.sampler {
            sampler.choose(&mut checkpoints, self.looked);
        }
        if !checkpoints.is_empty() {
            self.report(Report::Checkpoints(checkpoints.into_iter().map(|one| self.shown(one)).collect()));
        }
    }

    fn released(&mut self, checkpoints: Vec<Checkpoint>) {
        let trials: Vec<u64> = checkpoints.iter().map(|checkpoint| checkpoint.trial).collect();
        let mut state = self.feed.lock();
        let (a_step, least) = (state.a_step(), self.feed.showing.least_work.as_secs_f64());
        let worth = checkpoints.into_iter().filter(|one| one.steps > 0 && a_step * one.steps as f64 >= least);
        let unasked = state.give(self.hand, &trials, worth.map(|one| self.shown(one)).collect());
        drop(state);
        if !unasked.is_empty() {
            self.report(Report::Checkpoints(unasked));
        }
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Looks at a walker's trials several times within a period, and says which have been there for a period.
struct Sampler {
    every: Duration,
    next: Duration,
    /// When each trial was seen first, or shown last.
    seen: HashMap<u64, Duration>,
}

impl Sampler {
    fn new(every: Duration, now: Duration) -> Self {
        Self { every, next: now + every / 8, seen: HashMap::new() }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.every / 8;
        }
        due
    }

    /// Leaves those that are to be shown.
    fn choose(&mut self, checkpoints: &mut Vec<Checkpoint>, now: Duration) {
        let before = std::mem::take(&mut self.seen);
        checkpoints.retain(|checkpoint| {
            let seen = before.get(&checkpoint.trial).copied();
            let due = seen.is_some_and(|seen| now - seen >= self.every);
            self.seen.insert(checkpoint.trial, if due { now } else { seen.unwrap_or(now) });
            due
        });
    }
}
