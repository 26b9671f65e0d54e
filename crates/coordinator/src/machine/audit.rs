//! The books are balanced: each trial of each cell is in one place, and what is counted is what is there. For tests and the
//! fuzzer; nothing else asks.

use taugrid_results::{CellKey, Ranges};

use super::Machine;
use super::worker::WorkerState;

impl Machine {
    /// What is wrong with the books, if anything is.
    #[doc(hidden)]
    pub fn audit(&self) -> Result<(), String> {
        for (key, cell) in self.cells.iter() {
            cell.audit(&self.leased(key)).map_err(|wrong| format!("{key}: {wrong}"))?;
        }
        self.cells.audit()?;
        for (id, lease) in self.workers.values().flat_map(WorkerState::leases) {
            if lease.missing_count() != lease.missing().count() {
                return Err(format!("{id:?} lacks {} trials, not {}", lease.missing().count(), lease.missing_count()));
            }
        }
        self.workers.values().try_for_each(WorkerState::audit)
    }

    /// The trials of a cell whose rows somebody is to send, by lease.
    fn leased(&self, key: CellKey) -> Vec<&Ranges> {
        self.workers.values().flat_map(|worker| worker.leases_of(key)).map(|(_, lease)| lease.missing()).collect()
    }
}
