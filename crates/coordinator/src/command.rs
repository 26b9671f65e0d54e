//! `taugrid-coordinator SWEEP.yaml --out DIR --access-file FILE`: leases a sweep to workers elsewhere.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use taugrid_process::exit::{Exit, Failure, conclude};
use taugrid_process::listen::{Door, ListenArguments};
use taugrid_results::Location;
use taugrid_sweep::Sweep;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::afterwards::Outcome;
use crate::observe::{ObserveArguments, Observed, Phase};
use crate::{Ending, Progress, SetAside, SweepDirectory, afterwards, directory, serve};

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
    #[command(flatten)]
    observe: ObserveArguments,
    /// When the sweep has ended, do not end with it: tell those who come, until a signal. For Kubernetes, which starts again
    /// whatever ends. The exit code is what it would have been.
    #[arg(long)]
    stay: bool,
    /// Check the command line, the sweep file and the files that they name, and end: exit code 0 if all is well, 2 if not.
    /// Listens nowhere and writes nothing.
    #[arg(long)]
    check: bool,
}

/// The program, by the command line of this process.
#[tokio::main]
pub async fn main() -> ExitCode {
    taugrid_process::start_logging();
    conclude(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
    arguments.listen.check()?;
    taugrid_process::limits::raise_open_files();
    arguments.observe.check()?;
    let sweep = Sweep::load(&arguments.sweep).map_err(Failure::usage)?;
    if arguments.check {
        return check(&arguments, &sweep);
    }
    let (progress, watched) = watch::channel(Progress::default());
    let (phase, observed) = Observed::new(sweep.name.clone(), sweep.physics().sweep_id(), watched);
    let posts = arguments.observe.open(&observed).await?;
    posts.http.inspect(|address| eprintln!("metrics on http://{address}/metrics"));
    posts.scaler.inspect(|address| eprintln!("scaler on {address}"));
    let door = arguments.listen.clone().open().await?;
    let out = arguments.out.clone();
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
    let access = door.announce(directory.sweep_id())?;
    let Door { listener, url, .. } = door;
    eprintln!("listening on {url}");
    phase.send_replace(Phase::Running { since: Instant::now() });
    let served = serve(&directory, dataset, listener, progress, stop.clone()).await;
    let (dataset, ending) = served.map_err(|error| directory::explain_serving(&out, &error))?;
    let sweep_id = directory.sweep_id().to_owned();
    let (outcome, result) = match ending {
        Ending::Stopped => {
            eprintln!("interrupted; the same command resumes");
            return Ok(Exit::Interrupted);
        }
        Ending::Incomplete(set_aside) => {
            // Others may have the folder while this one stays.
            drop((dataset, directory));
            (Outcome::Incomplete, Err(SetAside::explain(&set_aside)))
        }
        Ending::Finished => {
            phase.send_replace(Phase::Finishing);
            let finished = tokio::task::spawn_blocking(move || directory.finish(dataset));
            let summaries = finished.await.map_err(Failure::internal)??;
            eprintln!("{} cells are complete in {out}", summaries.len());
            (Outcome::Complete, Ok(Exit::Done))
        }
    };
    drop(access);
    if arguments.stay {
        let door = arguments.listen.open().await?;
        let _access = door.announce(&sweep_id)?;
        if let Err(failure) = &result {
            eprintln!("{}", failure.message);
        }
        phase.send_replace(match outcome {
            Outcome::Complete => Phase::Finished,
            Outcome::Incomplete => Phase::Incomplete,
        });
        eprintln!("staying on {}, to say so; a signal ends this", door.url);
        afterwards::stay(door.listener, outcome, &stop).await.map_err(Failure::internal)?;
    }
    result
}

/// What a start would find wrong before it listens or writes.
fn check(arguments: &Arguments, sweep: &Sweep) -> Result<Exit, Failure> {
    arguments.listen.check_files()?;
    directory::check(&arguments.out)?;
    eprintln!("{}: {} cells; the command line is right", sweep.name, sweep.cells().len());
    Ok(Exit::Done)
}
