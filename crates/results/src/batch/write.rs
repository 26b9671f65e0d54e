//! Rows → batch. Dictionaries are built from keys: no text is hashed or formatted for a row.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringBuilder,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use taugrid_escape::walk::Outcome;
use taugrid_sweep::CellKey;

use super::{OUTCOMES, RowError, one_nan, value};
use crate::rows::{CellTable, Row};
use crate::schema::trials_schema;

/// The distinct texts of a dictionary column as they are met: a handful, so they are searched in line.
#[derive(Default)]
struct Words(Vec<&'static str>);

impl Words {
    fn key(&mut self, word: &'static str) -> i32 {
        let index = self.0.iter().position(|known| *known == word).unwrap_or_else(|| {
            self.0.push(word);
            self.0.len() - 1
        });
        index as i32
    }

    fn finish(self) -> StringArray {
        StringArray::from_iter_values(self.0)
    }
}

/// Adds a cell's name to those that were met; its place among them.
fn add_name(names: &mut StringBuilder, key: CellKey) -> i32 {
    let place = names.len() as i32;
    // Nothing can go wrong where text goes into memory.
    let _ = write!(names, "{key}");
    names.append_value("");
    place
}

fn dictionary(keys: Int32Array, words: StringArray) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(words))?))
}

/// `rows`, in their order, under [`trials_schema`].
///
/// # Errors
/// [`RowError::UnknownCell`] if a row's cell is not in `cells`, [`RowError::Value`] if a number is too large for INT64.
pub fn to_batch(rows: &[Row], cells: &CellTable) -> Result<RecordBatch, RowError> {
    let n = rows.len();
    // In rows that are sorted, as those of a part are, no cell is met twice.
    let is_sorted = rows.is_sorted_by_key(|row| row.cell);
    let mut slots: HashMap<CellKey, i32> = HashMap::new();
    let mut cell_names = StringBuilder::new();
    let (mut kinds, mut covariances) = (Words::default(), Words::default());

    let mut cell_keys: Vec<i32> = Vec::with_capacity(n);
    let mut kind_keys: Vec<i32> = Vec::with_capacity(n);
    let mut covariance_keys: Vec<i32> = Vec::with_capacity(n);
    let mut has_covariance: Vec<bool> = Vec::with_capacity(n);
    let mut alpha: Vec<f64> = Vec::with_capacity(n);
    let mut beta: Vec<f64> = Vec::with_capacity(n);
    let mut eta: Vec<f64> = Vec::with_capacity(n);
    let mut batch_size: Vec<i64> = Vec::with_capacity(n);
    let mut trial: Vec<i64> = Vec::with_capacity(n);
    let mut outcome: Vec<i32> = Vec::with_capacity(n);
    let mut steps: Vec<i64> = Vec::with_capacity(n);
    let mut exit_time: Vec<f64> = Vec::with_capacity(n);
    let mut exit_loss: Vec<f64> = Vec::with_capacity(n);
    let mut exit_radius: Vec<f64> = Vec::with_capacity(n);

    // Rows come in runs of one cell: what is said of a cell is said once a run.
    let mut start = 0;
    for run in rows.chunk_by(|a, b| a.cell == b.cell) {
        let key = run[0].cell;
        let unknown = || RowError::UnknownCell { row: start, cell: key.to_string() };
        let cell = cells.get(key).ok_or_else(unknown)?;
        let mut name = || add_name(&mut cell_names, key);
        let slot = if is_sorted { name() } else { *slots.entry(key).or_insert_with(name) };
        let batch = i64::try_from(cell.batch_size)
            .map_err(|_| value(start, "batch_size", cell.batch_size, "a number below 2^63"))?;
        let end = start + run.len();
        cell_keys.resize(end, slot);
        kind_keys.resize(end, kinds.key(cell.dynamics.kind()));
        covariance_keys.resize(end, cell.dynamics.covariance().map_or(0, |word| covariances.key(word)));
        has_covariance.resize(end, cell.dynamics.covariance().is_some());
        alpha.resize(end, cell.alpha);
        beta.resize(end, cell.beta);
        eta.resize(end, cell.eta);
        batch_size.resize(end, batch);
        for (offset, row) in run.iter().enumerate() {
            let record = &row.record;
            let narrow = |column, number: u64| {
                i64::try_from(number).map_err(|_| value(start + offset, column, number, "a number below 2^63"))
            };
            trial.push(narrow("trial", record.trial)?);
            steps.push(narrow("steps", record.steps)?);
            outcome.push(outcome_key(record.outcome));
            exit_time.push(record.steps as f64 * cell.step_length());
            exit_loss.push(one_nan(record.exit_loss));
            exit_radius.push(one_nan(record.exit_radius));
        }
        start = end;
    }

    let censored = outcome_key(Outcome::Censored);
    let exits = nulls(outcome.iter().map(|key| *key != censored));
    let with_covariance = nulls(has_covariance.iter().copied());
    let columns: Vec<ArrayRef> = vec![
        dictionary(Int32Array::from(cell_keys), cell_names.finish())?,
        dictionary(Int32Array::from(kind_keys), kinds.finish())?,
        dictionary(Int32Array::try_new(covariance_keys.into(), with_covariance)?, covariances.finish())?,
        Arc::new(Float64Array::from(alpha)),
        Arc::new(Float64Array::from(beta)),
        Arc::new(Float64Array::from(eta)),
        Arc::new(Int64Array::from(batch_size)),
        Arc::new(Int64Array::from(trial)),
        dictionary(Int32Array::from(outcome), StringArray::from_iter_values(OUTCOMES.map(Outcome::as_str)))?,
        Arc::new(Int64Array::try_new(steps.clone().into(), exits.clone())?),
        Arc::new(Float64Array::try_new(exit_time.into(), exits)?),
        Arc::new(Int64Array::from(steps)),
        Arc::new(Float64Array::from(exit_loss)),
        Arc::new(Float64Array::from(exit_radius)),
    ];
    Ok(RecordBatch::try_new(trials_schema(), columns)?)
}

/// The place of `outcome` in [`OUTCOMES`], which is the column's dictionary.
fn outcome_key(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Exited => 0,
        Outcome::Diverged => 1,
        Outcome::Censored => 2,
    }
}

fn nulls(valid: impl Iterator<Item = bool> + Clone) -> Option<NullBuffer> {
    (!valid.clone().all(|valid| valid)).then(|| NullBuffer::from_iter(valid))
}
