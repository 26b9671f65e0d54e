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

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use taugrid_sweep::Cell;

use crate::cells::KEY_SWEEP;
use crate::cells::columns::{cell_columns, reals, words};
use crate::error::DatasetError;
use crate::schema::{cell_fields, dictionary};
use crate::seal;
use crate::store::Store;

/// The table's name in its folder.
pub const QUASIPOTENTIAL: &str = "quasipotential.parquet";

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

/// Writes the table into `store`: the old one or the new one is there at any time.
///
/// # Errors
/// If it cannot be written; then the old one is as it was.
pub fn write_quasipotential(store: &dyn Store, sweep_id: &str, rows: &[QuasipotentialRow]) -> Result<(), DatasetError> {
    let bytes = seal::table(QUASIPOTENTIAL, &to_batch(rows)?, (KEY_SWEEP, sweep_id))?;
    Ok(store.replace(QUASIPOTENTIAL, &bytes)?)
}

fn to_batch(rows: &[QuasipotentialRow]) -> Result<RecordBatch, DatasetError> {
    let mut fields = cell_fields();
    let real = |name| Field::new(name, DataType::Float64, true);
    fields.extend(["quasipotential", "exponent", "quasipotential_paper", "exponent_paper"].map(real));
    fields.push(Field::new("method", dictionary(), true));
    let mut columns = cell_columns(QUASIPOTENTIAL, rows, |row| &row.cell)?;
    columns.extend([
        reals(rows, |row| row.value),
        reals(rows, QuasipotentialRow::exponent),
        reals(rows, |row| row.paper),
        reals(rows, QuasipotentialRow::exponent_paper),
        words(rows, |row| row.method.clone()),
    ]);
    let encoded = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    encoded.map_err(|error| DatasetError::encode(QUASIPOTENTIAL, error))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::testing::cells;

    #[test]
    fn the_table_holds_the_exponents_and_carries_its_hash() {
        let store = crate::store::MemoryStore::new();
        let row = |(k, cell)| {
            let value = (k == 0).then_some(0.25);
            QuasipotentialRow { cell, value, paper: value, method: Some("closed form".to_owned()) }
        };
        let rows: Vec<_> = cells(2).into_iter().enumerate().map(row).collect();
        write_quasipotential(&store, "sweep", &rows).expect("written");
        let bytes = store.read(QUASIPOTENTIAL).expect("there");
        assert!(seal::is_sound(&bytes));
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).expect("Parquet");
        let batch = reader.build().expect("readable").next().expect("a batch").expect("sound");
        let exponent = batch.column_by_name("exponent").expect("a column").as_primitive::<Float64Type>();
        let expected = rows[0].cell.batch_size as f64 / rows[0].cell.eta * 0.25;
        assert_eq!(exponent.iter().collect::<Vec<_>>(), [Some(expected), None]);
    }
}
