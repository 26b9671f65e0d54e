//! All cells, and what is known of them together.

use std::collections::{BTreeMap, BTreeSet};

use taugrid_results::{CellKey, Coverage};

use super::cell::{CellState, Plan, Priority};

/// The cells of a sweep.
#[derive(Debug, Default)]
pub(super) struct Cells {
    cells: BTreeMap<CellKey, CellState>,
    /// Those with open trials, by what they cost.
    queue: BTreeSet<(Priority, CellKey)>,
    /// Those with trials on probation.
    probation: BTreeSet<CellKey>,
    /// Trials of all cells whose rows are still to come.
    outstanding: u64,
    /// Cells that are to be asked if their trials are enough.
    to_decide: Vec<CellKey>,
    /// Cells that were asked.
    deciding: usize,
}

impl Cells {
    pub(super) fn new(plans: impl IntoIterator<Item = (CellKey, Plan)>, done: &Coverage) -> Self {
        let mut cells = Self::default();
        for (key, plan) in plans {
            let received = done.get(&key).cloned().unwrap_or_default();
            cells.cells.insert(key, CellState::new(plan, received));
        }
        cells.outstanding = cells.cells.values().map(CellState::outstanding).sum();
        let keys: Vec<_> = cells.cells.keys().copied().collect();
        keys.into_iter().for_each(|key| {
            cells.change(key, |_| ());
        });
        cells
    }

    pub(super) fn get(&self, key: CellKey) -> Option<&CellState> {
        self.cells.get(&key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &CellState> {
        self.cells.values()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CellKey, &CellState)> {
        self.cells.iter().map(|(&key, cell)| (key, cell))
    }

    pub(super) fn keys(&self) -> Vec<CellKey> {
        self.cells.keys().copied().collect()
    }

    /// Changes a cell, and keeps in step what is known of all of them together.
    pub(super) fn change<T>(&mut self, key: CellKey, change: impl FnOnce(&mut CellState) -> T) -> Option<T> {
        let cell = self.cells.get_mut(&key)?;
        let (priority, outstanding) = (cell.priority(), cell.outstanding());
        let result = change(cell);
        self.outstanding = self.outstanding - outstanding + cell.outstanding();
        if priority != cell.priority() || !cell.has_open() {
            self.queue.remove(&(priority, key));
        }
        if cell.has_open() {
            self.queue.insert((cell.priority(), key));
        }
        if cell.has_probation() {
            self.probation.insert(key);
        } else {
            self.probation.remove(&key);
        }
        if cell.is_to_be_decided() {
            cell.deciding = true;
            self.deciding += 1;
            self.to_decide.push(key);
        }
        Some(result)
    }

    /// The cell whose open trials are leased next.
    pub(super) fn next_open(&self) -> Option<CellKey> {
        self.queue.first().map(|&(_, key)| key)
    }

    /// A cell with trials on probation.
    pub(super) fn next_on_probation(&self) -> Option<CellKey> {
        self.probation.first().copied()
    }

    /// Whether anything can be leased.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.probation.is_empty()
    }

    /// The cells that have been found to be complete since, and how many trials each has: are they enough?
    pub(super) fn questions(&mut self) -> Vec<(CellKey, u64)> {
        let keys = std::mem::take(&mut self.to_decide);
        keys.into_iter().filter_map(|key| self.cells.get(&key).map(|cell| (key, cell.limit()))).collect()
    }

    /// The answer.
    pub(super) fn answer(&mut self, key: CellKey, limit: Option<u64>) {
        if !self.cells.get(&key).is_some_and(|cell| cell.deciding) {
            return;
        }
        self.deciding -= 1;
        self.change(key, |cell| {
            cell.deciding = false;
            match limit.filter(|&limit| limit > cell.limit()) {
                None => cell.open_ended = false,
                Some(limit) => cell.extend(limit),
            }
        });
    }

    /// Trials of all cells whose rows are still to come.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Whether nothing is to come any more.
    pub(super) fn are_done(&self) -> bool {
        self.outstanding == 0 && self.deciding == 0
    }
}
