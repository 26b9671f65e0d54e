//! How many slots the work is worth. A slot is a thread of a worker's.

use std::time::Duration;

use crate::serve::Progress;

/// The slots that the trials still to come are worth, where a new one is worth it if it finds work for `worth` at least.
///
/// - No more than there are trials to come: one trial is one slot's. None while the sweep is paused.
/// - Slots that are here stay as long as there is a trial for each: what they have begun is theirs, and they cost no start.
/// - New ones come as long as the thread time to come, shared among all, is `worth` or more for each.
/// - What trials cost is not known until a lease is done. Until then those who are here find it out, at least one; if
///   `worth` of thread time has not been enough for that, a trial is worth a slot.
pub fn useful_slots(progress: &Progress, worth: Duration) -> u64 {
    let standing = &progress.standing;
    if standing.paused {
        return 0;
    }
    let trials = standing.trials.saturating_sub(standing.received + standing.quarantined);
    let here = standing.threads;
    let worthwhile = match standing.remaining {
        Some(work) if worth.is_zero() || work == Duration::MAX => u64::MAX,
        Some(work) => (work.as_secs_f64() / worth.as_secs_f64()).ceil() as u64,
        None if progress.counts.thread_time < worth => 1,
        None => u64::MAX,
    };
    worthwhile.max(here).min(trials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Counts;
    use crate::machine::Standing;

    const MINUTE: Duration = Duration::from_secs(60);

    fn progress(to_come: u64, threads: u64, remaining: Option<f64>) -> Progress {
        let standing = Standing {
            trials: 1000 + to_come,
            received: 990,
            quarantined: 10,
            threads,
            remaining: remaining.map(Duration::from_secs_f64),
            ..Standing::default()
        };
        Progress { standing, ..Progress::default() }
    }

    #[test]
    fn a_new_slot_is_worth_it_if_there_is_a_minute_for_each() {
        assert_eq!(useful_slots(&progress(1_000_000, 4, Some(36_000.0)), MINUTE), 600);
        assert_eq!(useful_slots(&progress(1_000_000, 4, Some(36_001.0)), MINUTE), 601);
        assert_eq!(useful_slots(&progress(1_000_000, 4, Some(36_000.0)), 10 * MINUTE), 60);
        // Without a worth, and where the rest lasts beyond all numbers, one for each trial.
        assert_eq!(useful_slots(&progress(500, 4, Some(1.0)), Duration::ZERO), 500);
        assert_eq!(useful_slots(&progress(500, 4, Some(u64::MAX as f64 / 2.0)), MINUTE), 500);
    }

    #[test]
    fn ten_trials_are_the_work_of_ten_slots_however_long_they_last() {
        assert_eq!(useful_slots(&progress(10, 1000, Some(1e9)), MINUTE), 10);
        assert_eq!(useful_slots(&progress(0, 1000, Some(0.0)), MINUTE), 0);
    }

    #[test]
    fn nobody_who_has_a_trial_is_sent_home() {
        assert_eq!(useful_slots(&progress(5000, 1000, Some(30.0)), MINUTE), 1000);
        assert_eq!(useful_slots(&progress(700, 1000, Some(30.0)), MINUTE), 700);
    }

    #[test]
    fn as_long_as_the_cost_is_unknown_one_finds_it_out() {
        assert_eq!(useful_slots(&progress(1_000_000, 0, None), MINUTE), 1);
        assert_eq!(useful_slots(&progress(1_000_000, 8, None), MINUTE), 8);
        let counts = Counts { thread_time: MINUTE, ..Counts::default() };
        assert_eq!(useful_slots(&Progress { counts, ..progress(300, 8, None) }, MINUTE), 300);
    }

    #[test]
    fn a_paused_sweep_has_work_for_nobody() {
        let mut paused = progress(5000, 1000, Some(1e6));
        paused.standing.paused = true;
        assert_eq!(useful_slots(&paused, MINUTE), 0);
    }
}
