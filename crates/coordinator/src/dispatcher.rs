//! The dispatcher: the one task that drives the machine. Everything that happens comes to it in one line.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc as blocking;
use std::time::Duration;

use taugrid_results::{Cell, CellKey, Coverage, Outcome, Row};
use taugrid_wire::v1::{self, coordinator_message::Kind, farewell::Reason};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::machine::{Dismissal, Effect, Event, LeaseId, Machine, Receipt, WorkerId};
use crate::provenance::Provenance;
use crate::serve::Progress;
use crate::writer::Job;

/// How often the machine is told the time.
const TICK: Duration = Duration::from_millis(500);

/// What the service and the writer tell the dispatcher.
pub(crate) enum Said {
    /// A worker came, and is to be answered through `stream`.
    Attached { worker: WorkerId, name: String, stream: Stream },
    /// It can take leases.
    Ready { worker: WorkerId, threads: u32 },
    /// Its stream ended.
    Left { worker: WorkerId },
    /// It is alive.
    Heard { worker: WorkerId, at: Instant },
    /// It sent rows, checked against the cells.
    Results { receipt: Receipt, rows: Vec<Row>, trials: Coverage },
    /// It finished a lease.
    LeaseDone { worker: WorkerId, lease: LeaseId, busy: Duration },
    /// Rows are durable.
    Durable(Vec<Receipt>),
    /// The writer could not go on.
    WriterFailed,
}

/// The way to one worker. Dropping it closes the worker's stream.
pub(crate) type Stream = mpsc::UnboundedSender<v1::CoordinatorMessage>;

/// How the dispatcher ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every row is durable.
    Finished,
    /// Asked to stop.
    Stopped,
    /// The writer failed.
    WriterFailed,
}

pub(crate) struct Dispatcher {
    machine: Machine,
    cells: BTreeMap<CellKey, Cell>,
    writer: blocking::Sender<Job>,
    progress: watch::Sender<Progress>,
    provenance: Provenance,
    streams: HashMap<WorkerId, Stream>,
    exits: u64,
    started: Instant,
}

impl Dispatcher {
    pub(crate) fn new(
        machine: Machine,
        cells: BTreeMap<CellKey, Cell>,
        writer: blocking::Sender<Job>,
        progress: watch::Sender<Progress>,
        provenance: Provenance,
    ) -> Self {
        Self {
            machine,
            cells,
            writer,
            progress,
            provenance,
            streams: HashMap::new(),
            exits: 0,
            started: Instant::now(),
        }
    }

    /// Runs the sweep to its end, and says farewell to the workers.
    pub(crate) async fn run(mut self, mut said: mpsc::Receiver<Said>, stop: CancellationToken) -> Verdict {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_tick = Instant::now();
        let verdict = loop {
            // What was said comes before the clock, so that a worker that is heard of in the line is not taken for
            // silent; but a line that never empties does not stop the clock.
            let late = last_tick.elapsed() > 4 * TICK;
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => break self.take_in_rest(&mut said),
                Some(said) = said.recv(), if !late => match self.take_in(said) {
                    Some(event) => event,
                    None => break Verdict::WriterFailed,
                },
                _ = ticks.tick() => {
                    last_tick = Instant::now();
                    Event::Clock { at: self.started.elapsed() }
                }
            };
            if self.step(event) {
                break Verdict::Finished;
            }
        };
        let reason = if verdict == Verdict::Finished { Reason::Finished } else { Reason::Stopping };
        for stream in self.streams.values() {
            send(stream, farewell(reason, String::new()));
        }
        self.publish();
        self.provenance.ended(verdict);
        verdict
    }

    /// Asked to stop: what is in the line is still taken in, and with it every row that has come.
    fn take_in_rest(&mut self, said: &mut mpsc::Receiver<Said>) -> Verdict {
        said.close();
        while let Ok(said) = said.try_recv() {
            if self.take_in(said).is_none() {
                return Verdict::WriterFailed;
            }
        }
        Verdict::Stopped
    }

    /// Turns a message into the machine's event; `None` if the writer failed.
    fn take_in(&mut self, said: Said) -> Option<Event> {
        Some(match said {
            Said::Attached { worker, name, stream } => {
                info!(worker = worker.0, name, "worker attached");
                self.provenance.attached(worker, &name);
                self.streams.insert(worker, stream);
                Event::Heard { worker, at: self.started.elapsed() }
            }
            Said::Ready { worker, threads } => {
                info!(worker = worker.0, threads, "worker ready");
                self.provenance.ready(worker, threads);
                Event::Joined { worker, threads, at: self.started.elapsed() }
            }
            Said::Left { worker } => {
                if self.streams.remove(&worker).is_some() {
                    info!(worker = worker.0, "worker left");
                    self.provenance.left(worker);
                }
                Event::Left { worker }
            }
            Said::Heard { worker, at } => Event::Heard { worker, at: at.saturating_duration_since(self.started) },
            Said::Results { receipt, rows, trials } => {
                self.exits += rows.iter().filter(|row| row.record.outcome != Outcome::Censored).count() as u64;
                debug!(worker = receipt.worker.0, sequence = receipt.sequence, rows = rows.len(), "results");
                self.writer.send(Job::Rows(receipt, rows)).ok()?;
                Event::Received { receipt, trials }
            }
            Said::LeaseDone { worker, lease, busy } => Event::LeaseDone { worker, lease, busy },
            Said::Durable(receipts) => Event::Durable { receipts },
            Said::WriterFailed => return None,
        })
    }

    /// Steps the machine and carries out its effects; whether the sweep is finished.
    fn step(&mut self, event: Event) -> bool {
        let tick = matches!(event, Event::Clock { .. });
        let mut finished = false;
        for effect in self.machine.step(event) {
            match effect {
                Effect::Lease { worker, lease, cell, trials } => {
                    if let (Some(stream), Some(cell)) = (self.streams.get(&worker), self.cells.get(&cell)) {
                        let message = v1::Lease {
                            lease: lease.0,
                            cell: Some(v1::Cell {
                                key: cell.key.0,
                                dynamics: cell.dynamics.to_json(),
                                alpha: cell.alpha,
                                beta: cell.beta,
                                eta: cell.eta,
                                batch_size: cell.batch_size,
                            }),
                            first_trial: trials.start,
                            trials: trials.end - trials.start,
                        };
                        send(stream, Kind::Lease(message));
                    }
                }
                Effect::Ack(receipt) => {
                    if let Some(stream) = self.streams.get(&receipt.worker) {
                        send(stream, Kind::Ack(v1::Ack { sequence: receipt.sequence }));
                    }
                }
                Effect::Dismiss { worker, reason } => self.dismiss(worker, reason),
                Effect::Flush => {
                    let _ = self.writer.send(Job::Flush);
                }
                Effect::Finish => finished = true,
            }
        }
        if tick {
            self.publish();
        }
        finished
    }

    fn dismiss(&mut self, worker: WorkerId, reason: Dismissal) {
        warn!(worker = worker.0, "worker dismissed: {reason}");
        self.provenance.left(worker);
        let Some(stream) = self.streams.remove(&worker) else { return };
        // A silent worker may be well and come back; to it the stream just breaks.
        if reason != Dismissal::Silent {
            send(&stream, farewell(Reason::ProtocolError, reason.to_string()));
        }
    }

    fn publish(&self) {
        let standing = self.machine.standing();
        self.progress.send_replace(Progress { standing, exits: self.exits });
    }
}

/// A farewell.
pub(crate) fn farewell(reason: Reason, detail: String) -> Kind {
    Kind::Farewell(v1::Farewell { reason: reason.into(), detail })
}

/// Sends to a worker. A stream that is gone will be reported by the service as such.
pub(crate) fn send(stream: &Stream, kind: Kind) {
    let _ = stream.send(v1::CoordinatorMessage { kind: Some(kind) });
}
