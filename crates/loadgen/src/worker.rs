//! A simulated worker: speaks like a real one, and its trials end at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taugrid_process::connect::Target;
use taugrid_results::{Outcome, Row, TrialRecord};
use taugrid_wire::batch::{Batched, Gathering};
use taugrid_wire::leases::{Lease, from_wire};
use taugrid_wire::rows::to_wire;
use taugrid_wire::v1::{
    CoordinatorMessage, Goodbye, Heartbeat, Hello, LeaseDone, Ready, Results, Returned, Trials, WorkerMessage,
    coordinator_message, dispatch_client::DispatchClient, worker_message::Kind,
};
use taugrid_wire::{MAX_MESSAGE_BYTES, PROTOCOL, RELEASE};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use crate::LoadError;

/// Rows in a message, at most: some megabytes.
const MOST_ROWS: usize = 100_000;

/// How a simulated worker behaves.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Threads that it says it has.
    pub(crate) threads: u32,
    /// Thread time that it says a trial took: it makes the shards as large as they are to be.
    pub(crate) claimed: Duration,
    /// Time that a lease takes.
    pub(crate) pace: Duration,
    /// Leases that take no time, before the others: as many as come while nothing is known of what they cost.
    pub(crate) at_first: u64,
    /// Whether it gives back what it is asked for.
    pub(crate) gives_back: bool,
    /// The identity of the first of them; the others count on from there.
    pub(crate) first_identity: u64,
}

impl Manner {
    /// Ends its leases as they come.
    pub(crate) fn at_once(claimed: Duration) -> Self {
        Self { threads: 1, claimed, pace: Duration::ZERO, at_first: 0, gives_back: true, first_identity: 1 }
    }

    /// Ends a lease every `pace`.
    pub(crate) fn paced(pace: Duration, claimed: Duration) -> Self {
        Self { pace, at_first: 8, ..Self::at_once(claimed) }
    }

    /// Keeps what it is given, and ends nothing.
    pub(crate) fn idle() -> Self {
        let day = Duration::from_secs(86_400);
        Self { pace: day, gives_back: false, ..Self::at_once(day) }
    }
}

/// What all workers of a crowd have counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Workers that were welcomed.
    pub(crate) welcomed: AtomicU64,
    /// Leases that came.
    pub(crate) leases: AtomicU64,
    /// Rows that are durable.
    pub(crate) durable: AtomicU64,
}

/// Where the times from the end of a lease to the next lease go, in microseconds.
pub(crate) type Latencies = mpsc::UnboundedSender<u32>;

/// One worker, from its Hello to the coordinator's farewell or to `leave`.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) manner: Manner,
    pub(crate) tally: Arc<Tally>,
    pub(crate) latencies: Option<Latencies>,
}

/// A worker's stream, and what is on its way.
struct Stream {
    outgoing: mpsc::Sender<WorkerMessage>,
    incoming: Streaming<CoordinatorMessage>,
    /// Rows in messages that were not acknowledged, by their sequence.
    sent: VecDeque<(u64, u64)>,
    next: u64,
}

/// What a worker works on.
#[derive(Default)]
struct Desk {
    /// Leases, one after another, and when they end.
    held: VecDeque<(Instant, Lease)>,
    begun: u64,
    /// The last end that no lease has followed.
    ended: Option<Instant>,
}

impl Worker {
    pub(crate) async fn run(self, target: Target, leave: CancellationToken) -> Result<(), LoadError> {
        let mut stream = self.attach(&target).await?;
        let mut desk = Desk::default();
        let mut beats = tokio::time::interval(Duration::from_secs(2));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = desk.held.front().map(|(due, _)| *due);
            tokio::select! {
                biased;
                () = leave.cancelled() => {
                    // Whoever hangs up at once is not read to the end: the stream's end says it too.
                    let _ = stream.say([Kind::Goodbye(Goodbye { reason: "enough".to_owned() })]).await;
                    return Ok(());
                }
                message = stream.incoming.message() => {
                    let Some(message) = message.map_err(broken)? else { return Ok(()) };
                    for kind in message.kinds() {
                        match kind {
                            coordinator_message::Kind::Farewell(_) => return Ok(()),
                            coordinator_message::Kind::Leases(leases) => {
                                let leases = from_wire(&leases);
                                let leases = leases.map_err(|error| LoadError::Worker(error.to_string()))?;
                                leases.into_iter().for_each(|lease| self.begin(&mut desk, lease));
                            }
                            coordinator_message::Kind::Ack(ack) => stream.acknowledged(ack.sequence, &self.tally),
                            coordinator_message::Kind::Recall(recall) => {
                                let returned = self.give_back(&mut desk.held, recall.lease, recall.most);
                                stream.say([Kind::Returned(returned)]).await?;
                            }
                            _ => {}
                        }
                    }
                }
                () = until(due), if due.is_some() => {
                    let now = Instant::now();
                    let mut done = Vec::new();
                    while let Some((_, lease)) = desk.held.pop_front_if(|(due, _)| *due <= now) {
                        done.push(lease);
                    }
                    // Before it is told: the answer may be here before the telling is over.
                    desk.ended = Some(now);
                    self.finish(&mut stream, &done).await?;
                }
                _ = beats.tick() => stream.say([Kind::Heartbeat(Heartbeat {})]).await?,
            }
        }
    }

    fn begin(&self, desk: &mut Desk, lease: Lease) {
        self.tally.leases.fetch_add(1, Ordering::Relaxed);
        if let (Some(end), Some(latencies)) = (desk.ended.take(), &self.latencies) {
            let _ = latencies.send(u32::try_from(end.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        let after = desk.held.back().map_or_else(Instant::now, |(due, _)| *due);
        desk.begun += 1;
        let pace = if desk.begun > self.manner.at_first { self.manner.pace } else { Duration::ZERO };
        desk.held.push_back((after + pace, lease));
    }

    async fn attach(&self, target: &Target) -> Result<Stream, LoadError> {
        let channel = target.dial().await.map_err(|error| LoadError::Worker(error.to_string()))?;
        let mut client = DispatchClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (outgoing, messages) = mpsc::channel(16);
        let hello = Hello {
            protocol: PROTOCOL,
            release: RELEASE.to_owned(),
            name: format!("simulated-{}", self.index),
            threads: self.manner.threads,
            sweep: String::new(),
            identity: self.manner.first_identity + self.index as u64,
        };
        let hello = message(Kind::Hello(hello));
        outgoing.send(hello).await.map_err(|_| LoadError::Worker("no stream".to_owned()))?;
        let mut incoming = client.attach(ReceiverStream::new(messages)).await.map_err(broken)?.into_inner();
        match incoming.message().await.map_err(broken)?.and_then(|message| message.kind) {
            Some(coordinator_message::Kind::Welcome(_)) => {}
            other => return Err(LoadError::Worker(format!("in place of Welcome came {other:?}"))),
        }
        self.tally.welcomed.fetch_add(1, Ordering::Relaxed);
        let stream = Stream { outgoing, incoming, sent: VecDeque::new(), next: 0 };
        stream.say([Kind::Ready(Ready { held: Vec::new() })]).await?;
        Ok(stream)
    }

    /// Sends all rows of these leases, and then their ends.
    async fn finish(&self, stream: &mut Stream, done: &[Lease]) -> Result<(), LoadError> {
        let mut rows: Vec<Row> = Vec::new();
        for lease in done {
            rows.extend(lease.trials.clone().map(|trial| Row { cell: lease.cell.key, record: record(trial) }));
        }
        rows.sort_by_key(Row::position);
        let results = rows.chunks(MOST_ROWS).map(|rows| Kind::Results(stream.letter(rows)));
        let ends = done.iter().map(|lease| {
            let trials = lease.trials.end - lease.trials.start;
            let busy = self.manner.claimed.saturating_mul(u32::try_from(trials).unwrap_or(u32::MAX));
            let busy_nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
            Kind::LeaseDone(LeaseDone { lease: lease.number, busy_nanos })
        });
        let words: Vec<_> = results.chain(ends).collect();
        stream.say(words).await
    }

    /// The last trials of a lease that has not ended, up to `most`.
    fn give_back(&self, held: &mut VecDeque<(Instant, Lease)>, number: u64, most: u64) -> Returned {
        let mut trials = Vec::new();
        if let Some((_, lease)) = held.iter_mut().find(|(_, lease)| lease.number == number && self.manner.gives_back) {
            let count = most.min(lease.trials.end - lease.trials.start);
            lease.trials.end -= count;
            trials.push(Trials { first: lease.trials.end, count });
        }
        Returned { lease: number, trials }
    }
}

impl Stream {
    /// Says these, together.
    async fn say(&self, kinds: impl IntoIterator<Item = Kind>) -> Result<(), LoadError> {
        let mut gathering = Gathering::default();
        for kind in kinds {
            gathering.push(kind);
            if gathering.is_full() {
                self.send(std::mem::take(&mut gathering)).await?;
            }
        }
        self.send(gathering).await
    }

    async fn send(&self, gathering: Gathering<WorkerMessage>) -> Result<(), LoadError> {
        let Some(message) = gathering.finish() else { return Ok(()) };
        self.outgoing.send(message).await.map_err(|_| LoadError::Worker("the stream is closed".to_owned()))
    }

    /// A message of rows, kept in mind until it is acknowledged.
    fn letter(&mut self, rows: &[Row]) -> Results {
        self.next += 1;
        self.sent.push_back((self.next, rows.len() as u64));
        Results { sequence: self.next, rows: Some(to_wire(rows)), grants: Vec::new() }
    }

    fn acknowledged(&mut self, sequence: u64, tally: &Tally) {
        while let Some((_, rows)) = self.sent.pop_front_if(|(sent, _)| *sent <= sequence) {
            tally.durable.fetch_add(rows, Ordering::Relaxed);
        }
    }
}

fn record(trial: u64) -> TrialRecord {
    let steps = 1 + trial % 1000;
    TrialRecord { trial, outcome: Outcome::Exited, steps, exit_loss: 0.5 + steps as f64 * 1e-6, exit_radius: 1.0 }
}

fn message(kind: Kind) -> WorkerMessage {
    WorkerMessage { kind: Some(kind) }
}

fn broken(status: tonic::Status) -> LoadError {
    LoadError::Worker(status.to_string())
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
