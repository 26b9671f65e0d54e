//! Repetitions, and how much work fills a given time.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// How long a measurement may take, and how often it is repeated in that time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Of all repetitions together.
    pub(crate) time: Duration,
    /// At most; fewer where one alone takes long, but always one.
    pub(crate) repetitions: NonZeroUsize,
}

/// The rates of the repetitions, in ascending order; at least one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rates(Vec<f64>);

impl Budget {
    /// The time for one repetition.
    pub(crate) fn share(self) -> Duration {
        self.time.div_f64(self.repetitions.get() as f64)
    }

    /// The same with at most so much for one repetition.
    pub(crate) fn at_most(self, share: Duration) -> Self {
        Self { time: self.time.min(share.mul_f64(self.repetitions.get() as f64)), ..self }
    }

    /// Repeats what gives a rate, until it was done often enough or another time would go too far beyond the budget.
    pub(crate) fn repeat(self, mut once: impl FnMut() -> f64) -> Rates {
        let began = Instant::now();
        let mut rates = Vec::new();
        loop {
            rates.push(once());
            let (done, taken) = (rates.len(), began.elapsed());
            // Half of one more is no more than the difference between "about" and "exactly".
            if done >= self.repetitions.get() || taken + taken.div_f64(2.0 * done as f64) > self.time {
                rates.sort_by(f64::total_cmp);
                return Rates(rates);
            }
        }
    }
}

impl Rates {
    pub(crate) fn repetitions(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// Of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = |index: usize| self.0.get(index).copied().unwrap_or(f64::NAN);
        let count = self.0.len();
        0.5 * (middle(count.saturating_sub(1) / 2) + middle(count / 2))
    }
}

/// How many units of work take about `time`, at least one: `run` does so many and gives the time that took.
pub(crate) fn units_for(time: Duration, mut run: impl FnMut(u64) -> Duration) -> u64 {
    const MOST: u64 = 1 << 40;
    let mut units = 1;
    loop {
        let ratio = time.as_secs_f64() / run(units).as_secs_f64().max(1e-9);
        let wanted = |ratio: f64| ((units as f64 * ratio) as u64).clamp(1, MOST);
        // A quarter of the time tells the rate well enough.
        if ratio <= 4.0 || units == MOST {
            return wanted(ratio);
        }
        units = wanted(ratio.clamp(2.0, 10.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(seconds: f64, repetitions: usize) -> Budget {
        Budget {
            time: Duration::from_secs_f64(seconds),
            repetitions: NonZeroUsize::new(repetitions).expect("not zero"),
        }
    }

    #[test]
    fn the_median_is_that_of_the_sorted_rates() {
        let mut given = [3.0, 1.0, 2.0].into_iter();
        let rates = budget(1000.0, 3).repeat(|| given.next().expect("three times"));
        assert_eq!((rates.min(), rates.median(), rates.max(), rates.repetitions()), (1.0, 2.0, 3.0, 3));
        let mut given = [4.0, 1.0].into_iter();
        assert_eq!(budget(1000.0, 2).repeat(|| given.next().expect("twice")).median(), 2.5);
    }

    #[test]
    fn what_takes_too_long_is_done_once() {
        assert_eq!(budget(0.0, 5).repeat(|| 1.0).repetitions(), 1);
        assert_eq!(budget(10.0, 5).share(), Duration::from_secs(2));
        assert_eq!(budget(10.0, 5).at_most(Duration::from_secs(1)).time, Duration::from_secs(5));
    }

    #[test]
    fn work_is_found_for_any_speed() {
        for nanoseconds in [0, 1, 1000, 1_000_000, 10_000_000_000] {
            let units = units_for(Duration::from_millis(10), |n| Duration::from_nanos(nanoseconds * n));
            let expected = 10_000_000 / nanoseconds.max(1);
            match nanoseconds {
                0 => assert!(units > 1_000_000_000),
                _ => assert!(units.abs_diff(expected.max(1)) <= expected / 50, "{nanoseconds} ns: {units}"),
            }
        }
    }
}
