//! `taugrid slurm coordinate`: the coordinator, and beside it what keeps its workers submitted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use taugrid_process::exit::{Exit, Failure};
use taugrid_results::{Location, LockError};
use taugrid_slurm::commands::Slurm;
use taugrid_slurm::place::{End, Place};
use taugrid_slurm::scaler::Scaler;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::super::control::in_runtime;
use super::sweep::Client;

/// How often a folder is looked at that another coordinator holds.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A coordinator and its workers' jobs.
#[derive(clap::Args)]
pub(crate) struct Coordinate {
    /// The sweep file.
    sweep: PathBuf,
    /// The folder for the results.
    #[arg(long)]
    out: PathBuf,
    /// Where the coordinator listens; port 0 takes any that is free.
    #[arg(long, value_name = "IP:PORT")]
    listen: String,
}

pub(crate) fn run(arguments: &Coordinate) -> Result<Exit, Failure> {
    let place = Place::new(&arguments.out).map_err(Failure::internal)?;
    in_runtime(supervise(&place, &arguments.sweep, &arguments.listen, true))
}

/// Runs the coordinator to its end, and submits workers meanwhile. With `waits`, another coordinator that holds the folder
/// is waited for: a node that Slurm gave up may still run one, and this is the same job, started anew.
pub(super) async fn supervise(place: &Place, sweep: &Path, listen: &str, waits: bool) -> Result<Exit, Failure> {
    let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
    refuse_if_cancelled(place)?;
    place.make().map_err(|error| Failure::usage(format!("{}: {error}", place.out().display())))?;
    if waits && !folder_is_free(place, &stop).await? {
        return Ok(Exit::Interrupted);
    }
    let over = |error| Failure::internal(format!("{}: {error}", place.end_mark().display()));
    // It may have had to wait for long.
    refuse_if_cancelled(place)?;
    place.unmark_end().map_err(over)?;
    let record = place.record().map_err(Failure::usage)?;
    let mut scaler =
        record.map(|record| Scaler::new(Slurm::default(), place.clone(), record.order, Client::new(place)));
    let mut child = start(place, sweep, listen)?;
    let keeping = async {
        match &mut scaler {
            Some(scaler) => drop(scaler.keep(None).await),
            None => tracing::warn!("this sweep was not submitted by `taugrid slurm submit`: workers are not replaced"),
        }
        std::future::pending::<()>().await;
    };
    let status = tokio::select! {
        status = child.wait() => status,
        () = keeping => child.wait().await,
        () = stop.cancelled() => {
            terminate(&child);
            child.wait().await
        }
    };
    let code = status.map_err(Failure::internal)?.code();
    let exit = match code {
        Some(0) => Exit::Done,
        Some(2) => Exit::Usage,
        Some(3) => Exit::Interrupted,
        Some(4) => Exit::Dataset,
        _ => Exit::Internal,
    };
    // Interrupted it will be resumed, and the workers look out for it; anything else would end the same way again.
    if exit != Exit::Interrupted {
        place.mark_end(End::Over).map_err(over)?;
    }
    if let Some(scaler) = &mut scaler
        && place.end().is_some()
    {
        scaler.clear().await;
    }
    Ok(exit)
}

/// A job that comes back although it was cancelled, because slurmctld forgot that, has nothing to do.
fn refuse_if_cancelled(place: &Place) -> Result<(), Failure> {
    if place.end() != Some(End::Cancelled) {
        return Ok(());
    }
    let out = place.out().display();
    Err(Failure::interrupted(format!("{out}: the sweep was cancelled; `taugrid slurm submit` resumes it")))
}

/// Waits until no other coordinator holds the folder. False if asked to stop before.
async fn folder_is_free(place: &Place, stop: &CancellationToken) -> Result<bool, Failure> {
    let mut has_said = false;
    loop {
        let location = Location::from(place.out().to_owned());
        // A holder on another host is watched for some seconds.
        let taken = tokio::task::spawn_blocking(move || location.lock().map(drop)).await;
        match taken.map_err(Failure::internal)? {
            Ok(()) => return Ok(true),
            Err(LockError::Held { holder }) => {
                if !has_said {
                    eprintln!("the folder is in use by {holder}; waiting for it to end");
                    has_said = true;
                }
            }
            Err(error) => return Err(Failure::usage(format!("{}: {error}", place.out().display()))),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Ok(false),
        }
    }
}

fn start(place: &Place, sweep: &Path, listen: &str) -> Result<Child, Failure> {
    let own = std::env::current_exe().map_err(Failure::internal)?;
    let program = own.with_file_name("taugrid-coordinator");
    let mut command = Command::new(&program);
    command.arg(sweep).arg("--out").arg(place.out()).args(["--listen", listen]);
    command.arg("--access-file").arg(place.access_file());
    command.spawn().map_err(|error| Failure::internal(format!("{}: {error}", program.display())))
}

/// SIGTERM: it ends in order.
fn terminate(child: &Child) {
    let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid
        && let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
    {
        tracing::warn!("the coordinator cannot be asked to end: {error}");
    }
}
