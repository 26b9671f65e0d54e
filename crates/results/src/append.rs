//! Adding rows: each once, durably, and never another value for the same trial.

use crate::batch::RowError;
use crate::coverage::runs;
use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::part::{FOLDER, Part, PartName, PartWriter};
use crate::rows::Row;

/// What [`Dataset::append`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInfo {
    /// The part that was written; none if all rows were there already.
    pub name: Option<String>,
    /// Its rows.
    pub rows: u64,
    /// Rows that were there already, with equal values.
    pub duplicates: u64,
    /// Its size.
    pub bytes: u64,
}

impl Dataset {
    /// Makes `rows` durable in one new part; when this returns they stay, whatever happens.
    ///
    /// Rows in any order. Those that are here already are compared and dropped.
    ///
    /// # Errors
    /// [`DatasetError::Conflict`] if a row that is here differs, [`DatasetError::Beyond`] or [`DatasetError::Row`] if one
    /// is not of this sweep; then, and if the disk is full, nothing changed.
    pub fn append(&mut self, mut rows: Vec<Row>) -> Result<PartInfo, DatasetError> {
        self.prepare_to_write()?;
        let given = rows.len() as u64;
        if !rows.is_sorted_by_key(Row::position) {
            rows.sort_by_key(Row::position);
        }
        drop_repetitions(&mut rows)?;
        self.check_known(&rows)?;
        let rows = self.drop_held(rows)?;
        let duplicates = given - rows.len() as u64;
        if rows.is_empty() {
            return Ok(PartInfo { name: None, rows: 0, duplicates, bytes: 0 });
        }

        let mut writer = PartWriter::new(&self.cells, &self.manifest.sweep_id)?;
        writer.push(&rows)?;
        let encoded = writer.finish()?;
        let name = PartName::appended(self.next_number, &encoded.bytes);
        if let Err(error) = self.store.put(name.as_str(), &encoded.bytes) {
            // It may be there all the same: look before the next write.
            self.mark_stale();
            return Err(error.into());
        }
        self.add(Part::written(name.clone(), encoded));
        let part = self.parts.last();
        let bytes = part.map_or(0, |part| part.size);
        Ok(PartInfo { name: Some(name.as_str().to_string()), rows: rows.len() as u64, duplicates, bytes })
    }

    /// That all cells are of this sweep, and all trials among those it asked for.
    fn check_known(&self, rows: &[Row]) -> Result<(), DatasetError> {
        let mut start = 0;
        for run in rows.chunk_by(|a, b| a.cell == b.cell) {
            let cell = run[0].cell;
            let unknown = || RowError::UnknownCell { row: start, cell: cell.to_string() };
            let index = self.cells.index(cell).ok_or_else(unknown)?;
            let (trial, trials) = (run[run.len() - 1].record.trial, self.manifest.most_trials(index));
            if trial >= trials {
                return Err(DatasetError::Beyond { cell, trial, trials });
            }
            start += run.len();
        }
        Ok(())
    }

    /// `rows` without those that the dataset holds, which must be equal.
    fn drop_held(&self, rows: Vec<Row>) -> Result<Vec<Row>, DatasetError> {
        let held = |row: &Row| self.coverage.get(&row.cell).is_some_and(|held| held.contains(row.record.trial));
        let overlaps =
            runs(&rows).iter().any(|run| self.coverage.get(&run.cell).is_some_and(|h| h.overlaps(&run.trials)));
        if !overlaps {
            return Ok(rows);
        }
        let (known, fresh): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(held);
        for cell in known.chunk_by(|a, b| a.cell == b.cell) {
            let (first, last) = (cell[0].position(), cell[cell.len() - 1].position());
            let stored = self.gather(&(first..(last.0, last.1 + 1)))?;
            for offered in cell {
                let found = stored.binary_search_by_key(&offered.position(), Row::position);
                match found.map(|index| &stored[index]) {
                    Ok(stored) if stored.same(offered) => {}
                    Ok(stored) => return Err(DatasetError::conflict(stored, offered)),
                    Err(_) => {
                        let why =
                            format!("trial {} of cell {} is covered and not there", offered.record.trial, offered.cell);
                        return Err(DatasetError::damaged(FOLDER, why));
                    }
                }
            }
        }
        Ok(fresh)
    }
}

/// Drops all but one of equal neighbours in sorted rows.
pub(crate) fn drop_repetitions(rows: &mut Vec<Row>) -> Result<(), DatasetError> {
    for pair in rows.windows(2) {
        if pair[0].position() == pair[1].position() && !pair[0].same(&pair[1]) {
            return Err(DatasetError::conflict(&pair[0], &pair[1]));
        }
    }
    rows.dedup_by_key(|row| row.position());
    Ok(())
}
