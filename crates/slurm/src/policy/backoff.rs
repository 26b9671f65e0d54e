//! Waiting longer after each failure, and never for ever.

use std::time::Duration;

/// How long to wait after failures in a row.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    until: Duration,
}

impl Backoff {
    /// After the first failure `first`, after each further one twice as long, `longest` at most.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0, until: Duration::ZERO }
    }

    /// Something failed, as badly as `weight` failures in a row.
    pub(super) fn fail(&mut self, now: Duration, weight: u32) {
        self.failures = self.failures.saturating_add(weight.max(1));
        self.until = self.until.max(now + self.pause());
    }

    /// Nothing before `until` either.
    pub(super) fn hold(&mut self, until: Duration) {
        self.until = self.until.max(until);
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether it is too early for another try.
    pub(super) fn is_waiting(&self, now: Duration) -> bool {
        now < self.until
    }

    /// Whether it has been quiet, after the wait, for as long again.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now >= self.until + self.pause()
    }

    fn pause(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                self.first.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(self.longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_long_each_time_up_to_the_longest() {
        let seconds = Duration::from_secs;
        let mut backoff = Backoff::new(seconds(10), seconds(600));
        assert!(!backoff.is_waiting(seconds(0)));
        for (now, wait) in [(0, 10), (1000, 20), (2000, 40), (3000, 80), (4000, 160), (5000, 320), (6000, 600)] {
            backoff.fail(seconds(now), 1);
            assert!(backoff.is_waiting(seconds(now + wait - 1)) && !backoff.is_waiting(seconds(now + wait)), "{now}");
        }
        (0..100).for_each(|_| backoff.fail(seconds(7000), 1));
        assert!(
            !backoff.is_waiting(seconds(7600)) && !backoff.is_over(seconds(8199)) && backoff.is_over(seconds(8200))
        );
        backoff.reset();
        backoff.fail(seconds(9000), 1);
        assert!(!backoff.is_waiting(seconds(9010)));
    }
}
