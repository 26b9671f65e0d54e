//! How many trials the sweep asks for: a fixed number of each cell, or as many as make its mean precise.

use serde::{Deserialize, Serialize};

use crate::error::Problems;
use crate::tally::Tally;
use crate::yaml::{Fields, Node, Real, Whole};

/// How many trials a sweep asks for of each of its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// So many.
    Fixed(u64),
    /// As many as it takes.
    Precision(Precision),
}

impl Demand {
    /// The most trials that a cell can come to have.
    pub fn most(&self) -> u64 {
        match self {
            Self::Fixed(trials) => *trials,
            Self::Precision(precision) => precision.max,
        }
    }

    /// The trials that a cell is to have before anything is known of it.
    pub fn first(&self) -> u64 {
        match self {
            Self::Fixed(trials) => *trials,
            Self::Precision(precision) => precision.first(),
        }
    }

    /// The rule by which cells stop, if there is one.
    pub fn precision(&self) -> Option<Precision> {
        match self {
            Self::Fixed(_) => None,
            Self::Precision(precision) => Some(*precision),
        }
    }
}

/// A cell stops when its mean exit time is known well enough.
///
/// That is decided at points of the sequence of its trials that this value alone fixes: at [`first`](Self::first),
/// then at each [`next`](Self::next) one; at the point n by the trials 0 … n − 1 and no others. So how many trials a cell
/// has does not depend on who ran them, or when.
///
/// To look often is to stop early where the spread looks small by chance. What that does to the interval is measured in
/// `docs/precision.md`: nothing that shows where there are some fifty exits, so with fewer of them no cell stops.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precision {
    /// Half of what the interval may be wide, as a share of the mean: (upper − lower)/2 ≤ `relative` × mean.
    pub relative: f64,
    /// The interval's level.
    pub confidence: f64,
    /// The first point of decision, in trials.
    pub min: u64,
    /// The last one: there the cell stops however wide its interval is.
    pub max: u64,
}

/// Trials that run side by side on a core: a cell grows by multiples of them.
const LANES: u64 = 16;
/// With fewer exits no cell stops before its last point.
const FEWEST_EXITS: u64 = 50;

impl Precision {
    /// The first point of decision.
    pub fn first(&self) -> u64 {
        self.min
    }

    /// The point of decision after the point `n`: a quarter on, rounded up to a multiple of sixteen. `None` at max.
    pub fn next(&self, n: u64) -> Option<u64> {
        (n < self.max).then(|| (n + n.div_ceil(4)).next_multiple_of(LANES).min(self.max))
    }

    /// Whether a cell with this tally at a point of decision is known well enough.
    pub fn is_reached(&self, tally: &Tally) -> bool {
        match (tally.mean(), tally.interval(self.confidence)) {
            (Some(mean), (Some(lower), Some(upper))) => {
                tally.exits >= FEWEST_EXITS && (upper - lower) / 2.0 <= self.relative * mean
            }
            _ => false,
        }
    }

    /// The trials that a cell comes to have if all of them leave, at times as spread as exponential ones are.
    pub fn typical(&self) -> u64 {
        // T = 1 and its square 2 in the mean, in units of so many steps.
        const UNIT: u128 = 1 << 20;
        let mut n = self.first();
        loop {
            let (trials, steps) = (u128::from(n), u128::from(n) * UNIT);
            let tally = Tally { trials: n, exits: n, steps, exit_steps: steps, squares: 2 * trials * UNIT * UNIT };
            match self.next(n).filter(|_| !self.is_reached(&tally)) {
                Some(next) => n = next,
                None => return n,
            }
        }
    }

    /// What is wrong with values that did not come from a sweep file, if anything.
    pub fn complaint(&self) -> Option<String> {
        let Self { relative, confidence, min, max } = *self;
        if !(relative > 0.0 && relative <= MOST_RELATIVE) {
            return Some(format!("relative: {relative} is out of bounds; {RELATIVE}"));
        }
        if !(LEAST_CONFIDENCE..=MOST_CONFIDENCE).contains(&confidence) {
            return Some(format!("confidence: {confidence} is out of bounds; {CONFIDENCE}"));
        }
        MIN.complaint_of("min", min)
            .or_else(|| MAX.complaint_of("max", max))
            .or_else(|| (min > max).then(|| format!("min {min} is above max {max}")))
    }
}

/// A cell, or a sweep, has at most this many trials.
pub(crate) const MAX_TRIALS: u64 = 1_000_000_000_000;
const TRIALS: Whole = Whole { rule: "trials is a whole number, 1 to 1000000000000", min: 1, max: MAX_TRIALS };
const MIN: Whole = Whole { rule: "min is a whole number of trials, 1 to 1000000000000", min: 1, max: MAX_TRIALS };
const MAX: Whole = Whole { rule: "max is a whole number of trials, 1 to 1000000000000", min: 1, max: MAX_TRIALS };
const MOST_RELATIVE: f64 = 0.5;
const RELATIVE: &str = "relative is half of the interval's width as a share of the mean, above 0 and at most 0.5";
const LEAST_CONFIDENCE: f64 = 0.5;
const MOST_CONFIDENCE: f64 = 0.9999;
const CONFIDENCE: &str = "confidence is the level of the interval, 0.5 to 0.9999";
const DEFAULT_CONFIDENCE: f64 = 0.95;
const DEFAULT_MIN: u64 = 100;
const EXAMPLE: &str = "{relative: 0.05, confidence: 0.95, min: 100, max: 100_000}";

/// `trials` or `precision` of the sweep file, whichever is there; with its node.
pub(crate) fn read<'a>(fields: &Fields<'a>, problems: &mut Problems) -> Option<(Demand, &'a Node)> {
    match (fields.optional("trials"), fields.optional("precision")) {
        (Some(node), None) => TRIALS.read(node, problems).map(|trials| (Demand::Fixed(trials), node)),
        (None, Some(node)) => read_precision(node, problems).map(|precision| (Demand::Precision(precision), node)),
        (Some(trials), Some(node)) => {
            problems.node(node, "the number of trials is given already; keep one of the two");
            // What is wrong with either is told as well.
            TRIALS.read(trials, problems);
            read_precision(node, problems);
            None
        }
        (None, None) => {
            fields.required("trials", &format!("{}; or precision, like {EXAMPLE}", TRIALS.rule), problems);
            None
        }
    }
}

fn read_precision(node: &Node, problems: &mut Problems) -> Option<Precision> {
    let fields = Fields::of(node, &["relative", "confidence", "min", "max"], &[], EXAMPLE, problems)?;
    let relative = fields
        .required("relative", RELATIVE, problems)
        .and_then(|node| within(node, RELATIVE, |value| value <= MOST_RELATIVE, problems));
    let confidence = match fields.optional("confidence") {
        None => Some(DEFAULT_CONFIDENCE),
        Some(node) => within(node, CONFIDENCE, |value| (LEAST_CONFIDENCE..=MOST_CONFIDENCE).contains(&value), problems),
    };
    let max = fields.required("max", MAX.rule, problems).and_then(|node| MAX.read(node, problems));
    let min = match fields.optional("min") {
        None => Some(DEFAULT_MIN.min(max.unwrap_or(DEFAULT_MIN))),
        Some(node) => MIN.read(node, problems),
    };
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems.node(node, format!("min {min} is above max {max}; swap them"));
    }
    Some(Precision { relative: relative?, confidence: confidence?, min: min?, max: max? })
}

/// The positive number at `node`, if `fine`; else a problem.
fn within(node: &Node, rule: &'static str, fine: impl Fn(f64) -> bool, problems: &mut Problems) -> Option<f64> {
    let value = Real { rule, zero: false }.read(node, problems)?;
    if !fine(value) {
        problems.node(node, format!("{} is out of bounds; {rule}", node.shown()));
        return None;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use taugrid_escape::rng::{Stream, StreamKey};
    use taugrid_escape::walk::{Outcome, TrialRecord};

    use super::*;

    const PRECISION: Precision = Precision { relative: 0.1, confidence: 0.95, min: 100, max: 5000 };

    fn points(precision: Precision) -> Vec<u64> {
        std::iter::successors(Some(precision.first()), |&n| precision.next(n)).collect()
    }

    #[test]
    fn the_points_of_decision_are_these_for_ever() {
        assert_eq!(
            points(PRECISION),
            [100, 128, 160, 208, 272, 352, 448, 560, 704, 880, 1104, 1392, 1744, 2192, 2752, 3440, 4304, 5000]
        );
        assert_eq!(points(Precision { min: 1, max: 40, ..PRECISION }), [1, 16, 32, 40]);
        assert_eq!(points(Precision { min: 7, max: 7, ..PRECISION }), [7]);
        let most = Precision { min: 1, max: MAX_TRIALS, ..PRECISION };
        assert!(points(most).is_sorted_by(|a, b| a < b));
        assert_eq!(points(most).last(), Some(&MAX_TRIALS));
    }

    fn exits(count: u64, steps: impl Fn(u64) -> u64) -> Tally {
        let mut tally = Tally::default();
        for trial in 0..count {
            let (outcome, steps) = (Outcome::Exited, steps(trial));
            tally.add(&TrialRecord { trial, outcome, steps, exit_loss: 0.0, exit_radius: 0.0 });
        }
        tally
    }

    #[test]
    fn half_of_the_width_is_held_against_the_mean() {
        let tally = exits(200, |trial| 1 + 10 * trial);
        let (mean, (lower, upper)) = (tally.mean().expect("exits"), tally.interval(0.9));
        let half = (upper.expect("exits") - lower.expect("exits")) / 2.0 / mean;
        let of = |relative| Precision { relative, confidence: 0.9, ..PRECISION };
        assert!(of(1.000_001 * half).is_reached(&tally));
        assert!(!of(0.999_999 * half).is_reached(&tally));
        assert!(!Precision { confidence: 0.95, ..of(1.000_001 * half) }.is_reached(&tally));
    }

    #[test]
    fn few_exits_do_not_stop_a_cell_and_none_never_do() {
        assert!(!PRECISION.is_reached(&exits(49, |_| 3)));
        assert!(PRECISION.is_reached(&exits(50, |_| 3)));
        let mut censored = Tally::default();
        assert!(!PRECISION.is_reached(&censored));
        for trial in 0..1000 {
            let (outcome, steps) = (Outcome::Censored, 10);
            censored.add(&TrialRecord { trial, outcome, steps, exit_loss: 0.0, exit_radius: 0.0 });
        }
        assert!(!PRECISION.is_reached(&censored));
    }

    #[test]
    fn exponential_times_take_what_the_normal_law_says() {
        // (1.96/0.1)² = 384, and the next point is 448.
        assert_eq!(PRECISION.typical(), 448);
        assert_eq!(Precision { relative: 0.05, max: 100_000, ..PRECISION }.typical(), 1744);
        assert_eq!(Precision { relative: 0.001, ..PRECISION }.typical(), 5000);
        assert_eq!(Precision { relative: 0.5, min: 16, ..PRECISION }.typical(), 64);
    }

    /// H0: at the point where the rule stops, the 95 % interval holds the mean of exponential times, censored at
    /// `censored_at` means, with a probability of at least 0.94: looking often, and stopping when it looks good, costs no
    /// more than a hundredth. Over 12,000 repeats, 5.5 s.d. below 0.94 has a false alarm rate of 2e-8, 2e-7 for the eight.
    #[test]
    fn the_interval_at_stopping_keeps_its_level() {
        const MEAN: f64 = 1e6;
        const REPEATS: u64 = 12_000;
        let noise = 5.5 * (0.94_f64 * 0.06 / REPEATS as f64).sqrt();
        for (number, (relative, censored_at)) in
            [0.1, 0.2, 0.3, 0.5].into_iter().flat_map(|relative| [(relative, 1e9), (relative, 0.5)]).enumerate()
        {
            let precision = Precision { relative, confidence: 0.95, min: 16, max: 1_000_000 };
            let mut stream = Stream::new(StreamKey::derive(3, 5), number as u64);
            let (mut held, end) = (0, (censored_at * MEAN) as u64);
            for _ in 0..REPEATS {
                let (mut tally, mut point) = (Tally::default(), precision.first());
                loop {
                    for trial in tally.trials..point {
                        let steps = (-stream.uniform().ln() * MEAN).ceil() as u64;
                        let outcome = if steps > end { Outcome::Censored } else { Outcome::Exited };
                        let steps = steps.min(end);
                        tally.add(&TrialRecord { trial, outcome, steps, exit_loss: 0.0, exit_radius: 0.0 });
                    }
                    match precision.next(point).filter(|_| !precision.is_reached(&tally)) {
                        Some(next) => point = next,
                        None => break,
                    }
                }
                let (lower, upper) = tally.interval(0.95);
                held += u64::from(lower.is_some_and(|x| x <= MEAN) && upper.is_some_and(|x| MEAN <= x));
            }
            let covered = held as f64 / REPEATS as f64;
            println!("relative {relative}, censored at {censored_at}: {covered}");
            assert!(covered >= 0.94 - noise, "relative {relative}, censored at {censored_at}: {covered}");
        }
    }
}
