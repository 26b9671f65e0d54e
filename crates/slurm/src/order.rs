//! What was asked for.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::names::Names;
use crate::place::Place;
use crate::time;

/// What was asked for: all that the scripts say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The sweep file, an absolute path.
    pub sweep: PathBuf,
    /// The folder of the results, an absolute path.
    pub out: PathBuf,
    /// The folder with the programs, for the jobs' PATH.
    pub programs: PathBuf,
    /// How many workers.
    pub workers: Workers,
    /// CPUs of a worker: so many trials run at once.
    pub cpus_per_worker: NonZeroU32,
    /// Memory for each of them, as Slurm writes it.
    pub mem_per_cpu: String,
    /// The workers' time limit, as Slurm writes it; the partition's if `None`.
    pub time: Option<String>,
    /// The workers' partition; Slurm's default if `None`.
    pub partition: Option<String>,
    /// Whom to charge.
    pub account: Option<String>,
    /// The quality of service.
    pub qos: Option<String>,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// Further options of sbatch, for the workers.
    pub sbatch: Vec<String>,
}

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// At first.
    pub first: u32,
    /// As long as there is work for them.
    pub min: u32,
    /// However much work there is.
    pub max: u32,
    /// Whether those that end are replaced.
    pub replace: bool,
    /// A worker is submitted if it will have so much to do, in seconds.
    pub least_work: u64,
    /// Slurm and the coordinator are asked so often, in seconds.
    pub every: u64,
}

/// The coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    /// Where it runs.
    pub site: Site,
    /// The partition of its job; that of the workers if `None`.
    pub partition: Option<String>,
    /// Its time limit.
    pub time: Option<String>,
    /// Where it listens; found out if `None`.
    pub listen: Option<String>,
}

/// Where the coordinator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// In a job of its own.
    Job,
    /// Where it was submitted from.
    Here,
}

/// Options that say what the order says in its own way, or that would hide the jobs from who looks for them.
const RESERVED: [&str; 22] = [
    "--array",
    "-a",
    "--job-name",
    "-J",
    "--parsable",
    "--wrap",
    "--wait",
    "-W",
    "--clusters",
    "-M",
    "--cluster",
    "--cpus-per-task",
    "-c",
    "--time",
    "-t",
    "--partition",
    "-p",
    "--ntasks",
    "-n",
    "--test-only",
    "--no-requeue",
    "--signal",
];

impl Order {
    /// The names of its jobs.
    pub fn names(&self) -> Names {
        Names::of(&self.out)
    }

    /// The folder of its results.
    pub fn place(&self) -> std::io::Result<Place> {
        Place::new(&self.out)
    }

    /// What is wrong with it, each with its remedy; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let Workers { min, max, first, .. } = self.workers;
        if max == 0 {
            problems.push("no workers are asked for: say --workers N, or --max-workers".to_owned());
        }
        if min > max || first > max {
            problems.push(format!("--min-workers {min} and --workers {first} must not exceed --max-workers {max}"));
        }
        let times = [("--time", &self.time), ("--coordinator-time", &self.coordinator.time)];
        for (option, text) in times.into_iter().filter_map(|(option, text)| Some((option, text.as_ref()?))) {
            if time::parse_limit(text).is_none() {
                problems
                    .push(format!("{option} {text}: no time limit of Slurm's: write [D-]HH:MM:SS, D-HH, or minutes"));
            }
        }
        for option in &self.sbatch {
            let name = option.split('=').next().unwrap_or_default();
            // -pmain: the short form with its value.
            let short = name.starts_with('-') && !name.starts_with("--") && name.is_char_boundary(2);
            let short = short.then(|| name.get(..2)).flatten();
            if RESERVED.iter().any(|&reserved| name == reserved || short == Some(reserved)) {
                problems.push(format!("{option}: taugrid says that itself; leave it out after `--`"));
            }
        }
        problems.extend(
            self.words()
                .filter(|word| word.contains(['\n', '\r', '\0', '\'']))
                .map(|word| format!("{word:?}: quotes and line breaks cannot stand in a job script")),
        );
        problems
    }

    /// All that is written into a script.
    fn words(&self) -> impl Iterator<Item = String> {
        let paths = [&self.sweep, &self.out, &self.programs].map(|path| path.display().to_string());
        let options = [
            self.time.as_ref(),
            self.partition.as_ref(),
            self.account.as_ref(),
            self.qos.as_ref(),
            Some(&self.mem_per_cpu),
            self.coordinator.partition.as_ref(),
            self.coordinator.time.as_ref(),
            self.coordinator.listen.as_ref(),
        ];
        let options: Vec<String> = options.into_iter().flatten().chain(&self.sbatch).cloned().collect();
        paths.into_iter().chain(options)
    }
}

/// The order that the examples in `deploy/slurm` are rendered from.
pub fn example() -> Order {
    Order {
        sweep: "/shared/quickstart.yaml".into(),
        out: "/shared/results/quickstart".into(),
        programs: Path::new("/shared/taugrid/bin").into(),
        workers: Workers { first: 8, min: 8, max: 8, replace: true, least_work: 60, every: 15 },
        cpus_per_worker: NonZeroU32::MIN.saturating_add(7),
        mem_per_cpu: "500M".to_owned(),
        time: Some("04:00:00".to_owned()),
        partition: None,
        account: None,
        qos: None,
        coordinator: Coordinator {
            site: Site::Job,
            partition: None,
            time: Some("1-00:00:00".to_owned()),
            listen: None,
        },
        sbatch: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_said() {
        assert_eq!(example().problems(), Vec::<String>::new());
        let mut order = example();
        order.workers.min = 9;
        order.time = Some("soon".to_owned());
        order.sbatch =
            ["--array=1-3", "-pspot", "--gres=gpu:1", "-J", "a\nb", "--comment=it's"].map(str::to_owned).to_vec();
        let problems = order.problems();
        assert_eq!(problems.len(), 7, "{problems:#?}");
        for (problem, word) in
            problems.iter().zip(["--min-workers 9", "--time soon", "--array", "-pspot", "-J", "a\\nb"])
        {
            assert!(problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let order = example();
        let text = serde_json::to_string(&order).expect("written");
        assert_eq!(serde_json::from_str::<Order>(&text).expect("read"), order);
    }
}
