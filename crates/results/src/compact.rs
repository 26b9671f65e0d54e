//! Compaction: the canonical form of a dataset, which depends on its rows alone.
//!
//! All rows sorted by (cell, trial), a fixed number per row group and per file, files named by their place and content. So
//! two datasets with the same rows have the same bytes in `trials/` after it, however the rows came in. What makes it safe
//! to kill at any moment is the journal (the module `journal`).

use crate::coverage::count;
use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::journal::{Journal, Listing};
use crate::part::{Part, PartName, PartWriter, ROW_GROUP};

/// What [`Dataset::compact`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactReport {
    /// Rows in the dataset.
    pub rows: u64,
    /// Parts before.
    pub parts_before: u64,
    /// Parts now.
    pub parts_after: u64,
    /// Bytes in parts before.
    pub bytes_before: u64,
    /// Bytes in parts now.
    pub bytes_after: u64,
    /// Whether anything changed.
    pub changed: bool,
}

/// The sizes of the canonical form.
struct Shape {
    /// Rows that are in memory at once.
    stretch: u64,
    /// Stretches per file.
    stretches: usize,
}

/// 48 MiB of rows at a time, files of 2²² rows: around 120 MB.
const CANONICAL: Shape = Shape { stretch: 8 * ROW_GROUP as u64, stretches: 4 };

impl Dataset {
    /// Rewrites the parts in canonical form. A second time changes no byte. The caller holds the lock.
    ///
    /// Killed at any moment, it loses and doubles nothing: what it left is cleared away by whoever writes next, and does
    /// not count for those who read.
    ///
    /// # Errors
    /// [`DatasetError::SetAside`] names parts whose bytes are not those that were written: they are never copied, and what was
    /// in them is missing now. After any other error the dataset is as it was, or canonical.
    pub fn compact(&mut self) -> Result<CompactReport, DatasetError> {
        self.compact_as(&CANONICAL)
    }

    fn compact_as(&mut self, shape: &Shape) -> Result<CompactReport, DatasetError> {
        self.prepare_to_write()?;
        let done = self.rewrite(shape);
        if done.is_err() {
            // Back or onward, as the journal says; if that fails as well, the next write or open does it.
            self.mark_stale();
            let _ = self.prepare_to_write();
        }
        done
    }

    fn rewrite(&mut self, shape: &Shape) -> Result<CompactReport, DatasetError> {
        self.set_damaged_aside()?;
        let mut report = CompactReport {
            rows: count(&self.coverage),
            parts_before: self.parts.len() as u64,
            parts_after: 0,
            bytes_before: self.parts.iter().map(|part| part.size).sum(),
            bytes_after: 0,
            changed: false,
        };
        let before: Vec<PartName> = self.parts.iter().map(|part| part.name.clone()).collect();
        let journal = Journal::intent(&before);
        let mut after: Vec<PartName> = Vec::new();
        for (index, stretches) in self.stretches(shape.stretch).chunks(shape.stretches).enumerate() {
            let mut writer = PartWriter::new(&self.cells, &self.manifest.sweep_id)?;
            for (stretch, expected) in stretches {
                let rows = self.gather(stretch)?;
                if rows.len() as u64 != *expected {
                    let why = format!("{expected} rows are covered where {} are", rows.len());
                    return Err(DatasetError::damaged(crate::part::FOLDER, why));
                }
                writer.push(&rows)?;
            }
            let encoded = writer.finish()?;
            let name = PartName::compacted(index, &encoded.bytes);
            report.bytes_after += encoded.bytes.len() as u64;
            if !before.contains(&name) {
                if !report.changed {
                    journal.write(&self.store)?;
                    report.changed = true;
                }
                self.store.put(name.as_str(), &encoded.bytes)?;
                // Before anything is deleted for it: that it opens, and says what it should.
                Part::open(&self.store, name.clone(), &self.manifest.sweep_id)?.check_bytes(&self.store)?;
            }
            after.push(name);
        }
        report.parts_after = after.len() as u64;
        report.changed |= before.iter().any(|name| !after.contains(name));
        if report.changed {
            journal.commit(&after).write(&self.store)?;
            let mut listing = Listing::of(&self.store)?;
            listing.settle(&self.store)?;
            self.load(listing)?;
            self.mark_fresh();
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests;
