//! `OUT/cells.parquet`: one row per cell, what its trials say.
//!
//! | name | type | unit | meaning |
//! | --- | --- | --- | --- |
//! | `cell` … `batch_size` | as in `trials/` | | the cell and its parameters |
//! | `lambda_max` | float64 | loss / length² | λmax of the Hessian of L_αβ at θ*: the sharpness |
//! | `lambda_min` | float64, null | loss / length² | its least eigenvalue, where it is known |
//! | `trace` | float64, null | loss / length² | its trace, where it is known |
//! | `depth` | float64, null | loss | ΔL = min over ∂D of L_αβ − L_αβ(θ*), where it is known |
//! | `estimator` | string | | how the mean was estimated: `direct` |
//! | `trials` | int64 | | trials that ended: exits + censored |
//! | `exits` | int64 | | of them, left D (the diverged among them) |
//! | `censored` | int64 | | of them, still inside at `max_steps` |
//! | `diverged` | int64 | | of them, left with a state that is not finite |
//! | `mean_exit_steps` | float64, null | steps | maximum-likelihood mean under censoring; null without an exit |
//! | `mean_exit_time` | float64, null | time | the same times η |
//! | `lower`, `upper` | float64, null | time | the 95 % confidence interval of `mean_exit_time` |
//! | `std` | float64, null | time | standard deviation of the exit times |
//! | `median` | float64, null | time | median exit time |
//! | `total_steps` | int64 | steps | steps simulated |
//! | `gradient_norm` | float64 | loss / length | ‖∇L_αβ(θ*)‖ |
//! | `drift` | boolean, null | | whether noise-free descent leaves D within the mean exit time; null if not known |
//! | `unstable` | boolean | | whether η·λmax > 2 |
//! | `ks_p` | float64, null | | Kolmogorov–Smirnov p-value of the exit times against an exponential |
//! | `exponent_freidlin_wentzell` | float64, null | 1 | log of the mean exit time that Freidlin–Wentzell theory predicts |
//! | `exponent_paper` | float64, null | 1 | log of the mean exit time that the paper predicts |
//!
//! The file carries its own hash (the module `seal`), so damage does not pass for data.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use taugrid_sweep::Cell;

use crate::batch::one_nan;
use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::part::properties;
use crate::rows::CellTable;
use crate::schema::{cell_fields, dictionary, difference};
use crate::seal;
use crate::store::Store;

/// The table's name in the store.
pub(crate) const CELLS: &str = "cells.parquet";
const KEY_SWEEP: &str = "taugrid.sweep";

/// One row of `cells.parquet`, as described at the head of this module: times are in units of time (steps·η), those named
/// `steps` in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct CellSummary {
    /// The cell.
    pub cell: Cell,
    /// λmax of the Hessian of L_αβ at θ*.
    pub lambda_max: f64,
    /// Its least eigenvalue, where it is known.
    pub lambda_min: Option<f64>,
    /// Its trace, where it is known.
    pub trace: Option<f64>,
    /// ΔL, where it is known.
    pub depth: Option<f64>,
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
    /// The same times η, in time.
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
    /// ‖∇L_αβ(θ*)‖.
    pub gradient_norm: f64,
    /// Whether noise-free descent leaves D within the mean exit time; none if not known.
    pub drift: Option<bool>,
    /// Whether η·λmax > 2.
    pub unstable: bool,
    /// Kolmogorov–Smirnov p-value of the exit times against an exponential.
    pub ks_p: Option<f64>,
    /// log of the mean exit time that Freidlin–Wentzell theory predicts.
    pub exponent_freidlin_wentzell: Option<f64>,
    /// log of the mean exit time that the paper predicts.
    pub exponent_paper: Option<f64>,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = cell_fields();
    fields.extend([
        Field::new("lambda_max", DataType::Float64, false),
        Field::new("lambda_min", DataType::Float64, true),
        Field::new("trace", DataType::Float64, true),
        Field::new("depth", DataType::Float64, true),
        Field::new("estimator", dictionary(), false),
        Field::new("trials", DataType::Int64, false),
        Field::new("exits", DataType::Int64, false),
        Field::new("censored", DataType::Int64, false),
        Field::new("diverged", DataType::Int64, false),
        Field::new("mean_exit_steps", DataType::Float64, true),
        Field::new("mean_exit_time", DataType::Float64, true),
        Field::new("lower", DataType::Float64, true),
        Field::new("upper", DataType::Float64, true),
        Field::new("std", DataType::Float64, true),
        Field::new("median", DataType::Float64, true),
        Field::new("total_steps", DataType::Int64, false),
        Field::new("gradient_norm", DataType::Float64, false),
        Field::new("drift", DataType::Boolean, true),
        Field::new("unstable", DataType::Boolean, false),
        Field::new("ks_p", DataType::Float64, true),
        Field::new("exponent_freidlin_wentzell", DataType::Float64, true),
        Field::new("exponent_paper", DataType::Float64, true),
    ]);
    Arc::new(Schema::new(fields))
});

fn to_batch(rows: &[CellSummary]) -> Result<RecordBatch, DatasetError> {
    let words = |word: &dyn Fn(&CellSummary) -> Option<String>| -> ArrayRef {
        let words: Vec<Option<String>> = rows.iter().map(word).collect();
        Arc::new(words.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
    };
    let float = |number: &dyn Fn(&CellSummary) -> f64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(one_nan(number(row)))).collect::<Float64Array>())
    };
    let maybe = |number: &dyn Fn(&CellSummary) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| number(row).map(one_nan)).collect::<Float64Array>())
    };
    let flag = |flag: &dyn Fn(&CellSummary) -> Option<bool>| -> ArrayRef {
        Arc::new(rows.iter().map(flag).collect::<BooleanArray>())
    };
    let count = |number: &dyn Fn(&CellSummary) -> u64| -> Result<ArrayRef, DatasetError> {
        let numbers: Result<Vec<i64>, _> = rows.iter().map(|row| i64::try_from(number(row))).collect();
        Ok(Arc::new(Int64Array::from(numbers.map_err(|error| DatasetError::encode(CELLS, error))?)))
    };
    let columns = vec![
        words(&|row| Some(row.cell.key.to_string())),
        words(&|row| Some(row.cell.dynamics.kind().to_string())),
        words(&|row| row.cell.dynamics.covariance().map(str::to_string)),
        float(&|row| row.cell.alpha),
        float(&|row| row.cell.beta),
        float(&|row| row.cell.eta),
        count(&|row| row.cell.batch_size)?,
        float(&|row| row.lambda_max),
        maybe(&|row| row.lambda_min),
        maybe(&|row| row.trace),
        maybe(&|row| row.depth),
        words(&|row| Some(row.estimator.clone())),
        count(&|row| row.trials)?,
        count(&|row| row.exits)?,
        count(&|row| row.censored)?,
        count(&|row| row.diverged)?,
        maybe(&|row| row.mean_exit_steps),
        maybe(&|row| row.mean_exit_time),
        maybe(&|row| row.lower),
        maybe(&|row| row.upper),
        maybe(&|row| row.std),
        maybe(&|row| row.median),
        count(&|row| row.total_steps)?,
        float(&|row| row.gradient_norm),
        flag(&|row| row.drift),
        flag(&|row| Some(row.unstable)),
        maybe(&|row| row.ks_p),
        maybe(&|row| row.exponent_freidlin_wentzell),
        maybe(&|row| row.exponent_paper),
    ];
    RecordBatch::try_new(SCHEMA.clone(), columns).map_err(|error| DatasetError::encode(CELLS, error))
}

/// A column that is not of the type its name has in [`SCHEMA`].
fn another_type(name: &str) -> DatasetError {
    DatasetError::damaged(CELLS, format!("column `{name}` has another type"))
}

fn from_batch(batch: &RecordBatch, cells: &CellTable) -> Result<Vec<CellSummary>, DatasetError> {
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| another_type(name));
    let words = |name: &str| -> Result<Vec<Option<String>>, DatasetError> {
        let column = column(name)?.as_dictionary_opt::<Int32Type>().ok_or_else(|| another_type(name))?;
        let words = column.downcast_dict::<StringArray>().ok_or_else(|| another_type(name))?;
        Ok(words.into_iter().map(|word| word.map(str::to_string)).collect())
    };
    let floats = |name: &str| column(name)?.as_primitive_opt::<Float64Type>().ok_or_else(|| another_type(name));
    let counts = |name: &str| column(name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| another_type(name));
    let flags = |name: &str| column(name)?.as_boolean_opt().ok_or_else(|| another_type(name));

    let (keys, estimator) = (words("cell")?, words("estimator")?);
    let lambda_max = floats("lambda_max")?;
    let lambda_min = floats("lambda_min")?;
    let trace = floats("trace")?;
    let depth = floats("depth")?;
    let trials = counts("trials")?;
    let exits = counts("exits")?;
    let censored = counts("censored")?;
    let diverged = counts("diverged")?;
    let mean_exit_steps = floats("mean_exit_steps")?;
    let mean_exit_time = floats("mean_exit_time")?;
    let lower = floats("lower")?;
    let upper = floats("upper")?;
    let std = floats("std")?;
    let median = floats("median")?;
    let total_steps = counts("total_steps")?;
    let gradient_norm = floats("gradient_norm")?;
    let drift = flags("drift")?;
    let unstable = flags("unstable")?;
    let ks_p = floats("ks_p")?;
    let exponent_freidlin_wentzell = floats("exponent_freidlin_wentzell")?;
    let exponent_paper = floats("exponent_paper")?;

    let mut rows = Vec::with_capacity(batch.num_rows());
    for (i, key) in keys.into_iter().enumerate() {
        let key = key.unwrap_or_default();
        let cell = key.parse().ok().and_then(|key| cells.get(key)).copied();
        let cell = cell.ok_or_else(|| DatasetError::damaged(CELLS, format!("cell {key} is not of this dataset")))?;
        let maybe = |column: &Float64Array| column.is_valid(i).then(|| column.value(i));
        let count = |column: &Int64Array| {
            u64::try_from(column.value(i)).map_err(|_| DatasetError::damaged(CELLS, "a negative count"))
        };
        rows.push(CellSummary {
            cell,
            lambda_max: lambda_max.value(i),
            lambda_min: maybe(lambda_min),
            trace: maybe(trace),
            depth: maybe(depth),
            estimator: estimator[i].clone().unwrap_or_default(),
            trials: count(trials)?,
            exits: count(exits)?,
            censored: count(censored)?,
            diverged: count(diverged)?,
            mean_exit_steps: maybe(mean_exit_steps),
            mean_exit_time: maybe(mean_exit_time),
            lower: maybe(lower),
            upper: maybe(upper),
            std: maybe(std),
            median: maybe(median),
            total_steps: count(total_steps)?,
            gradient_norm: gradient_norm.value(i),
            drift: drift.is_valid(i).then(|| drift.value(i)),
            unstable: unstable.value(i),
            ks_p: maybe(ks_p),
            exponent_freidlin_wentzell: maybe(exponent_freidlin_wentzell),
            exponent_paper: maybe(exponent_paper),
        });
    }
    Ok(rows)
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
    /// Writes `cells.parquet`, in the order of the keys. The caller holds [`Dataset::lock`].
    ///
    /// # Errors
    /// If it cannot be written; then the old one is as it was.
    pub fn write_cells(&self, rows: &[CellSummary]) -> Result<(), DatasetError> {
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| row.cell.key);
        let batch = to_batch(&rows)?;
        let refused = |error| DatasetError::encode(CELLS, error);
        let mut writer =
            ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties().build())).map_err(refused)?;
        writer.append_key_value_metadata(KeyValue::new(KEY_SWEEP.to_string(), self.manifest.sweep_id.clone()));
        writer.append_key_value_metadata(seal::placeholder());
        writer.write(&batch).map_err(refused)?;
        let mut bytes = writer.into_inner().map_err(refused)?;
        seal::fill(&mut bytes);
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
