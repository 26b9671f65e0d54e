//! What a worker knows of the sweep it serves: the physics, the landscape, the cells it has met.

use std::collections::HashMap;
use std::sync::Arc;

use taugrid_escape::walk::Simulation;
use taugrid_results::CellKey;
use taugrid_sweep::{Artifact, BuiltLandscape, Cell, Physics};
use taugrid_wire::v1;

use crate::error::WorkerError;

/// Simulations kept ready at once; a lease of another cell makes its own again.
const MOST_SIMULATIONS: usize = 256;

/// The sweep, as far as a worker needs it.
pub(crate) struct Setup {
    pub(crate) sweep: String,
    physics: Physics,
    landscape: BuiltLandscape,
    cells: HashMap<CellKey, Cell>,
    simulations: HashMap<CellKey, Arc<dyn Simulation>>,
}

impl Setup {
    /// From a welcome and the artifact it names. Everything is checked: it came off the wire.
    pub(crate) fn new(sweep: String, physics: Physics, artifact: Option<&Artifact>) -> Result<Self, WorkerError> {
        let landscape = physics.landscape(artifact).map_err(|error| WorkerError::Protocol(error.to_string()))?;
        Ok(Self { sweep, physics, landscape, cells: HashMap::new(), simulations: HashMap::new() })
    }

    /// The physics of a welcome, which must be what its hash says.
    pub(crate) fn physics(welcome: &v1::Welcome) -> Result<Physics, WorkerError> {
        let physics = Physics::from_json(&welcome.physics).map_err(|error| WorkerError::Protocol(error.to_string()))?;
        if physics.sweep_id() != welcome.sweep {
            return Err(WorkerError::Protocol("the physics is not what its hash says".to_owned()));
        }
        Ok(physics)
    }

    /// The cells met so far.
    pub(crate) fn cells(&self) -> &HashMap<CellKey, Cell> {
        &self.cells
    }

    /// The simulation of a lease's cell, whose key must follow from its parameters.
    pub(crate) fn simulation(&mut self, cell: &Cell) -> Result<Arc<dyn Simulation>, WorkerError> {
        let key = cell.key;
        if let Some(simulation) = self.simulations.get(&key) {
            return Ok(Arc::clone(simulation));
        }
        let derived = self.physics.cell(cell.dynamics, cell.alpha, cell.beta, cell.eta, cell.batch_size);
        if derived.key != key {
            let detail = format!("cell {key} has the parameters of cell {}", derived.key);
            return Err(WorkerError::Protocol(detail));
        }
        let problem = self.physics.problem(&derived, &self.landscape);
        let simulation: Arc<dyn Simulation> = problem
            .simulation(self.physics.seed(), key.0)
            .map_err(|error| WorkerError::Protocol(format!("cell {key}: {error}")))?
            .into();
        if self.simulations.len() >= MOST_SIMULATIONS {
            self.simulations.clear();
        }
        self.simulations.insert(key, Arc::clone(&simulation));
        self.cells.insert(key, derived);
        Ok(simulation)
    }
}
