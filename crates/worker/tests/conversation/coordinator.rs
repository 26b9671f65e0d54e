//! The other end: a coordinator that says what the test has it say, and nothing of its own accord.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;

use taugrid_results::{CellTable, TrialCheckpoint, decode_checkpoints};
use taugrid_sweep::{Cell, Sweep};
use taugrid_wire::batch::Batched;
use taugrid_wire::leases::Gathered;
use taugrid_wire::rows::from_wire;
use taugrid_wire::v1::{
    ArtifactChunk, CoordinatorMessage, FetchArtifactRequest, Goodbye, Hello, Ready, Results, Returned, Trials, Welcome,
    WorkerMessage,
    coordinator_message::Kind,
    dispatch_server::{Dispatch, DispatchServer},
    worker_message,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// One cell whose trials end within a few hundred steps, and one whose trials never do.
const SWEEP: &str = "
name: conversation
seed: 1
landscape: {kind: quadratic, eigenvalues: [1.0]}
domain: {kind: sublevel, depth: 0.1}
dynamics: [{kind: gaussian-sgd, covariance: hessian}]
grid: {alpha: [1], beta: [1], eta: [0.1], batch_size: [1, 1000000]}
trials: 100
max_steps: 1000000000000000
";

/// What the coordinator knows.
pub(crate) struct Knowledge {
    sweep: Sweep,
}

impl Knowledge {
    pub(crate) fn new() -> Self {
        Self { sweep: Sweep::parse(SWEEP, Path::new("sweep.yaml")).expect("a sound sweep") }
    }

    /// Of another sweep: another seed.
    pub(crate) fn other() -> Self {
        let text = SWEEP.replace("seed: 1", "seed: 2");
        Self { sweep: Sweep::parse(&text, Path::new("sweep.yaml")).expect("a sound sweep") }
    }

    pub(crate) fn id(&self) -> String {
        self.sweep.physics().sweep_id()
    }

    /// The cell whose trials end.
    pub(crate) fn quick(&self) -> Cell {
        self.sweep.cells().into_iter().find(|cell| cell.batch_size == 1).expect("there")
    }

    /// The cell whose trials never end.
    pub(crate) fn endless(&self) -> Cell {
        self.sweep.cells().into_iter().find(|cell| cell.batch_size > 1).expect("there")
    }

    pub(crate) fn welcome(&self) -> Kind {
        Kind::Welcome(Welcome {
            sweep: self.id(),
            physics: self.sweep.physics().to_json(),
            artifact: None,
            heartbeat_millis: 1000,
        })
    }

    /// The trials of a message, in their order.
    pub(crate) fn trials(&self, results: &Results) -> Vec<u64> {
        let rows = results.rows.as_ref().expect("rows");
        let rows = from_wire(rows, &CellTable::new(self.sweep.cells())).expect("rows of this sweep");
        let mut trials: Vec<_> = rows.iter().map(|row| row.record.trial).collect();
        trials.sort_unstable();
        trials
    }
}

/// A lease; its grant is `grant N`.
pub(crate) fn lease(number: u64, cell: &Cell, trials: std::ops::Range<u64>) -> Kind {
    let mut leases = Gathered::default();
    leases.push(number, cell, &trials, format!("grant {number}").as_bytes());
    Kind::Leases(Box::new(leases.finish()))
}

/// So many trials from `first` on.
pub(crate) fn span(first: u64, count: u64) -> Vec<Trials> {
    vec![Trials { first, count }]
}

/// A coordinator that listens.
pub(crate) struct Coordinator {
    pub(crate) address: SocketAddr,
    streams: mpsc::UnboundedReceiver<Stream>,
    server: JoinHandle<()>,
}

impl Coordinator {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, streams) = mpsc::unbounded_channel();
        let server = tonic::transport::Server::builder()
            .add_service(DispatchServer::new(Desk(sender)))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { server.await.expect("serving") });
        Self { address, streams, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next stream that a worker opens, after its Hello.
    pub(crate) async fn stream(&mut self) -> (Hello, Stream) {
        let mut stream = self.streams.recv().await.expect("serving");
        match stream.next().await {
            worker_message::Kind::Hello(hello) => (hello, stream),
            other => panic!("Hello comes first, not {other:?}"),
        }
    }

    /// A stream that is welcomed; the worker's Hello, what it resends, and what it still holds.
    pub(crate) async fn welcomed(&mut self, knowledge: &Knowledge) -> (Hello, Vec<Results>, Ready, Stream) {
        let (hello, mut stream) = self.stream().await;
        stream.say(knowledge.welcome());
        let mut again = Vec::new();
        loop {
            match stream.next().await {
                worker_message::Kind::Results(results) => again.push(results),
                worker_message::Kind::Ready(ready) => return (hello, again, ready, stream),
                other => panic!("rows and Ready come first, not {other:?}"),
            }
        }
    }

    /// Nobody listens any more, and all connections are gone.
    pub(crate) fn die(self) {
        self.server.abort();
    }
}

/// A worker's stream. Dropping it closes it in order.
pub(crate) struct Stream {
    incoming: Streaming<WorkerMessage>,
    /// What has come and was not looked at.
    kinds: VecDeque<worker_message::Kind>,
    outgoing: mpsc::UnboundedSender<Result<CoordinatorMessage, Status>>,
}

impl Stream {
    pub(crate) fn say(&self, kind: Kind) {
        self.outgoing.send(Ok(CoordinatorMessage { kind: Some(kind) })).expect("the worker listens");
    }

    /// What the worker says next, but for heartbeats.
    pub(crate) async fn next(&mut self) -> worker_message::Kind {
        self.next_or_end().await.expect("the worker goes on")
    }

    /// As [`Self::next`]; `None` at the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<worker_message::Kind> {
        loop {
            match self.kinds.pop_front() {
                None => self.kinds = self.incoming.message().await.ok().flatten()?.kinds(),
                Some(worker_message::Kind::Heartbeat(_)) => {}
                Some(kind) => return Some(kind),
            }
        }
    }

    /// The rows of a lease up to its end: the messages, in order.
    pub(crate) async fn whole(&mut self, lease: u64) -> Vec<Results> {
        let mut all = Vec::new();
        loop {
            match self.next().await {
                worker_message::Kind::Results(results) => all.push(results),
                worker_message::Kind::LeaseDone(done) => {
                    assert_eq!(done.lease, lease);
                    return all;
                }
                other => panic!("rows and the end of lease {lease}, not {other:?}"),
            }
        }
    }

    pub(crate) async fn checkpoints(&mut self) -> Vec<TrialCheckpoint> {
        match self.next().await {
            worker_message::Kind::Checkpoints(checkpoints) => decode_checkpoints(&checkpoints.batch).expect("a batch"),
            other => panic!("checkpoints, not {other:?}"),
        }
    }

    /// What comes before a Returned, and that.
    pub(crate) async fn returned(&mut self) -> (Vec<TrialCheckpoint>, Returned) {
        let mut shown = Vec::new();
        loop {
            match self.next().await {
                worker_message::Kind::Checkpoints(checkpoints) => {
                    shown.extend(decode_checkpoints(&checkpoints.batch).expect("a batch"));
                }
                worker_message::Kind::Returned(returned) => return (shown, returned),
                other => panic!("checkpoints and trials, not {other:?}"),
            }
        }
    }

    pub(crate) async fn goodbye(&mut self) -> Goodbye {
        match self.next().await {
            worker_message::Kind::Goodbye(goodbye) => goodbye,
            other => panic!("Goodbye, not {other:?}"),
        }
    }

    /// The stream breaks.
    pub(crate) fn cut(self) {
        let _ = self.outgoing.send(Err(Status::unavailable("cut")));
    }
}

/// Hands the streams to the test.
struct Desk(mpsc::UnboundedSender<Stream>);

type Outgoing<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatch for Desk {
    type AttachStream = Outgoing<CoordinatorMessage>;
    type FetchArtifactStream = Outgoing<ArtifactChunk>;

    async fn attach(&self, request: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let (outgoing, stream) = mpsc::unbounded_channel();
        let stream_of_worker = Stream { incoming: request.into_inner(), kinds: VecDeque::new(), outgoing };
        self.0.send(stream_of_worker).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(stream))))
    }

    async fn fetch_artifact(
        &self,
        _: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        Err(Status::not_found("these sweeps need none"))
    }
}
