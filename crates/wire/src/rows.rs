//! Rows as they go over the wire: by columns, so that a row takes some twenty bytes, and one of a cell by itself some
//! thirty. A message has so many columns and no more, however many cells its rows are of.

use taugrid_results::{CellTable, Outcome, Row, TrialRecord};
use taugrid_sweep::CellKey;

use crate::columns::{ColumnError, are_as_long};
use crate::v1;

/// Rows that no worker sends.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowsError {
    /// The cell is not of this sweep.
    #[error("rows of cell {0}, which is not one of this sweep")]
    UnknownCell(CellKey),
    /// The columns of the pieces, or those of the trials, differ in length.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// A value that cannot be.
    #[error("trial {trial} of cell {cell} cannot have {column} = {found}")]
    Value {
        /// Of which cell.
        cell: CellKey,
        /// Of which trial.
        trial: u64,
        /// Which column.
        column: &'static str,
        /// What it says.
        found: String,
    },
}

/// `rows` as they go over the wire: the shorter, the more of them stand by cell and trial.
pub fn to_wire(rows: &[Row]) -> v1::Rows {
    let mut message = v1::Rows::default();
    for piece in rows.chunk_by(Row::is_followed_by) {
        message.cells.push(piece[0].cell.0);
        message.first_trials.push(piece[0].record.trial);
        message.counts.push(piece.len() as u64);
    }
    let records = || rows.iter().map(|row| &row.record);
    if records().any(|record| record.outcome != Outcome::Exited) {
        message.outcomes = records().map(|record| outcome_to_wire(record.outcome).into()).collect();
    }
    message.steps = records().map(|record| record.steps).collect();
    message.exit_loss = records().map(|record| record.exit_loss).collect();
    message.exit_radius = records().map(|record| record.exit_radius).collect();
    message
}

/// The rows of a message that anyone may have sent.
///
/// # Errors
/// At the first cell that is not in `cells`, column of another length, or value that no row has.
pub fn from_wire(message: &v1::Rows, cells: &CellTable) -> Result<Vec<Row>, RowsError> {
    let v1::Rows { cells: keys, first_trials, counts, outcomes, steps, exit_loss, exit_radius } = message;
    let pieces = [("first_trial", first_trials.len()), ("count", counts.len())];
    are_as_long("pieces", keys.len() as u64, &pieces)?;
    let trials = counts.iter().fold(0u64, |sum, count| sum.saturating_add(*count));
    let of_outcomes = if outcomes.is_empty() { steps.len() } else { outcomes.len() };
    let columns = [
        ("steps", steps.len()),
        ("outcome", of_outcomes),
        ("exit_loss", exit_loss.len()),
        ("exit_radius", exit_radius.len()),
    ];
    are_as_long("trials", trials, &columns)?;
    // Bounded by what has come: a value of a packed column takes a byte at least.
    let mut rows = Vec::with_capacity(steps.len());
    for ((&cell, &first), &count) in keys.iter().zip(first_trials).zip(counts) {
        let cell = CellKey(cell);
        if cells.get(cell).is_none() {
            return Err(RowsError::UnknownCell(cell));
        }
        let beyond =
            || RowsError::Value { cell, trial: first, column: "trial", found: format!("{count} from {first} on") };
        for trial in first..first.checked_add(count).ok_or_else(beyond)? {
            rows.push(Row { cell, record: record(message, cell, trial, rows.len())? });
        }
    }
    Ok(rows)
}

fn record(message: &v1::Rows, cell: CellKey, trial: u64, index: usize) -> Result<TrialRecord, RowsError> {
    let wrong = |column, found: String| RowsError::Value { cell, trial, column, found };
    let outcome = match message.outcomes.get(index) {
        None => Outcome::Exited,
        Some(&value) => {
            let known = v1::Outcome::try_from(value).ok().and_then(outcome_from_wire);
            known.ok_or_else(|| wrong("outcome", value.to_string()))?
        }
    };
    let (steps, exit_radius) = (message.steps[index], message.exit_radius[index]);
    // Both become INT64.
    if i64::try_from(trial).is_err() {
        return Err(wrong("trial", trial.to_string()));
    }
    if steps == 0 || i64::try_from(steps).is_err() {
        return Err(wrong("steps", steps.to_string()));
    }
    if exit_radius < 0.0 {
        return Err(wrong("exit_radius", exit_radius.to_string()));
    }
    Ok(TrialRecord { trial, outcome, steps, exit_loss: message.exit_loss[index], exit_radius })
}

fn outcome_to_wire(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Exited => v1::Outcome::Exited,
        Outcome::Diverged => v1::Outcome::Diverged,
        Outcome::Censored => v1::Outcome::Censored,
    }
}

fn outcome_from_wire(outcome: v1::Outcome) -> Option<Outcome> {
    match outcome {
        v1::Outcome::Unspecified => None,
        v1::Outcome::Exited => Some(Outcome::Exited),
        v1::Outcome::Diverged => Some(Outcome::Diverged),
        v1::Outcome::Censored => Some(Outcome::Censored),
    }
}

#[cfg(test)]
mod tests;
