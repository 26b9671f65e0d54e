//! Runs a sweep to its end: starts service, dispatcher and writer, and brings them down in order.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use taugrid_process::exit::Failure;
use taugrid_process::listen::Listener;
use taugrid_results::{CellKey, Checkpoints, Dataset, DatasetError};
use taugrid_wire::v1::control_server::ControlServer;
use taugrid_wire::v1::dispatch_server::DispatchServer;
use taugrid_wire::{MAX_MESSAGE_BYTES, RELEASE};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::control::ControlService;
use crate::conversation::Shared;
use crate::counts::Counts;
use crate::decisions::Decisions;
use crate::directory::SweepDirectory;
use crate::dispatcher::{Dispatcher, Tools, Verdict};
use crate::grants::Grants;
use crate::machine::{Machine, Plan, Standing, Tuning};
use crate::provenance::Provenance;
use crate::service::Service;
use crate::{observe, roll, writer};

/// Workers have this long to hang up after the farewell.
const FAREWELL: Duration = Duration::from_secs(2);
/// Messages that may wait for the dispatcher; beyond them, the workers' streams wait.
const LINE: usize = 1024;

/// How far a running sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Trials and workers.
    pub standing: Standing,
    /// Trials of this life of the coordinator that left D.
    pub exits: u64,
    /// What else is counted of this life.
    pub counts: Counts,
    /// How long it has served, when this was so.
    pub uptime: Duration,
}

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every trial is in the dataset.
    Finished,
    /// Every trial is in the dataset but for those that workers died of.
    Incomplete(Vec<SetAside>),
    /// Stopped before the end; what was taken in is durable, and the same command resumes.
    Stopped,
}

/// Trials that were set aside. The same command tries them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Of which cell.
    pub cell: CellKey,
    /// Which.
    pub trials: Range<u64>,
    /// How many workers died or failed while they held them.
    pub workers: u32,
    /// What the last of them said, if it said anything.
    pub detail: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cell, trials, workers, detail } = self;
        let last = trials.end.saturating_sub(1);
        write!(
            f,
            "trials {}-{last} of cell {cell}: {workers} workers died or failed with them ({detail})",
            trials.start
        )
    }
}

impl SetAside {
    /// What is said at the end of a sweep of which trials were set aside.
    pub fn explain(set_aside: &[Self]) -> Failure {
        const SHOWN: usize = 20;
        let list: String = set_aside.iter().take(SHOWN).map(|aside| format!("\n  {aside}")).collect();
        let more = set_aside.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        Failure::interrupted(format!(
            "the sweep has ended but for trials that were set aside:{list}{more}\nall others are in the dataset; the same \
             command tries these again"
        ))
    }
}

/// Why a sweep could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Rows could not be made durable.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The listener failed.
    #[error("the coordinator cannot serve: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The writer panicked.
    #[error("the writer ended before its time: {0}")]
    Writer(String),
}

/// Serves the sweep of `directory` on `listener` until all its trials are in `dataset`, or until `stop`.
pub async fn serve(
    directory: &SweepDirectory,
    mut dataset: Dataset,
    listener: Listener,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
) -> Result<(Dataset, Ending), ServeError> {
    let (mut guarded, incoming) = listener.open()?;
    let cells = directory.cells();
    let store = Arc::clone(dataset.store());
    let grants = Grants::open(&*store).map_err(DatasetError::from)?;
    let checkpoints = Arc::new(Checkpoints::open(Arc::clone(&store))?);
    let mut decisions = Decisions::new(dataset.decide()?);
    let plans = cells.iter().map(|cell| {
        let (trials, open_ended) = decisions.needed(cell.key).unwrap_or((directory.demand().most(), false));
        (cell.key, Plan { trials, open_ended, lanes: directory.lanes(cell) })
    });
    let plans: Vec<_> = plans.collect();
    let tuning = Tuning::default();
    let machine = Machine::new(plans, dataset.coverage(), roll::call(&*store), tuning);
    let standing = machine.standing();
    info!("{} of {} trials to run", standing.trials - standing.received, standing.trials);
    let (said, line) = mpsc::channel(LINE);
    let (jobs, writer_line) = mpsc::unbounded_channel();
    let most_rows = u32::try_from(tuning.most_unwritten).unwrap_or(u32::MAX);
    // With the cells that the sweep had and has no more, whose rows a worker may still hold.
    let table = Arc::clone(dataset.cells());
    let shared = Arc::new(Shared {
        cells: Arc::clone(&table),
        most_trials: directory.demand().most(),
        max_steps: directory.physics().max_steps(),
        grants: grants.clone(),
        checkpoints: Arc::clone(&checkpoints),
        room: Arc::new(Semaphore::new(most_rows as usize)),
        most_rows,
        dispatcher: said.clone(),
    });
    let service = Service {
        sweep: directory.sweep_id().to_owned(),
        physics: directory.physics().to_json(),
        artifact: directory.artifact_bytes(),
        shared,
        next_worker: AtomicU64::new(1),
    };
    let control = ControlService { dispatcher: said.clone() };
    let writer = writer::spawn(dataset, Arc::clone(&checkpoints), writer_line, said);
    let (hang_up, hung_up) = oneshot::channel::<()>();
    let server = tokio::spawn(
        guarded
            .add_service(DispatchServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(ControlServer::new(control))
            .add_service(observe::serving().await)
            .serve_with_incoming_shutdown(incoming, async {
                let _ = hung_up.await;
            }),
    );
    let tools = Tools {
        name: directory.name().to_owned(),
        sweep: directory.sweep_id().to_owned(),
        cells: table,
        grants,
        checkpoints: Arc::clone(&checkpoints),
        decisions,
        writer: jobs,
        progress,
        provenance: Provenance::open(directory.location(), directory.store(), RELEASE),
    };
    let (verdict, set_aside) = Dispatcher::new(machine, tools).run(line, stop).await;
    // The dispatcher is gone, and with it the writer's line: the writer flushes what it has, and ends.
    let written = writer.await.flatten();
    let _ = hang_up.send(());
    let aborter = server.abort_handle();
    match tokio::time::timeout(FAREWELL, server).await {
        Ok(Ok(served)) => served?,
        Ok(Err(_)) | Err(_) => aborter.abort(),
    }
    let (dataset, written) = written.map_err(|error| ServeError::Writer(error.to_string()))?;
    written?;
    let ending = match verdict {
        Verdict::Finished | Verdict::Cancelled => {
            // There is nobody to wait for, should it be started again.
            let closing = tokio::task::spawn_blocking(move || {
                roll::close(&*store);
                if verdict == Verdict::Finished && set_aside.is_empty() {
                    checkpoints.clear();
                }
                set_aside
            });
            match closing.await {
                _ if verdict == Verdict::Cancelled => Ending::Stopped,
                Ok(set_aside) if !set_aside.is_empty() => Ending::Incomplete(set_aside),
                _ => Ending::Finished,
            }
        }
        Verdict::Stopped | Verdict::WriterFailed => Ending::Stopped,
    };
    Ok((dataset, ending))
}
