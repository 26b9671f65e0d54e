//! Runs a sweep to its end: starts service, dispatcher and writer, and brings them down in order.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc as blocking;
use std::time::Duration;

use taugrid_process::listen::Listener;
use taugrid_results::{Dataset, DatasetError};
use taugrid_wire::v1::dispatch_server::DispatchServer;
use taugrid_wire::{MAX_MESSAGE_BYTES, RELEASE};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::directory::SweepDirectory;
use crate::dispatcher::{Dispatcher, Verdict};
use crate::machine::{Machine, Standing, Tuning};
use crate::provenance::Provenance;
use crate::service::Service;
use crate::writer;

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
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every trial is in the dataset.
    Finished,
    /// Stopped before the end; what was taken in is durable, and the same command resumes.
    Stopped,
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
    /// A thread could not be started, or died.
    #[error("the writer's thread {0}")]
    Writer(String),
}

/// Serves the sweep of `directory` on `listener` until all its trials are in `dataset`, or until `stop`.
pub async fn serve(
    directory: &SweepDirectory,
    dataset: Dataset,
    listener: Listener,
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
) -> Result<(Dataset, Ending), ServeError> {
    let (mut guarded, incoming) = listener.open()?;
    let cells = directory.cells();
    // With the cells that the sweep had and has no more, whose rows a worker may still hold.
    let known_cells = Arc::new(dataset.cells().clone());
    let with_lanes = cells.iter().map(|cell| (cell.key, directory.lanes(cell)));
    let machine = Machine::new(with_lanes, directory.trials(), dataset.coverage(), Tuning::default());
    let standing = machine.standing();
    info!("{} of {} trials to run", standing.trials - standing.received, standing.trials);
    let (said, line) = mpsc::channel(LINE);
    let (jobs, writer_line) = blocking::channel();
    let writer = writer::spawn(dataset, writer_line, said.clone()).map_err(|e| ServeError::Writer(e.to_string()))?;
    let service = Service {
        sweep: directory.sweep_id().to_owned(),
        physics: directory.physics().to_json(),
        artifact: directory.artifact_bytes(),
        cells: known_cells,
        trials: directory.trials(),
        max_steps: directory.physics().max_steps(),
        dispatcher: said,
        next_worker: AtomicU64::new(1),
    };
    let (hang_up, hung_up) = oneshot::channel::<()>();
    let server = tokio::spawn(
        guarded
            .add_service(DispatchServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES))
            .serve_with_incoming_shutdown(incoming, async {
                let _ = hung_up.await;
            }),
    );
    let provenance = Provenance::open(directory.path(), RELEASE);
    let by_key = cells.iter().map(|cell| (cell.key, *cell)).collect();
    let verdict = Dispatcher::new(machine, by_key, jobs, progress, provenance).run(line, stop).await;
    // The dispatcher is gone, and with it the writer's line: the writer flushes what it has, and ends.
    let joined = tokio::task::spawn_blocking(move || writer.join()).await;
    let (dataset, written) = match joined {
        Ok(Ok(written)) => written,
        Ok(Err(_)) | Err(_) => return Err(ServeError::Writer("panicked".to_owned())),
    };
    let _ = hang_up.send(());
    let aborter = server.abort_handle();
    match tokio::time::timeout(FAREWELL, server).await {
        Ok(Ok(served)) => served?,
        Ok(Err(_)) | Err(_) => aborter.abort(),
    }
    written?;
    let ending = match verdict {
        Verdict::Finished => Ending::Finished,
        Verdict::Stopped | Verdict::WriterFailed => Ending::Stopped,
    };
    Ok((dataset, ending))
}
