//! One connection: carries messages between the desk and the coordinator.

use std::path::Path;
use std::time::Duration;

use taugrid_process::connect::Target;
use taugrid_sweep::Artifact;
use taugrid_wire::MAX_MESSAGE_BYTES;
use taugrid_wire::v1::{
    CoordinatorMessage, Farewell, Heartbeat, Hello, Welcome, WorkerMessage, coordinator_message,
    dispatch_client::DispatchClient, worker_message::Kind,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::artifact;
use crate::desk::Desk;
use crate::error::WorkerError;
use crate::options::Options;
use crate::setup::Setup;

/// Rows that finished wait this long for others to share a message.
const GATHER: Duration = Duration::from_millis(20);
/// So many reports are taken in before anything else is looked at.
const REPORTS_AT_ONCE: usize = 64;

/// How a session ended, unless by an error.
pub(crate) enum Parting {
    /// The coordinator said farewell.
    Farewell(Farewell),
    /// The worker has left, as it was asked to.
    Left,
}

/// Holds one connection to `target`. Until the coordinator has answered, the attempt is given up when `elsewhere` ends.
pub(crate) async fn hold(
    desk: &mut Desk,
    target: &Target,
    elsewhere: impl Future<Output = ()>,
    options: &Options,
    leave: &CancellationToken,
) -> Result<Parting, WorkerError> {
    let hello = desk.hello(options);
    let attaching = async {
        tokio::select! {
            attached = attach(target, hello) => attached,
            () = elsewhere => Err(WorkerError::broken("the coordinator is elsewhere now")),
        }
    };
    let Some(attached) = desk.beside(leave, attaching).await? else { return Ok(Parting::Left) };
    let parting = match attached? {
        Attached::Refused(farewell) => return Ok(Parting::Farewell(farewell)),
        Attached::Welcomed(stream) => serve(desk, *stream, options, leave).await,
    };
    desk.close();
    parting
}

/// What came of a Hello.
enum Attached {
    Welcomed(Box<Stream>),
    Refused(Farewell),
}

/// A stream whose first words were Hello and Welcome.
struct Stream {
    client: DispatchClient<Channel>,
    outgoing: mpsc::Sender<WorkerMessage>,
    incoming: Streaming<CoordinatorMessage>,
    welcome: Welcome,
    heart: Heart,
}

/// Heartbeats go on from a task of their own, while an artifact is fetched and a landscape built.
struct Heart(AbortHandle);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn attach(target: &Target, hello: Hello) -> Result<Attached, WorkerError> {
    let mut client = DispatchClient::new(target.dial().await?).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (outgoing, stream) = mpsc::channel(16);
    say(&outgoing, Kind::Hello(hello)).await?;
    let (first, incoming) = match open(&mut client, stream).await {
        // A coordinator that hung up without a word may have had a reason: then it is worth more than the broken stream.
        Err(error @ WorkerError::Broken(_)) => return Err(target.diagnose().await.map_or(error, WorkerError::Connect)),
        opened => opened?,
    };
    let welcome = match first {
        Some(coordinator_message::Kind::Welcome(welcome)) => welcome,
        Some(coordinator_message::Kind::Farewell(farewell)) => return Ok(Attached::Refused(farewell)),
        Some(_) => return Err(WorkerError::Protocol("the coordinator's first message is not Welcome".to_owned())),
        None => return Err(closed()),
    };
    let beat = Duration::from_millis(u64::from(welcome.heartbeat_millis.clamp(10, 60_000)));
    let heart = Heart(tokio::spawn(beat_every(beat, outgoing.clone())).abort_handle());
    Ok(Attached::Welcomed(Box::new(Stream { client, outgoing, incoming, welcome, heart })))
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

async fn serve(
    desk: &mut Desk,
    stream: Stream,
    options: &Options,
    leave: &CancellationToken,
) -> Result<Parting, WorkerError> {
    let Stream { mut client, outgoing, mut incoming, welcome, heart: _heart } = stream;
    if !desk.knows(&welcome)? {
        let Some(setup) = desk.beside(leave, set_up(&welcome, &options.cache, &mut client)).await? else {
            return Ok(Parting::Left);
        };
        desk.settle_in(setup?);
    }
    while desk.is_in_doubt() {
        tokio::select! {
            () = leave.cancelled(), if !desk.is_leaving() => desk.begin_leaving(),
            Some(report) = desk.report() => desk.take_in(report)?,
        }
    }
    desk.open()?;
    converse(desk, &outgoing, &mut incoming, leave).await
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

/// The part of a session in which leases come and rows go.
async fn converse(
    desk: &mut Desk,
    outgoing: &mpsc::Sender<WorkerMessage>,
    incoming: &mut Streaming<CoordinatorMessage>,
    leave: &CancellationToken,
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
            () = leave.cancelled(), if !desk.is_leaving() => desk.begin_leaving(),
            permit = outgoing.reserve(), if desk.has_to_say() => {
                let permit = permit.map_err(|_| closed())?;
                if let Some(message) = desk.next_message()? {
                    permit.send(message);
                }
            }
            message = incoming.message() => match message.map_err(WorkerError::Broken)? {
                Some(message) => {
                    if let Some(farewell) = desk.hear(message)? {
                        return Ok(Parting::Farewell(farewell));
                    }
                }
                // It closes the stream once it has read the goodbye, and all that came before it.
                None if desk.has_said_goodbye() && !desk.has_to_say() => {
                    desk.be_done();
                    return Ok(Parting::Left);
                }
                None => return Err(closed()),
            },
            Some(report) = desk.report() => {
                desk.take_in(report)?;
                for _ in 0..REPORTS_AT_ONCE {
                    let Some(report) = desk.next_report() else { break };
                    desk.take_in(report)?;
                }
            }
            () = gathered => {
                desk.seal();
            }
        }
        // What one turn has gathered waits for the next ones, for as long as that is.
        deadline = desk.is_gathering().then(|| deadline.unwrap_or_else(|| Instant::now() + GATHER));
    }
}

/// Opens the stream, and hears the first word.
async fn open(
    client: &mut DispatchClient<Channel>,
    outgoing: mpsc::Receiver<WorkerMessage>,
) -> Result<(Option<coordinator_message::Kind>, Streaming<CoordinatorMessage>), WorkerError> {
    let answer = client.attach(ReceiverStream::new(outgoing)).await.map_err(WorkerError::Broken)?;
    let mut incoming = answer.into_inner();
    let first = incoming.message().await.map_err(WorkerError::Broken)?;
    Ok((first.and_then(|message| message.kind), incoming))
}

fn closed() -> WorkerError {
    WorkerError::broken("the coordinator closed the stream")
}

async fn say(outgoing: &mpsc::Sender<WorkerMessage>, kind: Kind) -> Result<(), WorkerError> {
    let message = WorkerMessage { kind: Some(kind) };
    outgoing.send(message).await.map_err(|_| WorkerError::broken("the stream is closed"))
}
