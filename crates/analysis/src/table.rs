//! The table of cells that a person sees at the end of `taugrid run`.

use std::fmt::Write as _;

use taugrid_results::CellSummary;
use taugrid_results::quasipotential::QuasipotentialRow;

use crate::numbers::{count, parameter, significant};

/// Rows shown before the table is cut short.
const MAX_ROWS: usize = 60;

/// KS p-values below this are worth a flag: one sound cell in a thousand has one.
const KS_FLAG: f64 = 1e-3;

/// A column: its heading, whether its values are numbers (right-aligned), and a cell's entry.
struct Column {
    heading: &'static str,
    numeric: bool,
    entry: fn(&CellSummary) -> String,
}

/// The cells as plain text, one line each, sorted by dynamics and then by α, β, η and B; ends in a newline.
///
/// Times are in units of time (steps × η), with the 95 % interval of the mean; `≥` marks a lower bound where no trial
/// left. Columns that would be empty throughout are left out, and so are lines beyond 60 (with a note that says so).
pub fn cell_table(cells: &[CellSummary]) -> String {
    let mut sorted: Vec<&CellSummary> = cells.iter().collect();
    sort(&mut sorted);
    let shown = &sorted[..sorted.len().min(MAX_ROWS)];

    let columns = columns(&sorted);
    let mut widths: Vec<usize> = columns.iter().map(|column| column.heading.chars().count()).collect();
    let lines: Vec<Vec<String>> =
        shown.iter().map(|cell| columns.iter().map(|column| (column.entry)(cell)).collect()).collect();
    for line in &lines {
        for (width, entry) in widths.iter_mut().zip(line) {
            *width = (*width).max(entry.chars().count());
        }
    }

    let mut text = String::new();
    let headings = columns.iter().map(|column| column.heading);
    push_line(&mut text, &columns, &widths, headings);
    let rule = widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>();
    push_line(&mut text, &columns, &widths, rule.iter().map(String::as_str));
    for line in &lines {
        push_line(&mut text, &columns, &widths, line.iter().map(String::as_str));
    }
    if sorted.len() > shown.len() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "… and {} more, see cells.parquet", sorted.len() - shown.len());
    }
    text
}

/// V0 of the cells as plain text, one line each, in their order; ends in a newline.
pub fn quasipotential_table(rows: &[QuasipotentialRow]) -> String {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| significant(value, 5));
    let headings = ["dynamics", "α", "β", "η", "B", "V₀", "(B/η)V₀", "V₀, C^(−1/2)", "method"];
    let lines: Vec<[String; 9]> = rows
        .iter()
        .take(MAX_ROWS)
        .map(|row| {
            let cell = &row.cell;
            let [alpha, beta, eta] = [cell.alpha, cell.beta, cell.eta].map(parameter);
            let [value, exponent, paper] = [row.value, row.exponent(), row.paper].map(number);
            let method = row.method.clone().unwrap_or_default();
            [cell.dynamics.label(), alpha, beta, eta, cell.batch_size.to_string(), value, exponent, paper, method]
        })
        .collect();
    let width = |column: usize| {
        let entries = lines.iter().map(|line| line[column].chars().count());
        entries.fold(headings[column].chars().count(), usize::max)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let columns: Vec<Column> = headings
        .iter()
        .map(|heading| Column { heading, numeric: !["dynamics", "method"].contains(heading), entry: |_| String::new() })
        .collect();
    let mut text = String::new();
    push_line(&mut text, &columns, &widths, headings.into_iter());
    for line in &lines {
        push_line(&mut text, &columns, &widths, line.iter().map(String::as_str));
    }
    if rows.len() > lines.len() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "… and {} more, see quasipotential.parquet", rows.len() - lines.len());
    }
    text
}

/// Dynamics by name, then α, β, η, B.
pub(crate) fn sort(cells: &mut [&CellSummary]) {
    cells.sort_by(|a, b| {
        let (a, b) = (&a.cell, &b.cell);
        a.dynamics
            .label()
            .cmp(&b.dynamics.label())
            .then(a.alpha.total_cmp(&b.alpha))
            .then(a.beta.total_cmp(&b.beta))
            .then(a.eta.total_cmp(&b.eta))
            .then(a.batch_size.cmp(&b.batch_size))
            .then(a.key.cmp(&b.key))
    });
}

fn columns(cells: &[&CellSummary]) -> Vec<Column> {
    let number = |heading, entry| Column { heading, numeric: true, entry };
    let mut columns = vec![
        Column { heading: "dynamics", numeric: false, entry: |c| c.cell.dynamics.label() },
        number("α", |c| parameter(c.cell.alpha)),
        number("β", |c| parameter(c.cell.beta)),
        number("η", |c| parameter(c.cell.eta)),
        number("B", |c| c.cell.batch_size.to_string()),
        number("trials", |c| count(c.trials)),
    ];
    if cells.iter().any(|c| c.censored > 0) {
        columns.push(number("censored", |c| count(c.censored)));
    }
    if cells.iter().any(|c| c.diverged > 0) {
        columns.push(number("diverged", |c| count(c.diverged)));
    }
    columns.push(number("mean exit time", |c| match (c.mean_exit_time, c.lower) {
        (Some(mean), _) => significant(mean, 4),
        (None, Some(lower)) => format!("≥ {}", significant(lower, 3)),
        (None, None) => "–".to_owned(),
    }));
    columns.push(number("95 % interval", |c| match (c.lower, c.upper) {
        (Some(lower), Some(upper)) => format!("{} … {}", significant(lower, 4), significant(upper, 4)),
        (Some(lower), None) => format!("{} … ∞", significant(lower, 4)),
        _ => "–".to_owned(),
    }));
    columns.push(number("mean steps", |c| c.mean_exit_steps.map_or("–".to_owned(), |steps| significant(steps, 4))));
    if cells.iter().any(|c| c.effective.gradient_norm > 0.0) {
        columns.push(number("‖∇L(θ*)‖", |c| significant(c.effective.gradient_norm, 2)));
    }
    if cells.iter().any(|c| !flags(c).is_empty()) {
        columns.push(Column { heading: "flags", numeric: false, entry: flags });
    }
    columns
}

/// What speaks against taking the mean for an escape time.
fn flags(cell: &CellSummary) -> String {
    let mut flags = Vec::new();
    if cell.effective.unstable {
        flags.push("unstable");
    }
    if cell.drift == Some(true) {
        flags.push("drift");
    }
    if cell.exits < 10 && cell.trials > 0 {
        flags.push(if cell.exits == 0 { "no exits" } else { "few exits" });
    }
    if cell.precision_reached == Some(false) {
        flags.push("imprecise");
    }
    if cell.ks_p.is_some_and(|p| p < KS_FLAG) {
        flags.push("not exponential");
    }
    flags.join(", ")
}

fn push_line<'a>(text: &mut String, columns: &[Column], widths: &[usize], entries: impl Iterator<Item = &'a str>) {
    let mut line = String::new();
    for ((column, &width), entry) in columns.iter().zip(widths).zip(entries) {
        let padding = " ".repeat(width.saturating_sub(entry.chars().count()));
        if !line.is_empty() {
            line.push_str("  ");
        }
        if column.numeric {
            line.push_str(&padding);
            line.push_str(entry);
        } else {
            line.push_str(entry);
            line.push_str(&padding);
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests;
