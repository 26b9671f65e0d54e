//! Why a worker could not go on.

use taugrid_process::connect::ConnectError;
use tonic::Code;

/// Why a worker could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator cannot be reached, or does not let in.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The stream broke.
    #[error("the connection broke: {}", .0.message())]
    Broken(tonic::Status),
    /// The coordinator is of another release.
    #[error("{0}")]
    Incompatible(String),
    /// The coordinator runs another sweep.
    #[error("{0}")]
    OtherSweep(String),
    /// One end said something that cannot be right.
    #[error("the conversation with the coordinator went wrong: {0}")]
    Protocol(String),
    /// Rows that were spilled cannot be read back.
    #[error("spilled rows cannot be read back, and their trials will be run again: {0}")]
    Spill(std::io::Error),
    /// The threads could not be started.
    #[error("the thread pool cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl WorkerError {
    /// Whether another try may go better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_passing(),
            Self::Broken(status) => !matches!(
                status.code(),
                Code::NotFound | Code::Unimplemented | Code::InvalidArgument | Code::OutOfRange
            ),
            _ => false,
        }
    }

    pub(crate) fn broken(why: &str) -> Self {
        Self::Broken(tonic::Status::unavailable(why))
    }
}
