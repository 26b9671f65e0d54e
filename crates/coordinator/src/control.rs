//! The control service: what people and scripts ask of a running coordinator.

use taugrid_wire::v1::control_server::Control;
use taugrid_wire::v1::{
    CancelReply, CancelRequest, PauseReply, PauseRequest, ResumeReply, ResumeRequest, StatusReply, StatusRequest,
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use crate::dispatcher::Said;

/// What is asked of the dispatcher.
pub(crate) enum Command {
    Status(oneshot::Sender<StatusReply>),
    Pause,
    Resume,
    Cancel,
}

/// Passes commands on to the dispatcher.
pub(crate) struct ControlService {
    pub(crate) dispatcher: mpsc::Sender<Said>,
}

impl ControlService {
    async fn pass_on(&self, command: Command) -> Result<(), Status> {
        let ending = |_| Status::unavailable("the coordinator is about to end");
        self.dispatcher.send(Said::Command(command)).await.map_err(ending)
    }
}

#[tonic::async_trait]
impl Control for ControlService {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        let (answer, answered) = oneshot::channel();
        self.pass_on(Command::Status(answer)).await?;
        answered.await.map(Response::new).map_err(|_| Status::unavailable("the coordinator is about to end"))
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseReply>, Status> {
        self.pass_on(Command::Pause).await?;
        Ok(Response::new(PauseReply {}))
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeReply>, Status> {
        self.pass_on(Command::Resume).await?;
        Ok(Response::new(ResumeReply {}))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelReply>, Status> {
        self.pass_on(Command::Cancel).await?;
        Ok(Response::new(CancelReply {}))
    }
}
