//! Slurm's commands, run as processes. None may take for ever, and none sees variables that would have it answer otherwise
//! than it was asked.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::queue::{self, Task, TaskId};
use crate::refusal::{Trouble, classify};
use crate::state::{By, State};

/// sbatch tries again by itself for a while; longer than that it is not waited for.
const PATIENCE: Duration = Duration::from_secs(90);
/// Slurm's default.
const MAX_ARRAY_SIZE: u32 = 1001;
/// More ids do not go on one command line.
const IDS_AT_ONCE: usize = 500;
/// So much of what a command prints is repeated.
const SHOWN: usize = 500;

/// Slurm, as its commands reach it.
#[derive(Debug, Clone)]
pub struct Slurm {
    /// Where the commands are; the PATH if `None`.
    pub folder: Option<PathBuf>,
    /// How long a command may take.
    pub patience: Duration,
}

impl Default for Slurm {
    fn default() -> Self {
        Self { folder: None, patience: PATIENCE }
    }
}

/// Whether a command sees a variable of this environment. Inside a job, `SLURM_*` are that job's, and sbatch would hand them
/// on; `SQUEUE_*` and `SCANCEL_*` hide jobs, or ask questions.
fn is_seen(name: &str) -> bool {
    let hidden = name.starts_with("SLURM_") || name.starts_with("SQUEUE_") || name.starts_with("SCANCEL_");
    !hidden || name == "SLURM_CONF"
}

impl Slurm {
    /// Submits a script, and gives the job's id.
    pub async fn submit(&self, script: &str, options: &[String]) -> Result<u64, Trouble> {
        let arguments = ["--parsable".to_owned()].into_iter().chain(options.iter().cloned());
        let printed = self.run("sbatch", arguments.collect(), Some(script)).await?;
        // The id, or the id and the cluster. Some sites' wrappers print more lines before.
        let last = printed.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let id = last.split(';').next().unwrap_or_default();
        id.parse().ok().filter(|&id| id > 0).ok_or_else(|| garbage("sbatch", &printed))
    }

    /// This user's jobs of these names, also those that ended lately. Arrays by their tasks.
    pub async fn queue(&self, names: &[&str]) -> Result<Vec<Task>, Trouble> {
        let arguments = vec![
            "--me".to_owned(),
            format!("--name={}", names.join(",")),
            "--states=all".to_owned(),
            "--noheader".to_owned(),
            "--array".to_owned(),
            format!("--Format={}", queue::FORMAT),
        ];
        let printed = self.run("squeue", arguments, None).await?;
        let tasks = queue::parse(&printed).map_err(|_| garbage("squeue", &printed))?;
        // What was not asked for does not count, whoever printed it.
        Ok(tasks.into_iter().filter(|task| names.contains(&task.name.as_str())).collect())
    }

    /// Cancels those of `tasks` that still wait, or all of them. Those that Slurm has forgotten are no failure.
    pub async fn cancel(&self, tasks: &[TaskId], only_waiting: bool) -> Result<(), Trouble> {
        for some in tasks.chunks(IDS_AT_ONCE) {
            let mut arguments: Vec<String> = Vec::new();
            if only_waiting {
                arguments.push("--state=PENDING".to_owned());
            }
            arguments.extend(some.iter().map(ToString::to_string));
            match self.run("scancel", arguments, None).await {
                Err(trouble) if !trouble.is_forgotten_job() => return Err(trouble),
                _ => {}
            }
        }
        Ok(())
    }

    /// How many tasks an array may have. Slurm's default where it cannot be found out.
    pub async fn largest_array(&self) -> u32 {
        let printed = self.run("scontrol", vec!["show".to_owned(), "config".to_owned()], None).await;
        let size = printed.ok().and_then(|text| {
            let line = text.lines().find(|line| line.trim_start().starts_with("MaxArraySize"))?;
            line.split('=').nth(1)?.trim().parse::<u32>().ok()
        });
        // The size is one more than the largest index, and indices begin at 1 here.
        size.unwrap_or(MAX_ARRAY_SIZE).saturating_sub(1).max(1)
    }

    /// How these jobs and arrays ended, task by task, from the accounting.
    ///
    /// # Errors
    /// Where there is none, which is common.
    pub async fn accounts(&self, jobs: &[u64]) -> Result<Vec<State>, Trouble> {
        let ids: Vec<String> = jobs.iter().map(u64::to_string).collect();
        let options = ["--noheader", "--parsable2", "--allocations", "--format=State"].map(str::to_owned);
        let jobs = format!("--jobs={}", ids.join(","));
        let printed = self.run("sacct", options.into_iter().chain([jobs]).collect(), None).await?;
        Ok(printed.lines().filter(|line| !line.trim().is_empty()).map(|line| State::parse(line.trim())).collect())
    }

    /// Whose scancel it was that ended these tasks, as far as the accounting knows.
    ///
    /// # Errors
    /// Where there is none, which is common.
    pub async fn cancellers(&self, tasks: &[TaskId]) -> Result<BTreeMap<TaskId, By>, Trouble> {
        let mut ids: Vec<String> = tasks.iter().map(|task| task.job.to_string()).collect();
        ids.dedup();
        let options = ["--noheader", "--parsable2", "--allocations", "--format=JobID,State,UID"].map(str::to_owned);
        let jobs = format!("--jobs={}", ids.join(","));
        let printed = self.run("sacct", options.into_iter().chain([jobs]).collect(), None).await?;
        let rows: BTreeMap<&str, By> = printed.lines().filter_map(canceller).collect();
        let of = |task: &TaskId| rows.get(&*task.to_string()).or_else(|| rows.get(&*format!("{}_", task.job))).copied();
        Ok(tasks.iter().filter_map(|task| Some((*task, of(task)?))).collect())
    }

    async fn run(&self, name: &'static str, arguments: Vec<String>, input: Option<&str>) -> Result<String, Trouble> {
        let program = self.folder.as_ref().map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
        let absent = |error: std::io::Error| Trouble::Absent { command: name, reason: error.to_string() };
        let environment = std::env::vars_os().filter(|(name, _)| name.to_str().is_none_or(is_seen));
        let mut child = Command::new(program)
            .args(arguments.into_iter().map(OsString::from))
            .env_clear()
            .envs(environment)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(absent)?;
        let stdin = child.stdin.take();
        let talking = async {
            let writing = async {
                if let (Some(mut stdin), Some(input)) = (stdin, input) {
                    // One that does not listen says why, and is heard below.
                    let _ = stdin.write_all(input.as_bytes()).await;
                }
            };
            tokio::join!(writing, child.wait_with_output()).1
        };
        let Ok(output) = tokio::time::timeout(self.patience, talking).await else {
            return Err(Trouble::TimedOut { command: name, seconds: self.patience.as_secs() });
        };
        let output = output.map_err(absent)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let errors = text(&output.stderr);
        if !errors.trim().is_empty() {
            tracing::debug!("{name}: {}", errors.trim());
        }
        if !output.status.success() {
            let message = [errors.trim(), text(&output.stdout).trim()].join("\n");
            // Most begin with their name, which is said anyway.
            let message = message.trim();
            let message = message.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message);
            let message: String = message.chars().take(SHOWN).collect();
            let message = if message.is_empty() { output.status.to_string() } else { message };
            return Err(Trouble::Said { command: name, kind: classify(&message), message });
        }
        Ok(text(&output.stdout))
    }
}

/// One line of sacct's, of a job that was cancelled: its id, and by whom. Tasks that never ran are in one line, `17_[2-5]`,
/// and their id is `17_`.
fn canceller(line: &str) -> Option<(&str, By)> {
    let mut fields = line.trim().split('|');
    let (id, state, owner) = (fields.next()?, fields.next()?, fields.next()?);
    let by = state.strip_prefix("CANCELLED by ")?;
    Some((id.split('[').next()?, if by == owner { By::Owner } else { By::Other }))
}

fn garbage(command: &'static str, text: &str) -> Trouble {
    Trouble::Garbage { command, text: text.chars().take(SHOWN).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_s_variables_are_not_handed_on() {
        for hidden in ["SLURM_JOB_END_TIME", "SLURM_CPUS_PER_TASK", "SQUEUE_PARTITION", "SCANCEL_INTERACTIVE"] {
            assert!(!is_seen(hidden), "{hidden}");
        }
        for seen in ["SLURM_CONF", "PATH", "HOME", "SBATCH_ACCOUNT"] {
            assert!(is_seen(seen), "{seen}");
        }
    }
}
