//! How long it takes to open a dataset of very many small parts to go on with it, as a coordinator does that is started again:
//! `cargo run --release --example start -p taugrid-results -- [PARTS] [RANGES PER PART]`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use taugrid_results::store::{MemoryStore, Store};
use taugrid_results::{Dataset, Outcome, Row, TrialRecord, coverage::count};
use taugrid_sweep::Sweep;

const SWEEP: &str = "\
name: start
seed: 1
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics: [{kind: gaussian-sgd, covariance: hessian}, {kind: gaussian-sgd, covariance: identity}]
grid: {alpha: [1, 2, 4, 8, 16], beta: [1], eta: {from: 0.05, to: 0.2, points: 10, spacing: log}, batch_size: [1]}
trials: 1_000_000_000
max_steps: 10_000_000
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let parts = arguments.next().transpose()?.unwrap_or(100_000);
    let ranges = arguments.next().transpose()?.unwrap_or(100);
    let sweep = Sweep::parse(SWEEP, Path::new("start.yaml"))?;
    let cells = sweep.cells();
    let memory = Arc::new(MemoryStore::new());
    let physics = sweep.physics();
    let open =
        |store: Arc<dyn Store>| Dataset::create_or_resume_in(store, SWEEP, &sweep.name, &physics, &cells, sweep.demand);
    let mut dataset = open(memory.clone())?;
    // Every other trial, so that no two make a range.
    for part in 0..parts {
        let rows = (0..ranges).map(|index| {
            let steps = 1 + part % 1000;
            let trial = 2 * (part * ranges + index);
            let record = TrialRecord { trial, outcome: Outcome::Exited, steps, exit_loss: 0.5, exit_radius: 1.0 };
            Row { cell: cells[(part % cells.len() as u64) as usize].key, record }
        });
        dataset.append(rows.collect())?;
    }
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("trials"))?;
    for (name, bytes) in memory.files() {
        fs::write(folder.path().join(name), bytes)?;
    }
    drop((dataset, memory));
    for _ in 0..3 {
        let start = Instant::now();
        let dataset = open(Arc::new(taugrid_results::store::LocalStore::new(folder.path())))?;
        println!(
            "{parts} parts, {} ranges of trials: opened in {:.2} s",
            count(dataset.coverage()),
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
