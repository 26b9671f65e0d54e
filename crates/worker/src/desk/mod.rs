//! The worker's desk: what it holds, what has come in, what is to be said. It outlives the streams; a session carries
//! messages between it and the coordinator, and does nothing else.
//!
//! | module | what it is |
//! | --- | --- |
//! | `opening` | a stream begins: who the worker is, what it holds |
//! | `heard` | what the coordinator says |
//! | `leaving` | everything is given up, and handed back, or left to the next worker |

mod arriving;
mod heard;
mod leaving;
mod opening;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use taugrid_results::{CellKey, Ranges, TrialCheckpoint};
use taugrid_wire::batch::Gathering;
use taugrid_wire::trials::to_wire;
use taugrid_wire::v1::{Results, Returned, WorkerMessage, worker_message::Kind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::arriving::Arriving;
use self::leaving::Leaving;
use crate::error::WorkerError;
use crate::feed::Showing;
use crate::holdings::{Holdings, TenureId, runs};
use crate::line::{Item, Line};
use crate::options::Options;
use crate::outbox::Outbox;
use crate::pool::{Pool, Report, Ticket};
use crate::setup::Setup;
use crate::spill::Spill;
use crate::threads::Threads;

pub(crate) struct Desk {
    identity: u64,
    setup: Option<Setup>,
    outbox: Outbox,
    holdings: Holdings,
    pool: Pool,
    reports: mpsc::UnboundedReceiver<Report>,
    /// Streams so far; the number of the one that is open.
    stream: u64,
    /// Whether the coordinator was told on this stream what is held.
    is_open: bool,
    line: Line,
    /// Said once the rows that wait stand in the line.
    after_rows: Vec<Kind>,
    recalls: HashMap<Ticket, Recall>,
    last_ticket: u64,
    arriving: Arriving,
    /// Where trials are that are held and not run.
    shelf: BTreeMap<(CellKey, u64), TrialCheckpoint>,
    /// Files of dead workers that are on the shelf.
    inherited: Vec<PathBuf>,
    leaving: Leaving,
    paused: bool,
}

/// A recall that walkers have yet to answer.
struct Recall {
    tenure: TenureId,
    lease: u64,
    stream: u64,
    /// Trials that nobody had begun.
    dropped: Ranges,
}

impl Desk {
    pub(crate) fn new(options: &Options, threads: Arc<dyn Threads>) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        let showing = Showing { every: options.checkpoint_every, least_work: options.least_work };
        let identity = options.seed;
        let (base, keeps) = match &options.spill {
            Some(base) => (base.clone(), true),
            None => (options.cache.join("spill"), false),
        };
        Self {
            identity,
            setup: None,
            outbox: Outbox::new(options.memory, Spill::new(base, keeps, identity)),
            holdings: Holdings::default(),
            pool: Pool::new(threads, showing, sender),
            reports,
            stream: 0,
            is_open: false,
            line: Line::default(),
            after_rows: Vec::new(),
            recalls: HashMap::new(),
            last_ticket: 0,
            arriving: Arriving::default(),
            shelf: BTreeMap::new(),
            inherited: Vec::new(),
            leaving: Leaving::default(),
            paused: false,
        }
    }

    /// Begins no trial from now on, whatever comes.
    pub(crate) fn run_nothing(&self) {
        self.pool.pause();
    }

    /// What the walkers report next. Never `None`: the pool is here.
    pub(crate) async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// What they have reported and nobody has taken in.
    pub(crate) fn next_report(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    /// Takes in reports while `future` goes on; `None` once the worker is leaving and has nothing to hand over.
    pub(crate) async fn beside<T>(
        &mut self,
        leave: &CancellationToken,
        future: impl Future<Output = T>,
    ) -> Result<Option<T>, WorkerError> {
        let mut future = std::pin::pin!(future);
        loop {
            if self.has_left_nothing() {
                return Ok(None);
            }
            tokio::select! {
                biased;
                () = leave.cancelled(), if !self.is_leaving() => self.begin_leaving(),
                result = &mut future => return Ok(Some(result)),
                Some(report) = self.reports.recv() => self.take_in(report)?,
            }
        }
    }

    /// Takes in a report. Rows are gathered; [`Self::seal`] makes messages of them, but for full ones, which are made here.
    pub(crate) fn take_in(&mut self, report: Report) -> Result<(), WorkerError> {
        match report {
            Report::Rows(all) => {
                for ended in all {
                    // Of another sweep: it ended after all of that sweep's leases were somebody else's.
                    if self.setup.as_ref().is_none_or(|setup| !setup.cells().contains_key(&ended.tenure.cell)) {
                        continue;
                    }
                    let id = ended.tenure.id;
                    let trials: Ranges = runs(ended.rows.iter().map(|row| row.record.trial)).collect();
                    // What the lease lost while it was in hand is not of the lease on this stream: it takes the grant.
                    let is_its_own = self.holdings.left_of(id, &trials) == trials;
                    let stream = self.holdings.number(id).filter(|_| is_its_own).map(|_| self.stream);
                    self.outbox.add(ended.rows, &ended.tenure.grant, stream);
                    for (other, again) in self.holdings.superfluous(id, ended.tenure.cell, &trials) {
                        self.pool.give_up(other, &again);
                        self.after_rows.extend(self.holdings.forgo(other, &again).map(Kind::LeaseDone));
                    }
                    let done = self.holdings.ended(id, &trials, ended.busy);
                    self.after_rows.extend(done.map(Kind::LeaseDone));
                }
                while self.outbox.is_full() {
                    self.seal_one();
                }
            }
            Report::Checkpoints(checkpoints) => self.take_in_checkpoints(checkpoints),
            Report::Released { ticket, trials, checkpoints } => self.take_in_released(ticket, trials, checkpoints),
            Report::Failed { tenures, detail } => {
                warn!("{detail}");
                for (tenure, left, failed) in tenures.iter().filter_map(|id| self.holdings.fail(*id, &detail)) {
                    self.pool.give_up(tenure.id, &left);
                    self.after_rows.extend(failed.map(Kind::Failed));
                }
            }
            Report::Quiet => self.be_quiet()?,
        }
        Ok(())
    }

    fn take_in_checkpoints(&mut self, mut checkpoints: Vec<TrialCheckpoint>) {
        // Of trials that are somebody else's by now nobody is to hear.
        checkpoints.retain(|checkpoint| self.holdings.is_left(checkpoint.cell, checkpoint.trial));
        if self.is_leaving() {
            self.put_on_shelf(checkpoints);
        } else if self.is_open && !self.holdings.awaits_adoption() && !self.line.is_congested() {
            self.line.show(checkpoints);
        }
    }

    fn take_in_released(&mut self, ticket: Ticket, trials: Ranges, checkpoints: Vec<TrialCheckpoint>) {
        let Some(Recall { tenure, lease, stream, dropped }) = self.recalls.remove(&ticket) else { return };
        let is_asked_for = self.is_open && stream == self.stream;
        if !is_asked_for && self.is_leaving() {
            return self.put_on_shelf(checkpoints);
        }
        let mut returned = dropped;
        returned.extend(trials.iter());
        // None is left if the kernel failed on it meanwhile; and of some the rows may have come.
        let returned = self.holdings.left_of(tenure, &returned);
        let done = self.holdings.forgo(tenure, &returned);
        if is_asked_for {
            self.line.show(checkpoints);
            self.line.say(Kind::Returned(Returned { lease, trials: to_wire(&returned) }));
            self.after_rows.extend(done.map(Kind::LeaseDone));
        }
    }

    /// Whether something waits to be put into messages.
    pub(crate) fn is_gathering(&self) -> bool {
        self.outbox.is_waiting() || !self.after_rows.is_empty()
    }

    /// Puts the rows that wait into the line, and behind them what is to be said after them.
    pub(crate) fn seal(&mut self) {
        while self.outbox.is_waiting() {
            self.seal_one();
        }
        let words = std::mem::take(&mut self.after_rows);
        if self.is_open {
            words.into_iter().for_each(|word| self.line.say(word));
        }
    }

    fn seal_one(&mut self) {
        let Some(setup) = &self.setup else { return };
        let sealed = self.outbox.seal(&setup.sweep, self.stream);
        if self.is_open {
            self.line.extend(sealed.map(Item::Rows));
        }
        self.pause_or_resume();
    }

    fn pause_or_resume(&mut self) {
        if self.outbox.is_stuck() != self.paused {
            self.paused = !self.paused;
            if self.paused { self.pool.pause() } else { self.pool.resume() }
        }
    }

    /// Whether anything is to be said.
    pub(crate) fn has_to_say(&self) -> bool {
        !self.line.is_empty()
    }

    /// What is to be said next, if there is anything: as much as goes into one message.
    pub(crate) fn next_message(&mut self) -> Result<Option<WorkerMessage>, WorkerError> {
        let mut gathering = Gathering::default();
        while !gathering.is_full()
            && let Some(item) = self.line.pop()
        {
            let kind = match item {
                Item::Word(kind) => Some(kind),
                Item::Rows(sealed) => {
                    let results = self.outbox.read(sealed.sequence).map_err(WorkerError::Spill)?;
                    results.map(|results| Kind::Results(Results { grants: sealed.grants, ..results }))
                }
                Item::RowsAgain(sequence) => self.outbox.read(sequence).map_err(WorkerError::Spill)?.map(Kind::Results),
            };
            kind.into_iter().for_each(|kind| gathering.push(kind));
        }
        Ok(gathering.finish())
    }
}

#[cfg(test)]
mod tests;
