use super::*;
use crate::figure5::sample::{HESSIAN, IDENTITY, grid, one_at_a_time, summary, without_exits};

fn lines(cells: &[CellSummary]) -> Vec<String> {
    cell_table(cells).lines().map(str::to_owned).collect()
}

#[test]
fn a_plain_cell_is_one_line() {
    let mut cell = summary(HESSIAN, 2.0, 1.0, 0.05, 1);
    cell.mean_exit_time = Some(27.99375);
    cell.mean_exit_steps = Some(559.875);
    cell.lower = Some(26.312);
    cell.upper = Some(29.7841);
    cell.trials = 1000;
    let expected = "\
dynamics                α  β     η  B  trials  mean exit time  95 % interval  mean steps
──────────────────────  ─  ─  ────  ─  ──────  ──────────────  ─────────────  ──────────
gaussian-sgd (hessian)  2  1  0.05  1    1000           27.99  26.31 … 29.78       559.9
";
    assert_eq!(cell_table(&[cell]), expected);
}

#[test]
fn columns_appear_when_they_have_something_to_say() {
    let plain = lines(&[summary(HESSIAN, 2.0, 1.0, 0.05, 1)]);
    assert!(!plain[0].contains("censored") && !plain[0].contains("diverged") && !plain[0].contains("flags"));
    let mut diverged = summary(HESSIAN, 2.0, 1.0, 3.0, 1);
    diverged.diverged = 4;
    diverged.effective.unstable = true;
    diverged.ks_p = Some(1e-9);
    let table = lines(&[diverged, without_exits(summary(HESSIAN, 1.0, 1.0, 0.05, 1))]);
    assert!(table[0].contains("censored") && table[0].contains("diverged") && table[0].ends_with("flags"));
    assert!(table[2].contains("≥ 50.0") && table[2].contains("50.00 … ∞") && table[2].ends_with("no exits"));
    assert!(table[3].ends_with("unstable, not exponential"));
}

#[test]
fn sorted_by_dynamics_then_parameters() {
    let mut cells = one_at_a_time(&[IDENTITY, HESSIAN]);
    cells.reverse();
    let table = lines(&cells);
    assert!(table[2].starts_with("gaussian-sgd (hessian)") && table[34 + 1].starts_with("gaussian-sgd (identity)"));
    assert!(table[2].contains("  1     1   0.1  2  "), "{}", table[2]);
}

#[test]
fn a_long_table_is_cut() {
    let table = lines(&grid());
    assert_eq!(table.len(), 2 + 60 + 1);
    assert_eq!(table[62], "… and 36 more, see cells.parquet");
}

#[test]
fn a_gradient_that_does_not_vanish_is_shown() {
    let mut cell = summary(HESSIAN, 1.0, 1.0, 0.1, 1);
    assert!(!cell_table(&[cell.clone()]).contains("∇L"));
    cell.effective.gradient_norm = 0.001_23;
    let table = cell_table(&[cell]);
    assert!(table.contains("‖∇L(θ*)‖") && table.contains("0.0012"), "{table}");
}

#[test]
fn a_cell_that_stopped_short_of_its_precision_is_flagged() {
    let mut cell = summary(HESSIAN, 1.0, 1.0, 0.1, 1);
    cell.precision_reached = Some(true);
    assert!(!cell_table(&[cell.clone()]).contains("imprecise"));
    cell.precision_reached = Some(false);
    assert!(cell_table(&[cell]).trim_end().ends_with("imprecise"));
}
