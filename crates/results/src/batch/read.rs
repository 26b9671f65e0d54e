//! Batch → rows, for batches that anyone may have written: every value is checked.

use arrow::array::{Array, AsArray, Float64Array, Int32Array, Int64Array, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use taugrid_escape::walk::{Outcome, TrialRecord};
use taugrid_sweep::Cell;

use super::{OUTCOMES, RowError, value};
use crate::rows::{CellTable, Row};
use crate::schema::{self, trials_schema};

/// The columns of a batch, known to have the right types.
struct Columns<'a> {
    cell: Text<'a>,
    dynamics: Text<'a>,
    covariance: Text<'a>,
    alpha: &'a Float64Array,
    beta: &'a Float64Array,
    eta: &'a Float64Array,
    batch_size: &'a Int64Array,
    trial: &'a Int64Array,
    outcome: Text<'a>,
    exit_step: &'a Int64Array,
    exit_time: &'a Float64Array,
    steps: &'a Int64Array,
    exit_loss: &'a Float64Array,
    exit_radius: &'a Float64Array,
}

/// A dictionary column.
struct Text<'a> {
    keys: &'a Int32Array,
    words: &'a StringArray,
}

impl<'a> Text<'a> {
    /// The dictionary's index at `row`; none if null.
    fn index(&self, row: usize) -> Option<usize> {
        let index = usize::try_from(self.keys.value(row)).ok()?;
        (self.keys.is_valid(row) && index < self.words.len() && self.words.is_valid(index)).then_some(index)
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        self.index(row).map(|index| self.words.value(index))
    }
}

fn text(batch: &RecordBatch, index: usize) -> Result<Text<'_>, RowError> {
    let column = batch.column(index).as_dictionary_opt::<Int32Type>();
    let words = column.and_then(|column| column.values().as_string_opt::<i32>());
    match (column, words) {
        (Some(column), Some(words)) => Ok(Text { keys: column.keys(), words }),
        _ => Err(RowError::Schema(format!("column {index} is not a dictionary of texts"))),
    }
}

fn number<T: ArrowPrimitiveType>(batch: &RecordBatch, index: usize) -> Result<&PrimitiveArray<T>, RowError> {
    let column = batch.column(index).as_primitive_opt::<T>();
    column.ok_or_else(|| RowError::Schema(format!("column {index} is not of type {}", T::DATA_TYPE)))
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, RowError> {
        let expected = trials_schema();
        if let Some(difference) = schema::difference(&batch.schema(), &expected) {
            return Err(RowError::Schema(difference));
        }
        for (field, column) in expected.fields().iter().zip(batch.columns()) {
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(RowError::Schema(format!("null in column `{}`", field.name())));
            }
        }
        Ok(Self {
            cell: text(batch, schema::CELL)?,
            dynamics: text(batch, schema::DYNAMICS)?,
            covariance: text(batch, schema::COVARIANCE)?,
            alpha: number::<Float64Type>(batch, schema::ALPHA)?,
            beta: number::<Float64Type>(batch, schema::BETA)?,
            eta: number::<Float64Type>(batch, schema::ETA)?,
            batch_size: number::<Int64Type>(batch, schema::BATCH_SIZE)?,
            trial: number::<Int64Type>(batch, schema::TRIAL)?,
            outcome: text(batch, schema::OUTCOME)?,
            exit_step: number::<Int64Type>(batch, schema::EXIT_STEP)?,
            exit_time: number::<Float64Type>(batch, schema::EXIT_TIME)?,
            steps: number::<Int64Type>(batch, schema::STEPS)?,
            exit_loss: number::<Float64Type>(batch, schema::EXIT_LOSS)?,
            exit_radius: number::<Float64Type>(batch, schema::EXIT_RADIUS)?,
        })
    }

    /// Whether `row` repeats the cell and its parameters of the row before, in the very same representation.
    fn repeats(&self, row: usize) -> bool {
        let before = row - 1;
        let same = |text: &Text<'_>| {
            text.keys.value(row) == text.keys.value(before) && text.keys.is_valid(row) == text.keys.is_valid(before)
        };
        let equal = |column: &Float64Array| column.value(row).to_bits() == column.value(before).to_bits();
        same(&self.cell)
            && same(&self.dynamics)
            && same(&self.covariance)
            && equal(self.alpha)
            && equal(self.beta)
            && equal(self.eta)
            && self.batch_size.value(row) == self.batch_size.value(before)
    }

    /// The cell of `row`, whose parameters are those in the row.
    fn cell<'t>(&self, row: usize, cells: &'t CellTable) -> Result<&'t Cell, RowError> {
        let name = self.cell.get(row).unwrap_or("null");
        let found = name.parse().ok().and_then(|key| cells.get(key));
        let cell = found.ok_or_else(|| RowError::UnknownCell { row, cell: name.chars().take(40).collect() })?;
        let word = |column, found: Option<&str>, expected: Option<&str>| {
            let show = |word: Option<&str>| word.unwrap_or("null").chars().take(40).collect::<String>();
            if found == expected { Ok(()) } else { Err(value(row, column, show(found), show(expected))) }
        };
        word("dynamics", self.dynamics.get(row), Some(cell.dynamics.kind()))?;
        // A null is one in the keys; a key that leads nowhere is not.
        let covariance = if self.covariance.keys.is_null(row) { None } else { Some(self.covariance.get(row)) };
        match (covariance, cell.dynamics.covariance()) {
            (None, None) => {}
            (found, expected) => word("covariance", found.map(|word| word.unwrap_or("nothing")), expected)?,
        }
        for (column, found, expected) in [
            ("alpha", self.alpha.value(row), cell.alpha),
            ("beta", self.beta.value(row), cell.beta),
            ("eta", self.eta.value(row), cell.eta),
        ] {
            if found.to_bits() != expected.to_bits() {
                return Err(value(row, column, found, format!("{expected} of cell {name}")));
            }
        }
        if u64::try_from(self.batch_size.value(row)) != Ok(cell.batch_size) {
            let expected = format!("{} of cell {name}", cell.batch_size);
            return Err(value(row, "batch_size", self.batch_size.value(row), expected));
        }
        Ok(cell)
    }
}

/// The rows of a batch that anyone may have written.
///
/// # Errors
/// At the first value that no row of these cells has: another schema, an unknown cell, parameters that are not the
/// cell's, a negative count, an exit step that does not go with the outcome, the steps or the exit time.
pub fn from_batch(batch: &RecordBatch, cells: &CellTable) -> Result<Vec<Row>, RowError> {
    let columns = Columns::of(batch)?;
    let outcomes: Vec<Option<Outcome>> = columns
        .outcome
        .words
        .iter()
        .map(|word| OUTCOMES.into_iter().find(|outcome| Some(outcome.as_str()) == word))
        .collect();
    let mut rows = Vec::with_capacity(batch.num_rows());
    let mut cell: Option<&Cell> = None;
    for row in 0..batch.num_rows() {
        let known = cell.filter(|_| row > 0 && columns.repeats(row));
        let current = match known {
            Some(known) => known,
            None => columns.cell(row, cells)?,
        };
        cell = Some(current);
        let count = |column, number: i64, least: u64| {
            u64::try_from(number)
                .ok()
                .filter(|number| *number >= least)
                .ok_or_else(|| value(row, column, number, format!("at least {least}")))
        };
        let outcome = columns.outcome.index(row).and_then(|index| outcomes[index]).ok_or_else(|| {
            let found: String = columns.outcome.get(row).unwrap_or("null").chars().take(40).collect();
            value(row, "outcome", found, "exited, diverged or censored")
        })?;
        let trial = count("trial", columns.trial.value(row), 0)?;
        let steps = count("steps", columns.steps.value(row), 1)?;
        let record = TrialRecord {
            trial,
            outcome,
            steps,
            exit_loss: columns.exit_loss.value(row),
            exit_radius: columns.exit_radius.value(row),
        };
        check_exit(&columns, row, &record, current.step_length())?;
        if record.exit_radius < 0.0 {
            return Err(value(row, "exit_radius", record.exit_radius, "a distance"));
        }
        rows.push(Row { cell: current.key, record });
    }
    Ok(rows)
}

/// `exit_step` and `exit_time` are those of the record, or null if it is censored.
fn check_exit(columns: &Columns<'_>, row: usize, record: &TrialRecord, step_length: f64) -> Result<(), RowError> {
    let step = columns.exit_step.is_valid(row).then(|| columns.exit_step.value(row));
    let time = columns.exit_time.is_valid(row).then(|| columns.exit_time.value(row));
    let expected = record.exit_step();
    if step.map(u64::try_from) != expected.map(Ok) {
        let show = |step: Option<i64>| step.map_or("null".to_string(), |step| step.to_string());
        let why = match expected {
            Some(steps) => format!("{steps}, the steps of a trial that {}", record.outcome.as_str()),
            None => "null for a censored trial".to_string(),
        };
        return Err(value(row, "exit_step", show(step), why));
    }
    let expected = expected.map(|steps| steps as f64 * step_length);
    if time.map(f64::to_bits) != expected.map(f64::to_bits) {
        let show = |time: Option<f64>| time.map_or("null".to_string(), |time| time.to_string());
        return Err(value(
            row,
            "exit_time",
            show(time),
            format!("{} (exit_step times the length of a step)", show(expected)),
        ));
    }
    Ok(())
}
