//! `taugrid-coordinator SWEEP.yaml --out DIR --access-file FILE`: leases a sweep to workers elsewhere.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use taugrid_coordinator::{Ending, Progress, SetAside, SweepDirectory, directory, serve};
use taugrid_process::exit::{Exit, Failure, conclude};
use taugrid_process::listen::{Door, ListenArguments};
use taugrid_results::Location;
use taugrid_sweep::Sweep;
use tokio::sync::watch;

/// Splits a sweep into shards, leases them to workers over gRPC, and gathers their exit times into a Parquet dataset.
///
/// Run again after anything, it resumes. Exit codes: 0 done, 1 internal error, 2 bad usage or bad sweep file,
/// 3 interrupted and can be resumed, 4 dataset damaged or of another sweep.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The sweep file.
    sweep: PathBuf,
    /// Where the results go: a folder, or s3://bucket/prefix, gs://…, az://…; made if it is not there, resumed if it is.
    #[arg(long, value_name = "DIR|URL", value_parser = directory::location())]
    out: Location,
    #[command(flatten)]
    listen: ListenArguments,
}

#[tokio::main]
async fn main() -> ExitCode {
    taugrid_process::start_logging();
    conclude(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
    arguments.listen.check()?;
    let sweep = Sweep::load(&arguments.sweep).map_err(Failure::usage)?;
    let door = arguments.listen.open().await?;
    let out = arguments.out;
    let opened = tokio::task::spawn_blocking({
        let (out, stop) = (out.clone(), stop.clone());
        move || {
            SweepDirectory::open(sweep, &out, &mut |step| {
                tracing::debug!("{step}");
                if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        }
    });
    let (directory, dataset) = opened.await.map_err(Failure::internal)??;
    let _access = door.announce(directory.sweep_id())?;
    let Door { listener, url, .. } = door;
    eprintln!("listening on {url}");
    let (progress, _) = watch::channel(Progress::default());
    let served = serve(&directory, dataset, listener, progress, stop).await;
    let (dataset, ending) = served.map_err(|error| directory::explain_serving(&out, &error))?;
    match ending {
        Ending::Stopped => {
            eprintln!("interrupted; the same command resumes");
            Ok(Exit::Interrupted)
        }
        Ending::Incomplete(set_aside) => Err(SetAside::explain(&set_aside)),
        Ending::Finished => {
            let finished = tokio::task::spawn_blocking(move || directory.finish(dataset));
            let summaries = finished.await.map_err(Failure::internal)??;
            eprintln!("{} cells are complete in {out}", summaries.len());
            Ok(Exit::Done)
        }
    }
}
