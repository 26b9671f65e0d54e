use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Field, Int32Type, Int64Type, Schema};
use proptest::prelude::*;
use taugrid_escape::walk::TrialRecord;
use taugrid_sweep::CellKey;

use super::*;
use crate::schema;
use crate::testing::{all_same, cells, row, rows};
use crate::{CellTable, Row};

fn table(count: usize) -> CellTable {
    CellTable::new(cells(count))
}

/// `batch` with another column in place of one.
fn with_column(batch: &RecordBatch, index: usize, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[index] = column;
    RecordBatch::try_new(batch.schema(), columns).expect("of the same type")
}

fn words(words: &[&str]) -> ArrayRef {
    Arc::new(words.iter().copied().collect::<DictionaryArray<Int32Type>>())
}

#[test]
fn rows_come_back_as_they_were() {
    let rows = rows(&cells(7), 0..50);
    let batch = to_batch(&rows, &table(7)).expect("known cells");
    assert!(all_same(&from_batch(&batch, &table(7)).expect("sound"), &rows));
    let columns = batch.column(schema::CELL).as_dictionary::<Int32Type>();
    assert_eq!(columns.values().len(), 7);
    assert!(from_batch(&to_batch(&[], &table(7)).expect("empty"), &table(7)).expect("empty").is_empty());
}

#[test]
fn what_each_outcome_leaves_null() {
    let cell = cells(1)[0];
    let record = TrialRecord { trial: 0, outcome: Outcome::Exited, steps: 10, exit_loss: 1.0, exit_radius: 1.0 };
    let of = |outcome| Row { cell: cell.key, record: TrialRecord { outcome, ..record } };
    let batch = to_batch(&OUTCOMES.map(of), &table(1)).expect("known");
    let steps = batch.column(schema::EXIT_STEP).as_primitive::<Int64Type>();
    let times = batch.column(schema::EXIT_TIME).as_primitive::<arrow::datatypes::Float64Type>();
    assert_eq!(steps.iter().collect::<Vec<_>>(), [Some(10), Some(10), None]);
    assert_eq!(times.iter().collect::<Vec<_>>(), [Some(10.0 * cell.eta), Some(10.0 * cell.eta), None]);
}

#[test]
fn unknown_cells_and_numbers_beyond_int64_are_refused() {
    let cell = cells(1)[0];
    let unknown = Row { cell: CellKey(1), ..row(&cell, 0) };
    assert_eq!(
        to_batch(&[row(&cell, 0), unknown], &table(1)).expect_err("unknown"),
        RowError::UnknownCell { row: 1, cell: "0000000000000001".into() }
    );
    let batch = to_batch(&[row(&cell, 0)], &table(1)).expect("known");
    let error = from_batch(&batch, &CellTable::default()).expect_err("unknown");
    assert!(matches!(error, RowError::UnknownCell { row: 0, .. }));
    let error = to_batch(&[row(&cell, u64::MAX)], &table(1)).expect_err("too large");
    assert!(matches!(error, RowError::Value { column: "trial", .. }), "{error}");
}

#[test]
fn every_value_that_cannot_be_is_refused_by_its_column() {
    let table = table(2);
    let cell = *table.iter().find(|cell| cell.dynamics.covariance().is_some()).expect("there is one");
    let record = TrialRecord { trial: 4, outcome: Outcome::Exited, steps: 10, exit_loss: 1.0, exit_radius: 1.0 };
    let batch = to_batch(&[Row { cell: cell.key, record }], &table).expect("known");
    let float = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let int = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let none = || Arc::new(Int64Array::from(vec![None])) as ArrayRef;
    let null_word = || Arc::new([None::<&str>].into_iter().collect::<DictionaryArray<Int32Type>>()) as ArrayRef;
    for (index, column, name) in [
        (schema::DYNAMICS, words(&["sgd"]), "dynamics"),
        (schema::COVARIANCE, words(&["sample"]), "covariance"),
        (schema::COVARIANCE, null_word(), "covariance"),
        (schema::ALPHA, float(cell.alpha + 1e-12), "alpha"),
        (schema::ALPHA, float(f64::NAN), "alpha"),
        (schema::BETA, float(-0.1), "beta"),
        (schema::ETA, float(0.0), "eta"),
        (schema::BATCH_SIZE, int(-1), "batch_size"),
        (schema::BATCH_SIZE, int(99), "batch_size"),
        (schema::TRIAL, int(-1), "trial"),
        (schema::OUTCOME, words(&["Exited"]), "outcome"),
        (schema::OUTCOME, words(&["censored"]), "exit_step"),
        (schema::EXIT_STEP, none(), "exit_step"),
        (schema::EXIT_STEP, int(9), "exit_step"),
        (schema::EXIT_STEP, int(-10), "exit_step"),
        (schema::EXIT_TIME, float(10.0), "exit_time"),
        (schema::STEPS, int(0), "steps"),
        (schema::STEPS, int(11), "exit_step"),
        (schema::EXIT_RADIUS, float(-1.0), "exit_radius"),
    ] {
        let error = from_batch(&with_column(&batch, index, column), &table).expect_err(name);
        assert!(matches!(&error, RowError::Value { column, row: 0, .. } if *column == name), "{name}: {error}");
    }
    for cell in ["", "zz", "00000000000000AB", "0000000000000001"] {
        let error = from_batch(&with_column(&batch, schema::CELL, words(&[cell])), &table).expect_err("unknown");
        assert!(matches!(error, RowError::UnknownCell { .. }), "{error}");
    }
    // A later row is checked as the first is, even where it repeats the one before.
    let twice = to_batch(&[row(&cell, 0), row(&cell, 1)], &table).expect("known");
    let eta: ArrayRef = Arc::new(Float64Array::from(vec![cell.eta, -cell.eta]));
    let error = from_batch(&with_column(&twice, schema::ETA, eta), &table).expect_err("another eta");
    assert!(matches!(error, RowError::Value { column: "eta", row: 1, .. }), "{error}");
}

#[test]
fn another_schema_is_refused() {
    let batch = to_batch(&rows(&cells(2), 0..3), &table(2)).expect("known");
    let schema = batch.schema();
    for index in 0..schema.fields().len() {
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[index] = fields[index].clone().with_name("other");
        let renamed = RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).expect("valid");
        assert!(matches!(from_batch(&renamed, &table(2)), Err(RowError::Schema(_))));
        let mut fewer = batch.clone();
        fewer.remove_column(index);
        assert!(matches!(from_batch(&fewer, &table(2)), Err(RowError::Schema(_))));
    }
}

#[test]
fn a_null_hidden_in_a_dictionary_is_found() {
    let table = table(1);
    let batch = to_batch(&[row(&cells(1)[0], 0)], &table).expect("known");
    let values = Arc::new(StringArray::from(vec![None::<&str>]));
    let hidden = DictionaryArray::<Int32Type>::try_new(Int32Array::from(vec![0]), values).expect("valid");
    for index in [schema::CELL, schema::DYNAMICS, schema::COVARIANCE, schema::OUTCOME] {
        assert!(from_batch(&with_column(&batch, index, Arc::new(hidden.clone())), &table).is_err(), "column {index}");
    }
}

proptest! {
    #[test]
    fn any_order_and_any_floats_come_back(
        picks in proptest::collection::vec((0usize..6, 0u64..1 << 40, any::<u64>(), any::<u64>(), 1u64..1 << 50), 0..80)
    ) {
        let (cells, table) = (cells(6), table(6));
        let rows: Vec<Row> = picks
            .into_iter()
            .map(|(cell, trial, loss, radius, steps)| {
                let outcome = OUTCOMES[(loss % 3) as usize];
                let exit_radius = f64::from_bits(radius & !(1 << 63));
                let record = TrialRecord { trial, outcome, steps, exit_loss: f64::from_bits(loss), exit_radius };
                Row { cell: cells[cell].key, record }
            })
            .collect();
        let back = from_batch(&to_batch(&rows, &table).expect("known cells"), &table).expect("sound");
        prop_assert!(all_same(&back, &rows));
    }
}
