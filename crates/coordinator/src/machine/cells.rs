//! All cells, and what is known of them together.

use std::collections::BTreeSet;
use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

use taugrid_results::{CellKey, Coverage, Keys};

use super::cell::{CellState, Plan, Priority};

/// The cells of a sweep.
#[derive(Debug, Default)]
pub(super) struct Cells {
    keys: Keys,
    /// One for each of them.
    cells: Vec<CellState>,
    /// Those with open trials, by what they cost.
    queue: BTreeSet<(Priority, CellKey)>,
    /// Those with trials on probation.
    probation: BTreeSet<CellKey>,
    totals: Totals,
    /// Cells that are to be asked if their trials are enough.
    to_decide: Vec<CellKey>,
    /// Cells that were asked.
    deciding: usize,
}

impl Cells {
    pub(super) fn new(plans: impl IntoIterator<Item = (CellKey, Plan)>, done: &Coverage) -> Self {
        let mut plans: Vec<_> = plans.into_iter().collect();
        plans.sort_by_key(|(key, _)| *key);
        plans.dedup_by_key(|(key, _)| *key);
        let keys: Keys = plans.iter().map(|(key, _)| *key).collect();
        let state = |(key, plan)| CellState::new(plan, done.get(&key).cloned().unwrap_or_default());
        let cells: Vec<_> = plans.into_iter().map(state).collect();
        let mut totals = Totals::default();
        cells.iter().for_each(|cell| totals += Totals::of(cell));
        let mut cells = Self { keys, cells, totals, ..Self::default() };
        (cells.queue, cells.probation) = (cells.all_queued().collect(), cells.all_on_probation().collect());
        let due: Vec<_> = cells.iter().filter(|(_, cell)| cell.is_to_be_decided()).map(|(key, _)| key).collect();
        for key in due {
            cells.change(key, |_| ());
        }
        cells
    }

    fn all_queued(&self) -> impl Iterator<Item = (Priority, CellKey)> {
        self.iter().filter_map(|(key, cell)| Some((cell.place_in_queue()?, key)))
    }

    fn all_on_probation(&self) -> impl Iterator<Item = CellKey> {
        self.iter().filter(|(_, cell)| cell.has_probation()).map(|(key, _)| key)
    }

    pub(super) fn get(&self, key: CellKey) -> Option<&CellState> {
        self.keys.place(key).map(|place| &self.cells[place])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (CellKey, &CellState)> {
        self.keys.iter().copied().zip(&self.cells)
    }

    pub(super) fn keys(&self) -> Vec<CellKey> {
        self.keys.to_vec()
    }

    /// Changes a cell, and keeps in step what is known of all of them together.
    pub(super) fn change<T>(&mut self, key: CellKey, change: impl FnOnce(&mut CellState) -> T) -> Option<T> {
        let cell = &mut self.cells[self.keys.place(key)?];
        let (place, had_probation) = (cell.place_in_queue(), cell.has_probation());
        self.totals -= Totals::of(cell);
        let result = change(cell);
        self.totals += Totals::of(cell);
        // Of a million cells a look into the queue is not to be had for nothing.
        if place != cell.place_in_queue() {
            place.map(|place| self.queue.remove(&(place, key)));
            cell.place_in_queue().map(|place| self.queue.insert((place, key)));
        }
        if had_probation && !cell.has_probation() {
            self.probation.remove(&key);
        } else if !had_probation && cell.has_probation() {
            self.probation.insert(key);
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
        keys.into_iter().filter_map(|key| self.get(key).map(|cell| (key, cell.limit()))).collect()
    }

    /// The answer.
    pub(super) fn answer(&mut self, key: CellKey, limit: Option<u64>) {
        if !self.get(key).is_some_and(|cell| cell.deciding) {
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

    /// That all are found that have something to lease, and no others, and that what they have together is counted.
    pub(super) fn audit(&self) -> Result<(), String> {
        let (queue, probation) = (self.all_queued().collect(), self.all_on_probation().collect());
        if (&self.queue, &self.probation) != (&queue, &probation) {
            return Err(format!("{queue:?} are open and {probation:?} on probation, not {self:?}"));
        }
        let mut totals = Totals::default();
        self.cells.iter().for_each(|cell| totals += Totals::of(cell));
        if totals == self.totals { Ok(()) } else { Err(format!("all cells have {totals:?}, not {:?}", self.totals)) }
    }

    /// What all cells together have.
    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Those of which nothing is to come any more.
    pub(super) fn done(&self) -> usize {
        self.totals.complete as usize - self.deciding
    }

    /// Whether nothing is to come any more.
    pub(super) fn are_done(&self) -> bool {
        self.totals.outstanding == 0 && self.deciding == 0
    }
}

/// What cells have, together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Totals {
    /// Trials that they need, as far as is known.
    pub(super) limit: u64,
    /// Trials whose rows have come.
    pub(super) received: u64,
    /// Trials in quarantine.
    pub(super) quarantined: u64,
    /// Trials whose rows are still to come.
    pub(super) outstanding: u64,
    /// Cells of which none are.
    complete: u64,
    /// Cells whose cost is known.
    known: u64,
    /// Thread time of a trial of each of those, in nanoseconds.
    cost: u128,
    /// Thread time of what is still to come of those, in nanoseconds.
    remaining: u128,
    /// Trials that are still to come of the others.
    unknown: u64,
}

impl Totals {
    pub(super) fn of(cell: &CellState) -> Self {
        let outstanding = cell.outstanding();
        // In whole nanoseconds: what is added can be taken away again.
        let cost = cell.cost().map(|seconds| (seconds * 1e9) as u128);
        Self {
            limit: cell.limit(),
            received: cell.received(),
            quarantined: cell.quarantined(),
            outstanding,
            complete: u64::from(outstanding == 0),
            known: u64::from(cost.is_some()),
            cost: cost.unwrap_or(0),
            remaining: cost.map_or(0, |cost| cost.saturating_mul(outstanding.into()).min(MOST_NANOSECONDS)),
            unknown: if cost.is_none() { outstanding } else { 0 },
        }
    }

    /// Thread time of all trials that are still to come, where the cost of at least one cell is known.
    pub(super) fn remaining(&self) -> Option<Duration> {
        let typical = self.cost.checked_div(self.known.into())?;
        let nanoseconds = self.remaining.saturating_add(typical.saturating_mul(self.unknown.into()));
        Some(Duration::try_from_secs_f64(nanoseconds as f64 * 1e-9).unwrap_or(Duration::MAX))
    }
}

/// Of one cell: far beyond all time, and so little that the sum of all cells is a number.
const MOST_NANOSECONDS: u128 = 1 << 90;

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.limit += other.limit;
        self.received += other.received;
        self.quarantined += other.quarantined;
        self.outstanding += other.outstanding;
        self.complete += other.complete;
        self.known += other.known;
        self.cost += other.cost;
        self.remaining += other.remaining;
        self.unknown += other.unknown;
    }
}

impl SubAssign for Totals {
    fn sub_assign(&mut self, other: Self) {
        self.limit -= other.limit;
        self.received -= other.received;
        self.quarantined -= other.quarantined;
        self.outstanding -= other.outstanding;
        self.complete -= other.complete;
        self.known -= other.known;
        self.cost -= other.cost;
        self.remaining -= other.remaining;
        self.unknown -= other.unknown;
    }
}
