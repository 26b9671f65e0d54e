//! From a cell's trials to its mean exit time and how well it is known.
//!
//! Everything here is in *steps*; [`crate::effective::Facts::summarize`] turns steps into units of time.
//!
//! | what | how |
//! | --- | --- |
//! | mean, interval | maximum likelihood under censoring, and its 95 % interval: [`Tally`] |
//! | s.d. | the sample's; a censored trial is completed as the mean completes it (see [`Estimate::std`]) |
//! | median | Kaplan–Meier |

use taugrid_escape::walk::{Outcome, TrialRecord};
use taugrid_sweep::Tally;

use crate::exponential_test;

/// The level of the interval.
const CONFIDENCE: f64 = 0.95;

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
    let mut tally = Tally::default();
    let mut sample = Sample::default();
    let mut diverged = 0;
    for record in records {
        tally.add(record);
        diverged += u64::from(record.outcome == Outcome::Diverged);
        match record.exit_step() {
            Some(step) => sample.exits.push(step),
            None => sample.censored.push(record.steps),
        }
    }
    // Sorted, so that nothing depends on the order in which the rows came.
    sample.exits.sort_unstable();
    sample.censored.sort_unstable();

    let mean = tally.mean();
    let (lower, upper) = tally.interval(CONFIDENCE);
    Estimate {
        trials: tally.trials,
        exits: tally.exits,
        censored: tally.censored(),
        diverged,
        total_steps: tally.steps.min(i64::MAX as u128) as u64,
        mean,
        lower,
        upper,
        std: mean.and_then(|mean| std(&tally, mean)),
        median: sample.median(),
        ks_p: mean.and_then(|mean| exponential_test::p_value(&sample.exits, &sample.censored, mean)),
    }
}

/// See [`Estimate::std`]; E[(T − m)² | T > c\] = c² + m² by the same completion.
fn std(tally: &Tally, mean: f64) -> Option<f64> {
    let squares = tally.spread() + tally.censored() as f64 * mean * mean;
    (tally.trials > 1).then(|| (squares / (tally.trials - 1) as f64).sqrt())
}

/// Exit and censoring steps, each sorted.
#[derive(Debug, Default)]
struct Sample {
    exits: Vec<u64>,
    censored: Vec<u64>,
}

impl Sample {
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

#[cfg(test)]
mod tests;
