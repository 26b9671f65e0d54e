//! `taugrid run`: coordinator and workers in one process, over loopback gRPC, from the sweep file to the figure.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use taugrid_coordinator::{Ending, Progress, SetAside, SweepDirectory, directory, serve};
use taugrid_process::connect::Coordinator;
use taugrid_process::exit::{Exit, Failure};
use taugrid_process::listen::Listener;
use taugrid_results::{CellSummary, Location, Store};
use taugrid_sweep::Sweep;
use taugrid_worker::life;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::progress;

pub(crate) struct Options {
    pub(crate) sweep: PathBuf,
    pub(crate) out: Option<Location>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) local_workers: NonZeroUsize,
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    life::check_instruction_set().map_err(Failure::usage)?;
    let sweep = Sweep::load(&options.sweep).map_err(Failure::usage)?;
    let out = options.out.clone().unwrap_or_else(|| directory::default_location(&sweep));
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::internal)?;
    let stop = runtime.block_on(async { taugrid_process::signals::stop_token() }).map_err(Failure::internal)?;
    let bar = progress::preparation();
    let opened = SweepDirectory::open(sweep, &out, &mut |step| {
        bar.set_message(step.to_string());
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let (directory, dataset) = opened?;
    let (dataset, ending) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::internal)?;
        let address = listener.local_addr().map_err(Failure::internal)?;
        let (sender, watched) = watch::channel(Progress::default());
        let mut workers = start_workers(options, &Coordinator::local(address), &stop);
        let bar = tokio::spawn(progress::show(directory.name().to_owned(), watched));
        // A signal stops the workers, which hand over what they have; the coordinator stops when they have gone.
        let ending = CancellationToken::new();
        let serving = serve(&directory, dataset, Listener::plain(listener), sender, ending.clone());
        let watching = async {
            let failure = until_stopped(&mut workers, &stop).await;
            ending.cancel();
            failure
        };
        let (served, failure) = until_served(serving, watching).await;
        // The bar ends with the coordinator, whose sender it watches.
        let _ = bar.await;
        match failure {
            Some(failure) => Err(failure),
            None => served.map_err(|error| directory::explain_serving(&out, &error)),
        }
    })?;
    match ending {
        Ending::Stopped => {
            eprintln!("interrupted; `taugrid run {}` resumes", options.sweep.display());
            Ok(Exit::Interrupted)
        }
        Ending::Incomplete(set_aside) => Err(SetAside::explain(&set_aside)),
        Ending::Finished => {
            let summaries = directory.finish(dataset)?;
            show(directory.name(), &out, directory.store().as_ref(), &summaries)?;
            Ok(Exit::Done)
        }
    }
}

type Workers = JoinSet<Result<life::Ending, life::WorkerError>>;

/// The local workers: the very ones that run on a cluster, with the machine's threads shared out among them.
fn start_workers(options: &Options, coordinator: &Coordinator, stop: &CancellationToken) -> Workers {
    let threads = options.threads.unwrap_or_else(life::default_threads).get();
    let count = options.local_workers.get();
    let mut workers = JoinSet::new();
    for index in 0..count {
        let share = threads / count + usize::from(index < threads % count);
        let worker = life::Options {
            name: format!("local-{index}"),
            threads: NonZeroUsize::new(share).unwrap_or(NonZeroUsize::MIN),
            patience: Duration::from_secs(30),
            leave_with_coordinator: true,
            ..life::Options::new(coordinator.clone())
        };
        let stop = stop.clone();
        workers.spawn(async move { life::run(&worker, &stop).await });
    }
    workers
}

/// Waits for `serving` to end in order, and gives what it gave; beside it a worker's failure, if there was one before.
async fn until_served<T>(
    serving: impl Future<Output = T>,
    watching: impl Future<Output = Option<Failure>>,
) -> (T, Option<Failure>) {
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = &mut serving => (served, None),
        failure = watching => (serving.await, failure),
    }
}

/// Waits until all workers have gone because they were asked to, or until the first fails, and gives its failure.
async fn until_stopped(workers: &mut Workers, stop: &CancellationToken) -> Option<Failure> {
    while let Some(ended) = workers.join_next().await {
        let error = match ended {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        return Some(Failure::internal(format!("a local worker failed: {error}")));
    }
    // They may all have gone because the sweep is finished: then the coordinator ends by itself.
    stop.cancelled().await;
    None
}

fn show(name: &str, out: &Location, store: &dyn Store, summaries: &[CellSummary]) -> Result<(), Failure> {
    super::report::show(summaries)?;
    super::report::write(name, out, store, summaries)
}
