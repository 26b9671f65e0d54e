//! Asking the sweep's coordinator, by the access file in the folder of the results.

use std::time::Duration;

use taugrid_process::connect::Coordinator;
use taugrid_process::exit::Failure;
use taugrid_slurm::place::Place;
use taugrid_slurm::policy::{Phase, Work};
use taugrid_slurm::scaler;
use taugrid_wire::v1::status_reply::State;
use taugrid_wire::v1::{CancelRequest, StatusReply, StatusRequest};

use super::super::control::{answer, dial};

/// Workers that were not heard of for so long, in seconds, do not count.
const SILENT: f64 = 30.0;

/// A sweep's coordinator, as far as it is there.
pub(super) struct Client(Coordinator);

impl Client {
    pub(super) fn new(place: &Place) -> Self {
        Self(Coordinator::by_access_file(place.access_file()))
    }

    /// How far the sweep is.
    pub(super) async fn status(&self) -> Result<StatusReply, Failure> {
        answer(dial(&self.0).await?.status(StatusRequest {})).await
    }

    /// Ends the sweep as it is.
    pub(super) async fn cancel(&self) -> Result<(), Failure> {
        answer(dial(&self.0).await?.cancel(CancelRequest {})).await.map(|_| ())
    }
}

impl scaler::Coordinator for Client {
    async fn work(&mut self) -> Result<Work, String> {
        self.status().await.map(|reply| work(&reply)).map_err(|failure| failure.message)
    }
}

fn work(reply: &StatusReply) -> Work {
    let heard = reply.workers.iter().filter(|worker| worker.silent_seconds < SILENT);
    Work {
        phase: match reply.state() {
            State::Running => Phase::Running,
            State::Paused | State::Unspecified => Phase::Paused,
            State::Finishing | State::Cancelling => Phase::Ending,
        },
        open: reply.trials.saturating_sub(reply.received).saturating_sub(reply.quarantined),
        received: reply.received,
        remaining: reply.remaining_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        threads: heard.map(|worker| worker.threads).sum(),
    }
}

#[cfg(test)]
mod tests {
    use taugrid_wire::v1::WorkerStatus;

    use super::*;

    #[test]
    fn what_a_status_comes_to() {
        let worker = |silent_seconds| WorkerStatus { threads: 4, silent_seconds, ..WorkerStatus::default() };
        let reply = StatusReply {
            state: State::Running.into(),
            trials: 100,
            received: 40,
            quarantined: 10,
            remaining_seconds: Some(1.5),
            workers: vec![worker(0.1), worker(60.0)],
            ..StatusReply::default()
        };
        let expected = Work {
            phase: Phase::Running,
            open: 50,
            received: 40,
            remaining: Some(Duration::from_millis(1500)),
            threads: 4,
        };
        assert_eq!(work(&reply), expected);
        assert_eq!(work(&StatusReply::default()).phase, Phase::Paused);
    }
}
