//! The rayon pool that runs leases.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taugrid_escape::walk::Simulation;
use taugrid_results::{CellKey, Row};
use tokio::sync::mpsc;

use crate::feed::{Feed, Retirement};

/// What the pool tells the session.
pub(crate) enum Report {
    /// Trials that finished, in no order.
    Rows(Vec<Row>),
    /// A lease of session `session` has no trial left to run; its rows were reported before.
    LeaseDone { session: u64, lease: u64, busy: Duration },
}

/// A lease to be run.
pub(crate) struct Work {
    pub(crate) session: u64,
    pub(crate) lease: u64,
    pub(crate) cell: CellKey,
    pub(crate) trials: Range<u64>,
    pub(crate) simulation: Arc<dyn Simulation>,
    /// Set when the lease is void.
    pub(crate) stop: Arc<AtomicBool>,
}

/// The threads that simulate.
pub(crate) struct Pool {
    pool: rayon::ThreadPool,
    shared: Arc<Shared>,
}

struct Shared {
    reports: mpsc::UnboundedSender<Report>,
    /// The feeds that threads are at work on, or will be.
    feeds: Mutex<Vec<Arc<Feed>>>,
    /// Feeds that no thread has come to yet.
    untouched: AtomicUsize,
}

impl Pool {
    pub(crate) fn new(
        threads: usize,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("trials-{i}")).build()?;
        let shared = Shared { reports, feeds: Mutex::default(), untouched: AtomicUsize::new(0) };
        Ok(Self { pool, shared: Arc::new(shared) })
    }

    /// Queues a lease and returns at once. It goes to the walkers that are at work on its cell, unless leases of other
    /// cells wait for a thread.
    pub(crate) fn submit(&self, work: Work) {
        if work.trials.is_empty() {
            let done = Report::LeaseDone { session: work.session, lease: work.lease, busy: Duration::ZERO };
            // Nobody listens once the worker is on its way out.
            let _ = self.shared.reports.send(done);
            return;
        }
        let mut feeds = self.shared.lock();
        let going_on = feeds.iter().find(|feed| feed.serves(&work));
        let (feed, fresh) = match going_on {
            Some(feed) if self.shared.untouched.load(Ordering::Relaxed) == 0 => {
                feed.add(work.lease, work.trials);
                (Arc::clone(feed), false)
            }
            _ => {
                let feed = Arc::new(Feed::new(work));
                feeds.push(Arc::clone(&feed));
                self.shared.untouched.fetch_add(1, Ordering::Relaxed);
                (feed, true)
            }
        };
        let first = Arc::new(AtomicBool::new(fresh));
        for _ in 0..feed.enlist(self.pool.current_num_threads()) {
            let (shared, feed, first) = (Arc::clone(&self.shared), Arc::clone(&feed), Arc::clone(&first));
            self.pool.spawn_fifo(move || {
                if first.swap(false, Ordering::Relaxed) {
                    shared.untouched.fetch_sub(1, Ordering::Relaxed);
                }
                while {
                    feed.walk(&shared.reports);
                    !shared.release(&feed)
                } {}
            });
        }
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
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Feed>>> {
        // Nothing panics while it is held.
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
