//! What became of the tasks that were seen, from one look at the queue to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::queue::{Task, TaskId};
use crate::state::{End, State};

/// A task that ended sooner than that did no work worth its start.
const QUICK: Duration = Duration::from_secs(60);
/// So many looks in a row must miss a task before it is gone. What ends is listed for a while, so this is rare: a controller
/// that was started again does not know of all at once.
pub(super) const MISSES: u32 = 4;

/// A task, and how many looks in a row have missed it.
#[derive(Debug, Clone, Copy)]
struct Known {
    seen: Seen,
    missed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It waits or runs.
    Live,
    /// It is being tidied up since then.
    Completing { since: Duration },
    /// It was given up by Slurm, or has ended; that was counted.
    Over,
}

/// The tasks that were seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Tasks {
    known: BTreeMap<TaskId, Known>,
    /// Those that were cancelled here.
    cancelled: BTreeSet<TaskId>,
    /// Whether there was a look at the queue before.
    has_looked: bool,
}

/// What a look at the queue shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Tasks that run, or may yet.
    pub(super) live: u32,
    /// Those that wait, the newest last.
    pub(super) waiting: Vec<TaskId>,
    /// Those that Slurm holds because it could not start them.
    pub(super) held: Vec<TaskId>,
    /// Tasks that ended since the last look, and should not have.
    pub(super) failed: u32,
}

impl Tasks {
    /// Tasks that were submitted now. They count until the queue has been looked at often enough to know better.
    pub(super) fn submitted(&mut self, job: u64, tasks: u32) {
        let ids = (1..=tasks).map(|task| TaskId { job, task: Some(task) });
        self.known.extend(ids.map(|id| (id, Known { seen: Seen::Live, missed: 0 })));
    }

    /// Tasks that are cancelled here: that they end so is no failure.
    pub(super) fn cancelled(&mut self, tasks: &[TaskId]) {
        self.cancelled.extend(tasks);
    }

    /// Takes in what squeue printed. `works` says whether workers that start come to something; `closing` how long a task
    /// that is being tidied up counts.
    pub(super) fn look(&mut self, now: Duration, queue: &[Task], works: bool, closing: Duration) -> Look {
        let mut look = Look::default();
        let mut known = BTreeMap::new();
        for task in queue {
            let before = self.known.remove(&task.id).map(|one| one.seen);
            let is_new_end = self.has_looked && before != Some(Seen::Over);
            let seen = match task.state {
                State::Waiting | State::Running | State::Unknown => Seen::Live,
                State::Completing => match before {
                    Some(Seen::Completing { since }) => Seen::Completing { since },
                    _ => Seen::Completing { since: now },
                },
                State::Held => {
                    look.failed += u32::from(is_new_end);
                    look.held.push(task.id);
                    Seen::Over
                }
                State::Ended(end) => {
                    let is_ours = self.cancelled.contains(&task.id);
                    look.failed += u32::from(is_new_end && !is_ours && is_failure(end, task.elapsed, works));
                    Seen::Over
                }
            };
            if task.state == State::Waiting {
                look.waiting.push(task.id);
            }
            known.insert(task.id, Known { seen, missed: 0 });
        }
        // What is not listed.
        for (id, Known { seen, missed }) in std::mem::take(&mut self.known) {
            if missed + 1 < MISSES {
                known.insert(id, Known { seen, missed: missed + 1 });
            } else if seen == Seen::Live {
                look.failed += u32::from(!works && !self.cancelled.contains(&id));
            }
        }
        self.cancelled.retain(|id| known.contains_key(id));
        self.has_looked = true;
        let is_live = |one: &&Known| match one.seen {
            Seen::Live => true,
            Seen::Completing { since } => now < since + closing,
            Seen::Over => false,
        };
        look.live = u32::try_from(known.values().filter(is_live).count()).unwrap_or(u32::MAX);
        look.waiting.sort_unstable();
        self.known = known;
        look
    }
}

/// Whether a task should not have ended so.
fn is_failure(end: End, elapsed: Option<Duration>, works: bool) -> bool {
    let is_quick = elapsed.is_none_or(|elapsed| elapsed < QUICK);
    match end {
        End::OutOfMemory | End::Cancelled => true,
        // A worker ends with 0 when the sweep has ended, and with 3 when it was asked to leave.
        End::Completed => is_quick,
        End::Failed => is_quick || !works,
        End::Timeout | End::Preempted | End::NodeFailed => !works,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn task(index: u32, state: &str, elapsed: u64) -> Task {
        let id = TaskId { job: 7, task: Some(index) };
        let elapsed = Some(Duration::from_secs(elapsed));
        Task { id, name: "w".into(), state: State::parse(state), elapsed, reason: String::new() }
    }

    fn look(tasks: &mut Tasks, now: u64, queue: &[Task]) -> (u32, u32) {
        let look = tasks.look(Duration::from_secs(now), queue, true, MINUTE);
        (look.live, look.failed)
    }

    #[test]
    fn every_end_is_judged_once() {
        for (state, elapsed, failed) in [
            ("COMPLETED", 600, 0),
            ("COMPLETED", 2, 1),
            ("FAILED", 600, 0),
            ("FAILED", 2, 1),
            ("TIMEOUT", 60, 0),
            ("DEADLINE", 60, 0),
            ("PREEMPTED", 5, 0),
            ("NODE_FAIL", 5, 0),
            ("BOOT_FAIL", 0, 0),
            ("OUT_OF_MEMORY", 600, 1),
            ("CANCELLED", 600, 1),
        ] {
            let mut tasks = Tasks::default();
            assert_eq!(look(&mut tasks, 0, &[task(1, "RUNNING", 0)]), (1, 0));
            let ended = [task(1, state, elapsed)];
            assert_eq!(look(&mut tasks, 15, &ended), (0, failed), "{state}");
            assert_eq!(look(&mut tasks, 30, &ended), (0, 0), "{state}");
        }
        // Where no worker comes to anything, no end is a good one.
        for state in ["FAILED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL"] {
            let mut tasks = Tasks::default();
            tasks.look(Duration::ZERO, &[], false, MINUTE);
            assert_eq!(tasks.look(MINUTE, &[task(1, state, 600)], false, MINUTE).failed, 1, "{state}");
        }
    }

    #[test]
    fn what_ended_before_the_first_look_is_not_counted() {
        let mut tasks = Tasks::default();
        assert_eq!(look(&mut tasks, 0, &[task(1, "FAILED", 2)]), (0, 0));
        assert_eq!(look(&mut tasks, 15, &[task(1, "FAILED", 2), task(2, "FAILED", 2)]), (0, 1));
    }

    #[test]
    fn a_task_that_comes_back_counts_again() {
        let mut tasks = Tasks::default();
        look(&mut tasks, 0, &[task(1, "RUNNING", 0)]);
        assert_eq!(look(&mut tasks, 15, &[task(1, "CANCELLED", 100)]), (0, 1));
        assert_eq!(look(&mut tasks, 30, &[task(1, "RUNNING", 0)]), (1, 0));
        assert_eq!(look(&mut tasks, 45, &[task(1, "REQUEUED", 0)]), (1, 0));
    }

    #[test]
    fn one_look_that_misses_a_task_proves_nothing() {
        let mut tasks = Tasks::default();
        look(&mut tasks, 0, &[task(9, "FAILED", 2)]);
        tasks.submitted(7, 3);
        assert_eq!(look(&mut tasks, 15, &[]), (3, 0));
        assert_eq!(look(&mut tasks, 30, &[task(1, "PENDING", 0), task(9, "FAILED", 2)]), (3, 0));
        for (now, live) in [(45, 3), (60, 1), (75, 1)] {
            assert_eq!(look(&mut tasks, now, &[]), (live, 0), "{now}");
        }
        assert_eq!(look(&mut tasks, 90, &[task(1, "BOILING", 0), task(9, "FAILED", 2)]), (1, 0));
        for (now, live) in [(105, 1), (120, 1), (135, 1), (150, 0)] {
            assert_eq!(look(&mut tasks, now, &[]), (live, 0), "{now}");
        }
    }

    #[test]
    fn what_is_tidied_up_for_ever_does_not_count_for_ever() {
        let mut tasks = Tasks::default();
        for (now, live) in [(0, 1), (30, 1), (60, 0), (9000, 0)] {
            assert_eq!(look(&mut tasks, now, &[task(1, "COMPLETING", 50)]), (live, 0), "{now}");
        }
    }

    #[test]
    fn what_slurm_holds_is_given_back_and_counted_once() {
        let mut tasks = Tasks::default();
        look(&mut tasks, 0, &[]);
        let held = [task(1, "SPECIAL_EXIT", 0)];
        let first = tasks.look(MINUTE, &held, true, MINUTE);
        assert_eq!((first.live, first.failed, first.held.len()), (0, 1, 1));
        tasks.cancelled(&first.held);
        let again = tasks.look(MINUTE, &held, true, MINUTE);
        assert_eq!((again.failed, again.held.len()), (0, 1));
        assert_eq!(look(&mut tasks, 90, &[task(1, "CANCELLED", 0)]), (0, 0));
    }
}
