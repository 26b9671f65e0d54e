//! The queue, as squeue prints it.

use std::fmt;
use std::time::Duration;

use crate::state::State;
use crate::time;

/// What squeue is asked for: `--format` of one line of [`parse`].
pub const FORMAT: &str = "%i|%j|%T|%M|%r";

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
    let mut fields = line.splitn(5, '|').map(str::trim);
    let mut next = || fields.next().ok_or_else(wrong);
    let (id, name, state, elapsed, reason) = (next()?, next()?, next()?, next()?, next()?);
    Ok(Task {
        id: TaskId::parse(id).ok_or_else(wrong)?,
        name: name.to_owned(),
        state: match State::parse(state) {
            // Slurm could not start it, and holds it. There is no state for that, only a reason.
            State::Waiting if reason.to_ascii_lowercase().replace('_', " ") == "launch failed requeued held" => {
                State::Held
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
    use crate::state::End;

    #[test]
    fn a_queue() {
        let text = "\
12|taugrid-1-coordinator|RUNNING|1-02:03:04|None
13_1|taugrid-1-workers|PENDING|0:00|Resources
13_2|taugrid-1-workers|FAILED|0:05|NonZeroExitCode
13_3|taugrid-1-workers|PENDING|0:00|launch failed requeued held
13_4|taugrid-1-workers|BOILING|INVALID|a|b
";
        let tasks = parse(text).expect("a queue");
        let states: Vec<_> = tasks.iter().map(|task| (task.id.to_string(), task.state)).collect();
        let failed = State::Ended(End::Failed);
        let [c, a, b, d, e] = ["12", "13_1", "13_2", "13_3", "13_4"].map(str::to_owned);
        let expected = [(c, State::Running), (a, State::Waiting), (b, failed), (d, State::Held), (e, State::Unknown)];
        assert_eq!(states, expected);
        assert_eq!((tasks[2].elapsed, tasks[4].elapsed), (Some(Duration::from_secs(5)), None));
        assert_eq!(tasks[4].reason, "a|b");
        assert_eq!(parse("\n"), Ok(Vec::new()));
    }

    #[test]
    fn half_a_queue_is_none() {
        for text in
            ["1|a|RUNNING|0:01", "x|a|RUNNING|0:01|None", "slurm_load_jobs error", "1_[2-5]|a|PENDING|0:00|None"]
        {
            assert!(parse(&format!("1|a|RUNNING|0:01|None\n{text}\n")).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_taken_or_refused(text in "(.|[0-9_|\n]){0,200}") {
            let _ = parse(&text);
        }
    }
}
