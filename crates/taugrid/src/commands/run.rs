//! `taugrid run`: coordinator and workers in one process, over loopback gRPC, from the sweep file to the figure.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use taugrid_coordinator::{Ending, Progress, SweepDirectory, directory, serve};
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::{CellSummary, Dataset};
use taugrid_sweep::Sweep;
use taugrid_worker::life::{self, Coordinator};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::progress;

pub(crate) struct Options {
    pub(crate) sweep: PathBuf,
    pub(crate) out: Option<PathBuf>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) local_workers: NonZeroUsize,
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    life::check_instruction_set().map_err(Failure::usage)?;
    let sweep = Sweep::load(&options.sweep).map_err(Failure::usage)?;
    let out = options.out.clone().unwrap_or_else(|| Path::new("results").join(&sweep.name));
    let runtime = Runtime::new().map_err(Failure::internal)?;
    let stop = runtime.block_on(async { taugrid_process::signals::stop_token() }).map_err(Failure::internal)?;
    let bar = progress::preparation();
    let opened = SweepDirectory::open(sweep, &out, &mut |step| {
        bar.set_message(step.to_string());
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let (mut directory, mut dataset) = opened?;
    // With a precision, each round takes the cells on to a point of decision, and the next one is of those that go on.
    let mut more = directory.next_round(&mut dataset)?;
    loop {
        let ending;
        (dataset, ending) = serve_round(options, &runtime, &directory, dataset, &stop)?;
        if ending == Ending::Stopped {
            eprintln!("interrupted; `taugrid run {}` resumes", options.sweep.display());
            return Ok(Exit::Interrupted);
        }
        more = more && directory.next_round(&mut dataset)?;
        if !more {
            let summaries = directory.finish(dataset)?;
            show(directory.name(), &out, &summaries)?;
            return Ok(Exit::Done);
        }
    }
}

/// Coordinator and workers, until all trials of `directory` are there.
fn serve_round(
    options: &Options,
    runtime: &Runtime,
    directory: &SweepDirectory,
    dataset: Dataset,
    stop: &CancellationToken,
) -> Result<(Dataset, Ending), Failure> {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Failure::internal)?;
        let address = listener.local_addr().map_err(Failure::internal)?;
        let (sender, watched) = watch::channel(Progress::default());
        // Ends with the run, whatever ends that first: a signal, or a worker that fails.
        let ending = stop.child_token();
        let mut workers = start_workers(options, format!("http://{address}"), &ending);
        let bar = tokio::spawn(progress::show(directory.name().to_owned(), watched));
        let serving = serve(directory, dataset, listener, sender, ending.clone());
        let watching = async {
            let failure = first_failure(&mut workers).await;
            ending.cancel();
            failure
        };
        let (served, failure) = until_served(serving, watching).await;
        // The bar ends with the coordinator, whose sender it watches.
        let _ = bar.await;
        match failure {
            Some(failure) => Err(failure),
            None => served.map_err(|error| directory::explain_serving(directory.path(), &error)),
        }
    })
}

/// The local workers: the very ones that run on a cluster, with the machine's threads shared out among them.
fn start_workers(
    options: &Options,
    url: String,
    stop: &CancellationToken,
) -> JoinSet<Result<life::Ending, life::WorkerError>> {
    let threads = options.threads.unwrap_or_else(life::default_threads).get();
    let count = options.local_workers.get();
    let mut workers = JoinSet::new();
    for index in 0..count {
        let share = threads / count + usize::from(index < threads % count);
        let worker = life::Options {
            coordinator: Coordinator::Url(url.clone()),
            name: format!("local-{index}"),
            threads: NonZeroUsize::new(share).unwrap_or(NonZeroUsize::MIN),
            cache: life::default_cache(),
            patience: Duration::from_secs(30),
            leave_with_coordinator: true,
        };
        let stop = stop.clone();
        workers.spawn(async move { life::run(&worker, &stop).await });
    }
    workers
}

/// Waits for `serving` to end in order, and gives what it gave; beside it a worker's failure, if there was one before.
async fn until_served<T>(
    serving: impl Future<Output = T>,
    watching: impl Future<Output = Failure>,
) -> (T, Option<Failure>) {
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        served = &mut serving => (served, None),
        failure = watching => (serving.await, Some(failure)),
    }
}

/// The failure of the first worker that fails; waits for ever if none does.
async fn first_failure(workers: &mut JoinSet<Result<life::Ending, life::WorkerError>>) -> Failure {
    while let Some(ended) = workers.join_next().await {
        let error = match ended {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        return Failure::internal(format!("a local worker failed: {error}"));
    }
    std::future::pending().await
}

fn show(name: &str, out: &Path, summaries: &[CellSummary]) -> Result<(), Failure> {
    super::report::show(summaries)?;
    super::report::write(name, out, summaries)
}
