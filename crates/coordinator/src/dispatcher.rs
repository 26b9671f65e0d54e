//! The dispatcher: the one task that drives the machine. Everything that happens comes to it in one line.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use taugrid_results::{CellKey, CellTable, Checkpoints, Coverage, Outcome, PartInfo, Ranges, Row};
use taugrid_wire::leases::Gathered;
use taugrid_wire::trials::to_wire;
use taugrid_wire::v1::{self, coordinator_message::Kind, farewell::Reason, status_reply::State};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::acks::Acks;
use crate::control::Command;
use crate::counts::Counts;
use crate::decisions::Decisions;
use crate::grants::Grants;
use crate::machine::{Dismissal, Effect, Event, Held, Identity, LeaseId, Machine, Quarantined, Receipt, WorkerId};
use crate::outgoing::{Outgoing, farewell};
use crate::provenance::Provenance;
use crate::serve::{Progress, SetAside};
use crate::writer::Job;

/// How often the machine is told the time.
const TICK: Duration = Duration::from_millis(100);
/// How often progress is published, in ticks.
const TICKS_OF_PROGRESS: u32 = 5;
/// How often the roll is written at most.
const ROLL: Duration = Duration::from_secs(1);

/// What the services and the writer tell the dispatcher.
pub(crate) enum Said {
    /// A worker came, and is to be answered through `stream`.
    Attached { worker: WorkerId, name: String, stream: Outgoing },
    /// It can take leases.
    Ready { worker: WorkerId, identity: Identity, threads: u32, held: Vec<Held> },
    /// Its stream ended.
    Left { worker: WorkerId, orderly: bool },
    /// It is alive.
    Heard { worker: WorkerId, at: Instant },
    /// It sent rows, checked against the cells; `room` is theirs until they are durable.
    Results { receipt: Receipt, rows: Vec<Row>, trials: Coverage, granted: Coverage, room: OwnedSemaphorePermit },
    /// It finished leases, in this thread time each.
    LeasesDone { worker: WorkerId, leases: Vec<(LeaseId, Duration)> },
    /// It gave trials back.
    Returned { worker: WorkerId, lease: LeaseId, trials: Ranges },
    /// The kernel failed.
    Failed { worker: WorkerId, lease: LeaseId, detail: String },
    /// Checkpoints are durable.
    Checkpointed { trials: Coverage },
    /// Rows are durable.
    Durable(Vec<Receipt>),
    /// The writer wrote a part, in this time.
    Written(PartInfo, Duration),
    /// The writer could not go on.
    WriterFailed,
    /// Somebody asked something.
    Command(Command),
}

/// How the dispatcher ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every row is durable, but for those in quarantine.
    Finished,
    /// Asked to stop.
    Stopped,
    /// Asked to stop, and not to come back.
    Cancelled,
    /// The writer failed.
    WriterFailed,
}

/// What the dispatcher works with.
pub(crate) struct Tools {
    pub(crate) name: String,
    pub(crate) sweep: String,
    pub(crate) cells: Arc<CellTable>,
    pub(crate) grants: Grants,
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) decisions: Decisions,
    pub(crate) writer: mpsc::UnboundedSender<Job>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) provenance: Provenance,
}

pub(crate) struct Dispatcher {
    machine: Machine,
    tools: Tools,
    workers: HashMap<WorkerId, Attached>,
    acks: Acks,
    /// Rows that came and are not the writer's yet, and the room that they take.
    offered: Option<(Vec<Row>, OwnedSemaphorePermit)>,
    /// Why kernels failed, by the cell they failed at.
    failures: BTreeMap<CellKey, String>,
    exits: u64,
    counts: Counts,
    started: Instant,
    roll: RollBook,
}

/// A worker that is attached.
struct Attached {
    name: String,
    stream: Outgoing,
}

/// Leases of one step for one worker, one after another.
#[derive(Default)]
struct Leases {
    worker: Option<WorkerId>,
    gathered: Gathered,
}

/// When the roll was written last, and whether it has changed since.
struct RollBook {
    written: Instant,
    changed: bool,
}

impl Dispatcher {
    pub(crate) fn new(machine: Machine, tools: Tools) -> Self {
        let started = Instant::now();
        Self {
            machine,
            tools,
            workers: HashMap::new(),
            acks: Acks::new(started),
            offered: None,
            failures: BTreeMap::new(),
            exits: 0,
            counts: Counts::default(),
            started,
            roll: RollBook { written: started, changed: false },
        }
    }

    /// Runs the sweep to its end, and says farewell to the workers. What was set aside comes with the verdict.
    pub(crate) async fn run(
        mut self,
        mut said: mpsc::Receiver<Said>,
        stop: CancellationToken,
    ) -> (Verdict, Vec<SetAside>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_tick = Instant::now();
        let mut count = 0;
        let verdict = loop {
            // What was said comes before the clock, so that a worker that is heard of in the line is not taken for
            // silent; but a line that never empties does not stop the clock.
            let late = last_tick.elapsed() > 10 * TICK;
            let acks = self.acks.due();
            let verdict = tokio::select! {
                biased;
                () = stop.cancelled() => Some(self.take_in_rest(&mut said, Verdict::Stopped)),
                () = sleep_until(acks.unwrap_or(last_tick)), if acks.is_some() => {
                    let some = self.acks.take_some(Instant::now());
                    self.acknowledge(some)
                }
                Some(said) = said.recv(), if !late => self.take_in(said),
                _ = ticks.tick() => {
                    self.counts.thread_time += last_tick.elapsed() * self.machine.threads();
                    last_tick = Instant::now();
                    count += 1;
                    self.tick(count)
                }
            };
            match verdict {
                Some(Verdict::Cancelled) => break self.take_in_rest(&mut said, Verdict::Cancelled),
                Some(verdict) => break verdict,
                None => {}
            }
        };
        self.take_leave(verdict);
        (verdict, self.set_aside().collect())
    }

    fn tick(&mut self, count: u32) -> Option<Verdict> {
        let verdict = self.step(Event::Clock { at: self.started.elapsed() });
        if count.is_multiple_of(TICKS_OF_PROGRESS) {
            self.publish();
        }
        if self.roll.changed && (self.roll.written.elapsed() > ROLL || count <= 1) {
            self.write_roll();
        }
        verdict
    }

    fn take_leave(&mut self, verdict: Verdict) {
        self.write_roll();
        let rest = self.acks.take_rest();
        let _ = self.acknowledge(rest);
        let reason = match verdict {
            Verdict::Finished => Reason::Finished,
            Verdict::Cancelled => Reason::Cancelled,
            Verdict::Stopped | Verdict::WriterFailed => Reason::Stopping,
        };
        for worker in self.workers.values() {
            let _ = worker.stream.send(farewell(reason, String::new()));
        }
        self.publish();
        self.tools.provenance.ended(verdict);
    }

    /// Asked to stop: what is in the line is still taken in, and with it every row that has come.
    fn take_in_rest(&mut self, said: &mut mpsc::Receiver<Said>, verdict: Verdict) -> Verdict {
        said.close();
        while let Ok(said) = said.try_recv() {
            if self.take_in(said) == Some(Verdict::WriterFailed) {
                return Verdict::WriterFailed;
            }
        }
        verdict
    }

    /// Takes in what was said; how the sweep ended, if it did.
    pub(crate) fn take_in(&mut self, said: Said) -> Option<Verdict> {
        let at = self.started.elapsed();
        let event = match said {
            Said::Attached { worker, name, stream } => {
                info!(worker = worker.0, name, "worker attached");
                self.tools.provenance.attached(worker, &name);
                self.workers.insert(worker, Attached { name, stream });
                Event::Heard { worker, at }
            }
            Said::Ready { worker, identity, threads, held } => {
                info!(worker = worker.0, threads, held = held.len(), "worker ready");
                self.tools.provenance.ready(worker, threads);
                self.counts.workers_joined += 1;
                self.roll.changed = true;
                Event::Joined { worker, identity, threads, held, at }
            }
            Said::Left { worker, orderly } => {
                if self.workers.remove(&worker).is_some() {
                    info!(worker = worker.0, orderly, "worker left");
                    self.tools.provenance.left(worker);
                    self.count_parting(orderly);
                }
                self.roll.changed = true;
                Event::Left { worker, orderly, at }
            }
            Said::Heard { worker, at } => Event::Heard { worker, at: at.saturating_duration_since(self.started) },
            Said::Results { receipt, rows, trials, granted, room } => {
                return self.offer(receipt, rows, trials, granted, room);
            }
            Said::LeasesDone { worker, leases } => {
                self.counts.leases_finished += leases.len() as u64;
                for (_, busy) in &leases {
                    self.counts.busy_time = self.counts.busy_time.saturating_add(*busy);
                }
                Event::LeasesDone { worker, leases }
            }
            Said::Returned { worker, lease, trials } => Event::Returned { worker, lease, trials, at },
            Said::Failed { worker, lease, detail } => {
                warn!(worker = worker.0, lease = lease.0, "the kernel failed: {detail}");
                self.counts.kernel_failures += 1;
                if let Some(cell) = self.machine.cell_of(worker, lease) {
                    self.failures.insert(cell, detail);
                }
                Event::Failed { worker, lease, at }
            }
            Said::Checkpointed { trials } => {
                let ranges = trials.values().flat_map(Ranges::iter);
                self.counts.checkpoints += ranges.map(|range| range.end - range.start).sum::<u64>();
                Event::Checkpointed { trials }
            }
            Said::Durable(receipts) => Event::Durable { receipts },
            Said::Written(part, time) => {
                self.count_part(&part, time);
                return None;
            }
            Said::WriterFailed => return Some(Verdict::WriterFailed),
            Said::Command(command) => return self.obey(command),
        };
        self.step(event)
    }

    fn obey(&mut self, command: Command) -> Option<Verdict> {
        match command {
            Command::Status(answer) => {
                // Whoever asked may be gone.
                let _ = answer.send(self.status());
                None
            }
            Command::Pause => self.step(Event::Pause),
            Command::Resume => self.step(Event::Resume),
            Command::Cancel => Some(Verdict::Cancelled),
        }
    }

    /// Offers rows to the machine, and lets go of them if it does not take them.
    fn offer(
        &mut self,
        receipt: Receipt,
        rows: Vec<Row>,
        trials: Coverage,
        granted: Coverage,
        room: OwnedSemaphorePermit,
    ) -> Option<Verdict> {
        debug!(worker = receipt.worker.0, sequence = receipt.sequence, rows = rows.len(), "results");
        let count = rows.len() as u64;
        self.offered = Some((rows, room));
        let verdict = self.step(Event::Received { receipt, trials, rows: count, granted });
        self.offered = None;
        verdict
    }

    /// The rows that were offered go to the writer.
    fn write(&mut self, receipt: Receipt) -> Option<Verdict> {
        let (rows, room) = self.offered.take()?;
        self.tools.decisions.add(&rows);
        self.exits += rows.iter().filter(|row| row.record.outcome != Outcome::Censored).count() as u64;
        self.counts.rows_received += rows.len() as u64;
        let sent = self.tools.writer.send(Job::Rows(receipt, rows, room));
        sent.is_err().then_some(Verdict::WriterFailed)
    }

    /// Steps the machine and carries out its effects; how the sweep ended, if it did.
    fn step(&mut self, event: Event) -> Option<Verdict> {
        let mut verdict = None;
        let mut leases = Leases::default();
        for effect in self.machine.step(event) {
            let of = match &effect {
                Effect::Lease { worker, .. } => Some(*worker),
                _ => None,
            };
            if leases.worker != of {
                verdict = self.give(std::mem::take(&mut leases)).or(verdict);
            }
            verdict = match effect {
                Effect::Lease { worker, lease, cell, trials } => {
                    leases.worker = Some(worker);
                    self.lease(&mut leases, lease, cell, &trials).or(verdict)
                }
                effect => self.carry_out(effect).or(verdict),
            };
        }
        self.give(leases).or(verdict)
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Verdict> {
        match effect {
            // Those are gathered.
            Effect::Lease { .. } => {}
            Effect::Adopted { worker, leases } => {
                let leases = leases.into_iter().map(|(held, lease, trials)| v1::AdoptedLease {
                    held: held as u32,
                    lease: lease.0,
                    trials: to_wire(&trials),
                });
                return self.say(worker, Kind::Adopted(v1::Adopted { leases: leases.collect() }));
            }
            Effect::Recall { worker, lease, most, begun } => {
                return self.say(worker, Kind::Recall(v1::Recall { lease: lease.0, most, begun }));
            }
            Effect::Write(receipt) => return self.write(receipt),
            Effect::Ack(receipt) => self.acks.add(receipt),
            Effect::Dismiss { worker, reason } => self.dismiss(worker, reason),
            Effect::Decide { cell, trials } => return self.decide(cell, trials),
            Effect::Quarantine(quarantined) => warn!("set aside: {}", self.explain(quarantined)),
            Effect::Flush => {
                let _ = self.tools.writer.send(Job::Flush);
            }
            Effect::Finish => return Some(Verdict::Finished),
        }
        None
    }

    /// Tells workers that rows of theirs are durable.
    fn acknowledge(&mut self, acks: Vec<(WorkerId, Vec<u64>)>) -> Option<Verdict> {
        let mut verdict = None;
        for (worker, sequences) in acks {
            for sequence in sequences {
                verdict = self.say(worker, Kind::Ack(v1::Ack { sequence })).or(verdict);
            }
        }
        verdict
    }

    /// Adds a lease to those that are gathered for a worker, and sends the checkpoints of its trials ahead.
    fn lease(&mut self, leases: &mut Leases, lease: LeaseId, key: CellKey, trials: &Range<u64>) -> Option<Verdict> {
        let worker = leases.worker?;
        let (attached, cell) = (self.workers.get(&worker)?, self.tools.cells.get(key)?);
        leases.gathered.push(lease.0, cell, trials, &self.tools.grants.sign(key, trials));
        self.counts.leases_given += 1;
        let sent = attached.stream.checkpoints(key, trials, &self.tools.checkpoints);
        if sent { None } else { self.drop_deaf(worker) }
    }

    /// Sends the leases that are gathered.
    fn give(&mut self, leases: Leases) -> Option<Verdict> {
        self.say(leases.worker?, Kind::Leases(Box::new(leases.gathered.finish())))
    }

    /// Sends to a worker. One that does not read what it is sent is let go.
    fn say(&mut self, worker: WorkerId, kind: Kind) -> Option<Verdict> {
        let attached = self.workers.get(&worker)?;
        if attached.stream.send(kind) { None } else { self.drop_deaf(worker) }
    }

    fn drop_deaf(&mut self, worker: WorkerId) -> Option<Verdict> {
        warn!(worker = worker.0, "the worker does not read what it is sent");
        self.workers.remove(&worker);
        self.tools.provenance.left(worker);
        self.counts.workers_dismissed += 1;
        self.step(Event::Left { worker, orderly: true, at: self.started.elapsed() })
    }

    fn decide(&mut self, cell: CellKey, trials: u64) -> Option<Verdict> {
        let limit = self.tools.decisions.decide(cell);
        debug!(%cell, trials, ?limit, "decision");
        self.step(Event::Decided { cell, limit })
    }

    /// What is in quarantine, and why.
    fn set_aside(&self) -> impl Iterator<Item = SetAside> {
        self.machine.quarantine().map(|quarantined| self.explain(quarantined))
    }

    fn explain(&self, quarantined: Quarantined) -> SetAside {
        let Quarantined { cell, trials, workers } = quarantined;
        let detail = self.failures.get(&cell).cloned();
        SetAside { cell, trials, workers, detail: detail.unwrap_or_else(|| "they ended without a word".to_owned()) }
    }

    fn dismiss(&mut self, worker: WorkerId, reason: Dismissal) {
        warn!(worker = worker.0, "worker left, dismissed: {reason}");
        self.tools.provenance.left(worker);
        self.roll.changed = true;
        let Some(attached) = self.workers.remove(&worker) else { return };
        match reason {
            Dismissal::Silent => self.counts.workers_lost += 1,
            _ => self.counts.workers_dismissed += 1,
        }
        // A silent worker may be well and come back; to it the stream just breaks.
        if reason != Dismissal::Silent {
            let _ = attached.stream.send(farewell(Reason::ProtocolError, reason.to_string()));
        }
    }

    fn write_roll(&mut self) {
        self.roll = RollBook { written: Instant::now(), changed: false };
        let _ = self.tools.writer.send(Job::Roll(self.machine.identities().collect()));
    }

    fn count_parting(&mut self, orderly: bool) {
        if orderly {
            self.counts.workers_left += 1;
        } else {
            self.counts.workers_lost += 1;
        }
    }

    fn count_part(&mut self, part: &PartInfo, time: Duration) {
        self.counts.rows_written += part.rows;
        self.counts.parts_written += u64::from(part.name.is_some());
        self.counts.bytes_written += part.bytes;
        self.counts.write_time += time;
    }

    fn publish(&self) {
        let (standing, uptime) = (self.machine.standing(), self.started.elapsed());
        self.tools.progress.send_replace(Progress { standing, exits: self.exits, counts: self.counts, uptime });
    }

    pub(crate) fn status(&self) -> v1::StatusReply {
        let standing = self.machine.standing();
        let now = self.started.elapsed();
        let state = match () {
            () if standing.paused => State::Paused,
            () if standing.received + standing.quarantined == standing.trials => State::Finishing,
            () => State::Running,
        };
        let workers = self.machine.workers().map(|worker| v1::WorkerStatus {
            name: self.workers.get(&worker.worker).map_or_else(String::new, |attached| attached.name.clone()),
            threads: worker.threads,
            leases: worker.leases as u32,
            trials: worker.trials,
            silent_seconds: now.saturating_sub(worker.heard).as_secs_f64(),
        });
        let quarantine = self.set_aside().map(|aside| v1::Quarantine {
            cell: aside.cell.0,
            first_trial: aside.trials.start,
            trials: aside.trials.end - aside.trials.start,
            workers: aside.workers,
            detail: aside.detail,
        });
        v1::StatusReply {
            name: self.tools.name.clone(),
            sweep: self.tools.sweep.clone(),
            state: state.into(),
            trials: standing.trials,
            received: standing.received,
            leased: standing.leased,
            quarantined: standing.quarantined,
            exits: self.exits,
            cells: standing.cells,
            cells_done: standing.cells_done,
            remaining_seconds: standing.remaining.map(|remaining| remaining.as_secs_f64()),
            uptime_seconds: now.as_secs_f64(),
            workers: workers.collect(),
            quarantine: quarantine.collect(),
        }
    }
}
