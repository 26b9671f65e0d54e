//! Rows as Arrow record batches, and back.
//!
//! | module | what it does |
//! | --- | --- |
//! | `write` | rows → batch, on the path of every row |
//! | `read` | batch → rows, believing nothing |

mod read;
mod write;

pub use read::from_batch;
pub use write::to_batch;

use arrow::error::ArrowError;
use taugrid_escape::walk::Outcome;

/// A row that is not one of this dataset.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    /// The columns are not those of [`trials_schema`](crate::trials_schema).
    #[error("the columns are not those of trials: {0}")]
    Schema(String),
    /// The cell is not of this sweep.
    #[error("row {row}: cell {cell} is not one of this sweep")]
    UnknownCell {
        /// Which row, from 0.
        row: usize,
        /// The cell it names.
        cell: String,
    },
    /// A value that cannot be.
    #[error("row {row}: {column} is {found}, where {expected} is expected")]
    Value {
        /// Which row, from 0.
        row: usize,
        /// In which column.
        column: &'static str,
        /// What is there.
        found: String,
        /// What could be there.
        expected: String,
    },
    /// Arrow refused.
    #[error("the batch cannot be built: {0}")]
    Arrow(String),
}

impl From<ArrowError> for RowError {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error.to_string())
    }
}

pub(crate) fn value(row: usize, column: &'static str, found: impl ToString, expected: impl Into<String>) -> RowError {
    RowError::Value { row, column, found: found.to_string(), expected: expected.into() }
}

pub(crate) const OUTCOMES: [Outcome; 3] = [Outcome::Exited, Outcome::Diverged, Outcome::Censored];

/// The sign and payload of a NaN differ between instruction sets; in the dataset there is one NaN.
pub(crate) fn one_nan(number: f64) -> f64 {
    if number.is_nan() { f64::NAN } else { number }
}

#[cfg(test)]
mod tests;
