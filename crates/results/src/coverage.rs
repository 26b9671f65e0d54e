//! Which trials a set of rows holds: as a set per cell, and as the sorted runs that stand in a part's footer.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use taugrid_sweep::CellKey;

use crate::ranges::Ranges;
use crate::rows::Row;

/// The trials that a set of rows, or of parts, holds. Cells without any are not in it.
pub type Coverage = BTreeMap<CellKey, Ranges>;

/// The trials of `rows`, which may be in any order.
pub fn coverage_of(rows: &[Row]) -> Coverage {
    let mut runs = runs(rows);
    // As they mostly are. A map is made faster of what is sorted than one by one.
    runs.sort_by_key(|run| run.cell);
    runs.chunk_by(|a, b| a.cell == b.cell)
        .map(|runs| (runs[0].cell, runs.iter().map(|run| run.trials.clone()).collect()))
        .collect()
}

/// How many trials a coverage holds.
pub fn count(coverage: &Coverage) -> u64 {
    coverage.values().map(Ranges::count).sum()
}

/// A place in the order of the dataset: (cell, trial).
pub(crate) type Position = (CellKey, u64);

/// Before every row of the dataset, and after every one.
pub(crate) const START: Position = (CellKey(0), 0);
pub(crate) const END: Position = (CellKey(u64::MAX), u64::MAX);

/// Rows of one cell with consecutive trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) cell: CellKey,
    pub(crate) trials: Range<u64>,
    /// How many rows come before it in its part.
    pub(crate) first: u64,
}

impl Run {
    pub(crate) fn rows(&self) -> u64 {
        self.trials.end - self.trials.start
    }
}

/// The longest runs of `rows` as they stand.
pub(crate) fn runs(rows: &[Row]) -> Vec<Run> {
    let mut first = 0;
    rows.chunk_by(Row::is_followed_by)
        .map(|chunk| {
            let start = chunk[0].record.trial;
            let run = Run { cell: chunk[0].cell, trials: start..start.saturating_add(chunk.len() as u64), first };
            first += chunk.len() as u64;
            run
        })
        .collect()
}

/// How many rows of a sorted part come before `at`.
pub(crate) fn rows_before(runs: &[Run], at: Position) -> u64 {
    let next = runs.partition_point(|run| (run.cell, run.trials.end) <= at);
    match runs.get(next) {
        Some(run) if run.cell == at.0 => run.first + at.1.saturating_sub(run.trials.start),
        Some(run) => run.first,
        None => runs.last().map_or(0, |run| run.first + run.rows()),
    }
}

/// Cuts the trials of `coverage`, in their order, into stretches of `step` rows (the last may have fewer).
pub(crate) fn stretches(coverage: &Coverage, step: u64) -> Vec<(Range<Position>, u64)> {
    let mut stretches = Vec::new();
    let (mut start, mut held) = (START, 0);
    for (cell, ranges) in coverage {
        for range in ranges.iter() {
            let mut from = range.start;
            while from < range.end {
                let take = (range.end - from).min(step - held);
                from += take;
                held += take;
                if held == step {
                    stretches.push((start..(*cell, from), held));
                    (start, held) = ((*cell, from), 0);
                }
            }
        }
    }
    if held > 0 {
        stretches.push((start..END, held));
    }
    stretches
}

/// Runs as JSON, `{"cell": [[first trial, end], …], …}`, for a part's footer.
pub(crate) fn runs_to_json(runs: &[Run]) -> String {
    let mut json = String::from("{");
    for (index, cell) in runs.chunk_by(|a, b| a.cell == b.cell).enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(json, "{comma}\"{}\":[", cell[0].cell);
        for (index, run) in cell.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(json, "{comma}[{},{}]", run.trials.start, run.trials.end);
        }
        json.push(']');
    }
    json.push('}');
    json
}

/// Reads [`runs_to_json`]: sorted, disjoint, none of them empty. The error says what is wrong.
pub(crate) fn runs_from_json(json: &str) -> Result<Vec<Run>, String> {
    let cells: BTreeMap<String, Vec<(u64, u64)>> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut runs: Vec<Run> = Vec::new();
    let mut first: u64 = 0;
    for (cell, ranges) in cells {
        let cell: CellKey = cell.parse().map_err(|error| format!("{cell:?} is {error}"))?;
        for (start, end) in ranges {
            // 2^63 is one more than the last trial that INT64 can name.
            if start >= end || end > 1 << 63 {
                return Err(format!("cell {cell}: [{start}, {end}] is no range of trials"));
            }
            if runs.last().is_some_and(|run| run.cell == cell && run.trials.end >= start) {
                return Err(format!("cell {cell}: the range at {start} is out of order"));
            }
            runs.push(Run { cell, trials: start..end, first });
            first = first.checked_add(end - start).ok_or("more rows than there can be")?;
        }
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{cells, row, rows};

    fn shape() -> impl Strategy<Value = Vec<Row>> {
        proptest::collection::btree_set((0usize..4, 0u64..40), 0..100).prop_map(|set| {
            let cells = cells(4);
            let mut rows: Vec<Row> = set.into_iter().map(|(cell, trial)| row(&cells[cell], trial)).collect();
            rows.sort_by_key(Row::position);
            rows
        })
    }

    proptest! {
        #[test]
        fn runs_json_coverage_and_positions_agree(rows in shape(), step in 1u64..20, cell in 0usize..4, trial in 0u64..45) {
            let runs = runs(&rows);
            prop_assert_eq!(&runs_from_json(&runs_to_json(&runs)).expect("our own"), &runs);
            let coverage = coverage_of(&rows);
            prop_assert_eq!(count(&coverage), rows.len() as u64);
            for row in &rows {
                prop_assert!(coverage[&row.cell].contains(row.record.trial));
            }
            let at = (cells(4)[cell].key, trial);
            let before = rows.iter().filter(|row| row.position() < at).count() as u64;
            prop_assert_eq!(rows_before(&runs, at), before);
            prop_assert_eq!(rows_before(&runs, START), 0);
            prop_assert_eq!(rows_before(&runs, END), rows.len() as u64);
            let mut next = START;
            let mut total = 0;
            let stretches = stretches(&coverage, step);
            for (index, (stretch, held)) in stretches.iter().enumerate() {
                prop_assert_eq!(stretch.start, next);
                let inside = rows.iter().filter(|row| stretch.contains(&row.position())).count() as u64;
                prop_assert_eq!(inside, *held);
                prop_assert!(*held == step || index + 1 == stretches.len());
                next = stretch.end;
                total += held;
            }
            prop_assert_eq!(total, rows.len() as u64);
        }
    }

    #[test]
    fn rows_in_any_order_are_covered() {
        let mut rows = rows(&cells(3), 0..30);
        let sorted = coverage_of(&rows);
        rows.reverse();
        assert_eq!(coverage_of(&rows), sorted);
        assert_eq!(sorted.len(), 3);
    }

    #[test]
    fn ranges_that_cannot_be_are_refused() {
        for bad in [
            "",
            "[]",
            "{\"ab\":[[0,1]]}",
            "{\"00000000000000ab\":[[1,1]]}",
            "{\"00000000000000ab\":[[2,1]]}",
            "{\"00000000000000ab\":[[-1,1]]}",
            "{\"00000000000000ab\":[[0,2],[1,3]]}",
            "{\"00000000000000ab\":[[5,6],[0,1]]}",
            "{\"00000000000000ab\":[[0,18446744073709551615]]}",
        ] {
            assert!(runs_from_json(bad).is_err(), "{bad}");
        }
    }
}
