//! What can go wrong with a dataset.

use taugrid_escape::walk::TrialRecord;
use taugrid_sweep::CellKey;

use crate::batch::RowError;
use crate::manifest::FormatVersion;
use crate::rows::Row;
use crate::store::StoreError;

/// Why a dataset cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// There is no manifest.
    #[error("no dataset here: there is no manifest.json")]
    NotADataset,
    /// There is no manifest, but there are files that a new dataset would mix with or write over.
    #[error("the folder is in use: it holds {found}, and no manifest.json that would make it a dataset")]
    Occupied {
        /// One of the files.
        found: String,
    },
    /// Written by a release whose format this one does not know.
    #[error(
        "the dataset is of format {found}, written by taugrid {release}; this release ({}) reads up to format {}: \
         use that one, or a newer one",
        env!("CARGO_PKG_VERSION"),
        FormatVersion::CURRENT
    )]
    Format {
        /// Its format.
        found: FormatVersion,
        /// Who wrote it.
        release: String,
    },
    /// The dataset is of another sweep: another landscape, domain, seed or the like.
    #[error(
        "the dataset holds the results of another sweep:\n  {}\n\
         take that back, or give this sweep a folder of its own (--out)",
        .differences.join("\n  ")
    )]
    Mismatch {
        /// What differs, a line each.
        differences: Vec<String>,
    },
    /// A file does not say what it was written to say.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// Which file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Damaged parts were set aside, and the trials in them are missing now.
    #[error(
        "damaged, and set aside in damaged/: {}; running the sweep again simulates what was in there",
        .files.join(", ")
    )]
    SetAside {
        /// Which files.
        files: Vec<String>,
    },
    /// A trial came back with another result: either the program is not deterministic, or somebody's memory failed.
    #[error(
        "trial {trial} of cell {cell} has two results: {} is stored, {} was offered",
        show(.stored),
        show(.offered)
    )]
    Conflict {
        /// The cell.
        cell: CellKey,
        /// The trial.
        trial: u64,
        /// What the dataset holds.
        stored: TrialRecord,
        /// What came now.
        offered: TrialRecord,
    },
    /// A trial that this sweep does not have.
    #[error("trial {trial} of cell {cell} is not of this sweep, which has {trials} trials a cell")]
    Beyond {
        /// The cell.
        cell: CellKey,
        /// The trial.
        trial: u64,
        /// How many the cell has.
        trials: u64,
    },
    /// A row that is none of this dataset's.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table could not be encoded.
    #[error("{file} cannot be encoded: {why}")]
    Encode {
        /// Which file.
        file: String,
        /// Why.
        why: String,
    },
}

fn show(record: &TrialRecord) -> String {
    let TrialRecord { outcome, steps, exit_loss, exit_radius, .. } = record;
    format!("{} after {steps} steps at loss {exit_loss:?} and radius {exit_radius:?}", outcome.as_str())
}

impl DatasetError {
    pub(crate) fn damaged(file: &str, why: impl ToString) -> Self {
        Self::Damaged { file: file.to_string(), why: why.to_string() }
    }

    pub(crate) fn encode(file: &str, why: impl ToString) -> Self {
        Self::Encode { file: file.to_string(), why: why.to_string() }
    }

    pub(crate) fn conflict(stored: &Row, offered: &Row) -> Self {
        Self::Conflict {
            cell: offered.cell,
            trial: offered.record.trial,
            stored: stored.record,
            offered: offered.record,
        }
    }

    /// Whether the dataset is damaged, of another sweep or of another format: exit code 4.
    pub fn is_damaged_or_mismatched(&self) -> bool {
        matches!(
            self,
            Self::Occupied { .. }
                | Self::Format { .. }
                | Self::Mismatch { .. }
                | Self::Damaged { .. }
                | Self::Conflict { .. }
        )
    }

    /// Whether there is no room left on the disk: nothing was changed, and it can be tried again.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_full())
    }
}
