//! `OUT/manifest.json`: what the dataset is of, and which cells and trials it is to hold.
//!
//! Writers replace it whole. Readers look at `format` before anything else:
//!
//! | | writes | reads |
//! | --- | --- | --- |
//! | 0.1 | 1 | 1 |

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use taugrid_sweep::{Cell, CellKey, Demand, DynamicsSpec, Physics, Precision};

use crate::coverage::Coverage;
use crate::error::DatasetError;
use crate::ranges::Ranges;
use crate::rows::CellTable;

/// The manifest's name in the store.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The name of the sweep file's copy.
pub(crate) const SWEEP: &str = "sweep.yaml";

/// The version of everything in a dataset's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FormatVersion(pub u32);

impl FormatVersion {
    /// The one that this release writes.
    pub const CURRENT: Self = Self(1);

    /// Whether this release reads datasets of this version.
    pub fn is_readable(self) -> bool {
        self == Self::CURRENT
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the dataset.
    pub format: FormatVersion,
    /// The release that wrote this file.
    pub release: String,
    /// The sweep's name.
    pub name: String,
    /// The id of the sweep's physics.
    pub sweep_id: String,
    /// Trials per cell that the sweep asks for; with a precision, at most.
    pub trials: u64,
    /// The rule by which cells stop before, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Cells that the sweep has.
    pub cells: u64,
    /// Whether all trials of all of its cells are here.
    pub complete: bool,
    /// What decides the results, as the sweep's own JSON.
    pub physics: Value,
    /// Every cell that the dataset may hold rows of, in key order.
    cell_list: Vec<ListedCell>,
}

/// A cell in the manifest. Its key is derived anew from the rest when it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ListedCell {
    cell: CellKey,
    dynamics: DynamicsSpec,
    alpha: f64,
    beta: f64,
    eta: f64,
    batch_size: u64,
    /// The most trials that the sweep ever asked of this cell, or could come to ask: there can be no rows beyond.
    trials: u64,
    /// With a precision, the trials that the cell was last known to need: those up to the first point of decision that
    /// its rows did not reach, or that it stops at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
    /// Whether the sweep has it as it is now. A cell that was taken out of the grid keeps its rows.
    in_sweep: bool,
}

impl Manifest {
    /// The manifest of a sweep; `before` is what an older run of it left, with the rows that are there.
    pub(crate) fn of_sweep(
        name: &str,
        physics: &Physics,
        cells: &[Cell],
        demand: Demand,
        before: Option<(&Manifest, &Coverage)>,
    ) -> Result<Self, DatasetError> {
        let (trials, precision) = (demand.most(), demand.precision());
        let json = serde_json::from_str(&physics.to_json());
        let physics_json = json.map_err(|error| DatasetError::encode(MANIFEST, error))?;
        let mut listed: BTreeMap<CellKey, ListedCell> = BTreeMap::new();
        if let Some((manifest, coverage)) = before {
            for old in &manifest.cell_list {
                if coverage.contains_key(&old.cell) {
                    listed.insert(old.cell, ListedCell { in_sweep: false, ..old.clone() });
                }
            }
        }
        for cell in cells {
            let old = listed.get(&cell.key);
            let most = old.map_or(trials, |old| old.trials.max(trials));
            // What was decided by this very rule holds; by another, it is to be decided anew.
            let known =
                before.filter(|(manifest, _)| manifest.precision == precision).and(old).and_then(|old| old.needed);
            let needed = precision.map(|precision| known.unwrap_or(precision.first()));
            let Cell { key, dynamics, alpha, beta, eta, batch_size } = *cell;
            let entry =
                ListedCell { cell: key, dynamics, alpha, beta, eta, batch_size, trials: most, needed, in_sweep: true };
            listed.insert(key, entry);
        }
        let mut manifest = Self {
            format: FormatVersion::CURRENT,
            release: env!("CARGO_PKG_VERSION").to_string(),
            name: name.to_string(),
            sweep_id: physics.sweep_id(),
            trials,
            precision,
            cells: listed.values().filter(|cell| cell.in_sweep).count() as u64,
            complete: false,
            physics: physics_json,
            cell_list: listed.into_values().collect(),
        };
        let nothing = Coverage::new();
        let missing = manifest.missing(before.map_or(&nothing, |(_, coverage)| coverage));
        // With a precision that is known only once the rows were read.
        manifest.complete = precision.is_none() && missing.is_empty();
        Ok(manifest)
    }

    /// Takes the trials of `coverage` for asked for, where its sweep asks for less now.
    pub(crate) fn admit(&mut self, coverage: &Coverage) {
        for cell in &mut self.cell_list {
            let last = coverage.get(&cell.cell).and_then(Ranges::last);
            cell.trials = cell.trials.max(last.map_or(0, |last| last.end));
        }
    }

    /// Reads a manifest.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DatasetError> {
        /// What every format, older or newer, says.
        #[derive(Deserialize)]
        struct Head {
            format: FormatVersion,
            #[serde(default)]
            release: String,
        }
        let damaged = |error: serde_json::Error| DatasetError::damaged(MANIFEST, error);
        let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
        if !head.format.is_readable() {
            return Err(DatasetError::Format { found: head.format, release: head.release });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        match manifest.precision.and_then(|precision| precision.complaint()) {
            Some(complaint) => Err(DatasetError::damaged(MANIFEST, format!("its precision: {complaint}"))),
            None => Ok(manifest),
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| DatasetError::encode(MANIFEST, error))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The physics, as long as this release can read it and it has the id that stands beside it.
    pub(crate) fn read_physics(&self) -> Result<Physics, DatasetError> {
        let physics = Physics::from_json(&self.physics.to_string());
        let physics = physics.map_err(|error| DatasetError::damaged(MANIFEST, format!("its physics: {error}")))?;
        if physics.sweep_id() != self.sweep_id {
            let why = format!("its physics have the id {}, not {}", physics.sweep_id(), self.sweep_id);
            return Err(DatasetError::damaged(MANIFEST, why));
        }
        Ok(physics)
    }

    /// All cells, with their keys derived anew and compared.
    pub(crate) fn read_cells(&self, physics: &Physics) -> Result<CellTable, DatasetError> {
        let mut cells = Vec::with_capacity(self.cell_list.len());
        for listed in &self.cell_list {
            let ListedCell { dynamics, alpha, beta, eta, batch_size, .. } = *listed;
            let cell = physics.cell(dynamics, alpha, beta, eta, batch_size);
            if cell.key != listed.cell {
                let why = format!("the cell listed as {} has the key {}", listed.cell, cell.key);
                return Err(DatasetError::damaged(MANIFEST, why));
            }
            cells.push(cell);
        }
        if !cells.is_sorted_by(|a, b| a.key < b.key) {
            return Err(DatasetError::damaged(MANIFEST, "its cells are out of order"));
        }
        Ok(CellTable::new(cells))
    }

    /// The most trials that the `index`-th cell can have.
    pub(crate) fn most_trials(&self, index: usize) -> u64 {
        self.cell_list.get(index).map_or(0, |cell| cell.trials)
    }

    /// The trials that the sweep asks for, as far as it is known, and `coverage` lacks.
    pub(crate) fn missing(&self, coverage: &Coverage) -> Coverage {
        let mut missing = Coverage::new();
        for cell in self.cell_list.iter().filter(|cell| cell.in_sweep) {
            let needed = cell.needed.unwrap_or(self.trials);
            let gaps: Ranges = match coverage.get(&cell.cell) {
                _ if needed == 0 => continue,
                Some(held) => held.gaps(&(0..needed)).collect(),
                None => (0..needed).into(),
            };
            if !gaps.is_empty() {
                missing.insert(cell.cell, gaps);
            }
        }
        missing
    }

    /// Takes over how many trials cells of the sweep need.
    pub(crate) fn set_needed(&mut self, needed: impl IntoIterator<Item = (CellKey, u64)>) {
        for (key, trials) in needed {
            if let Some(index) = self.position(key) {
                self.cell_list[index].needed = Some(trials);
            }
        }
    }
}

impl Manifest {
    /// Whether the sweep as it is now has this cell: a grid that shrank keeps the rows that it has.
    pub fn has_in_sweep(&self, cell: CellKey) -> bool {
        self.position(cell).is_some_and(|index| self.cell_list[index].in_sweep)
    }

    /// How many trials of a cell of the sweep are needed, as far as this file knows: with a precision, the rows may say more
    /// ([`Dataset::tallies`](crate::Dataset::tallies)). `None` if the sweep does not have the cell.
    pub fn needed(&self, cell: CellKey) -> Option<u64> {
        let listed = &self.cell_list[self.position(cell)?];
        listed.in_sweep.then(|| listed.needed.unwrap_or(self.trials))
    }

    fn position(&self, cell: CellKey) -> Option<usize> {
        self.cell_list.binary_search_by_key(&cell, |listed| listed.cell).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::coverage_of;
    use crate::testing::{cells, physics, rows};

    #[test]
    fn a_manifest_reads_back_with_its_physics_and_cells() {
        let manifest = Manifest::of_sweep("test", &physics(), &cells(9), Demand::Fixed(10), None).expect("valid");
        let back = Manifest::parse(&manifest.to_bytes().expect("json")).expect("valid");
        assert_eq!(back, manifest);
        let physics = back.read_physics().expect("valid");
        assert_eq!(physics.difference(&self::physics()), Vec::<String>::new());
        assert_eq!(back.read_cells(&physics).expect("valid").len(), 9);
        assert_eq!((back.cells, back.trials, back.complete), (9, 10, false));
    }

    #[test]
    fn a_newer_format_is_named_whatever_else_it_holds() {
        let error = Manifest::parse(br#"{"format": 2, "release": "9.9.9", "unheard": "of"}"#).expect_err("newer");
        assert!(matches!(&error, DatasetError::Format { found: FormatVersion(2), .. }));
        assert!(error.is_damaged_or_mismatched());
        let text = error.to_string();
        assert!(text.contains("format 2, written by taugrid 9.9.9") && text.contains("reads up to format 1"), "{text}");
        for bad in ["", "{}", "[]", "{\"format\":1}", "{\"format\":\"1\"}"] {
            assert!(matches!(Manifest::parse(bad.as_bytes()), Err(DatasetError::Damaged { .. })), "{bad}");
        }
    }

    #[test]
    fn a_changed_parameter_physics_or_order_is_found() {
        let manifest = Manifest::of_sweep("test", &physics(), &cells(3), Demand::Fixed(10), None).expect("valid");
        let mut changed = manifest.clone();
        changed.cell_list[1].alpha += 1.0;
        assert!(changed.read_cells(&physics()).is_err());
        let mut changed = manifest.clone();
        changed.cell_list.swap(0, 2);
        assert!(changed.read_cells(&physics()).is_err());
        let mut changed = manifest;
        changed.sweep_id.push('0');
        assert!(changed.read_physics().is_err());
    }

    #[test]
    fn a_sweep_grows_and_what_was_taken_out_keeps_its_rows() {
        let cells = cells(4);
        let before = Manifest::of_sweep("test", &physics(), &cells[..3], Demand::Fixed(10), None).expect("valid");
        // Cells 0 and 1 have rows; the new sweep has 1 and 3, with fewer trials.
        let coverage = coverage_of(&rows(&cells[..2], 0..10));
        let after = Manifest::of_sweep("test", &physics(), &cells[1..4], Demand::Fixed(5), Some((&before, &coverage)))
            .expect("valid");
        assert_eq!((after.cells, after.cell_list.len(), after.complete), (3, 4, false));
        let most = |key: CellKey| {
            let listed = after.cell_list.iter().find(|cell| cell.cell == key).expect("listed");
            (listed.trials, listed.in_sweep)
        };
        assert_eq!(most(cells[0].key), (10, false));
        assert_eq!(most(cells[1].key), (10, true));
        assert_eq!(most(cells[3].key), (5, true));
        let missing = after.missing(&coverage);
        assert_eq!(missing.keys().collect::<Vec<_>>().len(), 2);
        assert!(!missing.contains_key(&cells[1].key));
        let full = coverage_of(&rows(&cells, 0..5));
        assert!(after.missing(&full).is_empty());
    }
}
