//! Submits what a sweep is missing, and nothing twice.

use std::time::Duration;

use crate::commands::Slurm;
use crate::lock::Lock;
use crate::order::{Order, Site};
use crate::place::{Place, RecordError};
use crate::queue::{Task, TaskId};
use crate::record::{Record, Role};
use crate::refusal::{Kind, Trouble};
use crate::script;

/// What sbatch did though it did not say so is looked for so long.
const LOOKS: u32 = 6;
/// So far apart.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// What there is after a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The coordinator's job, if it has one: which, and whether it was there before.
    pub coordinator: Option<(TaskId, bool)>,
    /// Jobs of workers that were submitted, and how many tasks each has.
    pub workers: Vec<(u64, u32)>,
    /// Workers that were there before, waiting or running.
    pub before: u32,
    /// Why there are fewer than were asked for; the coordinator submits the rest as Slurm takes them.
    pub short: Option<Trouble>,
}

/// Why nothing, or not all, was submitted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Somebody else submits the same sweep.
    #[error("{0}: another `taugrid slurm submit` is at work on this folder")]
    Busy(String),
    /// The folder cannot be written to.
    #[error("{path}: {error}")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Slurm did not take it.
    #[error(transparent)]
    Slurm(#[from] Trouble),
}

/// Submits what of `order` is not in the queue yet: the coordinator, unless it `lives` elsewhere, and workers.
///
/// # Errors
/// If nothing could be submitted. The same call goes on where this one ended.
pub async fn submit(slurm: &Slurm, place: &Place, order: &Order, lives: bool) -> Result<Submitted, SubmitError> {
    let folder = |error| SubmitError::Folder { path: place.out().display().to_string(), error };
    place.make().map_err(folder)?;
    let lock = Lock::acquire(&place.submit_lock()).map_err(folder)?;
    let Some(_lock) = lock else { return Err(SubmitError::Busy(place.out().display().to_string())) };
    let names = order.names();
    // Before anything is changed: where the queue is not known, nothing is submitted.
    let queue = slurm.queue(&[&names.coordinator, &names.workers]).await?;
    // The order comes first. Jobs that start read it, and whoever looks for what a crash left here finds their names.
    let mut record = place.record()?.unwrap_or_else(|| Record::new(order.clone()));
    record.order = order.clone();
    adopt(&mut record, &queue, order);
    place.write_record(&record)?;
    place.unmark_end().map_err(folder)?;

    let live = |name: &str| queue.iter().filter(|task| task.name == name && task.state.is_live()).collect::<Vec<_>>();
    let before = u32::try_from(live(&names.workers).len()).unwrap_or(u32::MAX);
    let mut submitted = Submitted { coordinator: None, workers: Vec::new(), before, short: None };
    if let Some(&task) = live(&names.coordinator).first() {
        submitted.coordinator = Some((task.id, true));
    } else if order.coordinator.site == Site::Job && !lives {
        let job = surely(slurm, &script::coordinator(order), &[], &names.coordinator, &record).await?;
        record.add(job, Role::Coordinator, 1);
        place.write_record(&record)?;
        submitted.coordinator = Some((TaskId { job, task: None }, false));
    }
    let missing = order.workers.first.max(order.workers.min).saturating_sub(before);
    let most = slurm.largest_array().await;
    for (tasks, range) in script::arrays(missing, most) {
        let text = script::workers(order, &range);
        match surely(slurm, &text, &[format!("--array={range}")], &names.workers, &record).await {
            Ok(job) => {
                record.add(job, Role::Workers, tasks);
                place.write_record(&record)?;
                submitted.workers.push((job, tasks));
            }
            // What is wrong with the workers will not mend itself: the coordinator is not left alone with it.
            Err(trouble) if trouble.kind() == Kind::Mistake && before == 0 && submitted.workers.is_empty() => {
                if let Some((id, false)) = submitted.coordinator {
                    let _ = slurm.cancel(&[id], false).await;
                }
                return Err(trouble.into());
            }
            Err(trouble) => {
                submitted.short = Some(trouble);
                break;
            }
        }
    }
    Ok(submitted)
}

/// Takes jobs into the record that are in the queue and not in it: a crash came between.
fn adopt(record: &mut Record, queue: &[Task], order: &Order) {
    let names = order.names();
    let mut unknown: Vec<u64> = queue.iter().map(|task| task.id.job).filter(|&job| !record.has(job)).collect();
    unknown.dedup();
    for job in unknown {
        let mut tasks = queue.iter().filter(|task| task.id.job == job);
        let is_coordinator = tasks.clone().all(|task| task.name == names.coordinator);
        let role = if is_coordinator { Role::Coordinator } else { Role::Workers };
        record.add(job, role, u32::try_from(tasks.by_ref().count()).unwrap_or(u32::MAX));
    }
}

/// Submits, and where sbatch does not say whether it worked, looks for the job by its name.
async fn surely(slurm: &Slurm, script: &str, options: &[String], name: &str, known: &Record) -> Result<u64, Trouble> {
    let trouble = match slurm.submit(script, options).await {
        Ok(job) => return Ok(job),
        Err(trouble) if trouble.may_have_worked() => trouble,
        Err(trouble) => return Err(trouble),
    };
    tracing::warn!("{}; looking for the job", trouble.line());
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let queue = slurm.queue(&[name]).await.unwrap_or_default();
        let new = queue.iter().find(|task| task.state.is_live() && !known.has(task.id.job));
        if let Some(task) = new {
            return Ok(task.id.job);
        }
    }
    Err(trouble)
}
