//! The walkers that run leases.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taugrid_escape::walk::{Checkpoint, Simulation};
use taugrid_results::{Ranges, Row, TrialCheckpoint};
use tokio::sync::mpsc;

use crate::feed::{Feed, Retirement, Showing};
use crate::holdings::{Tenure, TenureId};
use crate::threads::Threads;

/// What the pool tells.
pub(crate) enum Report {
    /// Trials ended.
    Rows(Vec<Ended>),
    /// Where trials are that have been in hand for long, or that were given up because everything was.
    Checkpoints(Vec<TrialCheckpoint>),
    /// The rest of the answer to [`Pool::recall`].
    Released { ticket: Ticket, trials: Ranges, checkpoints: Vec<TrialCheckpoint> },
    /// The kernel panicked while it had trials of these leases in hand; none of their trials is begun any more.
    Failed { tenures: Vec<TenureId>, detail: String },
    /// After [`Pool::release_all`]: nothing runs any more, and nothing comes after this.
    Quiet,
}

/// Trials of a lease that ended, in no order.
pub(crate) struct Ended {
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) rows: Vec<Row>,
    /// The thread time that they took here.
    pub(crate) busy: Duration,
}

/// A lease to be run.
pub(crate) struct Work {
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) trials: Range<u64>,
    pub(crate) simulation: Arc<dyn Simulation>,
    /// Where some of the trials go on.
    pub(crate) from: Vec<Checkpoint>,
}

/// Which question a [`Report::Released`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// The answer to [`Pool::recall`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// Trials that nobody had begun.
    pub(crate) dropped: Ranges,
    /// Whether walkers were asked, and [`Report::Released`] will tell what they had.
    pub(crate) pending: bool,
}

/// The threads that simulate.
pub(crate) struct Pool {
    threads: Arc<dyn Threads>,
    shared: Arc<Shared>,
    showing: Showing,
}

struct Shared {
    reports: mpsc::UnboundedSender<Report>,
    /// The feeds that threads are at work on, or will be.
    feeds: Mutex<Vec<Arc<Feed>>>,
    /// While it is set no trial is begun.
    paused: Arc<AtomicBool>,
    /// Set once everything is to be given up.
    closed: AtomicBool,
}

impl Pool {
    pub(crate) fn new(threads: Arc<dyn Threads>, showing: Showing, reports: mpsc::UnboundedSender<Report>) -> Self {
        let (paused, closed) = (Arc::default(), AtomicBool::new(false));
        Self { threads, shared: Arc::new(Shared { reports, feeds: Mutex::default(), paused, closed }), showing }
    }

    /// Trials, or groups of lanes, that run at once.
    pub(crate) fn threads(&self) -> usize {
        self.threads.count().get()
    }

    /// Queues a lease, which is not empty, and returns at once. It goes to the walkers that are at work on its cell, unless
    /// leases of other cells wait for a thread.
    pub(crate) fn submit(&self, work: Work) {
        let mut feeds = self.shared.lock();
        let all_touched = feeds.iter().all(|feed| feed.is_touched());
        let feed = match feeds.iter().find(|feed| feed.serves(&work)) {
            Some(feed) if all_touched => {
                feed.add(work);
                Arc::clone(feed)
            }
            _ => {
                let feed = Arc::new(Feed::new(work, self.showing, Arc::clone(&self.shared.paused)));
                feeds.push(Arc::clone(&feed));
                feed
            }
        };
        self.enlist(&feed);
    }

    /// Drops trials of a lease; see [`Feed::give_up`].
    pub(crate) fn give_up(&self, tenure: TenureId, trials: &Ranges) {
        self.with(tenure, |feed| feed.give_up(tenure, trials));
    }

    /// Takes back up to `most` of the trials `left` of a lease; see [`Feed::recall`].
    pub(crate) fn recall(&self, tenure: TenureId, left: &Ranges, most: u64, begun: bool, ticket: Ticket) -> Recalled {
        let recalled = self.with(tenure, |feed| feed.recall(tenure, left, most, begun, ticket));
        recalled.unwrap_or(Recalled { dropped: Ranges::new(), pending: false })
    }

    /// Gives up everything, and says [`Report::Quiet`] when that is done. Nothing is to be submitted any more.
    pub(crate) fn release_all(&self) {
        let mut feeds = self.shared.lock();
        if self.shared.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        feeds.iter().for_each(|feed| feed.release_all());
        feeds.retain(|feed| !feed.is_over());
        self.shared.say_if_quiet(&feeds);
    }

    /// Lets the walkers finish what they have in hand, and begin nothing, until [`Self::resume`].
    pub(crate) fn pause(&self) {
        self.shared.paused.store(true, Ordering::Relaxed);
    }

    /// Goes on.
    pub(crate) fn resume(&self) {
        let feeds = self.shared.lock();
        self.shared.paused.store(false, Ordering::Relaxed);
        feeds.iter().for_each(|feed| self.enlist(feed));
    }

    fn with<T>(&self, tenure: TenureId, act: impl FnOnce(&Feed) -> T) -> Option<T> {
        let mut feeds = self.shared.lock();
        let result = feeds.iter().find(|feed| feed.holds(tenure)).map(|feed| act(feed));
        feeds.retain(|feed| !feed.is_over());
        result
    }

    /// Sends for as many walkers as the feed has use for.
    fn enlist(&self, feed: &Arc<Feed>) {
        for _ in 0..feed.enlist(self.threads()) {
            let (shared, feed, threads) = (Arc::clone(&self.shared), Arc::clone(feed), Arc::clone(&self.threads));
            self.threads.spawn(Box::new(move || {
                while {
                    feed.walk(&shared.reports, &*threads);
                    !shared.release(&feed)
                } {}
            }));
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.release_all();
    }
}

impl Shared {
    /// Lets a walker go, unless trials came in meanwhile; whether it may.
    fn release(&self, feed: &Arc<Feed>) -> bool {
        // While the list is held, no lease can be added to a feed that its last walker is leaving.
        let mut feeds = self.lock();
        match feed.retire() {
            Retirement::Refused => false,
            Retirement::OneOfMany => true,
            Retirement::Last => {
                feeds.retain(|other| !Arc::ptr_eq(other, feed));
                self.say_if_quiet(&feeds);
                true
            }
        }
    }

    fn say_if_quiet(&self, feeds: &[Arc<Feed>]) {
        if feeds.is_empty() && self.closed.load(Ordering::Relaxed) {
            // Nobody listens once the worker is on its way out.
            let _ = self.reports.send(Report::Quiet);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Feed>>> {
        // Nothing panics while it is held.
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
