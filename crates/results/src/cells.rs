//! `OUT/cells.parquet`: one row per cell, what its trials say. `cells/columns.rs` lists what is in it.
//!
//! The file carries its own hash (the module `seal`), so damage does not pass for data.

pub(crate) mod columns;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use columns::{SCHEMA, from_batch, to_batch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use taugrid_sweep::Cell;

use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::rows::CellTable;
use crate::schema::difference;
use crate::seal;
use crate::store::Store;

/// The table's name in the store.
pub(crate) const CELLS: &str = "cells.parquet";
pub(crate) const KEY_SWEEP: &str = "taugrid.sweep";

/// What is known of a cell before any trial of it: values of L_αβ, and predictions. `None` is always: not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effective {
    /// λmax of the Hessian of L_αβ at θ*: the sharpness.
    pub lambda_max: f64,
    /// Its least eigenvalue.
    pub lambda_min: Option<f64>,
    /// Its trace.
    pub trace: Option<f64>,
    /// ΔL = min over ∂D of L_αβ − L_αβ(θ*).
    pub depth: Option<f64>,
    /// How the depth was found.
    pub depth_method: Option<String>,
    /// ‖∇L_αβ(θ*)‖.
    pub gradient_norm: f64,
    /// Whether η·λmax > 2.
    pub unstable: bool,
    /// tr C, C the covariance of the gradients of the examples of L_αβ at θ*.
    pub noise_trace: Option<f64>,
    /// The cosine of the angle between that C and the Hessian H: 1 if C is H times a number.
    pub noise_alignment: Option<f64>,
    /// ‖C − H‖/‖H‖: 0 where Assumption 2 holds.
    pub noise_distance: Option<f64>,
    /// What of H was clipped away to make it a covariance: Σ |λ| over its negative eigenvalues, over Σ |λ|.
    pub clipped_weight: Option<f64>,
    /// V0 = min over ∂D of the quasi-potential of Freidlin and Wentzell.
    pub quasipotential: Option<f64>,
    /// How it was found.
    pub quasipotential_method: Option<String>,
    /// (B/η)·V0: log of the mean exit time that Freidlin–Wentzell theory predicts.
    pub exponent_freidlin_wentzell: Option<f64>,
    /// log of the mean exit time that the paper predicts.
    pub exponent_paper: Option<f64>,
    /// The mean exit time itself, computed, in time.
    pub exact_mean_exit_time: Option<f64>,
    /// How it was computed.
    pub exact_method: Option<String>,
}

/// One row of `cells.parquet`: times are in units of time, those named `steps` in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSummary {
    /// The cell.
    pub cell: Cell,
    /// What is known of it before any trial.
    pub effective: Effective,
    /// How the mean was estimated: `direct`.
    pub estimator: String,
    /// Trials that ended: exits + censored.
    pub trials: u64,
    /// Of them, left D (the diverged among them).
    pub exits: u64,
    /// Of them, still inside at `max_steps`.
    pub censored: u64,
    /// Of them, left with a state that is not finite.
    pub diverged: u64,
    /// Maximum-likelihood mean under censoring, in steps; none without an exit.
    pub mean_exit_steps: Option<f64>,
    /// The same in time: times η, or times η/substeps for an SDE.
    pub mean_exit_time: Option<f64>,
    /// Lower end of its 95 % confidence interval.
    pub lower: Option<f64>,
    /// Upper end of its 95 % confidence interval.
    pub upper: Option<f64>,
    /// Standard deviation of the exit times.
    pub std: Option<f64>,
    /// Median exit time.
    pub median: Option<f64>,
    /// Steps simulated.
    pub total_steps: u64,
    /// Whether noise-free descent leaves D within the mean exit time; none if not known.
    pub drift: Option<bool>,
    /// Kolmogorov–Smirnov p-value of the exit times against an exponential.
    pub ks_p: Option<f64>,
    /// Whether the precision that the sweep asks for was reached; none where the trials were fixed.
    pub precision_reached: Option<bool>,
}

impl CellSummary {
    /// A cell of which nothing is known, and that has no trials.
    pub fn without_trials(cell: Cell) -> Self {
        Self {
            cell,
            effective: Effective::default(),
            estimator: "direct".to_owned(),
            trials: 0,
            exits: 0,
            censored: 0,
            diverged: 0,
            mean_exit_steps: None,
            mean_exit_time: None,
            lower: None,
            upper: None,
            std: None,
            median: None,
            total_steps: 0,
            drift: None,
            ks_p: None,
            precision_reached: None,
        }
    }
}

/// Reads the table, and checks it.
pub(crate) fn read(
    store: &Arc<dyn Store>,
    cells: &CellTable,
    sweep_id: &str,
) -> Result<Vec<CellSummary>, DatasetError> {
    let bytes = store.read(CELLS)?;
    let damaged = |why: String| DatasetError::damaged(CELLS, why);
    // Before anything decodes them: the Parquet reader may panic on damaged pages.
    if !seal::is_sound(&bytes) {
        return Err(damaged("its bytes do not have the hash that they carry".to_string()));
    }
    let bytes = Bytes::from(bytes);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| damaged(error.to_string()))?;
    let value = |key: &str| {
        let pairs = builder.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.clone()).unwrap_or_default()
    };
    let sweep = value(KEY_SWEEP);
    if sweep != sweep_id {
        return Err(damaged(format!("it is of sweep {sweep:?}, and the dataset is of sweep {sweep_id}")));
    }
    if let Some(difference) = difference(builder.schema(), &SCHEMA) {
        return Err(damaged(difference));
    }
    let reader = builder.build().map_err(|error| damaged(error.to_string()))?;
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().map_err(|error| damaged(error.to_string()))?;
    let batch = concat_batches(&SCHEMA, &batches).map_err(|error| damaged(error.to_string()))?;
    from_batch(&batch, cells)
}

impl Dataset {
    /// Writes `cells.parquet`, in the order of the keys. The caller holds the lock.
    ///
    /// # Errors
    /// If it cannot be written; then the old one is as it was.
    pub fn write_cells(&self, rows: &[CellSummary]) -> Result<(), DatasetError> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.cell.key);
        let bytes = seal::table(CELLS, &to_batch(&rows)?, (KEY_SWEEP, &self.manifest.sweep_id))?;
        Ok(self.store.replace(CELLS, &bytes)?)
    }

    /// Reads `cells.parquet`, in the order of the keys.
    ///
    /// # Errors
    /// [`DatasetError::Damaged`] if it does not say what was written, [`DatasetError::Store`] (not found) if there is none.
    pub fn read_cells(&self) -> Result<Vec<CellSummary>, DatasetError> {
        read(&self.store, &self.cells, &self.manifest.sweep_id)
    }
}

#[cfg(test)]
mod tests;
