//! The dataset: Arrow schemas, Parquet parts, open, verify, compact.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `schema` | the columns of `trials/` |
//! | `rows`, `keys` | a row, and the table of cells |
//! | `batch` | rows ⇄ Arrow record batches, every value checked |
//! | `ranges` | a set of trials of a cell |
//! | `coverage` | which trials a set of rows holds |
//! | `store` | files written whole and durably: a folder, memory, and one that fails on demand |
//! | `part` | one Parquet file of `trials/` |
//! | `manifest` | `manifest.json`, format versions |
//! | `dataset`, `append` | open, create or resume, read; add rows |
//! | `tallies` | with a precision, how many trials each cell needs, from the rows that are there |
//! | `journal`, `compact` | the canonical form, and how it survives a kill |
//! | `verify` | every byte against everything that is known of it |
//! | `cells`, `seal` | `cells.parquet`, and the hash that it carries |
//! | [`training`] | `training.parquet`, the sharpness along runs of SGD |
//! | [`Location`] | a folder, or a place in an object store |
//! | `lock` | one writer per dataset |
//!
//! The dataset is the checkpoint: rows that [`Dataset::append`] returned for are on the disk, and starting again is listing
//! parts. Nothing that is written here but the lock knows of clocks or hosts, so the same rows give the same bytes.

mod append;
pub mod batch;
pub mod cells;
mod checkpoints;
mod compact;
pub mod coverage;
mod dataset;
mod error;
mod journal;
mod keys;
pub mod location;
mod lock;
mod manifest;
mod parallel;
mod part;
pub mod quasipotential;
mod ranges;
mod repair;
mod rows;
pub mod schema;
mod seal;
pub mod store;
mod tallies;
pub mod training;
mod verify;

#[cfg(test)]
mod testing;

pub use append::PartInfo;
pub use batch::{RowError, from_batch, to_batch};
pub use cells::{CellSummary, Effective};
pub use checkpoints::{CheckpointBatchError, Checkpoints, TrialCheckpoint, decode_checkpoints, encode_checkpoints};
pub use compact::CompactReport;
pub use coverage::{Coverage, coverage_of};
pub use dataset::Dataset;
pub use error::DatasetError;
pub use keys::Keys;
pub use location::{Location, LocationError};
pub use lock::{LockError, Lost, WriterLock};
pub use manifest::{FormatVersion, Manifest};
pub use ranges::Ranges;
pub use rows::{CellTable, Row};
pub use schema::trials_schema;
pub use store::{LocalStore, Store, StoreError, StoreErrorKind};
pub use tallies::{CellTallies, Decision};
pub use taugrid_escape::walk::{Outcome, TrialRecord};
pub use taugrid_sweep::{Cell, CellKey};
pub use training::{read_training, write_training};
pub use verify::VerifyReport;
