//! All workloads in order, and before them the peaks of the threads they run on.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use taugrid_escape::data::DataError;
use taugrid_escape::landscape::mlp::{Mlp, MlpError};
use taugrid_escape::problem::{Dtype, ProblemError};
use taugrid_escape::simd::{Isa, IsaError};

use crate::network::{self, EXAMPLES, Noise};
use crate::peaks::{Peaks, Resource};
use crate::quadratic;
use crate::row::Row;
use crate::timing::{Budget, Rates};
use crate::workload::{Selection, Workload};

/// What to measure, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which workloads; none for all.
    pub selections: Vec<Selection>,
    /// Threads of every workload; if not said, one for W1 and all cores for W2–W4.
    pub threads: Option<NonZeroUsize>,
    /// About how long a measurement, all its repetitions together, takes; of W2–W4, how long its steps take. One
    /// repetition of W1 takes what it takes.
    pub time: Duration,
    /// Repetitions of each measurement, at most.
    pub repetitions: NonZeroUsize,
}

/// What is said on the way.
#[derive(Debug)]
pub enum Event {
    /// A measurement begins.
    Began(String),
    /// It has ended.
    Measured(Row),
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// `TAUGRID_ISA` asks for what cannot be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The threads could not be started.
    #[error("the thread pool cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A workload is refused by the core.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// The examples are refused by the core.
    #[error(transparent)]
    Examples(#[from] DataError),
    /// The network is refused by the core.
    #[error(transparent)]
    Network(#[from] MlpError),
}

/// Measures what was asked for; `tell` hears of it as it goes.
///
/// # Errors
/// If `TAUGRID_ISA` is wrong or threads cannot be started.
pub fn run(options: &Options, tell: &mut dyn FnMut(Event)) -> Result<(), SuiteError> {
    let isa = Isa::from_environment()?;
    let threads = |workload| options.threads.unwrap_or_else(|| default_threads(workload)).get();
    let asked: Vec<_> = Workload::ALL.into_iter().filter(|&workload| !options.sizes(workload).is_empty()).collect();
    for group in asked.chunk_by(|&one, &next| threads(one) == threads(next)) {
        let bench = Bench::new(options.budget(), isa, threads(group[0]), tell)?;
        for &workload in group {
            bench.measure(workload, &options.sizes(workload), tell)?;
        }
    }
    Ok(())
}

impl Options {
    /// The sizes of a workload that were asked for.
    fn sizes(&self, workload: Workload) -> Vec<u64> {
        let asked = |size| self.selections.is_empty() || self.selections.iter().any(|one| one.asks_for(workload, size));
        workload.sizes().1.iter().copied().filter(|&size| asked(size)).collect()
    }

    fn budget(&self) -> Budget {
        Budget { time: self.time, repetitions: self.repetitions }
    }
}

/// So many threads, and what they do at best.
struct Bench {
    pool: ThreadPool,
    isa: Isa,
    peaks: Peaks,
    budget: Budget,
}

impl Bench {
    fn new(budget: Budget, isa: Isa, threads: usize, tell: &mut dyn FnMut(Event)) -> Result<Self, SuiteError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        tell(Event::Began(format!("peaks of {threads} {}", if threads == 1 { "thread" } else { "threads" })));
        let peaks = Peaks::measure(&pool, isa, budget, |row| tell(Event::Measured(row)));
        Ok(Self { pool, isa, peaks, budget })
    }

    fn measure(&self, workload: Workload, sizes: &[u64], tell: &mut dyn FnMut(Event)) -> Result<(), SuiteError> {
        match hidden(workload) {
            None => sizes.iter().try_for_each(|&d| self.quadratic(d, tell)),
            Some(hidden) => {
                tell(Event::Began(format!("{workload}: its network")));
                let mlp = self.pool.install(|| network::landscape(hidden, EXAMPLES))?;
                sizes.iter().try_for_each(|&batch_size| self.network(workload, &mlp, batch_size, tell))
            }
        }
    }

    fn quadratic(&self, d: u64, tell: &mut dyn FnMut(Event)) -> Result<(), SuiteError> {
        let states = [(Dtype::F32, "f32", None), (Dtype::F64, "f64", Some("f64 state, f32-resolution normals"))];
        for (dtype, name, note) in states {
            let Some(problem) = quadratic::problem(d, dtype) else { continue };
            tell(Event::Began(format!("W1 d={d} {name}")));
            let rates = quadratic::measure(&self.pool, &problem, self.budget)?;
            let bound = (Resource::Generator, d as f64);
            let row = Row { d: Some(d), ..self.row(Workload::W1, (name, note), quadratic::TRIALS, &rates, bound) };
            tell(Event::Measured(row));
        }
        Ok(())
    }

    fn network(
        &self,
        workload: Workload,
        mlp: &Arc<Mlp>,
        batch_size: u64,
        tell: &mut dyn FnMut(Event),
    ) -> Result<(), SuiteError> {
        tell(Event::Began(format!("{workload} B={batch_size}")));
        let chains = if workload == Workload::W4 { 256 } else { self.pool.current_num_threads() as u64 };
        let noise = noise(workload);
        let rates = network::measure(&self.pool, mlp, noise, batch_size, chains, self.budget)?;
        let examples = if noise == Noise::SampleCovariance { u64::from(EXAMPLES) } else { batch_size };
        let bound = (Resource::Fma, network::flops(mlp.model().shape().hidden, examples));
        let row = self.row(workload, network::STATE, chains, &rates, bound);
        tell(Event::Measured(Row { batch_size: Some(batch_size), ..row }));
        Ok(())
    }

    /// A row but for its size. `bound`: the resource that bounds it, and how much of it a unit of work takes.
    fn row(
        &self,
        workload: Workload,
        (dtype, note): (&'static str, Option<&'static str>),
        chains: u64,
        rates: &Rates,
        (resource, takes): (Resource, f64),
    ) -> Row {
        Row {
            workload: workload.as_str(),
            resource: None,
            d: None,
            batch_size: None,
            dtype,
            threads: self.pool.current_num_threads(),
            chains: Some(chains),
            unit: unit(workload),
            median: rates.median(),
            min: rates.min(),
            max: rates.max(),
            repetitions: rates.repetitions(),
            isa: self.isa.as_str(),
            peak: Some(resource.as_str()),
            peak_fraction: Some(rates.median() * takes / self.peaks.of(resource)),
            note,
        }
    }
}

fn unit(workload: Workload) -> &'static str {
    match workload {
        Workload::W1 => "particle-steps/s",
        Workload::W2 | Workload::W3 => "steps/s",
        Workload::W4 => "chain-steps/s",
    }
}

/// Hidden units of a workload's network, if it has one.
fn hidden(workload: Workload) -> Option<usize> {
    match workload {
        Workload::W1 => None,
        Workload::W2 | Workload::W3 => Some(5000),
        Workload::W4 => Some(50),
    }
}

/// Where a workload's noise comes from, if it has a network.
fn noise(workload: Workload) -> Noise {
    match workload {
        Workload::W3 => Noise::SampleCovariance,
        _ => Noise::Minibatches,
    }
}

/// One for W1, all cores that this process may use for the others.
fn default_threads(workload: Workload) -> NonZeroUsize {
    match workload {
        Workload::W1 => NonZeroUsize::MIN,
        _ => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}
