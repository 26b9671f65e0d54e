//! `taugrid slurm submit|render`.

use taugrid_process::exit::{Exit, Failure};
use taugrid_slurm::commands::Slurm;
use taugrid_slurm::order::{Order, Site};
use taugrid_slurm::place::Place;
use taugrid_slurm::script;
use taugrid_slurm::submission::{self, SubmitError, Submitted};

use super::super::control::in_runtime;
use super::super::print;
use super::arguments::OrderArguments;
use super::coordinate::supervise;
use super::sweep::Client;

/// `--array` in a printed script, where nobody was asked how large an array may be: Slurm's default.
const LARGEST_ARRAY: u32 = 1000;

pub(crate) fn render(arguments: &OrderArguments) -> Result<Exit, Failure> {
    let (order, _) = arguments.order()?;
    if order.coordinator.site == Site::Job {
        print(format_args!("{}", script::coordinator(&order).trim_end()))?;
        print("")?;
    }
    let arrays = script::arrays(order.workers.first, LARGEST_ARRAY);
    let first = arrays.first().map_or("1", |(_, range)| range);
    print(script::workers(&order, first).trim_end())?;
    for (_, range) in arrays.iter().skip(1) {
        print(format_args!("# and again, as sbatch --array={range}"))?;
    }
    Ok(Exit::Done)
}

pub(crate) fn submit(arguments: &OrderArguments) -> Result<Exit, Failure> {
    let (order, place) = arguments.order()?;
    in_runtime(async {
        let lives = place.access_file().exists() && Client::new(&place).status().await.is_ok();
        let submitted = submission::submit(&Slurm::default(), &place, &order, lives).await;
        let submitted = submitted.map_err(|error| explain(&error))?;
        say(&submitted, &order, &place, lives)?;
        if order.coordinator.site == Site::Here && !lives && submitted.coordinator.is_none() {
            let listen = order.coordinator.listen.clone().unwrap_or_else(|| "0.0.0.0:0".to_owned());
            return supervise(&place, &order.sweep, &listen, false).await;
        }
        Ok(Exit::Done)
    })
}

/// Jobs to stdout, what to do next to stderr.
fn say(submitted: &Submitted, order: &Order, place: &Place, lives: bool) -> Result<(), Failure> {
    match submitted.coordinator {
        Some((job, true)) => print(format_args!("coordinator: job {job}, as before"))?,
        Some((job, false)) => print(format_args!("coordinator: job {job}"))?,
        None if lives => print("coordinator: it runs, as before")?,
        None => print("coordinator: here")?,
    }
    if submitted.before > 0 {
        print(format_args!("workers: {} as before", submitted.before))?;
    }
    for (job, tasks) in &submitted.workers {
        print(format_args!("workers: {tasks} in job {job}"))?;
    }
    let out = place.out().display();
    if let Some(trouble) = &submitted.short {
        let then =
            if order.workers.replace { "the coordinator submits them later" } else { "submit again for the rest" };
        eprintln!("not all workers are submitted: {trouble}\n{then}");
    }
    eprintln!("`taugrid slurm status {out}` says how far it is; logs are in {}", place.logs().display());
    Ok(())
}

fn explain(error: &SubmitError) -> Failure {
    match error {
        SubmitError::Slurm(trouble) => super::explain(trouble),
        SubmitError::Busy(_) => Failure::interrupted(error),
        SubmitError::Folder { .. } | SubmitError::Record(_) => Failure::usage(error),
    }
}
