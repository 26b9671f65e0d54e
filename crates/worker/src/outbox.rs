//! Rows on their way: gathered into batches, kept until acknowledged, in memory or, beyond what that is to hold, in files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use prost::Message;
use taugrid_results::Row;
use taugrid_wire::rows::to_wire;
use taugrid_wire::v1::{Results, Rows};
use tracing::warn;

use crate::spill::{self, Spill};

/// So many rows make a message at once; far below the largest message.
pub(crate) const ROWS_OF_A_MESSAGE: usize = 1 << 14;

/// Finished rows that are not known to be durable.
pub(crate) struct Outbox {
    waiting: VecDeque<Gathered>,
    rows: usize,
    letters: BTreeMap<u64, Letter>,
    last_sequence: u64,
    /// Bytes of messages in memory, and how many there may be.
    memory: usize,
    most_memory: usize,
    spill: Spill,
    /// There is no room any more, neither in memory nor on the disk.
    stuck: bool,
}

/// Rows of one lease that wait.
struct Gathered {
    grant: Bytes,
    /// The stream on which the lease has a number, so that its rows need no grant there; 0 if there is none.
    stream: u64,
    rows: Vec<Row>,
}

/// A message that was made, and is not acknowledged.
struct Letter {
    grants: Vec<Bytes>,
    place: Place,
}

enum Place {
    /// The rows, and how many bytes they take.
    Memory(Rows, usize),
    File(PathBuf),
}

/// A message that is ready for the stream it was made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) sequence: u64,
    /// Of its rows' leases, those that have no number on this stream.
    pub(crate) grants: Vec<Bytes>,
}

impl Outbox {
    /// An empty one that keeps up to `most_memory` bytes of messages in memory, and the rest in `spill`.
    pub(crate) fn new(most_memory: usize, spill: Spill) -> Self {
        Self {
            waiting: VecDeque::new(),
            rows: 0,
            letters: BTreeMap::new(),
            last_sequence: 0,
            memory: 0,
            most_memory,
            spill,
            stuck: false,
        }
    }

    /// Adds finished rows of a lease. `stream` is the stream on which it has a number, if it has one.
    pub(crate) fn add(&mut self, rows: Vec<Row>, grant: &Bytes, stream: Option<u64>) {
        let stream = stream.unwrap_or(0);
        self.rows += rows.len();
        match self.waiting.back_mut() {
            Some(last) if last.stream == stream && last.grant == *grant => last.rows.extend(rows),
            _ => self.waiting.push_back(Gathered { grant: grant.clone(), stream, rows }),
        }
    }

    /// Whether enough rows wait for a message of full size.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS_OF_A_MESSAGE
    }

    /// Whether any row waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.rows > 0
    }

    /// Whether every row is known to be durable.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0 && self.letters.is_empty()
    }

    /// Whether no more rows are to be made for now: they would have no place.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Makes a message of rows that wait, if any do. It is kept until [`Self::acknowledge`].
    pub(crate) fn seal(&mut self, sweep: &str, stream: u64) -> Option<Sealed> {
        if self.rows == 0 {
            return None;
        }
        let mut rows = Vec::new();
        let (mut grants, mut foreign) = (BTreeSet::new(), BTreeSet::new());
        while let Some(mut first) = self.waiting.pop_front() {
            let room = ROWS_OF_A_MESSAGE - rows.len();
            let rest = first.rows.split_off(first.rows.len().min(room));
            grants.insert(first.grant.clone());
            if first.stream != stream || stream == 0 {
                foreign.insert(first.grant.clone());
            }
            rows.append(&mut first.rows);
            if !rest.is_empty() {
                self.waiting.push_front(Gathered { rows: rest, ..first });
            }
            if rows.len() == ROWS_OF_A_MESSAGE {
                break;
            }
        }
        self.rows -= rows.len();
        rows.sort_unstable_by_key(Row::position);
        self.last_sequence += 1;
        let sequence = self.last_sequence;
        let grants: Vec<_> = grants.into_iter().collect();
        let place = self.find_place(sweep, sequence, to_wire(&rows), &grants);
        self.letters.insert(sequence, Letter { grants, place });
        Some(Sealed { sequence, grants: foreign.into_iter().collect() })
    }

    fn find_place(&mut self, sweep: &str, sequence: u64, rows: Rows, grants: &[Bytes]) -> Place {
        let message = Results { sequence, rows: Some(rows), grants: grants.to_vec() };
        let bytes = message.encoded_len();
        if self.memory + bytes > self.most_memory {
            // Written from an async task: a message is small, and the heart beats on another.
            match self.spill.write(sweep, &file_name(sequence), &message.encode_to_vec(), false) {
                Ok(path) => {
                    self.stuck = false;
                    return Place::File(path);
                }
                Err(error) if !self.stuck => {
                    warn!("rows cannot be spilled, and no trial is begun until some are acknowledged: {error}");
                    self.stuck = true;
                }
                Err(_) => {}
            }
        }
        self.memory += bytes;
        Place::Memory(message.rows.unwrap_or_default(), bytes)
    }

    /// The rows of a message, with its grants; `None` once it is acknowledged.
    ///
    /// # Errors
    /// If the file that it is in cannot be read.
    pub(crate) fn read(&self, sequence: u64) -> io::Result<Option<Results>> {
        let Some(letter) = self.letters.get(&sequence) else { return Ok(None) };
        let grants = letter.grants.clone();
        let rows = match &letter.place {
            Place::Memory(rows, _) => Some(rows.clone()),
            Place::File(path) => read(path)?.rows,
        };
        Ok(Some(Results { sequence, rows, grants }))
    }

    /// The numbers of all messages that are not acknowledged, in order.
    pub(crate) fn unacknowledged(&self) -> Vec<u64> {
        self.letters.keys().copied().collect()
    }

    /// The rows of message `sequence` are durable.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        match self.letters.remove(&sequence).map(|letter| letter.place) {
            Some(Place::Memory(_, bytes)) => self.memory -= bytes,
            Some(Place::File(path)) => spill::remove(&path),
            None => {}
        }
        self.stuck &= self.memory > self.most_memory;
    }

    /// Takes over a message that a dead worker left in a file, with its grants.
    ///
    /// # Errors
    /// If there is none in it.
    pub(crate) fn inherit(&mut self, path: PathBuf) -> io::Result<()> {
        let grants = read(&path)?.grants;
        self.last_sequence += 1;
        self.letters.insert(self.last_sequence, Letter { grants, place: Place::File(path) });
        Ok(())
    }

    /// Writes what is in memory to files, for the next worker. What cannot be written is lost.
    pub(crate) fn bequeath(&mut self, sweep: &str) -> io::Result<()> {
        for (&sequence, letter) in &mut self.letters {
            if let Place::Memory(rows, _) = &letter.place {
                let message = Results { sequence, rows: Some(rows.clone()), grants: letter.grants.clone() };
                letter.place =
                    Place::File(self.spill.write(sweep, &file_name(sequence), &message.encode_to_vec(), true)?);
            }
        }
        Ok(())
    }

    /// Forgets all rows: they are in good hands.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
        self.rows = 0;
        self.unacknowledged().into_iter().for_each(|sequence| self.acknowledge(sequence));
    }

    /// Where its files go.
    pub(crate) fn spill(&mut self) -> &mut Spill {
        &mut self.spill
    }
}

fn file_name(sequence: u64) -> String {
    format!("{sequence:012}.results")
}

fn read(path: &PathBuf) -> io::Result<Results> {
    let bytes = Bytes::from(fs::read(path)?);
    Results::decode(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests;
