//! The sweep, and its dataset as it is if nothing comes in between.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use rig::dataset_bytes;
use taugrid_coordinator::SweepDirectory;
use taugrid_escape::ensemble::{RangeQueue, Sink, walk};
use taugrid_results::{CellTable, Dataset, Location, Row, TrialRecord};
use taugrid_sweep::Sweep;
use tempfile::TempDir;

/// Trials of some dozen steps, and trials of thousands, a few of which are censored. In so many dimensions a walker looks up
/// every few hundred steps.
const SWEEP: &str = "
name: simulation
seed: 20211107
landscape: {kind: quadratic, dim: 96, max: 1.0, min: 0.2, spacing: geometric}
domain: {kind: sublevel, depth: 5.0}
dynamics: [{kind: gaussian-sgd, covariance: identity}]
grid: {alpha: [1], beta: [1], eta: [0.13, 0.14, 0.16, 0.2], batch_size: [1]}
trials: 60
max_steps: 6000
";

/// A sweep, and what its dataset is.
pub struct Study {
    sweep: Sweep,
    undisturbed: BTreeMap<String, Vec<u8>>,
}

/// A folder in memory, where there is one: the disk is not what is tested.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("there is room for temporary files")
}

impl Default for Study {
    fn default() -> Self {
        Self::new()
    }
}

impl Study {
    /// Runs all trials one after the other, with neither coordinator nor worker.
    pub fn new() -> Self {
        let sweep = Sweep::parse(SWEEP, Path::new("simulation.yaml")).expect("a sound sweep");
        let folder = folder();
        let out = folder.path().join("out");
        let (directory, mut dataset) = open(&sweep, &out);
        dataset.append(rows(&sweep)).expect("there is room");
        directory.finish(dataset).expect("a complete dataset");
        Self { sweep, undisturbed: dataset_bytes(&out) }
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// Its cells.
    pub fn cells(&self) -> CellTable {
        CellTable::new(self.sweep.cells())
    }

    /// The files in which the dataset in `out` is another one.
    pub fn differences(&self, out: &Path) -> Vec<String> {
        let disturbed = dataset_bytes(out);
        let names = self.undisturbed.keys().chain(disturbed.keys());
        let mut different: Vec<_> = names.filter(|name| self.undisturbed.get(*name) != disturbed.get(*name)).collect();
        different.dedup();
        different.into_iter().cloned().collect()
    }
}

/// Opens the folder `out` as every coordinator does.
pub(crate) fn open(sweep: &Sweep, out: &Path) -> (SweepDirectory, Dataset) {
    let out = Location::from(out.to_owned());
    let opened = SweepDirectory::open(sweep.clone(), &out, &mut |_| ControlFlow::Continue(()));
    opened.unwrap_or_else(|failure| panic!("{}", failure.message))
}

fn rows(sweep: &Sweep) -> Vec<Row> {
    let physics = sweep.physics();
    let landscape = physics.landscape(None).expect("it needs no artifact");
    let rows = Mutex::new(Vec::new());
    for cell in sweep.cells() {
        let problem = physics.problem(&cell, &landscape);
        let simulation = problem.simulation(physics.seed(), cell.key.0).expect("it can be simulated");
        let trials = RangeQueue::new(0..sweep.most_trials());
        walk(
            &*simulation,
            &trials,
            &AtomicBool::new(false),
            &mut Records(&|record| {
                rows.lock().expect("nobody panicked").push(Row { cell: cell.key, record });
            }),
        );
    }
    rows.into_inner().expect("nobody panicked")
}

struct Records<'a>(&'a (dyn Fn(TrialRecord) + Sync));

impl Sink for Records<'_> {
    fn record(&mut self, record: TrialRecord) {
        (self.0)(record);
    }
}
