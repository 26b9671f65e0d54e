//! The books are balanced: each trial of each cell is in one place, and what is counted is what is there. For tests and the
//! fuzzer; nothing else asks.

use taugrid_results::{CellKey, Ranges};

use super::Machine;
use super::cell::count;

impl Machine {
    /// What is wrong with the books, if anything is.
    #[doc(hidden)]
    pub fn audit(&self) -> Result<(), String> {
        let mut outstanding = 0;
        for (key, cell) in self.cells.iter() {
            cell.audit(&self.leased(key)).map_err(|wrong| format!("{key}: {wrong}"))?;
            outstanding += cell.outstanding();
        }
        if outstanding != self.cells.outstanding() {
            return Err(format!("{outstanding} trials are outstanding, not {}", self.cells.outstanding()));
        }
        for (id, lease) in &self.leases {
            let holder = self.workers.get(&lease.worker);
            if !holder.is_some_and(|worker| worker.leases.contains(id)) {
                return Err(format!("{id:?} is held by nobody"));
            }
            if lease.missing_count() != count(lease.missing()) {
                return Err(format!("{id:?} lacks {} trials, not {}", count(lease.missing()), lease.missing_count()));
            }
        }
        let held: usize = self.workers.values().map(|worker| worker.leases.len()).sum();
        if held != self.leases.len() {
            return Err(format!("{held} leases are held, and there are {}", self.leases.len()));
        }
        Ok(())
    }

    /// The trials of a cell whose rows somebody is to send, by lease.
    fn leased(&self, key: CellKey) -> Vec<&Ranges> {
        self.leases.values().filter(|lease| lease.cell == key).map(|lease| lease.missing()).collect()
    }
}
