//! Cells and rows for the tests of this crate.

use std::path::Path;
use std::sync::Arc;

use taugrid_escape::walk::{Outcome, TrialRecord};
use taugrid_sweep::{Cell, Covariance, Demand, DynamicsSpec, Physics, Sweep};

use crate::store::{MemoryStore, Store};
use crate::{Dataset, DatasetError, Row};

pub(crate) const SWEEP: &str = "\
name: test
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics: [{kind: gaussian-sgd, covariance: hessian}]
grid: {alpha: [1], beta: [1], eta: [0.1], batch_size: [1]}
trials: 10
max_steps: 1000
";

pub(crate) fn physics() -> Physics {
    Sweep::parse(SWEEP, Path::new("test.yaml")).expect("valid").physics()
}

/// Another seed: the very same cells.
pub(crate) fn other_physics() -> Physics {
    let text = SWEEP.replace("seed: 7", "seed: 8");
    Sweep::parse(&text, Path::new("test.yaml")).expect("valid").physics()
}

/// `count` cells of [`physics`], of three dynamics.
pub(crate) fn cells(count: usize) -> Vec<Cell> {
    let physics = physics();
    (0..count)
        .map(|index| {
            let dynamics = match index % 3 {
                0 => DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian },
                1 => DynamicsSpec::GaussianSgd { covariance: Covariance::Identity },
                _ => DynamicsSpec::Sgd,
            };
            physics.cell(dynamics, 1.0 + (index / 3) as f64, 0.1, 0.3, 1 + index as u64 % 4)
        })
        .collect()
}

/// The result of a trial: always the same for the same cell and trial, with a sprinkle of all outcomes.
pub(crate) fn row(cell: &Cell, trial: u64) -> Row {
    let mut word = cell.key.0 ^ trial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^= word >> 29;
    let (outcome, steps) = match word % 17 {
        0 => (Outcome::Censored, 1000),
        1 => (Outcome::Diverged, 1 + word % 5),
        _ => (Outcome::Exited, 1 + (word >> 20) % 999),
    };
    let value = (word >> 11) as f64 / (1u64 << 53) as f64;
    let exit_loss = if outcome == Outcome::Diverged { f64::NAN } else { value };
    let exit_radius = if outcome == Outcome::Diverged { f64::INFINITY } else { value.sqrt() };
    Row { cell: cell.key, record: TrialRecord { trial, outcome, steps, exit_loss, exit_radius } }
}

/// The rows of these trials of all of these cells, in the order of the dataset.
pub(crate) fn rows(cells: &[Cell], trials: std::ops::Range<u64>) -> Vec<Row> {
    let mut rows: Vec<Row> = cells.iter().flat_map(|cell| trials.clone().map(|trial| row(cell, trial))).collect();
    rows.sort_by_key(Row::position);
    rows
}

pub(crate) fn all_same(a: &[Row], b: &[Row]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
}

/// The dataset of [`physics`] with these cells, made or resumed in `store`.
pub(crate) fn resume(store: &Arc<dyn Store>, cells: &[Cell], trials: u64) -> Result<Dataset, DatasetError> {
    resume_for(store, cells, Demand::Fixed(trials))
}

/// [`resume`] for any demand.
pub(crate) fn resume_for(store: &Arc<dyn Store>, cells: &[Cell], demand: Demand) -> Result<Dataset, DatasetError> {
    Dataset::create_or_resume_in(store.clone(), SWEEP, "test", &physics(), cells, demand)
}

/// A new dataset in memory, and the memory.
pub(crate) fn in_memory(cells: &[Cell], trials: u64) -> (Dataset, Arc<MemoryStore>) {
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn Store> = memory.clone();
    (resume(&store, cells, trials).expect("a new dataset"), memory)
}

/// All rows, in order.
pub(crate) fn all_rows(dataset: &Dataset) -> Vec<Row> {
    let mut all = Vec::new();
    dataset.for_each_cell(|_, rows| all.extend_from_slice(rows)).expect("sound");
    all
}
