//! Rows as they go over the wire: by cells and columns, so that a row takes some twenty bytes, and a message of a few rows
//! hardly more.

use taugrid_results::{CellTable, Outcome, Row, TrialRecord};
use taugrid_sweep::CellKey;

use crate::v1::{self, CellRows, Trials};

/// Rows that no worker sends. They are named by their place in the message, from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowsError {
    /// The cell is not of this sweep.
    #[error("rows of cell {0}, which is not one of this sweep")]
    UnknownCell(CellKey),
    /// The columns differ in length.
    #[error("rows of cell {cell}: {trials} trials have {values} values of `{column}`")]
    Column {
        /// Of which cell.
        cell: CellKey,
        /// How many trials there are.
        trials: u64,
        /// Which column.
        column: &'static str,
        /// How many values it has.
        values: usize,
    },
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
pub fn to_wire(rows: &[Row]) -> Vec<CellRows> {
    rows.chunk_by(|a, b| a.cell == b.cell).map(|rows| of_cell(rows[0].cell, rows)).collect()
}

fn of_cell(cell: CellKey, rows: &[Row]) -> CellRows {
    let runs = rows.chunk_by(|a, b| a.record.trial.checked_add(1) == Some(b.record.trial));
    let trials = runs.map(|run| Trials { first: run[0].record.trial, count: run.len() as u64 });
    let records = || rows.iter().map(|row| &row.record);
    let outcomes = if records().all(|record| record.outcome == Outcome::Exited) {
        Vec::new()
    } else {
        records().map(|record| outcome_to_wire(record.outcome).into()).collect()
    };
    CellRows {
        cell: cell.0,
        trials: trials.collect(),
        outcomes,
        steps: records().map(|record| record.steps).collect(),
        exit_loss: records().map(|record| record.exit_loss).collect(),
        exit_radius: records().map(|record| record.exit_radius).collect(),
    }
}

/// The rows of a message that anyone may have sent.
///
/// # Errors
/// At the first cell that is not in `cells`, column of another length, or value that no row has.
pub fn from_wire(message: &[CellRows], cells: &CellTable) -> Result<Vec<Row>, RowsError> {
    // Bounded by what has come: a value of a packed column takes a byte at least.
    let mut rows = Vec::with_capacity(message.iter().map(|of_cell| of_cell.steps.len()).sum());
    message.iter().try_for_each(|of_cell| take(of_cell, cells, &mut rows))?;
    Ok(rows)
}

fn take(of_cell: &CellRows, cells: &CellTable, rows: &mut Vec<Row>) -> Result<(), RowsError> {
    let cell = CellKey(of_cell.cell);
    if cells.get(cell).is_none() {
        return Err(RowsError::UnknownCell(cell));
    }
    let trials = of_cell.trials.iter().fold(0u64, |sum, piece| sum.saturating_add(piece.count));
    let outcomes = if of_cell.outcomes.is_empty() { of_cell.steps.len() } else { of_cell.outcomes.len() };
    for (column, values) in [
        ("steps", of_cell.steps.len()),
        ("outcome", outcomes),
        ("exit_loss", of_cell.exit_loss.len()),
        ("exit_radius", of_cell.exit_radius.len()),
    ] {
        if values as u64 != trials {
            return Err(RowsError::Column { cell, trials, column, values });
        }
    }
    let mut index = 0;
    for &Trials { first, count } in &of_cell.trials {
        let beyond =
            || RowsError::Value { cell, trial: first, column: "trial", found: format!("{count} from {first} on") };
        for trial in first..first.checked_add(count).ok_or_else(beyond)? {
            rows.push(Row { cell, record: record(of_cell, cell, trial, index)? });
            index += 1;
        }
    }
    Ok(())
}

fn record(of_cell: &CellRows, cell: CellKey, trial: u64, index: usize) -> Result<TrialRecord, RowsError> {
    let wrong = |column, found: String| RowsError::Value { cell, trial, column, found };
    let outcome = match of_cell.outcomes.get(index) {
        None => Outcome::Exited,
        Some(&value) => {
            let known = v1::Outcome::try_from(value).ok().and_then(outcome_from_wire);
            known.ok_or_else(|| wrong("outcome", value.to_string()))?
        }
    };
    let (steps, exit_radius) = (of_cell.steps[index], of_cell.exit_radius[index]);
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
    Ok(TrialRecord { trial, outcome, steps, exit_loss: of_cell.exit_loss[index], exit_radius })
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
