//! `taugrid bench`: what this machine is worth.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use taugrid_bench::row::Row;
use taugrid_bench::suite::{self, Event, Options, SuiteError};
use taugrid_bench::workload::Selection;
use taugrid_loadgen::LoadError;
use taugrid_loadgen::measurement::Measurement;
use taugrid_process::exit::{Exit, Failure};

use super::print;

/// What `taugrid bench core` takes.
#[derive(Args)]
pub(crate) struct Core {
    /// W1, W2, W3 or W4, or one size of it: W1/100 (d), W2/50 (B). May be repeated; by default, all.
    ///
    /// W1: Gaussian SGD with covariance `hessian` on a quadratic in d dimensions, 10,000 trials run to their exit.
    /// W2: minibatch SGD on the perceptron 10 → 5000 → 12 with 10,430 examples, a chain a thread.
    /// W3: Gaussian SGD with the exact sample covariance on the same.
    /// W4: minibatch SGD on 10 → 50 → 12, 256 chains.
    #[arg(long = "workload", value_name = "WORKLOAD", verbatim_doc_comment)]
    workloads: Vec<Selection>,
    /// Threads; by default one for W1, and for W2, W3 and W4 the cores this process may use.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Seconds that each measurement takes, about: all its repetitions together, of W2, W3 and W4 their steps alone. One
    /// repetition of W1 takes what it takes.
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Repetitions of each measurement; of W1 fewer where they do not go into the time, but always one.
    #[arg(long, default_value = "5")]
    repetitions: NonZeroUsize,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

/// What `taugrid bench orchestrator` takes.
#[derive(Args)]
pub(crate) struct Orchestrator {
    /// How many simulated workers are connected; may be repeated, and each number is measured.
    #[arg(long = "workers", default_values = ["16", "1000", "10000"])]
    workers: Vec<NonZeroUsize>,
    /// Seconds that each measurement takes, about.
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Encrypt all connections, as on a cluster.
    #[arg(long)]
    tls: bool,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn orchestrator(options: Orchestrator) -> Result<Exit, Failure> {
    let Orchestrator { workers, seconds: time, tls, json } = options;
    taugrid_process::limits::raise_open_files();
    let workers = workers.into_iter().map(NonZeroUsize::get).collect();
    let options = taugrid_loadgen::suite::Options { workers, time, tls };
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::internal)?;
    let mut table = Table { json, begun: false };
    // What stdout came to: there is no point in stopping for it.
    let mut printed = Ok(());
    let mut show = |figure: Measurement| {
        if printed.is_ok() {
            printed = table.add(&figure, Measurement::header);
        }
    };
    let mut began = |words: &str| eprintln!("{words}");
    let measuring = taugrid_loadgen::suite::run(&options, &mut began, &mut show);
    runtime.block_on(measuring).map_err(|error| match error {
        LoadError::NoProgram(_) => Failure::usage(error),
        _ => Failure::internal(error),
    })?;
    printed.map(|()| Exit::Done)
}

/// A time of more than 0 seconds, up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 86_400.0;
    let seconds = text.parse().ok().filter(|seconds| (f64::MIN_POSITIVE..=MOST).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("it must be a number of seconds, from 0 to {MOST}"))
}

pub(crate) fn core(options: Core) -> Result<Exit, Failure> {
    let Core { workloads: selections, threads, seconds: time, repetitions, json } = options;
    let options = Options { selections, threads, time, repetitions };
    let mut table = Table { json, begun: false };
    // What stdout came to: there is no point in stopping for it.
    let mut printed = Ok(());
    let measured = suite::run(&options, &mut |event| match event {
        Event::Began(words) => eprintln!("{words}"),
        Event::Measured(row) if printed.is_ok() => printed = table.add(&row, Row::header),
        Event::Measured(_) => {}
    });
    measured.map_err(|error| match error {
        SuiteError::Isa(_) => Failure::usage(error),
        _ => Failure::internal(error),
    })?;
    printed.map(|()| Exit::Done)
}

/// Rows, printed as they come.
struct Table {
    json: bool,
    begun: bool,
}

impl Table {
    fn add(&mut self, row: &(impl Serialize + Display), header: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            return print(serde_json::to_string(row).map_err(Failure::internal)?);
        }
        if !std::mem::replace(&mut self.begun, true) {
            print(header())?;
        }
        print(row)
    }
}
