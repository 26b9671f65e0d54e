//! The trials of one cell on their way to the walkers: leases of the same cell follow one another without a gap, so that
//! no lane falls empty between them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::walk::{Advance, Queue, Simulation, TrialRecord};
use taugrid_results::{CellKey, Row};
use tokio::sync::mpsc;

use crate::pool::{Report, Work};

/// A sink hands on what it holds when the last time was so long ago, or when it is this large.
const SINK_AGE: Duration = Duration::from_millis(10);
const SINK_ROWS: usize = 1024;

/// The leases of one cell that are being run.
pub(crate) struct Feed {
    cell: CellKey,
    session: u64,
    simulation: Arc<dyn Simulation>,
    /// Set when the leases are void.
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Trials that nobody has begun.
    waiting: VecDeque<Range<u64>>,
    leases: Vec<OpenLease>,
    /// Threads that walk, or are about to.
    walkers: usize,
    /// Thread time so far, and the steps taken in it.
    busy: Duration,
    steps: u64,
}

/// A lease with trials that have not ended.
struct OpenLease {
    lease: u64,
    trials: Range<u64>,
    left: u64,
    /// Steps of the trials that have.
    steps: u64,
}

impl Feed {
    /// A feed with its first lease.
    pub(crate) fn new(work: Work) -> Self {
        let feed = Self {
            cell: work.cell,
            session: work.session,
            simulation: work.simulation,
            stop: work.stop,
            state: Mutex::default(),
        };
        feed.add(work.lease, work.trials);
        feed
    }

    /// Whether a lease can be added that `work` asks for.
    pub(crate) fn serves(&self, work: &Work) -> bool {
        self.cell == work.cell && Arc::ptr_eq(&self.stop, &work.stop)
    }

    /// Adds a lease behind those that are there.
    pub(crate) fn add(&self, lease: u64, trials: Range<u64>) {
        let mut state = self.lock();
        let left = trials.end - trials.start;
        state.waiting.push_back(trials.clone());
        state.leases.push(OpenLease { lease, trials, left, steps: 0 });
    }

    /// How many walkers more the trials that wait could fill, on so many threads; they are counted as there from now on.
    pub(crate) fn enlist(&self, threads: usize) -> usize {
        let mut state = self.lock();
        let trials: u64 = state.waiting.iter().map(|range| range.end - range.start).sum();
        let wanted = trials.div_ceil(self.simulation.lanes() as u64);
        let more = threads.saturating_sub(state.walkers).min(usize::try_from(wanted).unwrap_or(threads));
        state.walkers += more;
        more
    }

    /// Takes a walker off the list, unless trials wait; whether it was the last.
    pub(crate) fn retire(&self) -> Retirement {
        let mut state = self.lock();
        if !state.waiting.is_empty() && !self.is_void() {
            return Retirement::Refused;
        }
        state.walkers -= 1;
        if state.walkers == 0 { Retirement::Last } else { Retirement::OneOfMany }
    }

    /// Walks until no trial waits, or the leases are void.
    pub(crate) fn walk(&self, reports: &mpsc::UnboundedSender<Report>) {
        let now = Instant::now();
        let mut sink = RowSink { feed: self, reports, rows: Vec::new(), flushed: now, looked: now };
        ensemble::walk(&*self.simulation, self, &self.stop, &mut sink);
    }

    fn is_void(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, the numbers in it are whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a walker's wish to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Retirement {
    /// Trials wait.
    Refused,
    /// It may go; others are still there.
    OneOfMany,
    /// It may go, and was the last.
    Last,
}

impl Queue for Feed {
    fn next(&self) -> Option<u64> {
        let mut state = self.lock();
        let range = state.waiting.front_mut()?;
        let trial = range.next();
        if range.is_empty() {
            state.waiting.pop_front();
        }
        trial
    }
}

impl State {
    /// Takes note of trials that ended; the leases that have none left, and the thread time that each took.
    fn end(&mut self, rows: &[(u64, u64)]) -> Vec<(u64, Duration)> {
        for &(trial, steps) in rows {
            if let Some(lease) = self.leases.iter_mut().find(|lease| lease.trials.contains(&trial)) {
                lease.left -= 1;
                lease.steps += steps;
            }
        }
        let a_step = self.busy.as_secs_f64() / self.steps.max(1) as f64;
        let done = self.leases.extract_if(.., |lease| lease.left == 0);
        done.map(|lease| (lease.lease, Duration::from_secs_f64(a_step * lease.steps as f64))).collect()
    }
}

/// Gathers one thread's records.
struct RowSink<'a> {
    feed: &'a Feed,
    reports: &'a mpsc::UnboundedSender<Report>,
    rows: Vec<Row>,
    flushed: Instant,
    looked: Instant,
}

impl RowSink<'_> {
    fn flush(&mut self) {
        self.flushed = Instant::now();
        if self.rows.is_empty() {
            return;
        }
        let ended: Vec<_> = self.rows.iter().map(|row| (row.record.trial, row.record.steps)).collect();
        // Rows go first: a lease is done when all of its rows have been handed on. Nobody listens once the worker is on
        // its way out.
        let _ = self.reports.send(Report::Rows(std::mem::take(&mut self.rows)));
        for (lease, busy) in self.feed.lock().end(&ended) {
            let _ = self.reports.send(Report::LeaseDone { session: self.feed.session, lease, busy });
        }
    }
}

impl Sink for RowSink<'_> {
    fn record(&mut self, record: TrialRecord) {
        self.rows.push(Row { cell: self.feed.cell, record });
    }

    fn advanced(&mut self, advance: Advance) {
        let now = Instant::now();
        let mut state = self.feed.lock();
        state.busy += now - self.looked;
        state.steps += advance.steps;
        drop(state);
        self.looked = now;
        if advance.idle || self.rows.len() >= SINK_ROWS || now - self.flushed >= SINK_AGE {
            self.flush();
        }
    }
}

impl Drop for RowSink<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taugrid_escape::walk::{Outcome, Walker};

    /// Trials that end at once: trial n after n + 1 steps.
    struct Instantaneous;

    impl Simulation for Instantaneous {
        fn lanes(&self) -> usize {
            16
        }
        fn walker(&self) -> Box<dyn Walker + '_> {
            Box::new(Self)
        }
    }

    impl Walker for Instantaneous {
        fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
            let Some(trial) = queue.next() else { return Advance { steps: 0, idle: true } };
            let steps = trial + 1;
            finished.push(TrialRecord { trial, outcome: Outcome::Exited, steps, exit_loss: 1.0, exit_radius: 1.0 });
            Advance { steps, idle: false }
        }
    }

    fn work(lease: u64, trials: Range<u64>, stop: &Arc<AtomicBool>) -> Work {
        let simulation = Arc::new(Instantaneous);
        Work { session: 1, lease, cell: CellKey(7), trials, simulation, stop: Arc::clone(stop) }
    }

    #[test]
    fn leases_of_a_cell_follow_one_another_and_each_is_done_after_its_rows() {
        let stop = Arc::new(AtomicBool::new(false));
        let feed = Feed::new(work(1, 0..20, &stop));
        feed.add(2, 50..60);
        assert_eq!(feed.enlist(4), 2, "30 trials fill two walkers of 16 lanes");
        assert_eq!(feed.retire(), Retirement::Refused);
        let (reports, mut line) = mpsc::unbounded_channel();
        feed.walk(&reports);
        let (mut trials, mut done) = (Vec::new(), Vec::new());
        while let Ok(report) = line.try_recv() {
            match report {
                Report::Rows(rows) => trials.extend(rows.iter().map(|row| row.record.trial)),
                Report::LeaseDone { session, lease, .. } => {
                    assert_eq!(session, 1);
                    let all = if lease == 1 { 0..20 } else { 50..60 };
                    assert!(all.into_iter().all(|trial| trials.contains(&trial)), "lease {lease} before its rows");
                    done.push(lease);
                }
            }
        }
        assert_eq!((trials, done), ((0..20).chain(50..60).collect(), vec![1, 2]));
        assert_eq!([feed.retire(), feed.retire()], [Retirement::OneOfMany, Retirement::Last]);
    }

    #[test]
    fn a_feed_that_is_void_lets_its_walkers_go() {
        let stop = Arc::new(AtomicBool::new(false));
        let feed = Feed::new(work(1, 0..20, &stop));
        assert_eq!(feed.enlist(1), 1);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(feed.retire(), Retirement::Last);
        assert!(!feed.serves(&work(2, 0..1, &Arc::new(AtomicBool::new(false)))), "another session's");
        assert!(feed.serves(&work(2, 0..1, &stop)));
    }
}
