//! Verification: every byte of a dataset against everything that is known of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use taugrid_sweep::CellKey;

use crate::coverage::{Coverage, count};
use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::journal::Listing;
use crate::manifest::{MANIFEST, Manifest, SWEEP};
use crate::part::{Part, ROW_GROUP};
use crate::rows::CellTable;
use crate::store::{LocalStore, Store};
use crate::tallies::CellTallies;

/// What [`Dataset::verify`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VerifyReport {
    /// Damage, a line each, with the name of the file. Empty if the dataset is sound.
    pub problems: Vec<String>,
    /// Trials that the sweep asks for and the dataset does not hold: not damage, the sweep can be resumed.
    pub missing: Coverage,
    /// Files that an interrupted compaction left, which do not count and are cleared away by the next writer.
    pub leftovers: Vec<String>,
    /// Parts that count.
    pub parts: u64,
    /// Different trials in sound parts.
    pub rows: u64,
    /// Cells of the sweep.
    pub cells: u64,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    fn problem(&mut self, error: impl ToString) {
        self.problems.push(error.to_string());
    }
}

impl Dataset {
    /// Reads all of the dataset in `dir` and checks it: the hash of every part, footers against rows, the schema, the order,
    /// every value against the cell table, the keys of the cells against the physics, no trial twice or beyond what
    /// the sweep asked for, and the table of cells if there is one.
    ///
    /// # Errors
    /// [`DatasetError::NotADataset`] if there is none, [`DatasetError::Format`] if it is of another format,
    /// [`DatasetError::Store`] if the folder cannot be read. Damage is no error here: it stands in the report.
    pub fn verify(dir: &Path) -> Result<VerifyReport, DatasetError> {
        Self::verify_in(Arc::new(LocalStore::new(dir)))
    }

    /// [`Dataset::verify`] on any store.
    ///
    /// # Errors
    /// As [`Dataset::verify`].
    pub fn verify_in(store: Arc<dyn Store>) -> Result<VerifyReport, DatasetError> {
        let mut report = VerifyReport::default();
        let manifest = match store.read(MANIFEST) {
            Ok(bytes) => Manifest::parse(&bytes),
            Err(error) if error.is_not_found() => return Err(DatasetError::NotADataset),
            Err(error) => return Err(error.into()),
        };
        let known = manifest.and_then(|manifest| {
            let physics = manifest.read_physics()?;
            let cells = manifest.read_cells(&physics)?;
            Ok((manifest, cells))
        });
        let (mut manifest, cells) = match known {
            Ok(known) => known,
            Err(error @ DatasetError::Damaged { .. }) => {
                // Without it there is nothing to hold the parts against.
                report.problem(error);
                return Ok(report);
            }
            Err(error) => return Err(error),
        };
        report.cells = manifest.cells;
        if let Err(error) = store.read(SWEEP) {
            report.problem(error);
        }
        let listing = match Listing::of(&store) {
            Ok(listing) => listing,
            Err(error @ DatasetError::Damaged { .. }) => {
                report.problem(error);
                return Ok(report);
            }
            Err(error) => return Err(error),
        };
        report.leftovers = listing.rubble.iter().map(|name| name.as_str().to_string()).collect();
        for stranger in listing.strangers {
            report.problem(format!("{stranger}: no part has such a name; it was renamed, or is not ours"));
        }
        let mut covered = Coverage::new();
        let mut tallies: BTreeMap<CellKey, CellTallies> = BTreeMap::new();
        for name in listing.parts {
            report.parts += 1;
            let checked = Part::open(&store, name.clone(), &manifest.sweep_id).and_then(|part| {
                check_part(&store, &manifest, &cells, &part, &mut tallies)?;
                Ok(part)
            });
            match checked {
                Ok(part) => add(&mut report, &mut covered, &part),
                Err(error @ DatasetError::Damaged { .. }) => report.problem(error),
                Err(error) => report.problem(format!("{name}: {error}")),
            }
        }
        report.rows = count(&covered);
        check_decisions(&mut report, &mut manifest, tallies);
        report.missing = manifest.missing(&covered);
        if manifest.complete && !report.missing.is_empty() && report.is_sound() {
            let lacking = count(&report.missing);
            report.problem(format!("{MANIFEST} says that the sweep is complete, and {lacking} trials are missing"));
        }
        if let Err(error) = crate::cells::read(&store, &cells, &manifest.sweep_id)
            && !matches!(&error, DatasetError::Store(error) if error.is_not_found())
        {
            report.problem(error);
        }
        Ok(report)
    }
}

/// Reads all rows of a part, a row group at a time; with a precision, into `tallies`.
fn check_part(
    store: &Arc<dyn Store>,
    manifest: &Manifest,
    cells: &CellTable,
    part: &Part,
    tallies: &mut BTreeMap<CellKey, CellTallies>,
) -> Result<(), DatasetError> {
    part.check_bytes(store)?;
    for run in &part.runs {
        let most = cells.index(run.cell).map(|index| manifest.most_trials(index));
        let why = match most {
            None => format!("it holds rows of cell {}, which the manifest does not list", run.cell),
            Some(most) if run.trials.end > most => {
                format!("cell {} has {most} trials, and trial {} is here", run.cell, run.trials.end - 1)
            }
            Some(_) => continue,
        };
        return Err(DatasetError::damaged(part.name.as_str(), why));
    }
    let mut at = 0;
    while at < part.rows {
        let end = part.rows.min(at + ROW_GROUP as u64);
        let rows = part.read(store, cells, at..end)?;
        for rows in rows.chunk_by(|a, b| a.cell == b.cell) {
            let cell = rows[0].cell;
            let Some(precision) = manifest.precision.filter(|_| manifest.has_in_sweep(cell)) else { continue };
            let tallies = tallies.entry(cell).or_insert_with(|| CellTallies::new(precision));
            for row in rows {
                tallies.add(&row.record);
            }
        }
        at = end;
    }
    Ok(())
}

/// Decides anew how many trials each cell needs, and says so if a complete dataset has it otherwise.
fn check_decisions(report: &mut VerifyReport, manifest: &mut Manifest, tallies: BTreeMap<CellKey, CellTallies>) {
    for (cell, mut tallies) in tallies {
        tallies.decide();
        let (said, found) = (manifest.needed(cell), tallies.limit());
        if manifest.complete && said != Some(found) && report.is_sound() {
            let said = said.unwrap_or(0);
            report.problem(format!(
                "{MANIFEST} says that cell {cell} needs {said} trials, and by its rows it is {found}"
            ));
        }
        manifest.set_needed([(cell, found)]);
    }
}

/// Adds what a part covers, and says if another one covers it too.
fn add(report: &mut VerifyReport, covered: &mut Coverage, part: &Part) {
    let mut twice: Option<String> = None;
    for run in &part.runs {
        let held = covered.entry(run.cell).or_default();
        if twice.is_none()
            && let Some(other) = held.within(&run.trials).next()
        {
            twice = Some(format!("{}: trial {} of cell {} is in another part too", part.name, other.start, run.cell));
        }
        held.insert(run.trials.clone());
    }
    report.problems.extend(twice);
}

#[cfg(test)]
mod tests;
