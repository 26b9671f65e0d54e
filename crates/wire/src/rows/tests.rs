use std::path::Path;

use proptest::prelude::*;
use prost::Message;
use taugrid_results::Cell;
use taugrid_sweep::Sweep;

use super::*;
use crate::v1::Results;

fn cells() -> Vec<Cell> {
    let text = "name: test\nseed: 7\nlandscape: {kind: quadratic, eigenvalues: [1.0]}\n\
                domain: {kind: sublevel, depth: 0.5}\ndynamics: {kind: gaussian-sgd, covariance: hessian}\n\
                grid: {alpha: [1, 2, 3], eta: [0.1], batch_size: [1]}\ntrials: 10\nmax_steps: 1000\n";
    Sweep::parse(text, Path::new("test.yaml")).expect("valid").cells()
}

fn table() -> CellTable {
    CellTable::new(cells())
}

fn row(cell: usize, trial: u64, outcome: Outcome) -> Row {
    let (exit_loss, exit_radius) = match outcome {
        Outcome::Diverged => (f64::NAN, f64::INFINITY),
        _ => (0.5 + trial as f64, 1.0 / (1.0 + trial as f64)),
    };
    Row { cell: cells()[cell].key, record: TrialRecord { trial, outcome, steps: trial + 1, exit_loss, exit_radius } }
}

fn of_one_cell() -> CellRows {
    let rows: Vec<_> = [3, 4, 9].map(|trial| row(0, trial, Outcome::Exited)).into();
    to_wire(&rows).remove(0)
}

fn some_row() -> impl Strategy<Value = Row> {
    let outcome = prop_oneof![Just(Outcome::Exited), Just(Outcome::Diverged), Just(Outcome::Censored)];
    let trial = prop_oneof![0..9u64, Just(i64::MAX as u64), any::<u64>().prop_map(|trial| trial >> 1)];
    (0..3usize, trial, outcome).prop_map(|(cell, trial, outcome)| {
        let mut row = row(cell, trial.min(1 << 60), outcome);
        row.record.trial = trial;
        row
    })
}

proptest! {
    #[test]
    fn rows_come_back_as_they_were(rows in proptest::collection::vec(some_row(), 0..60)) {
        let message = Results { sequence: 1, rows: to_wire(&rows), grants: Vec::new() };
        let message = Results::decode(&*message.encode_to_vec()).expect("our own");
        let back = from_wire(&message.rows, &table()).expect("rows of these cells");
        prop_assert_eq!(back.len(), rows.len());
        prop_assert!(back.iter().zip(&rows).all(|(back, row)| back.same(row)));
    }
}

#[test]
fn rows_in_their_order_take_twenty_bytes_each() {
    let rows: Vec<_> = (0..1000).map(|trial| row(1, trial, Outcome::Exited)).collect();
    let message = Results { sequence: 1, rows: to_wire(&rows), grants: Vec::new() };
    assert!(message.encoded_len() < 20 * rows.len(), "{} bytes", message.encoded_len());
}

#[test]
fn what_no_worker_sends_is_refused() {
    let refused = |change: fn(&mut CellRows)| {
        let mut message = of_one_cell();
        change(&mut message);
        from_wire(&[message], &table()).expect_err("it is wrong").to_string()
    };
    let key = cells()[0].key;
    assert_eq!(refused(|rows| rows.cell = 5), "rows of cell 0000000000000005, which is not one of this sweep");
    assert_eq!(
        refused(|rows| rows.steps.truncate(2)),
        format!("rows of cell {key}: 3 trials have 2 values of `steps`")
    );
    for (change, column) in [
        ((|rows| rows.outcomes = vec![1; 4]) as fn(&mut CellRows), "outcome"),
        (|rows| rows.exit_loss.push(0.0), "exit_loss"),
        (|rows| rows.exit_radius.clear(), "exit_radius"),
        (|rows| rows.trials[0].count = u64::MAX, "steps"),
        (|rows| rows.trials[0].first = u64::MAX, "trial"),
        (|rows| rows.trials[0].first = i64::MAX as u64, "trial"),
        (|rows| rows.steps[1] = 0, "steps"),
        (|rows| rows.steps[1] = 1 << 63, "steps"),
        (|rows| rows.outcomes = vec![1, 0, 1], "outcome"),
        (|rows| rows.outcomes = vec![1, 2, 4], "outcome"),
        (|rows| rows.exit_radius[2] = -1.0, "exit_radius"),
    ] {
        let error = refused(change);
        assert!(error.contains(column), "{column}: {error}");
    }
}

#[test]
fn a_piece_that_reaches_beyond_all_numbers_is_refused() {
    let at = |first, count| CellRows { trials: vec![Trials { first, count }], ..of_one_cell() };
    assert!(from_wire(&[at(u64::MAX - 1, 3)], &table()).is_err());
    assert!(from_wire(&[at(u64::MAX, 3)], &table()).is_err());
}
