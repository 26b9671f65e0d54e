use std::path::Path;

use proptest::prelude::*;
use prost::Message;
use taugrid_results::Cell;
use taugrid_sweep::Sweep;

use super::*;

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

/// Two pieces of one cell, and one of another.
fn three_pieces() -> v1::Rows {
    to_wire(&[(0, 3), (0, 4), (0, 9), (1, 10)].map(|(cell, trial)| row(cell, trial, Outcome::Exited)))
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
        let message = v1::Rows::decode(&*to_wire(&rows).encode_to_vec()).expect("our own");
        let back = from_wire(&message, &table()).expect("rows of these cells");
        prop_assert_eq!(back.len(), rows.len());
        prop_assert!(back.iter().zip(&rows).all(|(back, row)| back.same(row)));
    }
}

#[test]
fn rows_in_their_order_take_twenty_bytes_each() {
    let rows: Vec<_> = (0..1000).map(|trial| row(1, trial, Outcome::Exited)).collect();
    let bytes = to_wire(&rows).encoded_len();
    assert!(bytes < 20 * rows.len(), "{bytes} bytes");
}

#[test]
fn trials_in_a_row_are_one_piece() {
    let message = three_pieces();
    let keys = [0, 0, 1].map(|cell| cells()[cell].key.0);
    assert_eq!(
        (&*message.cells, &*message.first_trials, &*message.counts),
        (&keys[..], &[3, 9, 10][..], &[2, 1, 1][..])
    );
}

#[test]
fn what_no_worker_sends_is_refused() {
    let refused = |change: fn(&mut v1::Rows)| {
        let mut message = three_pieces();
        change(&mut message);
        from_wire(&message, &table()).expect_err("it is wrong").to_string()
    };
    assert_eq!(refused(|rows| rows.cells[2] = 5), "rows of cell 0000000000000005, which is not one of this sweep");
    assert_eq!(refused(|rows| rows.steps.truncate(2)), "4 trials have 2 values of `steps`");
    assert_eq!(refused(|rows| rows.counts.truncate(2)), "3 pieces have 2 values of `count`");
    for (change, column) in [
        ((|rows| rows.first_trials.push(0)) as fn(&mut v1::Rows), "first_trial"),
        (|rows| rows.cells.truncate(1), "first_trial"),
        (|rows| rows.outcomes = vec![1; 5], "outcome"),
        (|rows| rows.exit_loss.push(0.0), "exit_loss"),
        (|rows| rows.exit_radius.clear(), "exit_radius"),
        (|rows| rows.counts[0] = u64::MAX, "steps"),
        (|rows| rows.counts[1] = 0, "steps"),
        (|rows| rows.first_trials[0] = u64::MAX, "trial"),
        (|rows| rows.first_trials[0] = u64::MAX - 1, "trial"),
        (|rows| rows.first_trials[0] = i64::MAX as u64, "trial"),
        (|rows| rows.steps[1] = 0, "steps"),
        (|rows| rows.steps[1] = 1 << 63, "steps"),
        (|rows| rows.outcomes = vec![1, 0, 1, 1], "outcome"),
        (|rows| rows.outcomes = vec![1, 2, 4, 1], "outcome"),
        (|rows| rows.exit_radius[2] = -1.0, "exit_radius"),
    ] {
        let error = refused(change);
        assert!(error.contains(column), "{column}: {error}");
    }
}
