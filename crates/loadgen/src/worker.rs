//! A simulated worker: speaks like a real one, and its trials end at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taugrid_process::connect::Target;
use taugrid_results::{CellKey, CellTable, Outcome, Row, TrialRecord, encode_ipc, to_batch};
use taugrid_wire::v1::{
    CoordinatorMessage, Goodbye, Heartbeat, Hello, Lease, LeaseDone, Ready, Results, Returned, Trials, WorkerMessage,
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
    pub(crate) cells: Arc<CellTable>,
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

impl Worker {
    pub(crate) async fn run(self, target: Target, leave: CancellationToken) -> Result<(), LoadError> {
        let mut stream = self.attach(&target).await?;
        let mut beats = tokio::time::interval(Duration::from_secs(2));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Of leases that are worked on, one after another: when they end.
        let mut held: VecDeque<(Instant, Lease)> = VecDeque::new();
        // The last end that no lease has followed.
        let mut ended: Option<Instant> = None;
        let mut begun = 0;
        loop {
            let due = held.front().map(|(due, _)| *due);
            tokio::select! {
                biased;
                () = leave.cancelled() => {
                    // Whoever hangs up at once is not read to the end: the stream's end says it too.
                    let _ = stream.outgoing.send(message(Kind::Goodbye(Goodbye { reason: "enough".to_owned() }))).await;
                    return Ok(());
                }
                message = stream.incoming.message() => match message.map_err(broken)?.and_then(|message| message.kind) {
                    None | Some(coordinator_message::Kind::Farewell(_)) => return Ok(()),
                    Some(coordinator_message::Kind::Lease(lease)) => {
                        self.tally.leases.fetch_add(1, Ordering::Relaxed);
                        if let (Some(end), Some(latencies)) = (ended.take(), &self.latencies) {
                            let _ = latencies.send(u32::try_from(end.elapsed().as_micros()).unwrap_or(u32::MAX));
                        }
                        let after = held.back().map_or_else(Instant::now, |(due, _)| *due);
                        begun += 1;
                        let pace = if begun > self.manner.at_first { self.manner.pace } else { Duration::ZERO };
                        held.push_back((after + pace, lease));
                    }
                    Some(coordinator_message::Kind::Ack(ack)) => stream.acknowledged(ack.sequence, &self.tally),
                    Some(coordinator_message::Kind::Recall(recall)) => {
                        let returned = self.give_back(&mut held, recall.lease, recall.most);
                        stream.say(Kind::Returned(returned)).await?;
                    }
                    Some(_) => {}
                },
                () = until(due), if due.is_some() => {
                    let now = Instant::now();
                    let mut done = Vec::new();
                    while let Some((_, lease)) = held.pop_front_if(|(due, _)| *due <= now) {
                        done.push(lease);
                    }
                    // Before it is told: the answer may be here before the telling is over.
                    ended = Some(now);
                    self.finish(&mut stream, &done).await?;
                }
                _ = beats.tick() => stream.say(Kind::Heartbeat(Heartbeat {})).await?,
            }
        }
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
        stream.say(Kind::Ready(Ready { held: Vec::new() })).await?;
        Ok(stream)
    }

    /// Sends all rows of these leases in one message, and then their ends.
    async fn finish(&self, stream: &mut Stream, done: &[Lease]) -> Result<(), LoadError> {
        let mut rows: Vec<Row> = Vec::new();
        for lease in done {
            let key = CellKey(lease.cell.as_ref().map_or(0, |cell| cell.key));
            let trials = lease.first_trial..lease.first_trial + lease.trials;
            rows.extend(trials.map(|trial| Row { cell: key, record: record(trial) }));
        }
        rows.sort_by_key(Row::position);
        for rows in rows.chunks(MOST_ROWS) {
            let encoded = to_batch(rows, &self.cells).map_err(|error| LoadError::Worker(error.to_string()))?;
            let arrow_ipc = encode_ipc(&encoded).map_err(|error| LoadError::Worker(error.to_string()))?;
            stream.next += 1;
            stream.sent.push_back((stream.next, rows.len() as u64));
            stream
                .say(Kind::Results(Results { sequence: stream.next, arrow_ipc: arrow_ipc.into(), grants: Vec::new() }))
                .await?;
        }
        for lease in done {
            let busy = self.manner.claimed.saturating_mul(u32::try_from(lease.trials).unwrap_or(u32::MAX));
            let busy_nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
            stream.say(Kind::LeaseDone(LeaseDone { lease: lease.lease, busy_nanos })).await?;
        }
        Ok(())
    }

    /// The last trials of a lease that has not ended, up to `most`.
    fn give_back(&self, held: &mut VecDeque<(Instant, Lease)>, number: u64, most: u64) -> Returned {
        let mut trials = Vec::new();
        if let Some((_, lease)) = held.iter_mut().find(|(_, lease)| lease.lease == number && self.manner.gives_back) {
            let count = most.min(lease.trials);
            lease.trials -= count;
            trials.push(Trials { first: lease.first_trial + lease.trials, count });
        }
        Returned { lease: number, trials }
    }
}

impl Stream {
    async fn say(&self, kind: Kind) -> Result<(), LoadError> {
        self.outgoing.send(message(kind)).await.map_err(|_| LoadError::Worker("the stream is closed".to_owned()))
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
