//! One connection: from Hello to the farewell, or to a broken stream.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use taugrid_process::connect::Target;
use taugrid_sweep::Artifact;
use taugrid_wire::v1::{
    CoordinatorMessage, Farewell, Goodbye, Heartbeat, Hello, Lease, LeaseDone, Ready, Welcome, WorkerMessage,
    coordinator_message, dispatch_client::DispatchClient, worker_message::Kind,
};
use taugrid_wire::{MAX_MESSAGE_BYTES, PROTOCOL, RELEASE};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Channel;
use tracing::debug;

use crate::artifact;
use crate::life::{Options, WorkerError};
use crate::outbox::Outbox;
use crate::pool::{Pool, Report, Work};
use crate::setup::Setup;

/// Rows that finished wait this long for others to share a message.
const GATHER: Duration = Duration::from_millis(20);
/// A coordinator has heard out a worker that leaves by then.
const HEAR_OUT: Duration = Duration::from_secs(10);
/// A thread that is told to stop has handed on its rows by then.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What a worker carries from session to session.
pub(crate) struct Carried {
    pub(crate) setup: Option<Setup>,
    pub(crate) outbox: Outbox,
    pub(crate) pool: Pool,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) session: u64,
}

impl Carried {
    /// Moves finished rows to the outbox. Leases of earlier sessions are nobody's any more.
    fn take_in_rows(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            if let Report::Rows(rows) = report {
                self.outbox.add(rows);
            }
        }
    }
}

/// How a session ended, unless by an error.
pub(crate) enum Parting {
    /// The coordinator said farewell.
    Farewell(Farewell),
    /// The worker was asked to stop.
    Stopped,
}

/// Holds one connection to `target`.
pub(crate) async fn hold(
    carried: &mut Carried,
    target: &Target,
    options: &Options,
    stop: &CancellationToken,
) -> Result<Parting, WorkerError> {
    carried.session += 1;
    let mut client = DispatchClient::new(target.dial().await?).max_decoding_message_size(MAX_MESSAGE_BYTES);
    // Rows that finished since the last stream broke are held as well, and said to be.
    carried.take_in_rows();
    let (outgoing, stream) = mpsc::channel(16);
    let sweep = match &carried.setup {
        Some(setup) if !carried.outbox.is_empty() => setup.sweep.clone(),
        _ => String::new(),
    };
    let hello = Hello {
        protocol: PROTOCOL,
        release: RELEASE.to_owned(),
        name: options.name.clone(),
        threads: options.threads.get() as u32,
        sweep,
    };
    say(&outgoing, Kind::Hello(hello)).await?;
    let (first, incoming) = match attach(&mut client, stream).await {
        // A coordinator that hung up without a word may have had a reason: then it is worth more than the broken stream.
        Err(error @ WorkerError::Broken(_)) => return Err(target.diagnose().await.map_or(error, WorkerError::Connect)),
        attached => attached?,
    };
    let welcome = match first {
        coordinator_message::Kind::Welcome(welcome) => welcome,
        coordinator_message::Kind::Farewell(farewell) => return Ok(Parting::Farewell(farewell)),
        _ => return Err(WorkerError::Protocol("the coordinator's first message is not Welcome".to_owned())),
    };
    let beat = Duration::from_millis(u64::from(welcome.heartbeat_millis.clamp(10, 60_000)));
    // Heartbeats go on from a task of their own while an artifact is fetched and a landscape built.
    let heart = tokio::spawn(beat_every(beat, outgoing.clone()));
    let parting = serve(carried, client, &outgoing, incoming, &welcome, options, stop).await;
    heart.abort();
    parting
}

async fn serve(
    carried: &mut Carried,
    mut client: DispatchClient<Channel>,
    outgoing: &mpsc::Sender<WorkerMessage>,
    incoming: Streaming<CoordinatorMessage>,
    welcome: &Welcome,
    options: &Options,
    stop: &CancellationToken,
) -> Result<Parting, WorkerError> {
    if carried.setup.as_ref().is_none_or(|setup| setup.sweep != welcome.sweep) {
        carried.setup = Some(set_up(welcome, &options.cache, &mut client).await?);
    }
    let Carried { setup: Some(setup), outbox, pool, reports, session } = carried else {
        return Err(WorkerError::Protocol("no setup".to_owned()));
    };
    for results in outbox.unacknowledged() {
        say(outgoing, Kind::Results(results)).await?;
    }
    let void = Arc::new(AtomicBool::new(false));
    let mut session = Session { setup, outbox, pool, outgoing, void: &void, session: *session, done: Vec::new() };
    session.send_all().await?;
    say(outgoing, Kind::Ready(Ready {})).await?;
    let parting = session.serve(reports, incoming, stop).await;
    void.store(true, Ordering::Relaxed);
    parting
}

/// Opens the stream, and hears the first word.
async fn attach(
    client: &mut DispatchClient<Channel>,
    outgoing: mpsc::Receiver<WorkerMessage>,
) -> Result<(coordinator_message::Kind, Streaming<CoordinatorMessage>), WorkerError> {
    let answer = client.attach(ReceiverStream::new(outgoing)).await.map_err(WorkerError::Broken)?;
    let mut incoming = answer.into_inner();
    Ok((hear(&mut incoming).await?, incoming))
}

async fn set_up(welcome: &Welcome, cache: &Path, client: &mut DispatchClient<Channel>) -> Result<Setup, WorkerError> {
    let physics = Setup::physics(welcome)?;
    let artifact = match &welcome.artifact {
        None => None,
        Some(wanted) => Some(artifact::obtain(wanted, cache, client).await?),
    };
    // Building a landscape is work: not for a thread that serves connections.
    let sweep = welcome.sweep.clone();
    let built = tokio::task::spawn_blocking(move || {
        let artifact = artifact.map(|bytes| Artifact::decode(&bytes)).transpose();
        let artifact = artifact.map_err(|error| WorkerError::Protocol(error.to_string()))?;
        Setup::new(sweep, physics, artifact.as_ref())
    });
    built.await.map_err(|error| WorkerError::Protocol(error.to_string()))?
}

async fn beat_every(period: Duration, outgoing: mpsc::Sender<WorkerMessage>) {
    let mut beats = tokio::time::interval(period);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        if say(&outgoing, Kind::Heartbeat(Heartbeat {})).await.is_err() {
            return;
        }
    }
}

/// The part of a session in which leases come and rows go.
struct Session<'a> {
    setup: &'a mut Setup,
    outbox: &'a mut Outbox,
    pool: &'a Pool,
    outgoing: &'a mpsc::Sender<WorkerMessage>,
    /// Set once the leases of this session are void.
    void: &'a Arc<AtomicBool>,
    session: u64,
    /// Leases to be reported done once the rows that wait are sent.
    done: Vec<LeaseDone>,
}

impl Session<'_> {
    async fn serve(
        &mut self,
        reports: &mut mpsc::UnboundedReceiver<Report>,
        mut incoming: Streaming<CoordinatorMessage>,
        stop: &CancellationToken,
    ) -> Result<Parting, WorkerError> {
        let mut deadline: Option<Instant> = None;
        loop {
            let gathered = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => {
                    self.hand_over(reports, &mut incoming).await?;
                    return Ok(Parting::Stopped);
                }
                message = hear(&mut incoming) => match message? {
                    coordinator_message::Kind::Lease(lease) => self.begin(lease)?,
                    coordinator_message::Kind::Ack(ack) => self.outbox.acknowledge(ack.sequence),
                    coordinator_message::Kind::Farewell(farewell) => return Ok(Parting::Farewell(farewell)),
                    coordinator_message::Kind::Welcome(_) => {
                        return Err(WorkerError::Protocol("a second Welcome".to_owned()));
                    }
                },
                Some(report) = reports.recv() => {
                    self.take_in(report);
                    while !self.outbox.is_full() && let Ok(report) = reports.try_recv() {
                        self.take_in(report);
                    }
                    if self.outbox.is_full() {
                        self.send_all().await?;
                        deadline = None;
                    } else if deadline.is_none() && (self.outbox.is_waiting() || !self.done.is_empty()) {
                        deadline = Some(Instant::now() + GATHER);
                    }
                }
                () = gathered => {
                    self.send_all().await?;
                    deadline = None;
                }
            }
        }
    }

    /// Gives up the leases, and hands over the trials that are finished. Ends when the coordinator has heard it all.
    async fn hand_over(
        &mut self,
        reports: &mut mpsc::UnboundedReceiver<Report>,
        incoming: &mut Streaming<CoordinatorMessage>,
    ) -> Result<(), WorkerError> {
        self.void.store(true, Ordering::Relaxed);
        // A thread looks up from its trial every few milliseconds, and then hands on what it has.
        let deadline = Instant::now() + LOOK_UP;
        while let Ok(Some(report)) = tokio::time::timeout_at(deadline, reports.recv()).await {
            self.take_in(report);
        }
        self.send_all().await?;
        say(self.outgoing, Kind::Goodbye(Goodbye { reason: "asked to stop".to_owned() })).await?;
        // The coordinator closes the stream once it has read the goodbye, and all that came before it.
        let heard_out = async { while hear(incoming).await.is_ok() {} };
        let _ = tokio::time::timeout(HEAR_OUT, heard_out).await;
        Ok(())
    }

    fn begin(&mut self, lease: Lease) -> Result<(), WorkerError> {
        let range = lease.first_trial.checked_add(lease.trials).map(|end| lease.first_trial..end);
        let (Some(cell), Some(trials)) = (&lease.cell, range) else {
            return Err(WorkerError::Protocol("a lease without a cell, or beyond all trials".to_owned()));
        };
        debug!(lease = lease.lease, trials = lease.trials, "lease");
        let (cell, simulation) = self.setup.simulation(cell)?;
        let stop = Arc::clone(self.void);
        self.pool.submit(Work { session: self.session, lease: lease.lease, cell, trials, simulation, stop });
        Ok(())
    }

    fn take_in(&mut self, report: Report) {
        match report {
            Report::Rows(rows) => self.outbox.add(rows),
            Report::LeaseDone { session, lease, busy } if session == self.session => {
                self.done.push(LeaseDone { lease, busy_nanos: busy.as_nanos() as u64 });
            }
            // The lease was of a stream that broke: nobody waits for it.
            Report::LeaseDone { .. } => {}
        }
    }

    /// Sends the rows that wait, then the leases that are done by them.
    async fn send_all(&mut self) -> Result<(), WorkerError> {
        while let Some(results) = self.outbox.next(self.setup.cells())? {
            say(self.outgoing, Kind::Results(results)).await?;
        }
        for done in self.done.drain(..) {
            say(self.outgoing, Kind::LeaseDone(done)).await?;
        }
        Ok(())
    }
}

async fn say(outgoing: &mpsc::Sender<WorkerMessage>, kind: Kind) -> Result<(), WorkerError> {
    let broken = |_| WorkerError::Broken(tonic::Status::unavailable("the stream is closed"));
    outgoing.send(WorkerMessage { kind: Some(kind) }).await.map_err(broken)
}

async fn hear(incoming: &mut Streaming<CoordinatorMessage>) -> Result<coordinator_message::Kind, WorkerError> {
    loop {
        match incoming.message().await.map_err(WorkerError::Broken)? {
            Some(CoordinatorMessage { kind: Some(kind) }) => return Ok(kind),
            // A kind of a later release, which says nothing to this one.
            Some(CoordinatorMessage { kind: None }) => {}
            None => return Err(WorkerError::Broken(tonic::Status::unavailable("the coordinator closed the stream"))),
        }
    }
}
