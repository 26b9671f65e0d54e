//! `OUT/quasipotential.parquet`: what `taugrid quasipotential` found, a row a cell.
//!
//! | name | type | unit | meaning |
//! | --- | --- | --- | --- |
//! | `cell` … `batch_size` | as in `trials/` | | the cell and its parameters |
//! | `quasipotential` | float64, null | length² / time × step | V0 of Freidlin and Wentzell's action |
//! | `exponent` | float64, null | 1 | (B/η)·V0: what log E\[ν\] tends to |
//! | `quasipotential_paper` | float64, null | | V0 of the paper's action, with C^(−1/2) |
//! | `exponent_paper` | float64, null | | (B/η) times that |
//! | `method` | string, null | | how the first was found, or why it was not |
//!
//! No part of the dataset. The file carries its own hash (the module `seal`).

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use taugrid_sweep::Cell;

use crate::error::DatasetError;
use crate::part::properties;
use crate::schema::{cell_fields, dictionary};
use crate::seal;
use crate::store::{LocalStore, Store};

/// The table's name in its folder.
pub const QUASIPOTENTIAL: &str = "quasipotential.parquet";
const KEY_SWEEP: &str = "taugrid.sweep";

/// V0 of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct QuasipotentialRow {
    /// The cell.
    pub cell: Cell,
    /// V0 of Freidlin and Wentzell's action.
    pub value: Option<f64>,
    /// V0 of the paper's.
    pub paper: Option<f64>,
    /// How it was found, or why it was not.
    pub method: Option<String>,
}

impl QuasipotentialRow {
    /// (B/η)·V0: what log E\[ν\] tends to.
    pub fn exponent(&self) -> Option<f64> {
        self.value.map(|v| self.cell.batch_size as f64 / self.cell.eta * v)
    }

    /// (B/η) times V0 of the paper's action.
    pub fn exponent_paper(&self) -> Option<f64> {
        self.paper.map(|v| self.cell.batch_size as f64 / self.cell.eta * v)
    }
}

/// Writes the table into `dir`, which is made if it is not there: the old one or the new one is there at any time.
///
/// # Errors
/// If it cannot be written; then the old one is as it was.
pub fn write_quasipotential(dir: &Path, sweep_id: &str, rows: &[QuasipotentialRow]) -> Result<(), DatasetError> {
    let refused = |error| DatasetError::encode(QUASIPOTENTIAL, error);
    let batch = to_batch(rows)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties().build())).map_err(refused)?;
    writer.append_key_value_metadata(KeyValue::new(KEY_SWEEP.to_string(), sweep_id.to_string()));
    writer.append_key_value_metadata(seal::placeholder());
    writer.write(&batch).map_err(refused)?;
    let mut bytes = writer.into_inner().map_err(refused)?;
    seal::fill(&mut bytes);
    Ok(LocalStore::new(dir).replace(QUASIPOTENTIAL, &bytes)?)
}

fn to_batch(rows: &[QuasipotentialRow]) -> Result<RecordBatch, DatasetError> {
    let mut fields = cell_fields();
    let real = |name| Field::new(name, DataType::Float64, true);
    fields.extend(["quasipotential", "exponent", "quasipotential_paper", "exponent_paper"].map(real));
    fields.push(Field::new("method", dictionary(), true));
    let words = |word: &dyn Fn(&QuasipotentialRow) -> Option<String>| -> ArrayRef {
        let words: Vec<Option<String>> = rows.iter().map(word).collect();
        Arc::new(words.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
    };
    let reals = |real: &dyn Fn(&QuasipotentialRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(real).collect::<Float64Array>())
    };
    let sizes: Result<Vec<i64>, _> = rows.iter().map(|row| i64::try_from(row.cell.batch_size)).collect();
    let columns = vec![
        words(&|row| Some(row.cell.key.to_string())),
        words(&|row| Some(row.cell.dynamics.kind().to_string())),
        words(&|row| row.cell.dynamics.covariance().map(str::to_string)),
        reals(&|row| Some(row.cell.alpha)),
        reals(&|row| Some(row.cell.beta)),
        reals(&|row| Some(row.cell.eta)),
        Arc::new(Int64Array::from(sizes.map_err(|error| DatasetError::encode(QUASIPOTENTIAL, error))?)),
        reals(&|row| row.value),
        reals(&QuasipotentialRow::exponent),
        reals(&|row| row.paper),
        reals(&QuasipotentialRow::exponent_paper),
        words(&|row| row.method.clone()),
    ];
    let encoded = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    encoded.map_err(|error| DatasetError::encode(QUASIPOTENTIAL, error))
}
