//! The mock of Slurm's commands, and a sweep to submit to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use taugrid_slurm::commands::Slurm;
use taugrid_slurm::order::{Order, Workers, example};
use taugrid_slurm::place::Place;
use taugrid_slurm::policy::{Phase, Work};
use taugrid_slurm::scaler::{Coordinator, Scaler};
use taugrid_slurm::submission::{SubmitError, Submitted, submit};
use tempfile::TempDir;

/// A cluster, and a sweep's folder.
pub(crate) struct Rig {
    folder: TempDir,
    pub(crate) slurm: Slurm,
    pub(crate) place: Place,
    pub(crate) order: Order,
}

/// A coordinator with work for a thousand, and some connected.
pub(crate) struct Busy;

impl Coordinator for Busy {
    async fn work(&mut self) -> Result<Work, String> {
        let remaining = Some(Duration::from_secs(10_000_000));
        Ok(Work { phase: Phase::Running, open: 1_000_000, received: 100, remaining, threads: 8 })
    }
}

impl Rig {
    /// A cluster with nothing in its queue, and a sweep that asks for so many workers.
    pub(crate) fn new(workers: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mock/slurm");
        let commands = folder.path().join("commands");
        fs::create_dir(&commands).unwrap();
        for command in ["sbatch", "squeue", "scancel", "scontrol", "sacct"] {
            std::os::unix::fs::symlink(&mock, commands.join(command)).unwrap();
        }
        let place = Place::new(&folder.path().join("out")).unwrap();
        let order = Order {
            out: place.out().to_owned(),
            workers: Workers { first: workers, min: workers, max: workers, replace: true, least_work: 60, every: 15 },
            ..example()
        };
        let slurm = Slurm { folder: Some(commands), patience: Duration::from_secs(5) };
        Self { folder, slurm, place, order }
    }

    pub(crate) async fn submit(&self) -> Result<Submitted, SubmitError> {
        submit(&self.slurm, &self.place, &self.order, false).await
    }

    pub(crate) fn scaler(&self) -> Scaler<Busy> {
        Scaler::new(self.slurm.clone(), self.place.clone(), self.order.clone(), Busy)
    }

    /// What a command does before, or instead of, what it would do.
    pub(crate) fn on(&self, command: &str, what: &str) {
        self.write(&format!("on-{command}"), what);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The commands that were run, a line each.
    pub(crate) fn calls(&self) -> String {
        self.file("calls")
    }

    /// Gives a task another state, after ten minutes.
    pub(crate) fn set_state(&self, id: &str, state: &str) {
        self.set_state_after(id, state, "10:00");
    }

    /// Gives a task another state, after so long. `FAILED, preempted` is that of one that left within its grace.
    pub(crate) fn set_state_after(&self, id: &str, state: &str, elapsed: &str) {
        let (state, preempted) = match state.split_once(", ") {
            Some((state, _)) => (state, "2026-11-28T09:53:52"),
            None => (state, "N/A"),
        };
        self.change(|line| {
            let mut fields: Vec<&str> = line.split('|').collect();
            if fields[0] == id {
                (fields[2], fields[3], fields[4]) = (state, elapsed, preempted);
            }
            fields.join("|")
        });
    }

    /// All that wait run.
    pub(crate) fn run_all(&self) {
        self.change(|line| line.replace("|PENDING|", "|RUNNING|"));
    }

    fn change(&self, change: impl Fn(&str) -> String) {
        let lines: Vec<String> = self.file("jobs").lines().map(change).collect();
        self.write("jobs", &(lines.join("\n") + "\n"));
    }

    /// Tasks that wait or run.
    pub(crate) fn live(&self) -> usize {
        let ended = ["CANCELLED", "PREEMPTED", "FAIL", "TIMEOUT", "DEADLINE", "COMPLETED", "OUT_OF_MEMORY"];
        self.file("jobs").lines().filter(|line| !line.is_empty() && !ended.iter().any(|end| line.contains(end))).count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("commands").join(name)
    }
}
