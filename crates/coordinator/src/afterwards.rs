//! A coordinator whose sweep is complete, and that stays to say so.
//!
//! Kubernetes starts again whatever ends, and a scaler must be there to ask for no workers. So the coordinator stays, if
//! it is told to: workers that come late are told that the sweep is finished, and whoever asks is told the same.

use taugrid_process::listen::Listener;
use taugrid_wire::v1::control_server::{Control, ControlServer};
use taugrid_wire::v1::coordinator_message::Kind;
use taugrid_wire::v1::dispatch_server::{Dispatch, DispatchServer};
use taugrid_wire::v1::farewell::Reason;
use taugrid_wire::v1::{
    ArtifactChunk, CancelReply, CancelRequest, CoordinatorMessage, Farewell, FetchArtifactRequest, PauseReply,
    PauseRequest, ResumeReply, ResumeRequest, StatusReply, StatusRequest, WorkerMessage,
};
use tokio_stream::{Empty, Once};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::observe::serving;
use crate::serve::ServeError;

/// Tells everyone who comes to `listener` that the sweep is finished, until `stop`.
pub async fn stay(listener: Listener, stop: &CancellationToken) -> Result<(), ServeError> {
    let (mut guarded, incoming) = listener.open()?;
    let serving = guarded
        .add_service(DispatchServer::new(Complete))
        .add_service(ControlServer::new(Complete))
        .add_service(serving().await)
        .serve_with_incoming(incoming);
    tokio::select! {
        served = serving => Ok(served?),
        () = stop.cancelled() => Ok(()),
    }
}

struct Complete;

fn complete() -> Status {
    Status::unavailable("the sweep is complete")
}

#[tonic::async_trait]
impl Dispatch for Complete {
    type AttachStream = Once<Result<CoordinatorMessage, Status>>;
    type FetchArtifactStream = Empty<Result<ArtifactChunk, Status>>;

    async fn attach(&self, _: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let farewell = Farewell { reason: Reason::Finished.into(), detail: String::new() };
        let message = CoordinatorMessage { kind: Some(Kind::Farewell(farewell)) };
        Ok(Response::new(tokio_stream::once(Ok(message))))
    }

    async fn fetch_artifact(
        &self,
        _: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        Err(complete())
    }
}

#[tonic::async_trait]
impl Control for Complete {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Err(complete())
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        Err(complete())
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeReply>, Status> {
        Err(complete())
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelReply>, Status> {
        Err(complete())
    }
}
