//! Stopping by precision: how many trials each cell needs, as its rows say, in whatever order they come.

use std::collections::{BTreeMap, HashMap};

use taugrid_escape::walk::TrialRecord;
use taugrid_sweep::{CellKey, Precision, Tally};

use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::ranges::Ranges;

/// What is known of one cell's trials, as the rule of a precision looks at them.
///
/// Pure: rows in any order, each once or more, and the decisions are those of the trials alone.
#[derive(Debug, Clone)]
pub struct CellTallies {
    precision: Precision,
    limit: u64,
    /// Of the trials below the limit that were seen.
    below: Tally,
    /// Of those that came early: by the first point of decision that they are below.
    ahead: BTreeMap<u64, Tally>,
    seen: Ranges,
}

/// What there is to do about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The trials below [`CellTallies::limit`] are needed, and some of them are still to come.
    GoOn,
    /// The trials below [`CellTallies::limit`] are all that it takes.
    Done {
        /// Whether the mean is known well enough; if not, the cell stopped at the most trials that it may have.
        reached: bool,
    },
}

impl CellTallies {
    /// Of a cell without trials.
    pub fn new(precision: Precision) -> Self {
        let limit = precision.first();
        Self { precision, limit, below: Tally::default(), ahead: BTreeMap::new(), seen: Ranges::new() }
    }

    /// Counts a trial in, if it was not before and the cell can come to need it; whether so.
    pub fn add(&mut self, record: &TrialRecord) -> bool {
        let trial = record.trial;
        if trial >= self.precision.max || self.seen.contains(trial) {
            return false;
        }
        self.seen.insert(trial..trial + 1);
        if trial < self.limit {
            self.below.add(record);
        } else {
            let mut point = self.limit;
            while point <= trial {
                // There is one: the trial is below max.
                let Some(next) = self.precision.next(point) else { break };
                point = next;
            }
            self.ahead.entry(point).or_default().add(record);
        }
        true
    }

    /// The trials 0 … limit − 1 are needed: up to the last point of decision that was come to.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Of the trials below the limit that were counted in.
    pub fn tally(&self) -> &Tally {
        &self.below
    }

    /// Takes all decisions that can be taken: raises the limit from point to point, as far as the trials below it are all
    /// there and say so. Asked again, it says the same.
    pub fn decide(&mut self) -> Decision {
        loop {
            if self.below.trials < self.limit {
                return Decision::GoOn;
            }
            if self.precision.is_reached(&self.below) {
                return Decision::Done { reached: true };
            }
            let Some(next) = self.precision.next(self.limit) else { return Decision::Done { reached: false } };
            self.below += self.ahead.remove(&next).unwrap_or_default();
            self.limit = next;
        }
    }
}

impl Dataset {
    /// With a precision, what the rows say of each cell of the sweep, all decisions taken; without one, nothing. Reads how
    /// and when trials ended, and no other column.
    ///
    /// # Errors
    /// [`DatasetError::Damaged`] names the part that is.
    pub fn tallies(&self) -> Result<BTreeMap<CellKey, CellTallies>, DatasetError> {
        let Some(precision) = self.manifest.precision else { return Ok(BTreeMap::new()) };
        let in_sweep = self.cells.iter().map(|cell| cell.key).filter(|key| self.manifest.has_in_sweep(*key));
        let mut found: HashMap<CellKey, CellTallies> = in_sweep.map(|key| (key, CellTallies::new(precision))).collect();
        for part in &self.parts {
            part.for_each_end(&self.store, |cell, record| {
                if let Some(tallies) = found.get_mut(&cell) {
                    tallies.add(record);
                }
            })?;
        }
        for tallies in found.values_mut() {
            tallies.decide();
        }
        Ok(found.into_iter().collect())
    }

    /// [`Dataset::tallies`], and says in the manifest how many trials each cell needs by them. The caller holds
    /// the lock.
    ///
    /// Rows beyond what is needed by now can be appended all the same, up to the most that a cell may have: what the manifest
    /// says is for readers, and may lag behind.
    ///
    /// # Errors
    /// As [`Dataset::tallies`], and if the manifest cannot be written.
    pub fn decide(&mut self) -> Result<BTreeMap<CellKey, CellTallies>, DatasetError> {
        let tallies = self.tallies()?;
        let mut manifest = self.manifest.clone();
        manifest.set_needed(tallies.iter().map(|(key, tallies)| (*key, tallies.limit())));
        self.write_manifest(manifest)?;
        Ok(tallies)
    }
}

#[cfg(test)]
mod tests;
