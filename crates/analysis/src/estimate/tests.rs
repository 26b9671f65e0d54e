use taugrid_escape::walk::{Outcome, TrialRecord};

use super::*;
use crate::simulate::Draws;

fn record(trial: u64, outcome: Outcome, steps: u64) -> TrialRecord {
    TrialRecord { trial, outcome, steps, exit_loss: 1.0, exit_radius: 1.0 }
}

fn exited(steps: &[u64]) -> Vec<TrialRecord> {
    steps.iter().enumerate().map(|(i, &steps)| record(i as u64, Outcome::Exited, steps)).collect()
}

/// `exits` at the given steps and `censored` trials at `max_steps`.
fn with_censored(exits: &[u64], censored: u64, max_steps: u64) -> Vec<TrialRecord> {
    let mut records = exited(exits);
    records.extend((0..censored).map(|i| record(100 + i, Outcome::Censored, max_steps)));
    records
}

fn close(a: f64, b: f64, relative: f64) -> bool {
    (a - b).abs() <= relative * b.abs()
}

#[test]
fn without_censoring_it_is_the_sample_mean() {
    let estimate = estimate(&exited(&[3, 5, 10, 2]));
    assert_eq!(estimate.mean, Some(5.0));
    assert_eq!(estimate.total_steps, 20);
    assert_eq!(estimate.median, Some(4.0));
    // squares of −2, 0, 5, −3 over n − 1 = 3
    assert!(close(estimate.std.unwrap(), (38.0_f64 / 3.0).sqrt(), 1e-14));
}

#[test]
fn censored_steps_count_as_time_at_risk() {
    let estimate = estimate(&with_censored(&[40, 60], 2, 100));
    assert_eq!((estimate.trials, estimate.exits, estimate.censored), (4, 2, 2));
    assert_eq!(estimate.mean, Some(150.0));
    // Half left, at the second of two exits.
    assert_eq!(estimate.median, Some(60.0));
    // Completed second moments: 40², 60², twice 100² + 2·100·150 + 2·150².
    let squares = 1600.0 + 3600.0 + 2.0 * (10_000.0 + 30_000.0 + 45_000.0);
    assert!(close(estimate.std.unwrap(), ((squares - 4.0 * 150.0_f64.powi(2)) / 3.0).sqrt(), 1e-14));
}

#[test]
fn a_diverged_trial_left() {
    let mut records = exited(&[4, 6]);
    records.push(record(9, Outcome::Diverged, 2));
    let estimate = estimate(&records);
    assert_eq!((estimate.exits, estimate.diverged, estimate.censored), (3, 1, 0));
    assert_eq!(estimate.mean, Some(4.0));
}

#[test]
fn the_median_is_none_when_under_half_left() {
    assert_eq!(estimate(&with_censored(&[4, 6], 3, 10)).median, None);
    assert_eq!(estimate(&with_censored(&[4, 6, 8], 2, 10)).median, Some(8.0));
}

#[test]
fn the_median_follows_kaplan_and_meier_when_censoring_is_early() {
    // At risk 5, 4 (exit at 10), then a trial lost at 15, then 2 left: S = 4/5, 3/5, 3/10.
    let mut records = exited(&[5, 10, 20, 30]);
    records.push(record(9, Outcome::Censored, 15));
    assert_eq!(estimate(&records).median, Some(20.0));
}

#[test]
fn without_exits_there_is_only_a_lower_bound() {
    let estimate = estimate(&with_censored(&[], 10, 1000));
    assert_eq!((estimate.mean, estimate.upper, estimate.std, estimate.median), (None, None, None, None));
    // P(no exit in 10⁴ steps) = exp(−10⁴/μ) = 0.025
    assert!(close(estimate.lower.unwrap(), 10_000.0 / 40.0_f64.ln(), 1e-7));
}

#[test]
fn few_exits_have_the_chi_square_interval() {
    let estimate = estimate(&exited(&[10, 20, 30]));
    assert!(close(estimate.lower.unwrap(), 120.0 / 14.449_375_3, 1e-7));
    assert!(close(estimate.upper.unwrap(), 120.0 / 1.237_344_2, 1e-7));
}

#[test]
fn the_sandwich_is_the_textbook_error_without_censoring() {
    let steps: Vec<u64> = (1..=40).collect();
    let estimate = estimate(&exited(&steps));
    let (mean, std) = (estimate.mean.unwrap(), estimate.std.unwrap());
    let half_width = (estimate.upper.unwrap() / mean).ln();
    assert!(close(half_width, 2.022_690_92 * std / 40.0_f64.sqrt() / mean, 1e-8));
    assert!(close(estimate.lower.unwrap() * estimate.upper.unwrap(), mean * mean, 1e-12));
}

#[test]
fn no_trials_say_nothing() {
    let estimate = estimate(&[]);
    assert_eq!((estimate.trials, estimate.mean, estimate.lower, estimate.upper), (0, None, None, None));
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let mut draws = Draws::new(5);
    let mut records: Vec<_> = (0..500).map(|i| record(i, Outcome::Exited, draws.exponential_steps(1e5))).collect();
    let before = estimate(&records);
    records.reverse();
    assert_eq!(before, estimate(&records));
}

/// The share of `repeats` samples of n exponential exit times with mean `MEAN`, censored at `max_steps`, whose interval
/// holds the mean.
fn coverage(n: u64, max_steps: u64, repeats: u64, seed: u64) -> f64 {
    const MEAN: f64 = 1e6;
    let mut draws = Draws::new(seed);
    let mut held = 0;
    for _ in 0..repeats {
        let records: Vec<_> = (0..n)
            .map(|trial| {
                let steps = draws.exponential_steps(MEAN);
                let outcome = if steps > max_steps { Outcome::Censored } else { Outcome::Exited };
                record(trial, outcome, steps.min(max_steps))
            })
            .collect();
        let estimate = estimate(&records);
        let below = estimate.lower.is_none_or(|lower| lower <= MEAN);
        let above = estimate.upper.is_none_or(|upper| upper >= MEAN);
        held += u64::from(below && above);
    }
    held as f64 / repeats as f64
}

/// H0: the interval holds the mean with probability 0.95 − `slack` … 0.95 + `slack`, slack being what the approximation
/// is known to cost at this n. Over 4000 repeats the binomial s.d. is 0.0034; ±5.5 s.d. has a false alarm rate of 4e-8,
/// 3e-7 for the eight together.
#[test]
fn intervals_cover_the_mean_of_exponential_data() {
    const REPEATS: u64 = 4000;
    let noise = 5.5 * (0.95_f64 * 0.05 / REPEATS as f64).sqrt();
    let none = u64::MAX;
    for (n, max_steps, slack) in [
        (10, none, 0.03),
        (30, none, 0.015),
        (100, none, 0.006),
        (1000, none, 0.003),
        (100, 1_000_000, 0.006),
        (1000, 1_000_000, 0.003),
        (1000, 100_000, 0.006),
        (1000, 30_000, 0.015),
    ] {
        let covered = coverage(n, max_steps, REPEATS, n ^ max_steps);
        println!("n = {n}, max_steps = {max_steps}: {covered}");
        assert!((covered - 0.95).abs() <= noise + slack, "n = {n}, max_steps = {max_steps}: {covered}");
    }
}

/// H0: with few exits the interval holds the mean with probability at least 0.95 (the formula is conservative under
/// censoring). Over 4000 repeats, 5.5 s.d. below 0.95 has a false alarm rate of at most 2e-8,
/// 2e-7 for the six together.
#[test]
fn intervals_from_few_exits_hold_their_level() {
    const REPEATS: u64 = 4000;
    let noise = 5.5 * (0.95_f64 * 0.05 / REPEATS as f64).sqrt();
    for (n, max_steps) in [(1, u64::MAX), (5, u64::MAX), (100, 1000), (100, 10_000), (100, 30_000), (1000, 3000)] {
        let covered = coverage(n, max_steps, REPEATS, n ^ max_steps);
        println!("n = {n}, max_steps = {max_steps}: {covered}");
        assert!(covered >= 0.95 - noise, "n = {n}, max_steps = {max_steps}: {covered}");
    }
}
