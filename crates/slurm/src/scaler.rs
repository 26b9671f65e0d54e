//! The loop around the policy: looks, decides, submits, and writes down what was submitted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::commands::Slurm;
use crate::lock::Lock;
use crate::order::Order;
use crate::place::Place;
use crate::policy::{Action, Bounds, Observation, Outcome, Policy, Tuning, Work};
use crate::queue::{Task, TaskId};
use crate::record::Role;
use crate::script;
use crate::state::{By, End, State};

/// A coordinator that has not answered yet is asked so often.
const FIRST_PERIOD: Duration = Duration::from_secs(1);
/// One that has not answered by then is worth a word.
const BEGINNING: Duration = Duration::from_secs(60);

/// Workers that were told of the end are gone by then.
const LEAVING: Duration = Duration::from_secs(10);

/// Where the sweep is asked for.
pub trait Coordinator: Send {
    /// What there is to do, or why that is not known.
    fn work(&mut self) -> impl Future<Output = Result<Work, String>> + Send;
}

/// Keeps the workers of one sweep.
pub struct Scaler<C> {
    slurm: Slurm,
    place: Place,
    coordinator: C,
    policy: Policy,
    order: Order,
    /// Tasks that somebody cancelled, and who, as far as that is known.
    cancelled: BTreeMap<TaskId, Option<By>>,
    began: Instant,
    lock: Option<Lock>,
    said: String,
    /// Whether the coordinator has ever answered.
    has_heard: bool,
    /// How many times in a row it has not.
    silences: u32,
}

/// What a look at the sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// The sweep has ended, and nobody waits any more.
    Ended,
    /// It goes on, and the coordinator answers.
    Going,
    /// The coordinator does not answer.
    Silent,
}

impl<C: Coordinator> Scaler<C> {
    /// One for the sweep of `order`.
    pub fn new(slurm: Slurm, place: Place, order: Order, coordinator: C) -> Self {
        let bounds = bounds(&order);
        let least_work = Duration::from_secs(order.workers.least_work);
        let policy = Policy::new(bounds, Tuning { least_work, ..Tuning::default() });
        Self {
            slurm,
            place,
            coordinator,
            policy,
            order,
            cancelled: BTreeMap::new(),
            began: Instant::now(),
            lock: None,
            said: String::new(),
            has_heard: false,
            silences: 0,
        }
    }

    /// Looks once, and does what is to be done.
    pub async fn tick(&mut self) -> Tick {
        if self.place.end().is_some() {
            self.clear().await;
            return Tick::Ended;
        }
        self.read_order();
        if !self.order.workers.replace || !self.is_the_one() {
            return Tick::Going;
        }
        // The coordinator first: while it does not answer, Slurm need not be asked.
        let work = match self.coordinator.work().await {
            Ok(work) => work,
            Err(error) => {
                // It may take its time to begin, and hangs up before it ends.
                self.silences += 1;
                if self.has_heard && self.silences > 1 || self.began.elapsed() > BEGINNING {
                    self.say(&format!("nothing is submitted before the coordinator answers: {error}"));
                }
                return Tick::Silent;
            }
        };
        (self.has_heard, self.silences) = (true, 0);
        let mut queue = self.slurm.queue(&[&self.order.names().workers]).await;
        match &mut queue {
            Ok(queue) => self.learn_who_cancelled(queue).await,
            Err(trouble) => self.say(&format!("nothing is submitted before the queue is known: {trouble}")),
        }
        let observation = Observation { queue: queue.as_deref().ok(), work: Some(work) };
        let actions = self.policy.step(self.began.elapsed(), &observation);
        for action in actions {
            match action {
                Action::Submit(tasks) => self.submit(tasks).await,
                Action::Cancel(tasks) => self.cancel(&tasks, true).await,
            }
        }
        Tick::Going
    }

    /// Looks until the sweep has ended, or for so long that the coordinator did not answer.
    pub async fn keep(&mut self, patience: Option<Duration>) -> Tick {
        let mut heard = Instant::now();
        loop {
            match self.tick().await {
                Tick::Ended => return Tick::Ended,
                Tick::Going => heard = Instant::now(),
                Tick::Silent if patience.is_some_and(|patience| heard.elapsed() > patience) => return Tick::Silent,
                Tick::Silent => {}
            }
            let period = Duration::from_secs(self.order.workers.every.max(1));
            let pause = if self.has_heard { period } else { period.min(FIRST_PERIOD) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Ends the workers that are left: the sweep has ended. Those that wait are taken back; those that run have been told
    /// and leave, but for some that had only begun, and look out for a coordinator that is gone.
    pub async fn clear(&mut self) {
        let workers = self.order.names().workers;
        let began = Instant::now();
        loop {
            let queue = match self.slurm.queue(&[&workers]).await {
                Ok(queue) => queue,
                // Those that start yet see the mark of the end, and leave.
                Err(trouble) => {
                    warn!("workers that are left are not ended: {trouble}");
                    return;
                }
            };
            self.cancel(&ids(&queue, is_waiting), true).await;
            let left = ids(&queue, |task| matches!(task.state, State::Running | State::Unknown));
            if left.is_empty() {
                return;
            }
            if began.elapsed() >= LEAVING {
                self.cancel(&left, false).await;
                return;
            }
            tokio::time::sleep(FIRST_PERIOD).await;
        }
    }

    /// Asks, once for each task, whose scancel it was that ended it: squeue does not say.
    async fn learn_who_cancelled(&mut self, queue: &mut [Task]) {
        let cancelled = ids(queue, |task| matches!(task.state, State::Ended(End::Cancelled(_))));
        let new: Vec<_> = cancelled.iter().filter(|task| !self.cancelled.contains_key(task)).copied().collect();
        // Where there is no accounting it is not known.
        let known =
            if new.is_empty() { BTreeMap::new() } else { self.slurm.cancellers(&new).await.unwrap_or_default() };
        self.cancelled.extend(new.into_iter().map(|task| (task, known.get(&task).copied())));
        self.cancelled.retain(|task, _| cancelled.contains(task));
        for task in queue {
            if let State::Ended(End::Cancelled(by)) = &mut task.state {
                *by = self.cancelled.get(&task.id).copied().flatten();
            }
        }
    }

    /// The sweep may have been submitted again, with another number of workers or other options.
    fn read_order(&mut self) {
        match self.place.record() {
            Ok(Some(record)) if record.order != self.order => {
                self.order = record.order;
                self.policy.set_bounds(bounds(&self.order));
            }
            Ok(_) => {}
            Err(error) => self.say(&error.to_string()),
        }
    }

    /// Whether no other process keeps the workers of this sweep. That of a job whose node was given up may live on.
    fn is_the_one(&mut self) -> bool {
        if self.lock.is_none() {
            match Lock::acquire(&self.place.scaler_lock()) {
                Ok(Some(lock)) => self.lock = Some(lock),
                Ok(None) => self.say("another process keeps the workers of this sweep"),
                // Two of them count the same queue, and at worst submit some that are taken back.
                Err(error) => {
                    self.say(&format!("{}: cannot be locked: {error}", self.place.scaler_lock().display()));
                    return true;
                }
            }
        }
        self.lock.is_some()
    }

    async fn submit(&mut self, workers: u32) {
        let most = self.slurm.largest_array().await;
        for (tasks, range) in script::arrays(workers, most) {
            let text = script::workers(&self.order, &range);
            let submitted = self.slurm.submit(&text, &[format!("--array={range}")]).await;
            let now = self.began.elapsed();
            match submitted {
                Ok(job) => {
                    info!("submitted {tasks} workers as job {job}");
                    self.said.clear();
                    self.write_down(job, tasks);
                    self.policy.heard(now, Outcome::Accepted { job, tasks });
                }
                Err(trouble) => {
                    self.say(&format!("{tasks} workers are not submitted: {trouble}"));
                    self.policy.heard(now, Outcome::Refused { tasks, trouble: &trouble });
                    return;
                }
            }
        }
    }

    async fn cancel(&mut self, tasks: &[TaskId], only_waiting: bool) {
        if tasks.is_empty() {
            return;
        }
        match self.slurm.cancel(tasks, only_waiting).await {
            Ok(()) => info!("took back {} workers", tasks.len()),
            Err(trouble) => self.say(&format!("{} workers are not taken back: {trouble}", tasks.len())),
        }
    }

    /// A record that cannot be written is no reason to stop: jobs are found by name.
    fn write_down(&self, job: u64, tasks: u32) {
        let written = self.place.record().and_then(|record| match record {
            Some(mut record) => {
                record.add(job, Role::Workers, tasks);
                self.place.write_record(&record)
            }
            None => Ok(()),
        });
        if let Err(error) = written {
            warn!("{error}");
        }
    }

    /// Warns, but of the same thing once.
    fn say(&mut self, what: &str) {
        if self.said != what {
            warn!("{what}");
            what.clone_into(&mut self.said);
        }
    }
}

/// How many workers an order asks for.
fn bounds(order: &Order) -> Bounds {
    Bounds { min: order.workers.min, max: order.workers.max, threads: order.cpus_per_worker.get() }
}

fn ids(queue: &[Task], is_meant: impl Fn(&Task) -> bool) -> Vec<TaskId> {
    queue.iter().filter(|task| is_meant(task)).map(|task| task.id).collect()
}

fn is_waiting(task: &Task) -> bool {
    matches!(task.state, State::Waiting | State::Held)
}
