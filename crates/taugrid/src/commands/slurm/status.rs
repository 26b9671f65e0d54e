//! `taugrid slurm status`: what of a sweep is in the queue, and how far it is.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use taugrid_process::exit::{Exit, Failure};
use taugrid_slurm::commands::Slurm;
use taugrid_slurm::names::Names;
use taugrid_slurm::place::{End, Place};
use taugrid_slurm::queue::Task;
use taugrid_slurm::record::Record;
use taugrid_slurm::state::State;
use taugrid_wire::v1::StatusReply;

use super::super::control::{headline, in_runtime, to_json};
use super::super::print;
use super::sweep::Client;

/// So many reasons to wait are shown.
const REASONS: usize = 3;

/// What there is to say.
struct Standing {
    place: Place,
    queue: Vec<Task>,
    names: Names,
    /// Jobs of which Slurm's queue knows no more, and how their tasks ended, where there is accounting.
    earlier: (usize, BTreeMap<&'static str, usize>),
    record: Option<Record>,
    sweep: Result<StatusReply, Failure>,
}

pub(crate) fn run(dir: &Path, as_json: bool) -> Result<Exit, Failure> {
    let place = super::submitted(dir)?;
    in_runtime(async {
        let standing = look(place).await?;
        if as_json {
            print(standing.to_json())?
        } else {
            standing.show()?
        }
        Ok(Exit::Done)
    })
}

async fn look(place: Place) -> Result<Standing, Failure> {
    let slurm = Slurm::default();
    let names = Names::of(place.out());
    let queue = slurm.queue(&[&names.coordinator, &names.workers]).await;
    let queue = queue.map_err(|trouble| super::explain(&trouble))?;
    // A record is for people: without it the queue says what is there.
    let record = place.record().unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    });
    let known = record.iter().flat_map(|record| &record.submissions).map(|submission| submission.job);
    let forgotten: Vec<u64> = known.filter(|&job| !queue.iter().any(|task| task.id.job == job)).collect();
    let accounts = match &forgotten[..] {
        [] => Vec::new(),
        jobs => slurm.accounts(jobs).await.unwrap_or_default(),
    };
    let sweep = Client::new(&place).status().await;
    Ok(Standing { place, names, earlier: (forgotten.len(), tally(accounts)), queue, record, sweep })
}

fn tally(states: impl IntoIterator<Item = State>) -> BTreeMap<&'static str, usize> {
    let mut tally = BTreeMap::new();
    states.into_iter().for_each(|state| *tally.entry(state.word()).or_default() += 1);
    tally
}

fn words(tally: &BTreeMap<&'static str, usize>) -> String {
    let words: Vec<_> = tally.iter().map(|(word, count)| format!("{count} {word}")).collect();
    words.join(", ")
}

impl Standing {
    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Task> {
        self.queue.iter().filter(move |task| task.name == name)
    }

    /// The coordinator's job that counts: one that is there rather than one that was.
    fn coordinator(&self) -> Option<&Task> {
        self.of(&self.names.coordinator).max_by_key(|task| (task.state.is_live(), task.id))
    }

    /// Why workers wait, the commonest first.
    fn reasons(&self) -> Vec<(&str, usize)> {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        let waiting = self.of(&self.names.workers).filter(|task| matches!(task.state, State::Waiting | State::Held));
        waiting.for_each(|task| *reasons.entry(&task.reason).or_default() += 1);
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        reasons
    }

    fn show(&self) -> Result<(), Failure> {
        match &self.sweep {
            Ok(reply) => print(headline(reply))?,
            Err(_) if self.place.end() == Some(End::Over) => print("the sweep has ended")?,
            Err(_) if self.place.end() == Some(End::Cancelled) => {
                print("the sweep was cancelled; submit again to resume")?
            }
            Err(failure) => print(format_args!("the coordinator does not answer: {}", failure.message))?,
        }
        match self.coordinator() {
            Some(task) => {
                let why = if task.state == State::Waiting { format!(" ({})", task.reason) } else { String::new() };
                print(format_args!("  coordinator: job {}, {}{why}", task.id, task.state.word()))?;
            }
            None => print("  coordinator: no job")?,
        }
        let workers = tally(self.of(&self.names.workers).map(|task| task.state));
        print(format_args!("  workers: {}", if workers.is_empty() { "none".to_owned() } else { words(&workers) }))?;
        for (reason, count) in self.reasons().into_iter().take(REASONS) {
            print(format_args!("    {count} wait: {reason}"))?;
        }
        let (jobs, ends) = &self.earlier;
        match (jobs, ends.is_empty()) {
            (0, _) => {}
            (jobs, true) => print(format_args!("  earlier: {jobs} jobs"))?,
            (jobs, false) => print(format_args!("  earlier: {jobs} jobs: {}", words(ends)))?,
        }
        print(format_args!("  logs: {}", self.place.logs().display()))
    }

    fn to_json(&self) -> Value {
        let coordinator = self
            .coordinator()
            .map(|task| json!({"job": task.id.to_string(), "state": task.state.word(), "reason": task.reason}));
        json!({
            "out": self.place.out(),
            "end": self.place.end().map(|end| if end == End::Over { "over" } else { "cancelled" }),
            "coordinator": coordinator,
            "workers": tally(self.of(&self.names.workers).map(|task| task.state)),
            "reasons": self.reasons().into_iter().collect::<BTreeMap<_, _>>(),
            "earlier": {"jobs": self.earlier.0, "tasks": self.earlier.1},
            "submissions": self.record.as_ref().map(|record| &record.submissions),
            "logs": self.place.logs(),
            "sweep": self.sweep.as_ref().ok().map(to_json),
        })
    }
}
