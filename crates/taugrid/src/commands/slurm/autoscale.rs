//! `taugrid slurm autoscale`: keeps a sweep's workers submitted, from wherever it is called.

use std::path::PathBuf;
use std::time::Duration;

use taugrid_process::exit::{Exit, Failure};
use taugrid_slurm::commands::Slurm;
use taugrid_slurm::scaler::{Scaler, Tick};

use super::super::control::in_runtime;
use super::sweep::Client;

/// A coordinator that does not answer for so long will not, unless somebody does something.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Which sweep's workers, and how many.
#[derive(clap::Args)]
pub(crate) struct Autoscale {
    /// The folder of the results.
    dir: PathBuf,
    /// At least so many, while there is work for them; by default as submitted.
    #[arg(long, value_name = "N")]
    min_workers: Option<u32>,
    /// At most so many, however much work there is; by default as submitted.
    #[arg(long, value_name = "N")]
    max_workers: Option<u32>,
    /// Seconds between one look at the queue and the next; by default as submitted.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
}

pub(crate) fn run(arguments: &Autoscale) -> Result<Exit, Failure> {
    let place = super::submitted(&arguments.dir)?;
    let Some(mut record) = place.record().map_err(Failure::usage)? else {
        let dir = arguments.dir.display();
        return Err(Failure::usage(format!("{dir}: no order is recorded here; `taugrid slurm submit` records one")));
    };
    let workers = &mut record.order.workers;
    workers.max = arguments.max_workers.unwrap_or(workers.max.max(arguments.min_workers.unwrap_or(0)));
    workers.min = arguments.min_workers.unwrap_or(workers.min.min(workers.max));
    workers.first = workers.first.min(workers.max);
    workers.replace = true;
    workers.every = arguments.every.unwrap_or(workers.every);
    let problems = record.order.problems();
    if !problems.is_empty() {
        return Err(Failure::usage(problems.join("\n")));
    }
    place.write_record(&record).map_err(Failure::usage)?;
    in_runtime(async {
        let stop = taugrid_process::signals::stop_token().map_err(Failure::internal)?;
        let client = Client::new(&place);
        let mut scaler = Scaler::new(Slurm::default(), place.clone(), record.order, client);
        tokio::select! {
            () = stop.cancelled() => Ok(Exit::Interrupted),
            tick = scaler.keep(Some(PATIENCE)) => match tick {
                Tick::Ended => Ok(Exit::Done),
                Tick::Going | Tick::Silent => Err(Failure::interrupted(format!(
                    "the coordinator has not answered for {} hours; `taugrid slurm submit` starts it again",
                    PATIENCE.as_secs() / 3600
                ))),
            },
        }
    })
}
