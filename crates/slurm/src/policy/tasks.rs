//! What became of the tasks that were seen, from one look at the queue to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::queue::{Task, TaskId};
use crate::state::{By, End, State};

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
    /// Tasks that ended since the last look, before they had done anything, and could not help it.
    pub(super) taken: u32,
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
                    if is_new_end && !self.cancelled.contains(&task.id) {
                        match judge(end, task.elapsed, works) {
                            Judgement::Failed => look.failed += 1,
                            Judgement::Taken => look.taken += 1,
                            Judgement::Served => {}
                        }
                    }
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

/// What the end of a task says of the next one that is submitted in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    /// It did its work.
    Served,
    /// It did none, for a reason that is not its own: the next one may fare better.
    Taken,
    /// It should not have ended so, and neither will the next.
    Failed,
}

/// What is to be thought of a task that ended so after so long. That one was ended from outside is taken from Slurm alone:
/// a script that crashes has its exit code, whatever that is.
fn judge(end: End, elapsed: Option<Duration>, works: bool) -> Judgement {
    let is_quick = elapsed.is_none_or(|elapsed| elapsed < QUICK);
    match end {
        End::OutOfMemory | End::Cancelled(Some(By::Other)) => Judgement::Failed,
        End::Preempted | End::NodeFailed | End::Cancelled(Some(By::Owner)) if is_quick => Judgement::Taken,
        // A worker ends with 0 when the sweep has ended, and then nobody asks.
        End::Completed | End::Failed | End::Cancelled(None) if is_quick => Judgement::Failed,
        End::Completed => Judgement::Served,
        // It had its time, and no worker comes to anything.
        _ if !works => Judgement::Failed,
        _ => Judgement::Served,
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

    fn ended(end: End, elapsed: u64) -> Task {
        Task { state: State::Ended(end), ..task(1, "", elapsed) }
    }

    fn look(tasks: &mut Tasks, now: u64, queue: &[Task]) -> (u32, u32) {
        let look = tasks.look(Duration::from_secs(now), queue, true, MINUTE);
        (look.live, look.failed)
    }

    #[test]
    fn every_end_is_judged_once() {
        use Judgement::{Failed, Served, Taken};
        for (end, early, late) in [
            (End::Completed, Failed, Served),
            (End::Failed, Failed, Served),
            (End::Timeout, Served, Served),
            (End::Preempted, Taken, Served),
            (End::NodeFailed, Taken, Served),
            (End::OutOfMemory, Failed, Failed),
            (End::Cancelled(None), Failed, Served),
            (End::Cancelled(Some(By::Owner)), Taken, Served),
            (End::Cancelled(Some(By::Other)), Failed, Failed),
        ] {
            for (elapsed, judgement) in [(59, early), (60, late)] {
                let mut tasks = Tasks::default();
                assert_eq!(look(&mut tasks, 0, &[task(1, "RUNNING", 0)]), (1, 0));
                let queue = [ended(end, elapsed)];
                let first = tasks.look(MINUTE, &queue, true, MINUTE);
                let expected = (u32::from(judgement == Failed), u32::from(judgement == Taken));
                assert_eq!((first.live, (first.failed, first.taken)), (0, expected), "{end:?} after {elapsed} s");
                let again = tasks.look(2 * MINUTE, &queue, true, MINUTE);
                assert_eq!((again.live, again.failed, again.taken), (0, 0, 0), "{end:?}");
            }
            // Where no worker comes to anything, no end is a good one.
            let expected = if end == End::Completed { Served } else { Failed };
            assert_eq!(judge(end, Some(MINUTE), false), expected, "{end:?}");
            // Whose time is not known had none.
            assert_eq!(judge(end, None, true), early, "{end:?}");
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
        assert_eq!(look(&mut tasks, 15, &[task(1, "OUT_OF_MEMORY", 100)]), (0, 1));
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
