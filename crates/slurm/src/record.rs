//! What was submitted: `OUT/provenance/slurm.json`.
//!
//! For whoever comes next, and for people. It may be behind of Slurm by what was submitted right before a crash, and ahead
//! of it by what slurmctld forgot: who needs to know what is there asks squeue, by name.

use serde::{Deserialize, Serialize};

use crate::order::Order;

/// The layout of the file.
const FORMAT: u32 = 1;
/// More submissions than that are not kept: the eldest go.
const MOST: usize = 10_000;

/// What was asked for, and what was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    #[serde(deserialize_with = "of_this_format")]
    format: u32,
    /// What was asked for last.
    pub order: Order,
    /// In the order of submission.
    pub submissions: Vec<Submission>,
}

/// One job or array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Its id.
    pub job: u64,
    /// What it is.
    pub role: Role,
    /// How many tasks it has.
    pub tasks: u32,
    /// When, in seconds since 1970.
    pub unix_seconds: u64,
}

/// What a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The coordinator.
    Coordinator,
    /// An array of workers.
    Workers,
}

fn of_this_format<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        FORMAT => Ok(FORMAT),
        other => Err(serde::de::Error::custom(format!("format {other} rather than {FORMAT}"))),
    }
}

impl Record {
    /// That of an order of which nothing is submitted.
    pub fn new(order: Order) -> Self {
        Self { format: FORMAT, order, submissions: Vec::new() }
    }

    /// Reads one.
    pub fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// Adds a job or array that was submitted now.
    pub fn add(&mut self, job: u64, role: Role, tasks: u32) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let unix_seconds = now.map_or(0, |since| since.as_secs());
        self.submissions.push(Submission { job, role, tasks, unix_seconds });
        let surplus = self.submissions.len().saturating_sub(MOST);
        self.submissions.drain(..surplus);
    }

    /// Whether it knows of the job.
    pub fn has(&self, job: u64) -> bool {
        self.submissions.iter().any(|submission| submission.job == job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::example;

    #[test]
    fn it_is_read_as_it_was_written_and_does_not_grow_for_ever() {
        let mut record = Record::new(example());
        (0..MOST as u64 + 5).for_each(|job| record.add(job, Role::Workers, 2));
        assert!(record.submissions.len() == MOST && record.has(5) && !record.has(4));
        let text = serde_json::to_vec(&record).expect("written");
        assert_eq!(Record::parse(&text).expect("read"), record);
        let later = String::from_utf8(text).expect("text").replace("\"format\":1", "\"format\":2");
        assert!(Record::parse(later.as_bytes()).is_err_and(|error| error.to_string().contains("format 2")));
    }
}
