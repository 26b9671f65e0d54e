//! `taugrid-coordinator SWEEP.yaml --out DIR --listen ADDR --access-file FILE`: leases a sweep to workers elsewhere.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use taugrid_coordinator::{Ending, Progress, SweepDirectory, directory, serve};
use taugrid_process::access::{Access, AccessFile};
use taugrid_process::exit::{Exit, Failure, conclude};
use taugrid_sweep::{Demand, Sweep};
use tokio::net::TcpListener;
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
    /// The folder for the results; made if it is not there, resumed if it is.
    #[arg(long)]
    out: PathBuf,
    /// Where to listen; port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to write how workers find this coordinator; removed at the end.
    #[arg(long)]
    access_file: Option<PathBuf>,
    /// Allow to listen beyond this machine, where anyone who reaches the port can send rows: there is no encryption
    /// and no authentication yet.
    #[arg(long)]
    insecure: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    taugrid_process::start_logging();
    conclude(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
    if !arguments.listen.ip().is_loopback() && !arguments.insecure {
        return Err(Failure::usage(format!(
            "--listen {}: beyond loopback anyone who reaches the port can send rows; say --insecure if the network is \
             trusted",
            arguments.listen
        )));
    }
    if arguments.listen.ip().is_unspecified() && arguments.access_file.is_some() {
        return Err(Failure::usage(format!(
            "--listen {} with --access-file: workers elsewhere cannot dial that address; listen on the one they reach",
            arguments.listen
        )));
    }
    let sweep = Sweep::load(&arguments.sweep).map_err(Failure::usage)?;
    if let Demand::Precision(_) = sweep.demand {
        let file = arguments.sweep.display();
        return Err(Failure::usage(format!("{file}: precision is for `taugrid run` in this version; give trials")));
    }
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| {
        Failure::usage(format!("--listen {}: {error}; choose another port, or port 0 for any", arguments.listen))
    })?;
    let address = listener.local_addr().map_err(Failure::internal)?;
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
    let _access = arguments.access_file.map(|path| announce(&path, address, directory.sweep_id())).transpose()?;
    eprintln!("listening on http://{address}");
    let (progress, _) = watch::channel(Progress::default());
    let served = serve(&directory, dataset, listener, progress, stop).await;
    let (dataset, ending) = served.map_err(|error| directory::explain_serving(&out, &error))?;
    match ending {
        Ending::Stopped => {
            eprintln!("interrupted; the same command resumes");
            Ok(Exit::Interrupted)
        }
        Ending::Finished => {
            let finished = tokio::task::spawn_blocking(move || directory.finish(dataset));
            let summaries = finished.await.map_err(Failure::internal)??;
            eprintln!("{} cells are complete in {}", summaries.len(), out.display());
            Ok(Exit::Done)
        }
    }
}

fn announce(path: &std::path::Path, address: SocketAddr, sweep: &str) -> Result<AccessFile, Failure> {
    let access = Access {
        coordinator: format!("http://{address}"),
        sweep: sweep.to_owned(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
    };
    AccessFile::write(path, &access)
        .map_err(|error| Failure::usage(format!("--access-file {}: {error}", path.display())))
}
