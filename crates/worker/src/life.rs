//! A worker from its first connection to the end of the sweep, over any number of broken streams.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt;
use taugrid_escape::simd::{Isa, IsaError};
use taugrid_process::connect::{ConnectError, Coordinator};
use taugrid_process::host;
use taugrid_wire::v1::{Farewell, farewell::Reason};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tracing::warn;

use crate::outbox::{EncodeError, Outbox};
use crate::pool::Pool;
use crate::session::{Carried, Parting, hold};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the coordinator is.
    pub coordinator: Coordinator,
    /// Shown to people.
    pub name: String,
    /// Trials run at once.
    pub threads: NonZeroUsize,
    /// Where artifacts are cached.
    pub cache: PathBuf,
    /// How long to go on trying while the coordinator cannot be reached.
    pub patience: Duration,
    /// Whether to end when the coordinator stops before the end of the sweep, rather than wait for it to come back.
    pub leave_with_coordinator: bool,
}

/// How a worker's life ended, unless by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sweep is finished.
    Finished,
    /// The worker was asked to stop, or the coordinator stops and the worker leaves with it.
    Stopped,
}

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
    /// Rows could not be encoded.
    #[error(transparent)]
    Rows(#[from] EncodeError),
    /// The threads could not be started.
    #[error("the thread pool cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl WorkerError {
    /// Whether another try may go better.
    fn is_passing(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_passing(),
            Self::Broken(status) => !matches!(
                status.code(),
                Code::NotFound | Code::Unimplemented | Code::InvalidArgument | Code::OutOfRange
            ),
            _ => false,
        }
    }
}

/// Checks what the environment says of the instruction set, and warns of a slow one.
///
/// # Errors
/// If `TAUGRID_ISA` names none, or one that this machine lacks.
pub fn check_instruction_set() -> Result<(), IsaError> {
    let isa = Isa::from_environment()?;
    if isa.is_slow() {
        warn!("without AVX2 and FMA the kernels give the same rows, but some fifty times slower");
    }
    Ok(())
}

/// Serves the coordinator until the sweep ends, `stop`, or something that another try cannot mend.
pub async fn run(options: &Options, stop: &CancellationToken) -> Result<Ending, WorkerError> {
    let (sender, reports) = mpsc::unbounded_channel();
    let pool = Pool::new(options.threads.get(), sender)?;
    let mut carried = Carried { setup: None, outbox: Outbox::default(), pool, reports, session: 0 };
    let mut pause = FIRST_PAUSE;
    let mut last_contact = Instant::now();
    loop {
        let began = Instant::now();
        let attempt = match options.coordinator.find() {
            Ok(target) => tokio::select! {
                attempt = hold(&mut carried, &target, options, stop) => attempt,
                // A session that is under way stops by itself, in order; this is for one that is not yet.
                () = stopped_and_waited(stop) => Ok(Parting::Stopped),
            },
            Err(error) => Err(error.into()),
        };
        let error = match attempt {
            Ok(Parting::Stopped) => return Ok(Ending::Stopped),
            // A coordinator that stops may be started again, and wants the rows that are held for it.
            Ok(Parting::Farewell(farewell))
                if farewell.reason() == Reason::Stopping && !options.leave_with_coordinator =>
            {
                WorkerError::Broken(tonic::Status::unavailable("the coordinator stops"))
            }
            Ok(Parting::Farewell(farewell)) => return part(farewell),
            Err(error) if !error.is_passing() => return Err(error),
            Err(error) => error,
        };
        if matches!(error, WorkerError::Broken(_)) {
            // There was a stream to break: the coordinator was reached.
            last_contact = Instant::now();
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
        }
        if last_contact.elapsed() > options.patience {
            return Err(error);
        }
        warn!("{error}; trying again");
        let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.5));
        tokio::select! {
            () = tokio::time::sleep(jittered) => {}
            () = stop.cancelled() => return Ok(Ending::Stopped),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The host's name and the process id.
pub fn default_name() -> String {
    format!("{}:{}", host::name().as_deref().unwrap_or("worker"), std::process::id())
}

/// The cores this process may use, by its affinity mask and cgroup.
pub fn default_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// `$XDG_CACHE_HOME/taugrid`, `$HOME/.cache/taugrid`, or a folder of the system's for temporary files.
pub fn default_cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("taugrid")
}

async fn stopped_and_waited(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
}

fn part(farewell: Farewell) -> Result<Ending, WorkerError> {
    match farewell.reason() {
        Reason::Finished => Ok(Ending::Finished),
        Reason::Stopping => Ok(Ending::Stopped),
        Reason::Incompatible => Err(WorkerError::Incompatible(farewell.detail)),
        Reason::OtherSweep => Err(WorkerError::OtherSweep(farewell.detail)),
        Reason::ProtocolError | Reason::Unspecified => Err(WorkerError::Protocol(farewell.detail)),
    }
}
