//! A sweep file, and behind it, each after a zero byte, the CSV `data.csv` and the safetensors file `theta.safetensors`
//! that it may name.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use taugrid_analysis::effective::Facts;
use taugrid_sweep::{DynamicsSpec, LandscapeSpec, Physics, Sweep};

/// Of sweeps with more cells than this, the cells are not listed.
const MOST_CELLS: u64 = 64;
/// And of those with more than this nothing is computed.
const MOST_COMPUTED: usize = 2;
/// Nor in more dimensions.
const MOST_DIMENSIONS: usize = 8;
/// Nor on more bytes of data.
const MOST_DATA: usize = 1 << 12;

/// See the module.
///
/// # Panics
/// If something is wrong with what reads them.
pub fn sweep_file(bytes: &[u8]) -> bool {
    let mut sections = bytes.splitn(3, |byte| *byte == 0);
    let Some(Ok(text)) = sections.next().map(std::str::from_utf8) else { return false };
    let names = ["data.csv", "theta.safetensors"].map(str::to_owned);
    let files: BTreeMap<_, _> = names.into_iter().zip(sections.map(<[u8]>::to_vec)).collect();
    match Sweep::parse_given(text, files) {
        Ok(sweep) => {
            plan(&sweep, bytes.len());
            true
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            // A person is to read it.
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// What is done with a sound sweep before anything is simulated.
fn plan(sweep: &Sweep, bytes: usize) {
    let physics = sweep.physics();
    let read = Physics::from_json(&physics.to_json()).map_err(|error| error.to_string());
    assert_eq!(read.as_ref(), Ok(&physics), "a worker reads what the coordinator says");
    if let Some(precision) = sweep.demand.precision() {
        precision.typical();
    }
    if sweep.cell_count() > MOST_CELLS {
        return;
    }
    let cells = sweep.cells();
    assert_eq!(cells.len() as u64, sweep.cell_count());
    for cell in &cells {
        let read = DynamicsSpec::from_json(&cell.dynamics.to_json()).map_err(|error| error.to_string());
        assert_eq!(read, Ok(cell.dynamics));
    }
    let dimensions = match &sweep.landscape {
        LandscapeSpec::Quadratic { eigenvalues, .. } | LandscapeSpec::Quartic { eigenvalues, .. } => eigenvalues.len(),
        LandscapeSpec::DoubleWell { transverse, .. } => 1 + transverse.len(),
        LandscapeSpec::LinearRegression(spec) => {
            if matches!(spec.data.source, taugrid_sweep::DataSource::File { .. }) && bytes <= MOST_DATA {
                let _ = sweep.prepare(&mut |_| ControlFlow::Continue(()));
            }
            return;
        }
        LandscapeSpec::Mlp(_) => return,
    };
    if dimensions > MOST_DIMENSIONS {
        return;
    }
    let Ok(landscape) = physics.landscape(None) else { return };
    for cell in cells.iter().take(MOST_COMPUTED) {
        let _ = physics.problem(cell, &landscape).simulation(physics.seed(), cell.key.0);
    }
    if cells.len() <= MOST_COMPUTED {
        let facts = Facts::new(&physics, &landscape);
        facts.find_exact(&cells);
        for cell in &cells {
            facts.effective(cell);
        }
    }
}
