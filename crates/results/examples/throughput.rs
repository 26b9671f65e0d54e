//! How many rows per second the dataset takes, on one core: `cargo run --release --example throughput -p taugrid-results`.

use std::path::Path;
use std::time::Instant;

use taugrid_results::{CellTable, Dataset, Outcome, Row, TrialRecord, coverage_of, from_batch, to_batch};
use taugrid_sweep::{Cell, Sweep};

const SWEEP: &str = "\
name: throughput
seed: 1
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics: [{kind: gaussian-sgd, covariance: hessian}, {kind: gaussian-sgd, covariance: identity}]
grid: {alpha: [1, 2, 4, 8, 16], beta: [1], eta: {from: 0.05, to: 0.2, points: 10, spacing: log}, batch_size: [1]}
trials: 1_000_000
max_steps: 10_000_000
";

/// Parts, rows per part, cells per part.
const PARTS: u64 = 50;
const ROWS: u64 = 100_000;
const CELLS: u64 = 100;

fn row(cell: &Cell, trial: u64) -> Row {
    let mut word = cell.key.0 ^ trial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^= word >> 29;
    let unit = (word >> 11) as f64 / (1u64 << 53) as f64;
    // Exponential with a mean of a thousand steps.
    let steps = 1 + (-1000.0 * (1.0 - unit).ln()) as u64;
    let record =
        TrialRecord { trial, outcome: Outcome::Exited, steps, exit_loss: 0.5 + unit, exit_radius: (1.0 + unit).sqrt() };
    Row { cell: cell.key, record }
}

fn report(what: &str, rows: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:<28} {rows:>9} rows {seconds:>7.2} s {:>8.2} M rows/s", rows as f64 / seconds / 1e6);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sweep = Sweep::parse(SWEEP, Path::new("throughput.yaml"))?;
    let cells = sweep.cells();
    let table = CellTable::new(cells.iter().copied());
    let folder = tempfile::tempdir()?;
    let mut dataset =
        Dataset::create_or_resume(folder.path(), SWEEP, &sweep.name, &sweep.physics(), &cells, sweep.demand)?;
    let per_cell = ROWS / CELLS;
    let part = |index: u64| -> Vec<Row> {
        let trials = index * per_cell..(index + 1) * per_cell;
        cells.iter().flat_map(|cell| trials.clone().map(|trial| row(cell, trial))).collect()
    };
    let parts: Vec<Vec<Row>> = (0..PARTS).map(part).collect();
    let total = PARTS * ROWS;

    let start = Instant::now();
    let batches: Vec<_> = parts.iter().map(|rows| to_batch(rows, &table)).collect::<Result<_, _>>()?;
    report("to_batch", total, start);
    let start = Instant::now();
    for batch in &batches {
        std::hint::black_box(from_batch(batch, &table)?);
    }
    report("from_batch", total, start);
    let start = Instant::now();
    for rows in &parts {
        std::hint::black_box(coverage_of(rows));
    }
    report("coverage_of", total, start);
    drop(batches);

    let start = Instant::now();
    let mut bytes = 0;
    for rows in parts {
        bytes += dataset.append(rows)?.bytes;
    }
    report("append (durable)", total, start);
    println!("{:<28} {:>9.1} bytes a row", "", bytes as f64 / total as f64);
    let start = Instant::now();
    let mut dataset = Dataset::open(folder.path())?;
    report("open", total, start);
    let start = Instant::now();
    let mut rows = 0;
    dataset.for_each_cell(|_, found| rows += found.len() as u64)?;
    report("for_each_cell", rows, start);
    let start = Instant::now();
    let compacted = dataset.compact()?;
    report("compact", compacted.rows, start);
    println!("{:<28} {:>9.1} bytes a row", "", compacted.bytes_after as f64 / compacted.rows as f64);
    let start = Instant::now();
    let verified = Dataset::verify(folder.path())?;
    report("verify", verified.rows, start);
    let start = Instant::now();
    dataset.rows(cells[7].key)?;
    report("rows of one cell", PARTS * per_cell, start);
    Ok(())
}
