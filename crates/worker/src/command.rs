//! `taugrid-worker --access-file FILE | --coordinator URL`: runs trials for a coordinator until its sweep ends.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use taugrid_process::connect::ConnectArguments;
use taugrid_process::exit::{Exit, Failure, conclude};

use crate::life::{self, Ending, Options, WorkerError};
use crate::{duration, slurm};

/// Dials a coordinator, runs the trials it leases on all cores, and streams their exit times back.
///
/// Asked to stop (SIGTERM, SIGINT) it hands back what it has within the grace, so that others go on mid-trial; a second
/// signal ends it at once.
///
/// Exit codes: 0 the sweep is finished, 1 internal error, 2 bad usage or a coordinator of another release,
/// 3 stopped before the end of the sweep, or the coordinator could not be reached any more.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    coordinator: ConnectArguments,
    /// Trials run at once; by default, the cores this process may use: by its affinity mask, its cgroup, and
    /// SLURM_CPUS_PER_TASK.
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
    /// Seconds to hand back what it has in when asked to stop.
    #[arg(long, default_value_t = 25, value_name = "SECONDS")]
    grace: u64,
    /// Stop by itself, `grace` ahead of so long after the start: 5400, 90m, 2h30m, or as Slurm writes it, [D-]HH:MM:SS or
    /// MM:SS. By default, at the end of the job by SLURM_JOB_END_TIME, if it is set.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    time_limit: Option<Duration>,
    /// Seconds after which a trial in hand is shown to the coordinator, and again after as many, so that a worker that is
    /// killed loses no more of it; 0: never.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    checkpoint_every: u64,
    /// Where finished rows go that memory is not to hold while the coordinator is away, and what could not be handed back
    /// at the end: the next worker of the same sweep with the same folder hands it over. By default, rows go to a folder of
    /// the cache's and nothing is left.
    #[arg(long, value_name = "DIR")]
    spill: Option<PathBuf>,
    /// When the sweep is complete, do not end: ask the coordinator every so many seconds (60 if not said) whether there is
    /// more, until a signal. For Kubernetes' Deployments, which start again whatever ends.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60",
        value_parser = clap::value_parser!(u64).range(1..),
        conflicts_with = "time_limit"
    )]
    stay: Option<u64>,
    /// Check the command line and the files that it names, and end: exit code 0 if all is well, 2 if not. Dials nowhere and
    /// writes nothing.
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
    life::check_instruction_set().map_err(Failure::usage)?;
    let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
    let (stay, is_check) = (arguments.stay.map(Duration::from_secs), arguments.check);
    let options = arguments.options()?;
    if is_check {
        eprintln!("the command line is right");
        return Ok(Exit::Done);
    }
    loop {
        match (life::run(&options, &stop).await, stay) {
            (Ok(Ending::Finished), Some(period)) => {
                eprintln!("the sweep is complete; waiting for more");
                if stop.run_until_cancelled(tokio::time::sleep(period)).await.is_none() {
                    return Ok(Exit::Done);
                }
            }
            (Ok(Ending::Finished), None) => return Ok(Exit::Done),
            (Ok(Ending::Stopped), _) => return Ok(Exit::Interrupted),
            (Err(error), _) => return Err(explain(&error)),
        }
    }
}

impl Arguments {
    fn options(self) -> Result<Options, Failure> {
        let coordinator = self.coordinator.coordinator()?;
        let grace = Duration::from_secs(self.grace);
        if self.time_limit.is_some_and(|limit| limit <= grace) {
            return Err(Failure::usage(format!(
                "the worker stops --grace ({} s) ahead of --time-limit, which is no longer than that",
                self.grace
            )));
        }
        let defaults = Options::new(coordinator);
        Ok(Options {
            name: self.name.unwrap_or(defaults.name),
            threads: self.threads.unwrap_or(defaults.threads),
            cache: self.cache.unwrap_or(defaults.cache),
            patience: Duration::from_secs(self.patience),
            grace,
            time_limit: self.time_limit.or_else(slurm::time_left),
            checkpoint_every: (self.checkpoint_every > 0).then(|| Duration::from_secs(self.checkpoint_every)),
            spill: self.spill,
            ..defaults
        })
    }
}

fn explain(error: &WorkerError) -> Failure {
    match error {
        WorkerError::Connect(connect) => Failure { exit: connect.exit(), message: error.to_string() },
        WorkerError::Incompatible(_) | WorkerError::OtherSweep(_) => Failure::usage(error),
        WorkerError::Broken(_) => Failure::interrupted(error),
        WorkerError::Protocol(_) | WorkerError::Spill(_) | WorkerError::Threads(_) => Failure::internal(error),
    }
}
