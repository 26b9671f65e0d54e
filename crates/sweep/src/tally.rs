//! The sums that a cell's mean exit time and its interval rest on: whole numbers, so that they are exact, and the same in
//! whatever order the trials come.
//!
//! Everything here is in *steps*.
//!
//! | what | how |
//! | --- | --- |
//! | mean | m = Σ T_i / r, with T_i the steps simulated and r the exits: maximum likelihood for exponential exit times under any right censoring; the plain sample mean when nothing is censored |
//! | interval, r ≥ 10 | m·exp(±t·se/m), symmetric on the log scale, t the quantile of Student's t with r − 1 degrees of freedom |
//! | interval, r < 10 | exact, from the exponential model: 2ΣT/μ is χ² |
//! | no exits | mean unknown; lower bound ΣT/3.689 at 95 %, no upper bound |
//!
//! **Why these intervals.** The mean is a ratio of two sums over independent trials, m = ΣT_i / Σδ_i (δ_i = 1 for an
//! exit), so its linearised ("sandwich") variance
//!
//! ```text
//! se² = n/(n−1) · Σ (T_i − m·δ_i)² / (Σ δ_i)²
//! ```
//!
//! holds whatever the law of T: exit times are exponential only in the limit of a small step, and a cell with a short
//! mean has a narrower law. Without censoring it is s²/n, the textbook's; with censoring, m itself rests on the
//! exponential law (what lies beyond the last step was not seen), which is what `ks_p` and the censored count are for.
//! An exit time is positive and its mean estimate skewed to the right, so the interval is symmetric in log m; Student's
//! quantile pays for se being estimated from r exits. Under about ten exits se itself is too uncertain, and the
//! exponential model is the better guide: a long run with few exits is where the exponential law holds best. There
//! 2ΣT/μ ~ χ² with 2r degrees of freedom when every trial ended in an exit, and with time-censoring the Poisson process
//! of exits gives 2r for the upper limit and 2r + 2 for the lower one (Epstein 1960; conservative). With r = 0 the same
//! formula leaves ΣT/−ln(0.025) at 95 %; it stays two-sided there, so that the procedure as a whole keeps its level.
//!
//! If every trial leaves at the same step the sample has no spread and the interval no width.

use std::ops::AddAssign;

use taugrid_escape::walk::TrialRecord;

use crate::quantile::{chi_square, student};

/// Exits from which on the interval is the distribution-free one.
const FEW_EXITS: u64 = 10;

/// Sums over trials of one cell.
///
/// Exact as long as the trials have fewer than 2⁶³ steps in all, which is what a dataset can say of a cell.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Trials.
    pub trials: u64,
    /// Of them, left D, the diverged among them; the rest are censored.
    pub exits: u64,
    /// Σ T_i: steps simulated.
    pub steps: u128,
    /// Σ T_i over the exits.
    pub exit_steps: u128,
    /// Σ T_i².
    pub squares: u128,
}

impl Tally {
    /// Counts a trial in.
    pub fn add(&mut self, record: &TrialRecord) {
        let steps = u128::from(record.steps);
        self.trials += 1;
        self.steps += steps;
        self.squares = self.squares.saturating_add(steps * steps);
        if let Some(exit) = record.exit_step() {
            self.exits += 1;
            self.exit_steps += u128::from(exit);
        }
    }

    /// Trials that were still inside at their last step.
    pub fn censored(&self) -> u64 {
        self.trials - self.exits
    }

    /// m = ΣT/r, the maximum-likelihood estimate of E\[k*\] under censoring; `None` without an exit.
    pub fn mean(&self) -> Option<f64> {
        (self.exits > 0).then(|| self.steps as f64 / self.exits as f64)
    }

    /// The two-sided confidence interval of the mean, at a level of 0.5 … 1: its ends, from the table of this module. No
    /// lower end without a trial; no upper end without an exit, for then there is no upper bound.
    pub fn interval(&self, confidence: f64) -> (Option<f64>, Option<f64>) {
        if self.trials == 0 {
            return (None, None);
        }
        let tail = (1.0 - confidence) / 2.0;
        match self.mean() {
            Some(mean) if self.exits >= FEW_EXITS => {
                let half_width = student(self.exits - 1, 1.0 - tail) * self.standard_error() / mean;
                (Some(mean * (-half_width).exp()), Some(mean * half_width.exp()))
            }
            mean => {
                let twice_total = 2.0 * self.steps as f64;
                let lower_freedom = if self.censored() == 0 { 2 * self.exits } else { 2 * self.exits + 2 };
                let lower = twice_total / chi_square(lower_freedom, 1.0 - tail);
                let upper = mean.map(|_| twice_total / chi_square(2 * self.exits, tail));
                (Some(lower), upper)
            }
        }
    }

    /// √(n/(n−1) · Σ (T_i − m δ_i)²) / r; of at least two trials and one exit.
    fn standard_error(&self) -> f64 {
        let trials = self.trials as f64;
        (trials / (trials - 1.0) * self.spread()).sqrt() / self.exits as f64
    }

    /// Σ (T_i − m δ_i)²; 0 without an exit.
    ///
    /// Around the whole part q of m it is a whole number, so that nothing is lost to cancellation; the fraction f of m
    /// then takes 2f Σ δ_i (T_i − q) off it and adds r f².
    pub fn spread(&self) -> f64 {
        let exits = u128::from(self.exits);
        if exits == 0 {
            return 0.0;
        }
        let whole = self.steps / exits;
        let fraction = (self.steps % exits) as f64 / exits as f64;
        // Modulo 2¹²⁸: the outcome fits where a product on the way to it may not.
        let around_whole = self
            .squares
            .wrapping_add(whole.wrapping_mul(whole).wrapping_mul(exits))
            .wrapping_sub(whole.wrapping_mul(self.exit_steps).wrapping_mul(2));
        let first = self.exit_steps.wrapping_sub(whole.wrapping_mul(exits)) as i128;
        let spread = around_whole as f64 - 2.0 * fraction * first as f64 + fraction * fraction * exits as f64;
        spread.max(0.0)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.trials += other.trials;
        self.exits += other.exits;
        self.steps += other.steps;
        self.exit_steps += other.exit_steps;
        self.squares = self.squares.saturating_add(other.squares);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use taugrid_escape::walk::Outcome;

    use super::*;

    fn record(outcome: Outcome, steps: u64) -> TrialRecord {
        TrialRecord { trial: 0, outcome, steps, exit_loss: 1.0, exit_radius: 1.0 }
    }

    fn tally(trials: &[(bool, u64)]) -> Tally {
        let mut tally = Tally::default();
        for &(exited, steps) in trials {
            tally.add(&record(if exited { Outcome::Exited } else { Outcome::Censored }, steps));
        }
        tally
    }

    fn close(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * b.abs()
    }

    #[test]
    fn trials_without_spread_have_none_however_large_they_are() {
        for steps in [1, 7, (1 << 53) - 1] {
            let tally = tally(&[(true, steps); 100]);
            assert_eq!((tally.mean(), tally.spread()), (Some(steps as f64), 0.0));
            assert_eq!(tally.interval(0.95), (tally.mean(), tally.mean()));
        }
        // One of a hundred a step later: Σ (T − m)² = 99/100.
        let mut trials = vec![(true, 1 << 52); 100];
        trials[3].1 += 1;
        assert!(close(tally(&trials).spread(), 0.99, 1e-12));
    }

    #[test]
    fn a_diverged_trial_left() {
        let mut tally = Tally::default();
        tally.add(&record(Outcome::Diverged, 4));
        assert_eq!((tally.exits, tally.censored(), tally.mean()), (1, 0, Some(4.0)));
    }

    #[test]
    fn wider_confidence_is_a_wider_interval_on_both_sides_of_ten_exits() {
        for exits in [3, 30] {
            let tally = tally(&(1..=exits).map(|i| (true, 10 * i)).collect::<Vec<_>>());
            let widths = [0.5, 0.8, 0.95, 0.999].map(|confidence| {
                let (lower, upper) = tally.interval(confidence);
                upper.expect("exits") - lower.expect("exits")
            });
            assert!(widths.is_sorted_by(|a, b| a < b), "{widths:?}");
        }
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_textbook_in_any_order_and_grouping(
            trials in prop::collection::vec((prop::bool::weighted(0.7), 1u64..1 << 40), 2..60),
            cut in 0usize..60,
        ) {
            let whole = tally(&trials);
            let cut = cut.min(trials.len());
            let mut parts = tally(&trials[cut..]);
            parts += tally(&trials[..cut]);
            prop_assert_eq!(parts, whole);
            if let Some(mean) = whole.mean() {
                let textbook: f64 = trials.iter().map(|&(exited, steps)| {
                    (steps as f64 - if exited { mean } else { 0.0 }).powi(2)
                }).sum();
                prop_assert!(close(whole.spread(), textbook, 1e-9), "{} {textbook}", whole.spread());
            }
        }
    }
}
