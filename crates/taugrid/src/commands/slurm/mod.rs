//! `taugrid slurm …`: a sweep on a Slurm cluster.
//!
//! | module | command |
//! | --- | --- |
//! | `submit` | `submit`, `render` |
//! | `coordinate` | `coordinate`: what the coordinator's job runs, and `submit --coordinator here` |
//! | `autoscale` | `autoscale` |
//! | `status`, `cancel` | `status`, `cancel` |
//! | `arguments` | what can be asked for |
//! | `sweep` | asking the sweep's coordinator |

mod arguments;
mod autoscale;
mod cancel;
mod coordinate;
mod status;
mod submit;
mod sweep;

use std::path::{Path, PathBuf};

use taugrid_process::exit::{Exit, Failure};
use taugrid_slurm::place::Place;

/// What is done with a sweep on a Slurm cluster.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Submit a sweep's coordinator and its workers. Submitted again, it resumes, and submits what is missing.
    Submit(Box<arguments::OrderArguments>),
    /// Print the job scripts that `submit` would submit, and how. Submits nothing, writes nothing.
    Render(Box<arguments::OrderArguments>),
    /// What of a sweep is in the queue, and how far it is.
    Status {
        /// The folder of the results.
        dir: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// End a sweep's jobs: the workers hand over what they have, then the coordinator ends. `submit` resumes.
    Cancel {
        /// The folder of the results.
        dir: PathBuf,
    },
    /// Keep as many workers submitted as there is work for, until the sweep ends. The coordinator's job does it already;
    /// this is for where a job cannot call sbatch.
    Autoscale(autoscale::Autoscale),
    /// Run a sweep's coordinator and keep its workers submitted: what the coordinator's job runs.
    Coordinate(coordinate::Coordinate),
}

pub(crate) fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Submit(order) => submit::submit(&order),
        Command::Render(order) => submit::render(&order),
        Command::Status { dir, json } => status::run(&dir, json),
        Command::Cancel { dir } => cancel::run(&dir),
        Command::Autoscale(autoscale) => autoscale::run(&autoscale),
        Command::Coordinate(coordinate) => coordinate::run(&coordinate),
    }
}

/// The folder of the results of a sweep that was submitted.
fn submitted(dir: &Path) -> Result<Place, Failure> {
    let place = Place::new(dir).map_err(Failure::internal)?;
    if !place.logs().is_dir() {
        return Err(Failure::usage(format!(
            "{}: nothing was submitted for this folder; `taugrid slurm submit SWEEP.yaml --out {}` does",
            dir.display(),
            dir.display()
        )));
    }
    Ok(place)
}

/// A command of Slurm's that failed, with the exit code that fits.
fn explain(trouble: &taugrid_slurm::refusal::Trouble) -> Failure {
    use taugrid_slurm::refusal::Kind;
    match trouble.kind() {
        Kind::Mistake => Failure::usage(trouble),
        Kind::Limit => Failure::interrupted(format!("{trouble}\nthe same command goes on when there is room")),
        Kind::Passing => Failure::interrupted(format!("{trouble}\nthe same command goes on when Slurm does")),
    }
}
