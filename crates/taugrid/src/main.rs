//! taugrid: measures how long SGD takes to escape a minimum, over a grid of cells, on one laptop or a cluster.

mod commands;
mod progress;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use taugrid_process::exit::conclude;

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
        /// The folder for the results; by default results/ and the name of the sweep.
        #[arg(long)]
        out: Option<PathBuf>,
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
        /// The folder for quasipotential.parquet; by default results/ and the name of the sweep.
        #[arg(long)]
        out: Option<PathBuf>,
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
        /// The folder for the results; by default results/ and the name of the sweep.
        #[arg(long)]
        out: Option<PathBuf>,
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
        /// The folder of the results.
        dir: PathBuf,
    },
    /// Read a whole dataset and check all there is to check.
    Verify {
        /// The folder of the results.
        dir: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Put a dataset into its canonical form: the same bytes for the same trials, however they were run.
    Compact {
        /// The folder of the results.
        dir: PathBuf,
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
}

fn main() -> ExitCode {
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
        Command::Compact { dir } => commands::compact::run(&dir),
        Command::Slurm { command } => commands::slurm::run(command),
        Command::Bench { bench: Bench::Core(core) } => commands::bench::core(core),
    })
}
