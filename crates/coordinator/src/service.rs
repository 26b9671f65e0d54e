//! The service: the gRPC end of the workers' streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use taugrid_wire::v1::{
    ArtifactChunk, ArtifactRef, CoordinatorMessage, FetchArtifactRequest, Hello, Welcome, WorkerMessage,
    dispatch_server::Dispatch, farewell::Reason, worker_message,
};
use taugrid_wire::{ARTIFACT_CHUNK_BYTES, PROTOCOL, RELEASE};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use tracing::warn;

use crate::conversation::{Conversation, Parting, Shared, printable};
use crate::directory::ArtifactBytes;
use crate::dispatcher::Said;
use crate::machine::{Identity, WorkerId};
use crate::outgoing::{alone, farewell, outgoing};

/// Workers are asked for a heartbeat this often.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);
/// A peer that connects is to say Hello within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a coordinator says to those who come.
pub(crate) struct Service {
    pub(crate) sweep: String,
    pub(crate) physics: String,
    pub(crate) artifact: Option<ArtifactBytes>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) next_worker: AtomicU64,
}

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatch for Service {
    type AttachStream = Outgoing<CoordinatorMessage>;
    type FetchArtifactStream = Outgoing<ArtifactChunk>;

    async fn attach(&self, request: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(PATIENCE, incoming.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no Hello came"))??;
        let Some(WorkerMessage { kind: Some(worker_message::Kind::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first message of a worker must be Hello"));
        };
        if let Err((reason, detail)) = self.admit(&hello) {
            return Ok(Response::new(Box::pin(alone(farewell(reason, detail)))));
        }
        let (stream, messages) = outgoing(self.welcome(), Arc::clone(&self.shared.checkpoints));
        let worker = WorkerId(self.next_worker.fetch_add(1, Ordering::Relaxed));
        let conversation = Conversation {
            worker,
            identity: Identity(hello.identity),
            threads: hello.threads.clamp(1, 1 << 16),
            shared: Arc::clone(&self.shared),
            is_ready: false,
        };
        // The dispatcher alone holds the stream, so that it ends when the dispatcher drops it.
        let weak = stream.downgrade();
        let attached = Said::Attached { worker, name: printable(&hello.name), stream };
        tokio::spawn(async move {
            let dispatcher = conversation.shared.dispatcher.clone();
            if dispatcher.send(attached).await.is_ok() {
                let parting = conversation.listen(incoming).await;
                let orderly = !matches!(parting, Parting::Broken);
                if let Parting::Wrong(detail) = parting {
                    warn!(worker = worker.0, "the worker is sent away: {detail}");
                    weak.farewell(Reason::ProtocolError, detail);
                }
                let _ = dispatcher.send(Said::Left { worker, orderly }).await;
            }
        });
        Ok(Response::new(Box::pin(messages)))
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
    pub(crate) fn admit(&self, hello: &Hello) -> Result<(), (Reason, String)> {
        if hello.protocol != PROTOCOL || hello.release != RELEASE {
            let detail = format!(
                "the coordinator is taugrid {RELEASE} (protocol {PROTOCOL}), the worker {} (protocol {}): install the same \
                 release on both",
                printable(&hello.release),
                hello.protocol
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
