//! `taugrid-worker --access-file FILE | --coordinator URL`: runs trials for a coordinator until its sweep ends.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use taugrid_process::connect::ConnectArguments;
use taugrid_process::exit::{Exit, Failure, conclude};
use taugrid_worker::life::{self, Ending, Options, WorkerError};

/// Dials a coordinator, runs the trials it leases on all cores, and streams their exit times back.
///
/// Exit codes: 0 the sweep is finished, 1 internal error, 2 bad usage or a coordinator of another release,
/// 3 stopped before the end of the sweep, or the coordinator could not be reached any more.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    coordinator: ConnectArguments,
    /// Trials run at once; by default, the cores this process may use.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Shown to people; by default, the host's name and the process id.
    #[arg(long)]
    name: Option<String>,
    /// Where artifacts are cached.
    #[arg(long, env = "TAUGRID_CACHE")]
    cache: Option<PathBuf>,
    /// Seconds to go on trying while the coordinator cannot be reached.
    #[arg(long, default_value_t = 300)]
    patience: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    taugrid_process::start_logging();
    conclude(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    life::check_instruction_set().map_err(Failure::usage)?;
    let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
    let options = Options {
        coordinator: arguments.coordinator.coordinator()?,
        name: arguments.name.unwrap_or_else(life::default_name),
        threads: arguments.threads.unwrap_or_else(life::default_threads),
        cache: arguments.cache.unwrap_or_else(life::default_cache),
        patience: Duration::from_secs(arguments.patience),
        leave_with_coordinator: false,
    };
    match life::run(&options, &stop).await {
        Ok(Ending::Finished) => Ok(Exit::Done),
        Ok(Ending::Stopped) => Ok(Exit::Interrupted),
        Err(error) => Err(explain(&error)),
    }
}

fn explain(error: &WorkerError) -> Failure {
    match error {
        WorkerError::Connect(connect) => Failure { exit: connect.exit(), message: error.to_string() },
        WorkerError::Incompatible(_) | WorkerError::OtherSweep(_) => Failure::usage(error),
        WorkerError::Broken(_) => Failure::interrupted(error),
        WorkerError::Protocol(_) | WorkerError::Rows(_) | WorkerError::Threads(_) => Failure::internal(error),
    }
}
