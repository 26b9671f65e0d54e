//! The rayon pool that runs leases.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use taugrid_escape::ensemble::{self, Sink};
use taugrid_escape::walk::{Simulation, TrialRecord};
use taugrid_results::{CellKey, Row};
use tokio::sync::mpsc;

/// A sink hands on what it holds when the last time was so long ago, or when it is this large.
const SINK_AGE: Duration = Duration::from_millis(10);
const SINK_ROWS: usize = 1024;

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
    reports: mpsc::UnboundedSender<Report>,
}

impl Pool {
    pub(crate) fn new(
        threads: usize,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("trials-{i}")).build()?;
        Ok(Self { pool, reports })
    }

    /// Queues a lease and returns at once.
    pub(crate) fn submit(&self, work: Work) {
        let reports = self.reports.clone();
        self.pool.spawn_fifo(move || {
            let busy = AtomicU64::new(0);
            let sink = || RowSink::new(work.cell, &reports, &busy);
            ensemble::run(&*work.simulation, work.trials, &work.stop, sink);
            if !work.stop.load(Ordering::Relaxed) {
                let busy = Duration::from_nanos(busy.load(Ordering::Relaxed));
                let done = Report::LeaseDone { session: work.session, lease: work.lease, busy };
                // Nobody listens once the worker is on its way out.
                let _ = reports.send(done);
            }
        });
    }
}

/// Gathers one thread's records of one lease.
struct RowSink<'a> {
    cell: CellKey,
    rows: Vec<Row>,
    flushed: Instant,
    began: Instant,
    reports: &'a mpsc::UnboundedSender<Report>,
    busy: &'a AtomicU64,
}

impl<'a> RowSink<'a> {
    fn new(cell: CellKey, reports: &'a mpsc::UnboundedSender<Report>, busy: &'a AtomicU64) -> Self {
        let now = Instant::now();
        Self { cell, rows: Vec::new(), flushed: now, began: now, reports, busy }
    }

    fn flush(&mut self) {
        if !self.rows.is_empty() {
            let _ = self.reports.send(Report::Rows(std::mem::take(&mut self.rows)));
        }
        self.flushed = Instant::now();
    }
}

impl Sink for RowSink<'_> {
    fn record(&mut self, record: TrialRecord) {
        self.rows.push(Row { cell: self.cell, record });
        // A slow trial is handed on at once: its turn began when the one before was.
        if self.rows.len() >= SINK_ROWS || self.flushed.elapsed() >= SINK_AGE {
            self.flush();
        }
    }
}

impl Drop for RowSink<'_> {
    fn drop(&mut self) {
        self.flush();
        self.busy.fetch_add(self.began.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}
