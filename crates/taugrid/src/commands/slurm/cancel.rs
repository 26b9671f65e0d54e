//! `taugrid slurm cancel`: workers first, so that what they hand over is heard; then the coordinator.

use std::path::Path;
use std::time::Duration;

use taugrid_process::exit::{Exit, Failure};
use taugrid_slurm::commands::Slurm;
use taugrid_slurm::names::Names;
use taugrid_slurm::place::End;
use taugrid_slurm::queue::TaskId;
use tokio::time::Instant;

use super::super::control::in_runtime;
use super::super::print;
use super::sweep::Client;

/// Workers hand over what they have within their grace, and Slurm kills them after its own.
const LEAVING: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(dir: &Path) -> Result<Exit, Failure> {
    let place = super::submitted(dir)?;
    let names = Names::of(place.out());
    in_runtime(async {
        // Before anything else: from now on nobody is submitted, and a job that comes back, because slurmctld forgot that
        // it was cancelled, leaves at once.
        if place.end() != Some(End::Over) {
            place.mark_end(End::Cancelled).map_err(Failure::usage)?;
        }
        let slurm = Slurm::default();
        let workers = end(&slurm, &names.workers).await?;
        let mut coordinators = end(&slurm, &names.coordinator).await?;
        let client = Client::new(&place);
        if coordinators == 0 && place.access_file().exists() && client.cancel().await.is_ok() {
            coordinators = 1;
        }
        print(format_args!("cancelled: {workers} workers, {coordinators} coordinators"))?;
        eprintln!("what has come is in the dataset; `taugrid slurm submit` resumes");
        Ok(Exit::Done)
    })
}

/// Cancels the jobs of that name, and waits until they are gone. Gives how many there were.
async fn end(slurm: &Slurm, name: &str) -> Result<usize, Failure> {
    let began = Instant::now();
    let mut cancelled: Vec<TaskId> = Vec::new();
    loop {
        let queue = slurm.queue(&[name]).await.map_err(|trouble| super::explain(&trouble))?;
        let live: Vec<_> = queue.iter().filter(|task| task.state.is_live()).map(|task| task.id).collect();
        if live.is_empty() {
            return Ok(cancelled.len());
        }
        // Also those that were submitted meanwhile.
        let new: Vec<_> = live.iter().copied().filter(|id| !cancelled.contains(id)).collect();
        if !new.is_empty() {
            slurm.cancel(&new, false).await.map_err(|trouble| super::explain(&trouble))?;
            cancelled.extend(new);
        }
        if began.elapsed() > LEAVING {
            let list: Vec<_> = live.iter().map(ToString::to_string).collect();
            return Err(Failure::interrupted(format!(
                "{}: cancelled, but still there after {} s; the same command goes on",
                list.join(", "),
                LEAVING.as_secs()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
