//! How many workers are wanted, and what to do about it: a pure state machine, `step(now, observation) -> actions`.
//!
//! It knows no clock, no process and no network. What it must never do: submit for ever where nothing comes of it, or never
//! again after a failure. So it waits after refusals and after workers that fail at once, twice as long each time, but no
//! longer than [`Tuning::longest`], nor than [`Tuning::taken`] where it was Slurm that ended them; it counts what the queue
//! shows, not what it remembers having submitted; and where it does not know what is there, it does nothing.

mod backoff;
#[cfg(test)]
mod histories;
mod tasks;

use std::time::Duration;

use backoff::Backoff;
use tasks::{MISSES, Tasks};

use crate::queue::{Task, TaskId};
use crate::refusal::{Kind, Trouble};

/// How many workers there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// As long as there is work for them.
    pub min: u32,
    /// However much work there is.
    pub max: u32,
    /// Trials that a worker runs at once.
    pub threads: u32,
}

impl Bounds {
    fn in_order(self) -> Self {
        Self { min: self.min.min(self.max), ..self }
    }
}

/// Times.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// A worker is worth its start if it will have so much to do.
    pub least_work: Duration,
    /// The wait after a first failure.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// No wait is longer after workers that Slurm, or their user, ended before they had done anything.
    pub taken: Duration,
    /// After so long, what sbatch may have submitted though it did not say so is in the queue.
    pub settle: Duration,
    /// Workers that wait and are too many are taken back when they have been for so long.
    pub surplus: Duration,
    /// A task that is being tidied up counts for so long.
    pub closing: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            least_work: seconds(60),
            first: seconds(15),
            longest: seconds(600),
            taken: seconds(60),
            settle: seconds(60),
            surplus: seconds(60),
            closing: seconds(120),
        }
    }
}

/// What the coordinator says of its sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Where it is.
    pub phase: Phase,
    /// Trials whose rows have not come.
    pub open: u64,
    /// Trials whose rows have come.
    pub received: u64,
    /// Thread time that the open ones should take, once something is known of that.
    pub remaining: Option<Duration>,
    /// Threads of the workers that are connected.
    pub threads: u32,
}

/// Where a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Running,
    /// It is paused: what is there stays, nothing comes.
    Paused,
    /// Nobody is needed any more.
    Ending,
}

/// What is known now. What is not known is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The sweep's workers in the queue, also those that ended lately.
    pub queue: Option<&'a [Task]>,
    /// What the coordinator says.
    pub work: Option<Work>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Submit so many workers, and say how that went: [`Policy::heard`].
    Submit(u32),
    /// Cancel these if they still wait.
    Cancel(Vec<TaskId>),
}

/// How a submission went.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// There is a job or array now, of so many tasks.
    Accepted {
        /// Its id.
        job: u64,
        /// Its tasks.
        tasks: u32,
    },
    /// There may be one or not.
    Refused {
        /// Of how many tasks.
        tasks: u32,
        /// Why.
        trouble: &'a Trouble,
    },
}

/// Keeps a number of workers.
#[derive(Debug, Clone)]
pub struct Policy {
    bounds: Bounds,
    tuning: Tuning,
    tasks: Tasks,
    /// Submissions that were refused.
    refused: Backoff,
    /// Workers that failed.
    failing: Backoff,
    /// Workers that were ended before they had done anything.
    taken: Backoff,
    /// So many looks are to be had, after the wait, before it is believed that sbatch submitted nothing.
    doubt: u32,
    /// No more tasks are submitted at once: fewer after each refusal for their number.
    most: u32,
    /// Rows that had come at the last failure.
    received_then: u64,
    /// Whether workers that start come to something.
    works: bool,
    /// Since when workers are connected, and nothing is known of what trials take.
    unknown_since: Option<Duration>,
    /// Since when there are more that wait than are wanted.
    surplus_since: Option<Duration>,
}

enum Want {
    /// What is there is right.
    Hold,
    /// So many; and whether more than there are may be submitted.
    Workers { count: u32, may_submit: bool },
}

impl Policy {
    /// One that has seen nothing yet.
    pub fn new(bounds: Bounds, tuning: Tuning) -> Self {
        Self {
            bounds: bounds.in_order(),
            tuning,
            tasks: Tasks::default(),
            refused: Backoff::new(tuning.first, tuning.longest),
            failing: Backoff::new(tuning.first, tuning.longest),
            taken: Backoff::new(tuning.first, tuning.taken),
            doubt: 0,
            most: u32::MAX,
            received_then: 0,
            works: true,
            unknown_since: None,
            surplus_since: None,
        }
    }

    /// There may be more workers from now on, or fewer.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds.in_order();
    }

    /// What to do about what is known at `now`, which never goes back.
    pub fn step(&mut self, now: Duration, observation: &Observation<'_>) -> Vec<Action> {
        let received_more = observation.work.is_some_and(|work| work.received > self.received_then);
        if let Some(work) = observation.work {
            self.works = work.threads > 0 || received_more;
            let is_unknown = work.remaining.is_none() && work.threads > 0;
            self.unknown_since = is_unknown.then(|| self.unknown_since.unwrap_or(now));
        }
        let Some(queue) = observation.queue else { return Vec::new() };
        let look = self.tasks.look(now, queue, self.works, self.tuning.closing);
        if look.failed > 0 {
            self.failing.fail(now, 1);
            self.received_then = observation.work.map_or(self.received_then, |work| work.received);
        } else if received_more && self.failing.is_over(now) {
            self.failing.reset();
        }
        if look.taken > 0 {
            self.taken.fail(now, 1);
        } else if self.taken.is_over(now) {
            self.taken.reset();
        }
        let mut actions = Vec::new();
        if !look.held.is_empty() {
            actions.push(Action::Cancel(look.held));
        }
        let want = observation.work.map_or(Want::Hold, |work| self.want(now, work));
        let Want::Workers { count, may_submit } = want else {
            self.surplus_since = None;
            return self.noted(actions);
        };
        if look.live > count && !look.waiting.is_empty() {
            let since = *self.surplus_since.get_or_insert(now);
            if count == 0 || now >= since + self.tuning.surplus {
                let surplus = ((look.live - count) as usize).min(look.waiting.len());
                actions.push(Action::Cancel(look.waiting[look.waiting.len() - surplus..].to_vec()));
                self.surplus_since = None;
            }
            return self.noted(actions);
        }
        self.surplus_since = None;
        let is_waiting = [&self.refused, &self.failing, &self.taken].iter().any(|backoff| backoff.is_waiting(now));
        if self.doubt > 0 && !self.refused.is_waiting(now) {
            self.doubt -= 1;
            return self.noted(actions);
        }
        let may_submit = may_submit && !is_waiting;
        let missing = count.saturating_sub(look.live).min(self.most);
        if may_submit && missing > 0 {
            actions.push(Action::Submit(missing));
        }
        self.noted(actions)
    }

    /// How a submission went that [`Self::step`] asked for.
    pub fn heard(&mut self, now: Duration, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Accepted { job, tasks } => {
                self.tasks.submitted(job, tasks);
                self.refused.reset();
                self.most = self.most.saturating_mul(2);
            }
            Outcome::Refused { tasks, trouble } => {
                match trouble.kind() {
                    Kind::Passing => self.refused.fail(now, 1),
                    Kind::Limit => {
                        self.most = (tasks / 2).max(1);
                        self.refused.fail(now, 1);
                    }
                    // It takes somebody to do something about it.
                    Kind::Mistake => self.refused.fail(now, 3),
                }
                if trouble.may_have_worked() {
                    self.refused.hold(now + self.tuning.settle);
                    self.doubt = MISSES;
                }
            }
        }
    }

    /// How many workers the work is worth. By the same reckoning the coordinator's `useful_slots` tells other scalers how many
    /// threads it is worth; but here are bounds, and a queue: who is submitted now may come when those who are here are done.
    fn want(&self, now: Duration, work: Work) -> Want {
        match work.phase {
            Phase::Paused => return Want::Hold,
            Phase::Ending => return Want::Workers { count: 0, may_submit: false },
            Phase::Running => {}
        }
        // All are received, or will be decided upon: the sweep ends in a moment, or asks for more.
        if work.open == 0 {
            return Want::Hold;
        }
        let Bounds { min, max, threads } = self.bounds;
        let threads = threads.max(1);
        let by_trials = u32::try_from(work.open.div_ceil(u64::from(threads))).unwrap_or(u32::MAX);
        let least_work = self.tuning.least_work.as_secs_f64().max(1e-3);
        let by_time = match work.remaining {
            // A float beyond the range of u32 becomes the largest.
            Some(remaining) => (remaining.as_secs_f64() / (least_work * f64::from(threads))).ceil() as u32,
            // Those who are here find out what trials take. If they have not by then, they take long.
            None if self.unknown_since.is_some_and(|since| now >= since + self.tuning.least_work) => by_trials,
            None => min,
        };
        let count = by_time.clamp(min, max).min(by_trials).max(1).min(max);
        // What is connected will be done before others have come to it.
        let is_nearly_over = work.threads > 0
            && work.remaining.is_some_and(|left| left.as_secs_f64() / f64::from(work.threads) < least_work);
        Want::Workers { count, may_submit: !is_nearly_over }
    }

    fn noted(&mut self, actions: Vec<Action>) -> Vec<Action> {
        for action in &actions {
            if let Action::Cancel(tasks) = action {
                self.tasks.cancelled(tasks);
            }
        }
        actions
    }
}
