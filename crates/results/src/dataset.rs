//! A results folder: what is in it, adding to it, reading it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use taugrid_sweep::{Cell, CellKey, Demand, Physics};

use crate::append::drop_repetitions;
use crate::coverage::{Coverage, Position, stretches};
use crate::error::DatasetError;
use crate::journal::Listing;
use crate::manifest::{MANIFEST, Manifest, SWEEP};
use crate::parallel;
use crate::part::{FOLDER, PREFIX, Part, PartName};
use crate::rows::{CellTable, Row};
use crate::store::{LocalStore, Store};

/// An open dataset.
///
/// Reading needs nothing but the files. Whoever writes (appends, compacts, writes the table of cells) must hold
/// the [`WriterLock`](crate::WriterLock) of the place, and give it to a store that the lock guards.
#[derive(Debug)]
pub struct Dataset {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) manifest: Manifest,
    pub(crate) physics: Physics,
    pub(crate) cells: Arc<CellTable>,
    pub(crate) parts: Vec<Part>,
    pub(crate) coverage: Coverage,
    /// The number of the next part to be appended.
    pub(crate) next_number: u64,
    /// Whether the store may hold other parts than are known here: before the first write, and after a failed one.
    stale: bool,
}

impl Dataset {
    /// Opens the dataset in `dir`, changing nothing.
    ///
    /// # Errors
    /// [`DatasetError::NotADataset`] if there is none, [`DatasetError::Damaged`] if a footer or the manifest is.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        Self::open_in(Arc::new(LocalStore::new(dir)))
    }

    /// [`Dataset::open`] on any store.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_in(store: Arc<dyn Store>) -> Result<Self, DatasetError> {
        // A writer may be compacting: parts that vanish between the listing and the reading are listed anew.
        const TRIES: u32 = 5;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::try_open(store.clone()) {
                Err(DatasetError::Store(error)) if error.is_not_found() && tries < TRIES => {}
                done => return done,
            }
        }
    }

    fn try_open(store: Arc<dyn Store>) -> Result<Self, DatasetError> {
        let manifest = read_manifest(&store)?.ok_or(DatasetError::NotADataset)?;
        let mut dataset = Self::without_parts(store, manifest)?;
        dataset.load(Listing::of(&dataset.store)?)?;
        Ok(dataset)
    }

    /// With its parts, to be written: what is damaged is set aside, and what an interrupted writer left is cleared away.
    pub(crate) fn for_writing(mut self) -> Result<Self, DatasetError> {
        self.store.remove_leftovers(&[FOLDER])?;
        let mut listing = self.sound_listing()?;
        let parts = self.open_sound(&listing.parts)?;
        self.take_over(&listing.strangers, parts)?;
        listing.settle(&self.store)?;
        self.stale = false;
        Ok(self)
    }

    pub(crate) fn without_parts(store: Arc<dyn Store>, manifest: Manifest) -> Result<Self, DatasetError> {
        let physics = manifest.read_physics()?;
        let cells = Arc::new(manifest.read_cells(&physics)?);
        let (parts, coverage) = (Vec::new(), Coverage::new());
        Ok(Self { store, manifest, physics, cells, parts, coverage, next_number: 0, stale: true })
    }

    /// Opens the dataset in `dir` to write to it, or makes it. The caller holds the lock.
    ///
    /// One that is there must be of the same physics; the grid and the trials may have changed. What a writer that was
    /// killed left behind is cleared away, and what is damaged is set aside, so that it is made again. With a precision,
    /// [`Dataset::decide`] comes next: how many trials each cell needs is known only once the rows were read.
    ///
    /// # Errors
    /// [`DatasetError::Mismatch`] if it holds the results of other physics, [`DatasetError::Occupied`] if it holds parts or
    /// another sweep file and no manifest, [`DatasetError::Damaged`] if a part is sound and none of this sweep's.
    pub fn create_or_resume(
        dir: &Path,
        sweep_text: &str,
        name: &str,
        physics: &Physics,
        cells: &[Cell],
        demand: Demand,
    ) -> Result<Self, DatasetError> {
        Self::create_or_resume_in(Arc::new(LocalStore::new(dir)), sweep_text, name, physics, cells, demand)
    }

    /// [`Dataset::create_or_resume`] on any store.
    ///
    /// # Errors
    /// As [`Dataset::create_or_resume`].
    pub fn create_or_resume_in(
        store: Arc<dyn Store>,
        sweep_text: &str,
        name: &str,
        physics: &Physics,
        cells: &[Cell],
        demand: Demand,
    ) -> Result<Self, DatasetError> {
        let of_sweep = |before| Manifest::of_sweep(name, physics, cells, demand, before);
        let there = read_manifest(&store).and_then(|manifest| {
            manifest.map(|manifest| Self::without_parts(Arc::clone(&store), manifest)).transpose()
        });
        let dataset = match there {
            Ok(None) => {
                check_unoccupied(&store, sweep_text)?;
                let manifest = of_sweep(None)?;
                store.put(MANIFEST, &manifest.to_bytes()?)?;
                Self::without_parts(store, manifest)?.for_writing()?
            }
            Ok(Some(mut dataset)) => {
                let differences = physics.difference(&dataset.physics);
                if !differences.is_empty() {
                    if !Listing::of(&store)?.is_empty() {
                        return Err(DatasetError::Mismatch { differences });
                    }
                    // It never came to a row: there are no results that this sweep could mix with.
                    let manifest = of_sweep(None)?;
                    store.replace(MANIFEST, &manifest.to_bytes()?)?;
                    dataset = Self::without_parts(store, manifest)?;
                }
                let mut dataset = dataset.for_writing()?;
                let manifest = of_sweep(Some((&dataset.manifest, &dataset.coverage)))?;
                dataset.write_manifest(manifest)?;
                dataset
            }
            Err(DatasetError::Damaged { why, .. }) => Self::with_manifest_anew(store, of_sweep(None)?, &why)?,
            Err(error) => return Err(error),
        };
        if dataset.store.read(SWEEP).map_or(true, |bytes| bytes != sweep_text.as_bytes()) {
            dataset.store.replace(SWEEP, sweep_text.as_bytes())?;
        }
        Ok(dataset)
    }

    /// What the dataset is of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What decides its results.
    pub fn physics(&self) -> &Physics {
        &self.physics
    }

    /// The trials it holds.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The trials that its sweep asks for and it does not hold; with a precision, as of the last [`Dataset::decide`].
    pub fn missing(&self) -> Coverage {
        self.manifest.missing(&self.coverage)
    }

    /// All cells that it may hold rows of.
    pub fn cells(&self) -> &Arc<CellTable> {
        &self.cells
    }

    /// Where its files are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The rows of a cell, by trial. None if there are none, or if the cell is not of this sweep.
    ///
    /// # Errors
    /// [`DatasetError::Damaged`] names the part that is.
    pub fn rows(&self, cell: CellKey) -> Result<Vec<Row>, DatasetError> {
        if !self.coverage.contains_key(&cell) {
            return Ok(Vec::new());
        }
        self.gather(&((cell, 0)..(cell, u64::MAX)))
    }

    /// Calls `f` with every cell that has rows, in key order, and all of its rows by trial. Holds the rows of one cell, or
    /// of as many as have a million together, at a time.
    ///
    /// # Errors
    /// [`DatasetError::Damaged`] names the part that is; then `f` has seen the cells before it.
    pub fn for_each_cell(&self, mut f: impl FnMut(&Cell, &[Row])) -> Result<(), DatasetError> {
        const ROWS: u64 = 1 << 20;
        let mut start: Option<CellKey> = None;
        let mut held = 0;
        let mut cells = self.coverage.iter().peekable();
        while let Some((cell, ranges)) = cells.next() {
            let first = *start.get_or_insert(*cell);
            held += ranges.count();
            let next = cells.peek().map_or(0, |(_, ranges)| ranges.count());
            if held + next > ROWS || cells.peek().is_none() {
                let rows = self.gather(&((first, 0)..(*cell, u64::MAX)))?;
                for rows in rows.chunk_by(|a, b| a.cell == b.cell) {
                    if let Some(cell) = self.cells.get(rows[0].cell) {
                        f(cell, rows);
                    }
                }
                (start, held) = (None, 0);
            }
        }
        Ok(())
    }

    /// Says in the manifest whether the sweep is complete now. With a precision, reads the rows for that.
    ///
    /// # Errors
    /// If the manifest cannot be written, or a part is damaged.
    pub fn update_completeness(&mut self) -> Result<bool, DatasetError> {
        self.decide()?;
        let complete = self.missing().is_empty();
        let mut manifest = self.manifest.clone();
        manifest.complete = complete;
        self.write_manifest(manifest)?;
        Ok(complete)
    }

    /// The rows between two positions, in order and without repetitions.
    pub(crate) fn gather(&self, range: &Range<Position>) -> Result<Vec<Row>, DatasetError> {
        let mut rows: Vec<Row> = Vec::new();
        for part in &self.parts {
            rows.append(&mut part.read(&self.store, &self.cells, part.indices(range))?);
        }
        if !rows.is_sorted_by_key(Row::position) {
            // Each part is sorted, which this sort makes use of.
            rows.sort_by_key(Row::position);
        }
        drop_repetitions(&mut rows)?;
        Ok(rows)
    }

    /// Where to cut the dataset into pieces of `step` rows.
    pub(crate) fn stretches(&self, step: u64) -> Vec<(Range<Position>, u64)> {
        stretches(&self.coverage, step)
    }

    /// Clears away what an interrupted writer left, and looks again at what is there if that is not sure.
    pub(crate) fn prepare_to_write(&mut self) -> Result<(), DatasetError> {
        if self.stale {
            let mut listing = Listing::of(&self.store)?;
            listing.settle(&self.store)?;
            self.load(listing)?;
            self.stale = false;
        }
        Ok(())
    }

    /// The store is no longer known to hold just the parts that are known here.
    pub(crate) fn mark_stale(&mut self) {
        self.stale = true;
    }

    /// The store holds just the parts that are known here.
    pub(crate) fn mark_fresh(&mut self) {
        self.stale = false;
    }

    /// Takes over the parts of `listing`; those that are known already are not read again.
    pub(crate) fn load(&mut self, listing: Listing) -> Result<(), DatasetError> {
        // Should one fail, nothing is known any more and the next write begins anew.
        self.stale = true;
        let mut known: BTreeMap<PartName, Part> =
            std::mem::take(&mut self.parts).into_iter().map(|part| (part.name.clone(), part)).collect();
        known.retain(|name, _| listing.parts.binary_search(name).is_ok());
        let new: Vec<PartName> = listing.parts.into_iter().filter(|name| !known.contains_key(name)).collect();
        let opened = parallel::map(&new, self.store.concurrency(), |name| {
            Part::open(&self.store, name.clone(), &self.manifest.sweep_id)
        });
        for part in opened {
            let part = part?;
            known.insert(part.name.clone(), part);
        }
        self.take_over(&listing.strangers, known.into_values())
    }

    /// Begins anew with these parts.
    fn take_over(&mut self, strangers: &[String], parts: impl IntoIterator<Item = Part>) -> Result<(), DatasetError> {
        if let Some(stranger) = strangers.first() {
            return Err(DatasetError::damaged(stranger, "no part has such a name; it was renamed, or is not ours"));
        }
        (self.parts, self.coverage) = (Vec::new(), Coverage::new());
        for part in parts {
            if let Some(run) = part.runs.iter().find(|run| self.cells.index(run.cell).is_none()) {
                let why = format!("it holds rows of cell {}, which the manifest does not list", run.cell);
                return Err(DatasetError::damaged(part.name.as_str(), why));
            }
            self.add(part);
        }
        Ok(())
    }

    /// Takes over a part that is in the store.
    pub(crate) fn add(&mut self, part: Part) {
        self.next_number = self.next_number.max(part.name.number().map_or(0, |number| number + 1));
        for run in &part.runs {
            self.coverage.entry(run.cell).or_default().insert(run.trials.clone());
        }
        self.parts.push(part);
    }

    pub(crate) fn write_manifest(&mut self, manifest: Manifest) -> Result<(), DatasetError> {
        if manifest != self.manifest {
            self.store.replace(MANIFEST, &manifest.to_bytes()?)?;
            self.cells = Arc::new(manifest.read_cells(&self.physics)?);
            self.manifest = manifest;
        }
        Ok(())
    }
}

fn read_manifest(store: &Arc<dyn Store>) -> Result<Option<Manifest>, DatasetError> {
    match store.read(MANIFEST) {
        Ok(bytes) => Manifest::parse(&bytes).map(Some),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// That a new dataset would neither mix with parts of a lost one nor write over somebody's sweep file.
fn check_unoccupied(store: &Arc<dyn Store>, sweep_text: &str) -> Result<(), DatasetError> {
    if let Some(found) = store.list(PREFIX)?.into_iter().next() {
        return Err(DatasetError::Occupied { found });
    }
    match store.read(SWEEP) {
        Ok(bytes) if bytes != sweep_text.as_bytes() => {
            Err(DatasetError::Occupied { found: format!("another {SWEEP}") })
        }
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
