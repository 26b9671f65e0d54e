//! `taugrid train`: the sharpness along training by SGD (the paper's Figure 1), from the sweep file to the figure.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use taugrid_analysis::report::write_training_report;
use taugrid_analysis::training_table::training_table;
use taugrid_coordinator::directory;
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::{Location, Store, training::TRAINING, write_training};
use taugrid_sweep::{LandscapeSpec, Sweep, TrainError, TrainingPoint};
use taugrid_worker::life;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::progress;

pub(crate) struct Options {
    pub(crate) sweep: PathBuf,
    pub(crate) out: Option<Location>,
    pub(crate) threads: Option<NonZeroUsize>,
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    let sweep = Sweep::load(&options.sweep).map_err(Failure::usage)?;
    if !matches!(sweep.landscape, LandscapeSpec::Mlp(_)) {
        let error = TrainError::NoNetwork(sweep.landscape.kind());
        return Err(Failure::usage(format!("{}: {error}", options.sweep.display())));
    }
    let out = options.out.clone().unwrap_or_else(|| directory::default_location(&sweep));
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::internal)?;
    let stop = runtime.block_on(async { taugrid_process::signals::stop_token() }).map_err(Failure::internal)?;
    let (_lock, store) = directory::lock(&out)?;
    let points = train(&sweep, options.threads.unwrap_or_else(life::default_threads), &stop)?;
    write_training(store.as_ref(), &sweep.physics().landscape_id(), &points)
        .map_err(|error| directory::explain(&out, &error))?;
    show(&sweep.name, &out, store.as_ref(), &points)?;
    Ok(Exit::Done)
}

/// Trains in a pool of its own, on this thread's behalf; the runtime's threads see to signals meanwhile.
fn train(sweep: &Sweep, threads: NonZeroUsize, stop: &CancellationToken) -> Result<Vec<TrainingPoint>, Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build().map_err(Failure::internal)?;
    tracing::info!("training");
    let bar = progress::preparation();
    let trained = pool.install(|| {
        let mut tell = |progress: taugrid_sweep::TrainingProgress| bar.set_message(progress.to_string());
        sweep.train(&|| stop.is_cancelled(), &mut tell)
    });
    bar.finish_and_clear();
    trained.map_err(|error| match error {
        TrainError::Stopped => Failure::interrupted(format!("{error}; the same command begins again")),
        _ => Failure::usage(error),
    })
}

fn show(name: &str, out: &Location, store: &dyn Store, points: &[TrainingPoint]) -> Result<(), Failure> {
    print(training_table(points))?;
    print(out.file(TRAINING))?;
    let written = write_training_report(store, name, points)
        .map_err(|error| Failure::interrupted(format!("{out}: {error}; the same command draws it again")))?;
    written.iter().try_for_each(|file| print(out.file(file)))
}
