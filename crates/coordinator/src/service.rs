//! The service: the gRPC end of the workers' streams. Checks what comes off the wire, and passes it on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taugrid_results::{CellTable, Coverage, Outcome, Row, TrialRecord, coverage_of, decode_ipc, from_batch};
use taugrid_wire::v1::{
    ArtifactChunk, ArtifactRef, CoordinatorMessage, FetchArtifactRequest, Hello, Results, Welcome, WorkerMessage,
    coordinator_message::Kind, dispatch_server::Dispatch, farewell::Reason, worker_message,
};
use taugrid_wire::{ARTIFACT_CHUNK_BYTES, PROTOCOL, RELEASE};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::directory::ArtifactBytes;
use crate::dispatcher::{Said, farewell, send};
use crate::machine::{LeaseId, Receipt, WorkerId};

/// Workers are asked for a heartbeat this often.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// What all streams share.
pub(crate) struct Service {
    pub(crate) sweep: String,
    pub(crate) physics: String,
    pub(crate) artifact: Option<ArtifactBytes>,
    pub(crate) cells: Arc<CellTable>,
    pub(crate) trials: u64,
    pub(crate) max_steps: u64,
    pub(crate) dispatcher: mpsc::Sender<Said>,
    pub(crate) next_worker: AtomicU64,
}

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatch for Service {
    type AttachStream = Outgoing<CoordinatorMessage>;
    type FetchArtifactStream = Outgoing<ArtifactChunk>;

    async fn attach(&self, request: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut incoming = request.into_inner();
        let Some(WorkerMessage { kind: Some(worker_message::Kind::Hello(hello)) }) = incoming.message().await? else {
            return Err(Status::invalid_argument("the first message of a worker must be Hello"));
        };
        let (stream, outgoing) = mpsc::unbounded_channel();
        if let Err((reason, detail)) = self.admit(&hello) {
            send(&stream, farewell(reason, detail));
        } else {
            send(&stream, Kind::Welcome(self.welcome()));
            let worker = WorkerId(self.next_worker.fetch_add(1, Ordering::Relaxed));
            let attached = Said::Attached { worker, name: hello.name, stream: stream.clone() };
            let conversation = Conversation {
                worker,
                threads: hello.threads,
                cells: Arc::clone(&self.cells),
                trials: self.trials,
                max_steps: self.max_steps,
                dispatcher: self.dispatcher.clone(),
            };
            // The dispatcher alone holds the stream, so that it ends when the dispatcher drops it.
            let stream = stream.downgrade();
            tokio::spawn(async move {
                if conversation.dispatcher.send(attached).await.is_ok() {
                    if let Err(detail) = conversation.listen(incoming).await
                        && let Some(stream) = stream.upgrade()
                    {
                        send(&stream, farewell(Reason::ProtocolError, detail));
                    }
                    let _ = conversation.dispatcher.send(Said::Left { worker }).await;
                }
            });
        }
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(outgoing).map(Ok))))
    }

    async fn fetch_artifact(
        &self,
        request: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        let wanted = request.into_inner().sha256;
        let artifact = self
            .artifact
            .clone()
            .filter(|artifact| artifact.sha256 == wanted)
            .ok_or_else(|| Status::not_found("this sweep has no such artifact"))?;
        let starts = (0..artifact.bytes.len()).step_by(ARTIFACT_CHUNK_BYTES);
        let chunks: Vec<_> = starts
            .map(|start| artifact.bytes.slice(start..artifact.bytes.len().min(start + ARTIFACT_CHUNK_BYTES)))
            .map(|data| Ok(ArtifactChunk { data }))
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
}

impl Service {
    fn admit(&self, hello: &Hello) -> Result<(), (Reason, String)> {
        if hello.protocol != PROTOCOL || hello.release != RELEASE {
            let detail = format!(
                "the coordinator is taugrid {RELEASE} (protocol {PROTOCOL}), the worker {} (protocol {}): install the same \
                 release on both",
                hello.release, hello.protocol
            );
            return Err((Reason::Incompatible, detail));
        }
        if !hello.sweep.is_empty() && hello.sweep != self.sweep {
            return Err((Reason::OtherSweep, "the worker holds rows of another sweep".to_owned()));
        }
        Ok(())
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            sweep: self.sweep.clone(),
            physics: self.physics.clone(),
            artifact: self
                .artifact
                .as_ref()
                .map(|artifact| ArtifactRef { sha256: artifact.sha256.clone(), bytes: artifact.bytes.len() as u64 }),
            heartbeat_millis: HEARTBEAT.as_millis() as u32,
        }
    }
}

/// One worker's stream.
struct Conversation {
    worker: WorkerId,
    threads: u32,
    cells: Arc<CellTable>,
    trials: u64,
    max_steps: u64,
    dispatcher: mpsc::Sender<Said>,
}

impl Conversation {
    /// Listens until the stream ends. An error is what the worker said that cannot be right.
    async fn listen(&self, mut incoming: Streaming<WorkerMessage>) -> Result<(), String> {
        let worker = self.worker;
        let mut ready = false;
        // A broken stream ends the conversation as a closed one does: the worker comes back if it can.
        while let Ok(Some(message)) = incoming.message().await {
            let heard = Said::Heard { worker, at: Instant::now() };
            let said = match message.kind {
                None | Some(worker_message::Kind::Heartbeat(_)) => None,
                Some(worker_message::Kind::Hello(_)) => return Err("a second Hello".to_owned()),
                Some(worker_message::Kind::Ready(_)) if ready => return Err("a second Ready".to_owned()),
                Some(worker_message::Kind::Ready(_)) => {
                    ready = true;
                    Some(Said::Ready { worker, threads: self.threads })
                }
                Some(worker_message::Kind::Goodbye(_)) => return Ok(()),
                Some(worker_message::Kind::LeaseDone(done)) => {
                    let (lease, busy) = (LeaseId(done.lease), Duration::from_nanos(done.busy_nanos));
                    Some(Said::LeaseDone { worker, lease, busy })
                }
                Some(worker_message::Kind::Results(results)) => {
                    let receipt = Receipt { worker, sequence: results.sequence };
                    let (rows, trials) = self.check(&results)?;
                    Some(Said::Results { receipt, rows, trials })
                }
            };
            for said in [Some(heard), said].into_iter().flatten() {
                if self.dispatcher.send(said).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn check(&self, results: &Results) -> Result<(Vec<Row>, Coverage), String> {
        let batch = decode_ipc(&results.arrow_ipc).map_err(|error| error.to_string())?;
        let rows = from_batch(&batch, &self.cells).map_err(|error| error.to_string())?;
        let wrong = rows.iter().find(|row| {
            let TrialRecord { steps, outcome, .. } = row.record;
            steps > self.max_steps || (outcome == Outcome::Censored && steps != self.max_steps)
        });
        if let Some(row) = wrong {
            let steps = row.record.steps;
            return Err(format!("trial {} of cell {} has {steps} steps", row.record.trial, row.cell));
        }
        // A worker that lives on may hold rows of trials that the sweep had and has no more: they are let go.
        let rows: Vec<Row> = rows.into_iter().filter(|row| row.record.trial < self.trials).collect();
        let trials = coverage_of(&rows);
        Ok((rows, trials))
    }
}
