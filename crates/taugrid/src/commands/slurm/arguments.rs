//! What can be asked for.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use taugrid_process::exit::Failure;
use taugrid_slurm::order::{Coordinator, Order, Site, Workers};
use taugrid_slurm::place::Place;
use taugrid_sweep::Sweep;
use taugrid_worker::duration;

/// A sweep, and how it is to run on a cluster.
#[derive(clap::Args)]
pub(crate) struct OrderArguments {
    /// The sweep file, on a file system that all nodes share.
    sweep: PathBuf,
    /// The folder for the results, on a file system that all nodes share.
    #[arg(long)]
    out: PathBuf,
    /// Workers; those that end are replaced as long as there is work.
    #[arg(long, value_name = "N", required_unless_present = "max_workers")]
    workers: Option<u32>,
    /// Rather than always --workers, at least so many while there is work for them.
    #[arg(long, value_name = "N")]
    min_workers: Option<u32>,
    /// And at most so many, however much work there is.
    #[arg(long, value_name = "N")]
    max_workers: Option<u32>,
    /// Submit workers once, and do not replace those that end.
    #[arg(long)]
    once: bool,
    /// Submit a worker only if it will have so much to do.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration::parse)]
    least_work: Duration,
    /// Seconds between one look at the queue and the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// CPUs of a worker: trials it runs at once.
    #[arg(long, value_name = "C", default_value = "1")]
    cpus_per_worker: NonZeroU32,
    /// Memory for each of them, as Slurm writes it.
    #[arg(long, value_name = "SIZE", default_value = "500M")]
    mem_per_cpu: String,
    /// The workers' time limit, as Slurm writes it: [D-]HH:MM:SS, or minutes; by default the partition's.
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// The partition.
    #[arg(long, value_name = "P")]
    partition: Option<String>,
    /// Whom to charge.
    #[arg(long)]
    account: Option<String>,
    /// The quality of service.
    #[arg(long)]
    qos: Option<String>,
    /// Where the coordinator runs: in a job of its own, or here, in this terminal.
    #[arg(long, value_enum, default_value = "job")]
    coordinator: Where,
    /// The partition of its job; by default that of the workers.
    #[arg(long, value_name = "P")]
    coordinator_partition: Option<String>,
    /// The time limit of its job; by default the partition's.
    #[arg(long, value_name = "TIME")]
    coordinator_time: Option<String>,
    /// Where it listens; by default the node's address, as Slurm knows it, and any port.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,
    /// Further options of sbatch for the workers, after `--`.
    #[arg(last = true, value_name = "SBATCH OPTIONS")]
    sbatch: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Where {
    Job,
    Here,
}

impl OrderArguments {
    /// What is asked for, if it can be done.
    pub(crate) fn order(&self) -> Result<(Order, Place), Failure> {
        Sweep::load(&self.sweep).map_err(Failure::usage)?;
        let sweep = self.sweep.canonicalize().map_err(|error| named(&self.sweep, &error))?;
        let place = Place::new(&self.out).map_err(|error| named(&self.out, &error))?;
        let order = Order {
            sweep,
            out: place.out().to_owned(),
            programs: programs()?,
            workers: self.workers(),
            cpus_per_worker: self.cpus_per_worker,
            mem_per_cpu: self.mem_per_cpu.clone(),
            time: self.time.clone(),
            partition: self.partition.clone(),
            account: self.account.clone(),
            qos: self.qos.clone(),
            coordinator: Coordinator {
                site: match self.coordinator {
                    Where::Job => Site::Job,
                    Where::Here => Site::Here,
                },
                partition: self.coordinator_partition.clone(),
                time: self.coordinator_time.clone(),
                listen: self.listen.clone(),
            },
            sbatch: self.sbatch.clone(),
        };
        let problems = order.problems();
        if problems.is_empty() { Ok((order, place)) } else { Err(Failure::usage(problems.join("\n"))) }
    }

    fn workers(&self) -> Workers {
        let min = self.min_workers.or(self.workers).unwrap_or(0);
        let max = self.max_workers.or(self.workers).unwrap_or(min);
        let first = self.workers.unwrap_or_else(|| min.max(1).min(max));
        Workers { first, min, max, replace: !self.once, least_work: self.least_work.as_secs(), every: self.every }
    }
}

/// The folder with the programs: where this one is.
fn programs() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(Failure::internal)?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    for name in ["taugrid", "taugrid-coordinator", "taugrid-worker"] {
        if !folder.join(name).is_file() {
            return Err(Failure::usage(format!(
                "{}: it is not there, and the jobs need it; build all programs with `cargo build --release --workspace`, or \
                 install them into one folder",
                folder.join(name).display()
            )));
        }
    }
    Ok(folder.to_owned())
}

fn named(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
