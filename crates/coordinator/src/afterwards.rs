//! A coordinator whose sweep has ended, and that stays to say so.
//!
//! Kubernetes starts again whatever ends, and a scaler must be there to ask for no workers. So the coordinator stays, if
//! it is told to: workers that come late are told how the sweep ended, and whoever asks is told the same.

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

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every trial is in the dataset.
    Complete,
    /// But for those that workers died of.
    Incomplete,
}

/// Tells everyone who comes to `listener` how the sweep ended, until `stop`.
pub async fn stay(listener: Listener, outcome: Outcome, stop: &CancellationToken) -> Result<(), ServeError> {
    let (mut guarded, incoming) = listener.open()?;
    let serving = guarded
        .add_service(DispatchServer::new(Over(outcome)))
        .add_service(ControlServer::new(Over(outcome)))
        .add_service(serving().await)
        .serve_with_incoming(incoming);
    tokio::select! {
        served = serving => Ok(served?),
        () = stop.cancelled() => Ok(()),
    }
}

struct Over(Outcome);

impl Over {
    fn over<T>(&self) -> Result<Response<T>, Status> {
        Err(Status::unavailable(match self.0 {
            Outcome::Complete => "the sweep is complete",
            Outcome::Incomplete => {
                "the sweep has ended but for trials that were set aside; started again, it tries them again"
            }
        }))
    }
}

#[tonic::async_trait]
impl Dispatch for Over {
    type AttachStream = Once<Result<CoordinatorMessage, Status>>;
    type FetchArtifactStream = Empty<Result<ArtifactChunk, Status>>;

    async fn attach(&self, _: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        // As those were told who were here at the end: for a worker there is nothing more to do, either way.
        let farewell = Farewell { reason: Reason::Finished.into(), detail: String::new() };
        let message = CoordinatorMessage { kind: Some(Kind::Farewell(farewell)) };
        Ok(Response::new(tokio_stream::once(Ok(message))))
    }

    async fn fetch_artifact(
        &self,
        _: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        self.over()
    }
}

#[tonic::async_trait]
impl Control for Over {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        self.over()
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        self.over()
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeReply>, Status> {
        self.over()
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelReply>, Status> {
        self.over()
    }
}
