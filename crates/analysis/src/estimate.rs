//! From a cell's trials to its mean exit time and how well it is known.
//!
//! Everything here is in *steps*; [`crate::effective::Facts::summarize`] turns steps into units of time.
//!
//! | what | how |
//! | --- | --- |
//! | mean | m = Σ T_i / r, with T_i the steps simulated and r the exits: maximum likelihood for exponential exit times under any right censoring; the plain sample mean when nothing is censored |
//! | interval, r ≥ 10 | m·exp(±t·se/m), a 95 % interval on the log scale, t the 97.5 % quantile of Student's t with r − 1 degrees of freedom |
//! | interval, r < 10 | exact, from the exponential model: 2ΣT/μ is χ² |
//! | no exits | mean unknown; lower bound ΣT/3.689, no upper bound |
//! | s.d. | the sample's; a censored trial is completed as the mean completes it (see [`Estimate::std`]) |
//! | median | Kaplan–Meier |
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
//! formula leaves ΣT/−ln(0.025); it stays two-sided there, so that the procedure as a whole keeps its 95 %.
//!
//! If every trial leaves at the same step the sample has no spread and the interval no width.

use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};
use taugrid_escape::walk::{Outcome, TrialRecord};

use crate::exponential_test;

/// Exits from which on the interval is the distribution-free one.
const FEW_EXITS: u64 = 10;

/// Upper quantile of the two-sided 95 % interval.
const UPPER_QUANTILE: f64 = 0.975;

/// What a cell's trials say about its exit time, in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Trials.
    pub trials: u64,
    /// Trials that left, the diverged ones among them; the rest are censored.
    pub exits: u64,
    /// Trials still inside at their last step.
    pub censored: u64,
    /// Trials that left with a state that is not finite.
    pub diverged: u64,
    /// Σ T_i over all trials; at most `i64::MAX`, which is what the dataset holds.
    pub total_steps: u64,
    /// m, the maximum likelihood estimate of E\[k*\] under censoring; `None` without an exit.
    pub mean: Option<f64>,
    /// Lower end of the 95 % interval of the mean; `None` without a trial.
    pub lower: Option<f64>,
    /// Upper end of the 95 % interval of the mean; `None` without an exit: there is no upper bound then.
    pub upper: Option<f64>,
    /// Standard deviation of the exit steps: s² = (Σ E\[T² | seen\] − n m²)/(n − 1), where a trial censored at c has
    /// E\[T² | T > c\] = c² + 2cm + 2m², the memoryless completion under which m is the mean as well. Without censoring
    /// it is the sample's own. `None` without an exit or with a single trial.
    pub std: Option<f64>,
    /// Kaplan–Meier median; `None` if half of the trials are not seen to leave.
    pub median: Option<f64>,
    /// Kolmogorov–Smirnov p-value of the exit steps against an exponential seen on whole steps, its mean fitted. `None`
    /// with fewer than 20 exits or more than 10 % censored. Conservative where the mean is only a few steps.
    pub ks_p: Option<f64>,
}

/// Estimates from the trials of one cell, in any order: the result is the same to the last bit.
pub fn estimate<'a>(records: impl IntoIterator<Item = &'a TrialRecord>) -> Estimate {
    let mut sample = Sample::default();
    let mut diverged = 0;
    for record in records {
        diverged += u64::from(record.outcome == Outcome::Diverged);
        match record.exit_step() {
            Some(step) => sample.exits.push(step),
            None => sample.censored.push(record.steps),
        }
    }
    // Sorted, so that no sum depends on the order in which the rows came.
    sample.exits.sort_unstable();
    sample.censored.sort_unstable();

    let total = sample.total();
    let mean = sample.mean();
    let (lower, upper) = sample.interval();
    Estimate {
        trials: sample.trials(),
        exits: sample.exits.len() as u64,
        censored: sample.censored.len() as u64,
        diverged,
        total_steps: total.min(i64::MAX as u128) as u64,
        mean,
        lower,
        upper,
        std: mean.and_then(|mean| sample.std(mean)),
        median: sample.median(),
        ks_p: mean.and_then(|mean| exponential_test::p_value(&sample.exits, &sample.censored, mean)),
    }
}

/// Exit and censoring steps, each sorted.
#[derive(Debug, Default)]
struct Sample {
    exits: Vec<u64>,
    censored: Vec<u64>,
}

impl Sample {
    fn trials(&self) -> u64 {
        (self.exits.len() + self.censored.len()) as u64
    }

    fn total(&self) -> u128 {
        self.exits.iter().chain(&self.censored).map(|&steps| u128::from(steps)).sum()
    }

    /// m = ΣT/r.
    fn mean(&self) -> Option<f64> {
        (!self.exits.is_empty()).then(|| self.total() as f64 / self.exits.len() as f64)
    }

    fn interval(&self) -> (Option<f64>, Option<f64>) {
        let exits = self.exits.len() as u64;
        if self.trials() == 0 {
            return (None, None);
        }
        match self.mean() {
            Some(mean) if exits >= FEW_EXITS => {
                let half_width = student_quantile(exits - 1) * self.standard_error(mean) / mean;
                (Some(mean * (-half_width).exp()), Some(mean * half_width.exp()))
            }
            mean => {
                let twice_total = 2.0 * self.total() as f64;
                let lower_freedom = if self.censored.is_empty() { 2 * exits } else { 2 * exits + 2 };
                let lower = twice_total / chi_square_quantile(lower_freedom, UPPER_QUANTILE);
                let upper = mean.map(|_| twice_total / chi_square_quantile(2 * exits, 1.0 - UPPER_QUANTILE));
                (Some(lower), upper)
            }
        }
    }

    /// √(n/(n−1) · Σ (T_i − m δ_i)²) / r. The caller has seen to n > 1.
    fn standard_error(&self, mean: f64) -> f64 {
        let squares = self.exits.iter().map(|&steps| (steps as f64 - mean).powi(2)).sum::<f64>()
            + self.censored.iter().map(|&steps| (steps as f64).powi(2)).sum::<f64>();
        let trials = self.trials() as f64;
        (trials / (trials - 1.0) * squares).sqrt() / self.exits.len() as f64
    }

    /// See [`Estimate::std`]; E[(T − m)² | T > c\] = c² + m² by the same completion.
    fn std(&self, mean: f64) -> Option<f64> {
        let squares = self.exits.iter().map(|&steps| (steps as f64 - mean).powi(2)).sum::<f64>()
            + self.censored.iter().map(|&steps| (steps as f64).powi(2) + mean * mean).sum::<f64>();
        let trials = self.trials();
        (trials > 1).then(|| (squares / (trials - 1) as f64).sqrt())
    }

    /// The first step at which the Kaplan–Meier survival is at most ½; where it is ½ exactly, the middle between that
    /// exit and the next, as for the median of an even sample.
    fn median(&self) -> Option<f64> {
        const ROUNDING: f64 = 1e-12;
        let mut survival = 1.0_f64;
        for (seen, &step) in self.exits.iter().enumerate() {
            // A trial censored at this very step was still inside at it: it is at risk.
            let at_risk = self.exits.len() - seen + self.censored.len() - self.censored.partition_point(|&c| c < step);
            survival *= 1.0 - 1.0 / at_risk as f64;
            if survival < 0.5 - ROUNDING {
                return Some(step as f64);
            }
            if survival <= 0.5 + ROUNDING {
                let next = self.exits.get(seen + 1).copied().unwrap_or(step);
                return Some(0.5 * step as f64 + 0.5 * next as f64);
            }
        }
        None
    }
}

/// The 97.5 % quantile of Student's t; `freedom` ≥ 1. Beyond 1000 degrees of freedom by Cornish and Fisher's expansion in
/// 1/freedom (good to 10⁻⁹ there): statrs' inverse loses its digits as they grow, and at 10⁹ does not return.
fn student_quantile(freedom: u64) -> f64 {
    const NORMAL: f64 = 1.959_963_984_540_054;
    let degrees = freedom as f64;
    if freedom > 1000 {
        let z = NORMAL;
        let first = (z.powi(3) + z) / 4.0;
        let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
        return z + first / degrees + second / (degrees * degrees);
    }
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) => student.inverse_cdf(UPPER_QUANTILE),
        // Cannot happen for a positive number of degrees of freedom; an unknown quantile is an unbounded interval.
        Err(_) => f64::INFINITY,
    }
}

/// A quantile of χ²; `freedom` ≥ 1.
fn chi_square_quantile(freedom: u64, p: f64) -> f64 {
    match ChiSquared::new(freedom as f64) {
        Ok(chi_square) => chi_square.inverse_cdf(p),
        // Cannot happen for a positive number of degrees of freedom.
        Err(_) => f64::NAN,
    }
}

#[cfg(test)]
mod tests;
