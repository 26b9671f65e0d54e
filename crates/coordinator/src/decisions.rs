//! Stopping by precision: whether the trials that a cell has are enough.
//!
//! The decision is of the first n trials and of nothing else, whatever else has come: so it does not depend on timing.

use std::collections::BTreeMap;

use taugrid_results::{CellKey, CellTallies, Decision, Row};

/// What is known of the cells of a sweep that stops by precision; of one that does not, nothing.
pub(crate) struct Decisions(BTreeMap<CellKey, CellTallies>);

impl Decisions {
    /// As far as the dataset has come.
    pub(crate) fn new(tallies: BTreeMap<CellKey, CellTallies>) -> Self {
        Self(tallies)
    }

    /// How many trials a cell needs by now, and whether it may turn out to need more; `None` if that was said beforehand.
    pub(crate) fn needed(&mut self, cell: CellKey) -> Option<(u64, bool)> {
        let tallies = self.0.get_mut(&cell)?;
        let is_open = tallies.decide() == Decision::GoOn;
        Some((tallies.limit(), is_open))
    }

    /// Takes in rows, each once however often it comes.
    pub(crate) fn add(&mut self, rows: &[Row]) {
        if self.0.is_empty() {
            return;
        }
        for row in rows {
            if let Some(tallies) = self.0.get_mut(&row.cell) {
                tallies.add(&row.record);
            }
        }
    }

    /// How many trials a cell needs, all of whose trials so far have come; `None` if they are enough.
    pub(crate) fn decide(&mut self, cell: CellKey) -> Option<u64> {
        self.needed(cell).filter(|(_, is_open)| *is_open).map(|(limit, _)| limit)
    }
}
