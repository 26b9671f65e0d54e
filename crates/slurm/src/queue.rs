//! The queue, as squeue prints it.

use std::fmt;
use std::time::Duration;

use crate::state::{End, State};
use crate::time;

/// What squeue is asked for: `--Format` of one line of [`parse`].
pub const FORMAT: &str = "JobArrayID:|,Name:|,State:|,TimeUsed:|,PreemptTime:|,Reason:|";

/// A job, or a task of an array: `17`, `17_3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The job, or the array.
    pub job: u64,
    /// The task of the array.
    pub task: Option<u32>,
}

/// One of a sweep's jobs, or of its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// The job's name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// How long it runs, or ran.
    pub elapsed: Option<Duration>,
    /// Why it waits, in Slurm's words.
    pub reason: String,
}

/// What was printed is no queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("squeue printed {0:?}, which is no line of a queue")]
pub struct QueueError(String);

/// Reads what squeue printed with [`FORMAT`], `--noheader` and `--array`.
///
/// # Errors
/// If there is one line that cannot be read: a queue that is half known is not known.
pub fn parse(text: &str) -> Result<Vec<Task>, QueueError> {
    text.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
}

fn line(line: &str) -> Result<Task, QueueError> {
    let wrong = || QueueError(line.chars().take(200).collect());
    let mut fields = line.strip_suffix('|').ok_or_else(wrong)?.splitn(6, '|').map(str::trim);
    let mut next = || fields.next().ok_or_else(wrong);
    let (id, name, state, elapsed, preempted, reason) = (next()?, next()?, next()?, next()?, next()?, next()?);
    Ok(Task {
        id: TaskId::parse(id).ok_or_else(wrong)?,
        name: name.to_owned(),
        state: match State::parse(state) {
            // Slurm could not start it, and holds it. There is no state for that, only a reason.
            State::Waiting if reason.to_ascii_lowercase().replace('_', " ") == "launch failed requeued held" => {
                State::Held
            }
            // It left within its grace, with an exit code: that is no state of its own. Who was not preempted has `N/A`.
            State::Ended(End::Failed) if preempted.starts_with(|first: char| first.is_ascii_digit()) => {
                State::Ended(End::Preempted)
            }
            state => state,
        },
        elapsed: time::parse_used(elapsed),
        reason: reason.to_owned(),
    })
}

impl TaskId {
    /// `17` or `17_3`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        match text.split_once('_') {
            None => Some(Self { job: number(text)?, task: None }),
            Some((job, task)) => Some(Self { job: number(job)?, task: Some(number(task)?.try_into().ok()?) }),
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            None => write!(f, "{}", self.job),
            Some(task) => write!(f, "{}_{task}", self.job),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_queue() {
        let text = "\
12|taugrid-1-coordinator|RUNNING|1-02:03:04|N/A|None|
13_1|taugrid-1-workers|PENDING|0:00|N/A|Resources|
13_2|taugrid-1-workers|FAILED|0:05|N/A|NonZeroExitCode|
13_3|taugrid-1-workers|PENDING|0:00|N/A|launch failed requeued held|
13_4|taugrid-1-workers|BOILING|INVALID|N/A|a|b|
13_5|taugrid-1-workers|FAILED|0:05|2026-11-28T09:53:52|NonZeroExitCode|
";
        let tasks = parse(text).expect("a queue");
        let states: Vec<_> = tasks.iter().map(|task| (task.id.to_string(), task.state)).collect();
        let failed = State::Ended(End::Failed);
        let preempted = State::Ended(End::Preempted);
        let expected = [
            ("12", State::Running),
            ("13_1", State::Waiting),
            ("13_2", failed),
            ("13_3", State::Held),
            ("13_4", State::Unknown),
            ("13_5", preempted),
        ];
        assert_eq!(states, expected.map(|(id, state)| (id.to_owned(), state)));
        assert_eq!((tasks[2].elapsed, tasks[4].elapsed), (Some(Duration::from_secs(5)), None));
        assert_eq!(tasks[4].reason, "a|b");
        assert_eq!(parse("\n"), Ok(Vec::new()));
    }

    #[test]
    fn half_a_queue_is_none() {
        for text in [
            "1|a|RUNNING|0:01|N/A|",
            "1|a|RUNNING|0:01|N/A|None",
            "x|a|RUNNING|0:01|N/A|None|",
            "slurm_load_jobs error",
            "1_[2-5]|a|PENDING|0:00|N/A|None|",
        ] {
            assert!(parse(&format!("1|a|RUNNING|0:01|N/A|None|\n{text}\n")).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_taken_or_refused(text in "(.|[0-9_|\n]){0,200}") {
            let _ = parse(&text);
        }
    }
}
