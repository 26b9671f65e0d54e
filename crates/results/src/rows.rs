//! One row of `trials/`, and the table of cells that says what its key means.

use taugrid_escape::walk::TrialRecord;
use taugrid_sweep::{Cell, CellKey};

use crate::keys::Keys;

/// The result of one trial of one cell.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Of which cell.
    pub cell: CellKey,
    /// What the trial came to.
    pub record: TrialRecord,
}

impl Row {
    /// Where the row stands in the order of the dataset.
    pub fn position(&self) -> (CellKey, u64) {
        (self.cell, self.record.trial)
    }

    /// Whether the other is of the next trial of the same cell.
    pub fn is_followed_by(&self, other: &Row) -> bool {
        self.cell == other.cell && self.record.trial.checked_add(1) == Some(other.record.trial)
    }

    /// Whether both say the same to the last bit. All NaN are equal; 0.0 and −0.0 are not.
    pub fn same(&self, other: &Row) -> bool {
        let (a, b) = (&self.record, &other.record);
        self.cell == other.cell
            && a.trial == b.trial
            && a.outcome == b.outcome
            && a.steps == b.steps
            && same_float(a.exit_loss, b.exit_loss)
            && same_float(a.exit_radius, b.exit_radius)
    }
}

/// Equal bits, or both NaN.
pub(crate) fn same_float(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// The cells that rows may belong to, by key.
#[derive(Debug, Clone, Default)]
pub struct CellTable {
    /// In the order of their keys.
    cells: Vec<Cell>,
    keys: Keys,
}

impl CellTable {
    /// The table of `cells`, in any order. Of two with one key the first is taken.
    pub fn new(cells: impl IntoIterator<Item = Cell>) -> Self {
        let mut cells: Vec<Cell> = cells.into_iter().collect();
        cells.sort_by_key(|cell| cell.key);
        cells.dedup_by_key(|cell| cell.key);
        let keys = cells.iter().map(|cell| cell.key).collect();
        Self { cells, keys }
    }

    /// The cell of this key.
    pub fn get(&self, key: CellKey) -> Option<&Cell> {
        self.index(key).map(|index| &self.cells[index])
    }

    /// All cells in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Cell> {
        self.cells.iter()
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub(crate) fn index(&self, key: CellKey) -> Option<usize> {
        self.keys.place(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cells, row};

    #[test]
    fn rows_are_compared_by_bits_and_all_nan_are_one() {
        let cell = cells(1)[0];
        let base = row(&cell, 3);
        assert!(base.same(&base));
        let with_loss = |exit_loss| Row { record: TrialRecord { exit_loss, ..base.record }, ..base };
        assert!(with_loss(f64::NAN).same(&with_loss(-f64::NAN)));
        assert!(!with_loss(0.0).same(&with_loss(-0.0)));
        assert!(!with_loss(1.0).same(&with_loss(1.0 + f64::EPSILON)));
        assert!(!base.same(&row(&cell, 4)));
    }

    #[test]
    fn the_table_is_in_key_order_and_finds_its_cells() {
        let cells = cells(20);
        let table = CellTable::new(cells.iter().rev().copied().chain([cells[3]]));
        assert_eq!(table.len(), 20);
        assert!(table.iter().is_sorted_by_key(|cell| cell.key));
        for cell in &cells {
            assert_eq!(table.get(cell.key), Some(cell));
        }
        assert_eq!(table.get(CellKey(0)), None);
    }
}
