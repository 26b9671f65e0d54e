//! Random histories: a Slurm that refuses, forgets, times out and loses jobs, and what the policy makes of it.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::state::{By, End, State};

const PERIOD: u64 = 15;
const MAX: u32 = 8;
const BOUNDS: Bounds = Bounds { min: 2, max: MAX, threads: 4 };

/// What goes wrong in one period.
#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// squeue fails.
    Blind,
    /// squeue shows nothing of what is there.
    Amnesia,
    /// The coordinator does not answer.
    Silence,
    Refuse(Kind),
    /// sbatch says nothing, and the jobs come all the same, at once or two looks later.
    Lost {
        late: bool,
    },
    /// sbatch says nothing, and there are no jobs.
    Dropped,
    /// The tasks at these places of the queue end so.
    Ends(u8, End),
    /// One is being tidied up, and stays so for a while.
    Completing(u8),
    /// One is requeued.
    Requeued(u8),
    /// Slurm holds one.
    Held(u8),
}

fn fault() -> impl Strategy<Value = Fault> {
    use Fault::*;
    let end = prop_oneof![
        Just(End::Failed),
        Just(End::Completed),
        Just(End::Cancelled(Option::None)),
        Just(End::Cancelled(Some(By::Owner))),
        Just(End::Timeout),
        Just(End::Preempted),
        Just(End::NodeFailed),
        Just(End::OutOfMemory)
    ];
    prop_oneof![
        6 => Just(None),
        1 => Just(Blind),
        1 => Just(Amnesia),
        1 => Just(Silence),
        1 => prop_oneof![Just(Kind::Passing), Just(Kind::Limit), Just(Kind::Mistake)].prop_map(Refuse),
        1 => any::<bool>().prop_map(|late| Lost { late }),
        1 => Just(Dropped),
        3 => (any::<u8>(), end).prop_map(|(mask, end)| Ends(mask, end)),
        1 => any::<u8>().prop_map(Completing),
        1 => any::<u8>().prop_map(Requeued),
        1 => any::<u8>().prop_map(Held),
    ]
}

/// A Slurm of which every job starts at once.
#[derive(Default)]
struct Cluster {
    jobs: Vec<(TaskId, State, Duration)>,
    /// Jobs that will show after so many looks.
    late: Vec<(u32, u32)>,
    next: u64,
    tries: u32,
    /// Looks in a row that showed nothing.
    amnesia: u32,
}

impl Cluster {
    fn live(&self) -> u32 {
        self.jobs.iter().filter(|job| matches!(job.1, State::Waiting | State::Running)).count() as u32
    }

    fn add(&mut self, tasks: u32, now: Duration) -> u64 {
        self.next += 1;
        let job = self.next;
        self.jobs.extend((1..=tasks).map(|task| (TaskId { job, task: Some(task) }, State::Waiting, now)));
        job
    }

    fn some(&mut self, mask: u8, state: State) {
        let live = self.jobs.iter_mut().filter(|job| matches!(job.1, State::Waiting | State::Running));
        live.enumerate().filter(|(index, _)| mask >> (index % 8) & 1 == 1).for_each(|(_, job)| job.1 = state);
    }

    fn pass(&mut self, now: Duration) {
        let due: Vec<u32> = self.late.iter().filter(|late| late.0 == 0).map(|late| late.1).collect();
        self.late.retain(|late| late.0 > 0);
        self.late.iter_mut().for_each(|late| late.0 -= 1);
        due.into_iter().for_each(|tasks| {
            self.add(tasks, now);
        });
        for job in &mut self.jobs {
            if job.1 == State::Waiting {
                *job = (job.0, State::Running, now);
            }
        }
    }

    fn queue(&self, now: Duration) -> Vec<Task> {
        let task = |&(id, state, since): &(TaskId, State, Duration)| Task {
            id,
            name: "w".into(),
            state,
            elapsed: Some(now - since),
            reason: String::new(),
        };
        self.jobs.iter().map(task).collect()
    }
}

fn work(threads: u32, received: u64) -> Work {
    let remaining = Some(Duration::from_secs(1_000_000));
    Work { phase: Phase::Running, open: 1_000_000, received, remaining, threads }
}

fn step(policy: &mut Policy, cluster: &mut Cluster, now: Duration, fault: Fault) {
    match fault {
        Fault::Ends(mask, end) => cluster.some(mask, State::Ended(end)),
        Fault::Completing(mask) => cluster.some(mask, State::Completing),
        Fault::Requeued(mask) => cluster.some(mask, State::Waiting),
        Fault::Held(mask) => cluster.some(mask, State::Held),
        _ => {}
    }
    // Three looks in a row may lie. Who believes none has nothing to go by.
    match fault {
        Fault::Amnesia if cluster.amnesia < 3 => cluster.amnesia += 1,
        Fault::Blind => {}
        _ => cluster.amnesia = 0,
    }
    let lies = matches!(fault, Fault::Amnesia) && cluster.amnesia > 0;
    let queue = if lies { Vec::new() } else { cluster.queue(now) };
    let running = cluster.jobs.iter().filter(|job| job.1 == State::Running).count() as u32;
    let observation = Observation {
        queue: (!matches!(fault, Fault::Blind)).then_some(&queue[..]),
        work: (!matches!(fault, Fault::Silence)).then_some(work(4 * running, now.as_secs() * u64::from(running))),
    };
    for action in policy.step(now, &observation) {
        match action {
            Action::Cancel(tasks) => {
                for job in cluster.jobs.iter_mut().filter(|job| tasks.contains(&job.0)) {
                    if matches!(job.1, State::Waiting | State::Held) {
                        job.1 = State::Ended(End::Cancelled(None));
                    }
                }
            }
            Action::Submit(tasks) => {
                cluster.tries += 1;
                let refused = |kind| Trouble::Said { command: "sbatch", kind, message: String::new() };
                let silent = Trouble::TimedOut { command: "sbatch", seconds: 90 };
                let outcome = match fault {
                    Fault::Refuse(kind) => Err(refused(kind)),
                    Fault::Dropped => Err(silent),
                    Fault::Lost { late } => {
                        if late {
                            cluster.late.push((1, tasks))
                        } else {
                            cluster.late.push((0, tasks))
                        }
                        Err(silent)
                    }
                    _ => Ok(cluster.add(tasks, now)),
                };
                match &outcome {
                    Ok(job) => policy.heard(now, Outcome::Accepted { job: *job, tasks }),
                    Err(trouble) => policy.heard(now, Outcome::Refused { tasks, trouble }),
                }
            }
        }
    }
    cluster.pass(now);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever goes wrong, there are never more jobs than may be; and when nothing goes wrong any more, there are as many
    /// as are wanted before long.
    #[test]
    fn never_too_many_and_never_none_for_ever(faults in prop::collection::vec(fault(), 1..150)) {
        let (mut policy, mut cluster) = (Policy::new(BOUNDS, Tuning::default()), Cluster::default());
        let mut now = Duration::ZERO;
        let mut next = |policy: &mut Policy, cluster: &mut Cluster, fault| {
            now += Duration::from_secs(PERIOD);
            step(policy, cluster, now, fault);
        };
        for fault in faults {
            next(&mut policy, &mut cluster, fault);
            prop_assert!(cluster.live() <= MAX, "{} jobs", cluster.live());
        }
        // The longest wait, and for each doubling of what is submitted at once a period; then what is tidied up.
        let calm = Tuning::default().longest.as_secs() / PERIOD + 20;
        (0..calm).for_each(|_| next(&mut policy, &mut cluster, Fault::None));
        prop_assert_eq!(cluster.live(), MAX);
    }
}

/// How often is submitted in a day of which every period has this fault.
fn tries_of_a_day(fault: Fault) -> (u32, Policy, Cluster, Duration) {
    let (mut policy, mut cluster) = (Policy::new(BOUNDS, Tuning::default()), Cluster::default());
    let mut now = Duration::ZERO;
    while now < Duration::from_secs(86_400) {
        now += Duration::from_secs(PERIOD);
        step(&mut policy, &mut cluster, now, fault);
        cluster.jobs.retain(|job| job.1.is_live() || job.2 + Duration::from_secs(300) > now);
    }
    (cluster.tries, policy, cluster, now)
}

#[test]
fn what_fails_all_day_is_tried_all_day_but_not_often_and_works_when_it_can() {
    let Tuning { longest, taken, .. } = Tuning::default();
    let all = 0xff;
    for (fault, longest) in [
        (Fault::Refuse(Kind::Limit), longest),
        (Fault::Refuse(Kind::Mistake), longest),
        (Fault::Refuse(Kind::Passing), longest),
        (Fault::Dropped, longest),
        (Fault::Ends(all, End::Failed), longest),
        (Fault::Ends(all, End::OutOfMemory), longest),
        (Fault::Ends(all, End::Cancelled(None)), longest),
        (Fault::Ends(all, End::Cancelled(Some(By::Other))), longest),
        (Fault::Ends(all, End::Completed), longest),
        (Fault::Held(all), longest),
        (Fault::Ends(all, End::Preempted), taken),
        (Fault::Ends(all, End::NodeFailed), taken),
        (Fault::Ends(all, End::Cancelled(Some(By::Owner))), taken),
    ] {
        // The day in waits of the longest, and those on the way there.
        let longest = longest.as_secs();
        let most = (86_400 / longest + 8) as u32;
        let (tries, mut policy, mut cluster, mut now) = tries_of_a_day(fault);
        assert!((most / 2..=most).contains(&tries), "{fault:?}: {tries} tries, at most {most}");
        for _ in 0..longest / PERIOD + 10 {
            now += Duration::from_secs(PERIOD);
            step(&mut policy, &mut cluster, now, Fault::None);
        }
        assert_eq!(cluster.live(), MAX, "{fault:?}");
    }
}

fn once(policy: &mut Policy, seconds: u64, queue: &[Task], work: Work) -> Vec<Action> {
    policy.step(Duration::from_secs(seconds), &Observation { queue: Some(queue), work: Some(work) })
}

fn tasks(states: &[&str]) -> Vec<Task> {
    let task = |(index, state): (usize, &&str)| Task {
        id: TaskId { job: 1, task: Some(index as u32 + 1) },
        name: "w".into(),
        state: State::parse(state),
        elapsed: Some(Duration::from_secs(500)),
        reason: String::new(),
    };
    states.iter().enumerate().map(task).collect()
}

#[test]
fn there_are_as_many_as_there_is_work_for() {
    let least = Tuning::default().least_work.as_secs();
    for (open, remaining, wanted) in [
        (1_000_000, Some(1_000_000), MAX),
        (1_000_000, None, 2),
        // Five workers of four threads have a minute each.
        (1_000_000, Some(5 * 4 * least), 5),
        (1_000_000, Some(4 * 4 * least + 1), 5),
        (1_000_000, Some(1), 2),
        // Three trials keep one worker busy, whatever they take.
        (3, Some(1_000_000), 1),
        (0, Some(0), 0),
    ] {
        let work = Work { open, remaining: remaining.map(Duration::from_secs), ..work(0, 0) };
        let actions = once(&mut Policy::new(BOUNDS, Tuning::default()), 0, &[], work);
        let expected = if wanted == 0 { Vec::new() } else { vec![Action::Submit(wanted)] };
        assert_eq!(actions, expected, "{open} trials, {remaining:?} s");
    }
}

#[test]
fn trials_of_which_none_has_ended_for_so_long_are_worth_a_thread_each() {
    let mut policy = Policy::new(BOUNDS, Tuning::default());
    let queue = tasks(&["RUNNING", "RUNNING"]);
    let long = |threads| Work { open: 23, received: 0, remaining: None, ..work(threads, 0) };
    // Before they are connected it takes as long as it takes.
    for (now, threads) in [(0, 0), (600, 0), (615, 8), (660, 8), (674, 8)] {
        assert_eq!(once(&mut policy, now, &queue, long(threads)), [], "{now}");
    }
    assert_eq!(once(&mut policy, 675, &queue, long(8)), [Action::Submit(4)]);
}

#[test]
fn nobody_is_submitted_for_work_that_is_about_to_end() {
    let queue = tasks(&["RUNNING", "FAILED"]);
    let nearly_over = Work { remaining: Some(Duration::from_secs(4 * 59)), ..work(4, 100) };
    assert_eq!(once(&mut Policy::new(BOUNDS, Tuning::default()), 0, &queue, nearly_over), []);
    // But where nobody is left, somebody comes.
    let alone = Work { threads: 0, ..nearly_over };
    assert_eq!(once(&mut Policy::new(BOUNDS, Tuning::default()), 0, &tasks(&["FAILED"]), alone), [Action::Submit(2)]);
}

#[test]
fn paused_is_left_alone_and_at_the_end_nobody_is_left_waiting() {
    let queue = tasks(&["RUNNING", "PENDING", "PENDING"]);
    let mut policy = Policy::new(BOUNDS, Tuning::default());
    assert_eq!(once(&mut policy, 0, &queue, Work { phase: Phase::Paused, ..work(4, 1) }), []);
    let waiting: Vec<_> = queue[1..].iter().map(|task| task.id).collect();
    let ending = Work { phase: Phase::Ending, open: 0, ..work(4, 1) };
    assert_eq!(once(&mut policy, 15, &queue, ending), [Action::Cancel(waiting)]);
}

#[test]
fn those_that_are_too_many_are_taken_back_if_they_wait_and_not_at_once() {
    let queue = tasks(&["RUNNING", "RUNNING", "PENDING", "PENDING"]);
    let little = Work { remaining: Some(Duration::from_secs(3 * 4 * 60)), ..work(8, 1) };
    let mut policy = Policy::new(BOUNDS, Tuning::default());
    for now in [0, 15, 30, 45] {
        assert_eq!(once(&mut policy, now, &queue, little), [], "{now}");
    }
    assert_eq!(once(&mut policy, 60, &queue, little), [Action::Cancel(vec![queue[3].id])]);
}

#[test]
fn where_nothing_is_known_nothing_is_done() {
    let mut policy = Policy::new(BOUNDS, Tuning::default());
    let nothing = Observation { queue: None, work: Some(work(0, 0)) };
    assert_eq!(policy.step(Duration::ZERO, &nothing), []);
    let queue = tasks(&["PENDING"]);
    assert_eq!(policy.step(Duration::ZERO, &Observation { queue: Some(&queue), work: None }), []);
}

/// After a refusal for their number, fewer: one may fit where eight do not.
#[test]
fn a_limit_is_felt_out() {
    let mut policy = Policy::new(BOUNDS, Tuning::default());
    let limit = Trouble::Said { command: "sbatch", kind: Kind::Limit, message: String::new() };
    let mut asked = Vec::new();
    let (mut now, mut there) = (0, 0);
    // The cluster takes five.
    for _ in 0..400 {
        now += PERIOD;
        let queue = tasks(&["RUNNING"].repeat(there as usize));
        for action in once(&mut policy, now, &queue, work(4 * there, now)) {
            let Action::Submit(tasks) = action else { panic!("{action:?}") };
            asked.push(tasks);
            let outcome = if there + tasks <= 5 {
                there += tasks;
                Outcome::Accepted { job: 1, tasks: there }
            } else {
                Outcome::Refused { tasks, trouble: &limit }
            };
            policy.heard(Duration::from_secs(now), outcome);
        }
    }
    assert_eq!(there, 5, "{asked:?}");
}
