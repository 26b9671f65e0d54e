//! taugrid: measures how long SGD takes to escape a minimum, over a grid of cells, on one laptop or a cluster.

mod commands;
mod progress;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use taugrid_coordinator::directory::location;
use taugrid_process::exit::conclude;
use taugrid_results::Location;

/// Measures how long SGD takes to escape a minimum, over a grid of cells.
///
/// Exit codes: 0 done, 1 internal error, 2 bad usage or bad sweep file, 3 interrupted and can be resumed, 4 dataset
/// damaged or of another sweep. Results go to stdout, progress and errors to stderr.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a sweep on this machine, from the sweep file to the figure. Run again, it resumes.
    Run {
        /// The sweep file.
        sweep: PathBuf,
        /// Where the results go: a folder, or s3://bucket/prefix, gs://…, az://…; by default results/ and the name of the
        /// sweep.
        #[arg(long, value_name = "DIR|URL", value_parser = location())]
        out: Option<Location>,
        /// Trials run at once, over all local workers; by default, the cores this process may use.
        #[arg(long)]
        threads: Option<NonZeroUsize>,
        /// Workers to start; they talk to the coordinator over loopback gRPC.
        #[arg(long, default_value = "1")]
        local_workers: NonZeroUsize,
    },
    /// Validate a sweep file, and say what it would take. Starts nothing.
    Plan {
        /// The sweep file.
        sweep: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Compute the quasi-potential V0 of every cell, by a closed form or by a minimum action method: what (η/B) log of the
    /// mean exit time tends to as the noise vanishes. Simulates nothing.
    Quasipotential {
        /// The sweep file.
        sweep: PathBuf,
        /// Where quasipotential.parquet goes, a folder or a URL; by default results/ and the name of the sweep.
        #[arg(long, value_name = "DIR|URL", value_parser = location())]
        out: Option<Location>,
        /// Threads for training and products; by default, the cores this process may use.
        #[arg(long)]
        threads: Option<NonZeroUsize>,
        /// On an mlp, search within the span of so many leading eigenvectors of the Hessian. 0: closed forms alone.
        #[arg(long, default_value_t = 2)]
        subspace: usize,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Train the sweep's perceptron by SGD, and record the sharpness on the way (the paper's Figure 1).
    Train {
        /// The sweep file; its `training` says what is run.
        sweep: PathBuf,
        /// Where the results go: a folder, or s3://bucket/prefix, gs://…, az://…; by default results/ and the name of the
        /// sweep.
        #[arg(long, value_name = "DIR|URL", value_parser = location())]
        out: Option<Location>,
        /// Threads; by default, the cores this process may use.
        #[arg(long)]
        threads: Option<NonZeroUsize>,
    },
    /// Ask a running coordinator how far its sweep is.
    Status(commands::control::Show),
    /// Ask it every second, until the sweep ends.
    Watch(commands::control::Show),
    /// Have it lease no more, and call back what is out: trials under way are checkpointed, and the workers idle.
    Pause(commands::control::Ask),
    /// Have it lease again.
    Resume(commands::control::Ask),
    /// Have it end the sweep as it is. What has come is in the dataset; the same sweep can be resumed.
    Cancel(commands::control::Ask),
    /// Write the tables and figures of a dataset to DIR/report, complete or not.
    Report {
        /// Where the results are: a folder, or s3://bucket/prefix, gs://…, az://….
        #[arg(value_name = "DIR|URL", value_parser = location())]
        dir: Location,
    },
    /// Read a whole dataset and check all there is to check.
    Verify {
        /// Where the results are: a folder, or s3://bucket/prefix, gs://…, az://….
        #[arg(value_name = "DIR|URL", value_parser = location())]
        dir: Location,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Make the certificates for mutual TLS, as PEM files: one set for a coordinator, one for its workers. For Kubernetes
    /// Secrets; where there is an access file, it holds them already.
    Certificates(commands::certificates::Options),
    /// Put a dataset into its canonical form: the same bytes for the same trials, however they were run.
    Compact {
        /// Where the results are: a folder, or s3://bucket/prefix, gs://…, az://….
        #[arg(value_name = "DIR|URL", value_parser = location())]
        dir: Location,
    },
    /// Run a sweep on a Slurm cluster: a coordinator, and arrays of workers.
    Slurm {
        #[command(subcommand)]
        command: commands::slurm::Command,
    },
    /// Measure what this machine is worth. Writes no file.
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Run the escape core's four workloads, and give their rates, as such and against what the machine does at best.
    Core(commands::bench::Core),
    /// Run a coordinator under the load of simulated workers on loopback: shards and rows a second, memory, latencies, and how long
    /// it takes after a kill.
    Orchestrator(commands::bench::Orchestrator),
}

/// By the name of `taugrid-coordinator` or `taugrid-worker`, as a link to this one, this is that program: an image of all
/// three is a third of the size.
fn main() -> ExitCode {
    let name = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match name.file_name().and_then(|name| name.to_str()) {
        Some("taugrid-coordinator") => return taugrid_coordinator::command::main(),
        Some("taugrid-worker") => return taugrid_worker::command::main(),
        _ => {}
    }
    taugrid_process::start_logging();
    conclude(match Arguments::parse().command {
        Command::Run { sweep, out, threads, local_workers } => {
            commands::run::run(&commands::run::Options { sweep, out, threads, local_workers })
        }
        Command::Plan { sweep, json } => commands::plan::run(&sweep, json),
        Command::Quasipotential { sweep, out, threads, subspace, json } => {
            let options = commands::quasipotential::Options { sweep, out, threads, subspace, json };
            commands::quasipotential::run(&options)
        }
        Command::Train { sweep, out, threads } => {
            commands::train::run(&commands::train::Options { sweep, out, threads })
        }
        Command::Status(show) => commands::control::status(show),
        Command::Watch(show) => commands::control::watch(show),
        Command::Pause(ask) => commands::control::pause(ask),
        Command::Resume(ask) => commands::control::resume(ask),
        Command::Cancel(ask) => commands::control::cancel(ask),
        Command::Report { dir } => commands::report::run(&dir),
        Command::Verify { dir, json } => commands::verify::run(&dir, json),
        Command::Certificates(options) => commands::certificates::run(&options),
        Command::Compact { dir } => commands::compact::run(&dir),
        Command::Slurm { command } => commands::slurm::run(command),
        Command::Bench { bench: Bench::Core(core) } => commands::bench::core(core),
        Command::Bench { bench: Bench::Orchestrator(load) } => commands::bench::orchestrator(load),
    })
}
