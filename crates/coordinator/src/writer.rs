//! The writer: gathers rows and makes them durable, on a thread of its own.
//!
//! Rows become a Parquet part when there are many, when they have waited long enough, or when told to; only then are
//! their receipts handed back, to be acknowledged.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use taugrid_results::{Checkpoints, Dataset, DatasetError, Row, coverage_of};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::info;

use crate::dispatcher::Said;
use crate::machine::{Identity, Receipt};
use crate::roll;

/// So many rows are a part at once.
const ROWS_OF_A_PART: usize = 1 << 18;
/// Rows wait this long at first, and longer the longer the sweep lasts, so that a day makes thousands of parts and not
/// a hundred thousand.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What the dispatcher asks of the writer.
pub(crate) enum Job {
    /// Make these rows durable, soon.
    Rows(Receipt, Vec<Row>, OwnedSemaphorePermit),
    /// Make all rows durable now.
    Flush,
    /// These workers are connected.
    Roll(Vec<Identity>),
}

/// How the writer ended: the dataset, and why it could not go on if it could not.
pub(crate) type Written = (Dataset, Result<(), DatasetError>);

/// Starts the writer. It ends when `jobs` is closed, after a last flush, or at the first error.
pub(crate) fn spawn(
    dataset: Dataset,
    checkpoints: Arc<Checkpoints>,
    jobs: Receiver<Job>,
    said: mpsc::Sender<Said>,
) -> std::io::Result<JoinHandle<Written>> {
    std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        let mut last_word = LastWord { said: said.clone(), well: false };
        let (rows, receipts) = (Vec::new(), Vec::new());
        let started = Instant::now();
        let mut writer = Writer { dataset, checkpoints, rows, receipts, room: None, said, started };
        let result = writer.work(&jobs);
        last_word.well = result.is_ok();
        (writer.dataset, result)
    })
}

/// Tells the dispatcher that the writer failed, be it by an error or by a panic.
struct LastWord {
    said: mpsc::Sender<Said>,
    well: bool,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if !self.well {
            // The dispatcher may be gone already; then there is nobody to tell.
            let _ = self.said.blocking_send(Said::WriterFailed);
        }
    }
}

struct Writer {
    dataset: Dataset,
    checkpoints: Arc<Checkpoints>,
    rows: Vec<Row>,
    receipts: Vec<Receipt>,
    /// What the rows take of the room there is for rows that are not durable.
    room: Option<OwnedSemaphorePermit>,
    said: mpsc::Sender<Said>,
    started: Instant,
}

impl Writer {
    fn work(&mut self, jobs: &Receiver<Job>) -> Result<(), DatasetError> {
        let mut deadline: Option<Instant> = None;
        loop {
            let job = match deadline {
                None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => jobs.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            let flush = match job {
                Ok(Job::Rows(receipt, rows, room)) => {
                    self.receipts.push(receipt);
                    match &mut self.room {
                        Some(held) => held.merge(room),
                        None => self.room = Some(room),
                    }
                    self.rows.extend(rows);
                    self.rows.len() >= ROWS_OF_A_PART
                }
                Ok(Job::Roll(workers)) => {
                    roll::write(&**self.dataset.store(), &workers);
                    continue;
                }
                Ok(Job::Flush) | Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            };
            if flush {
                self.flush()?;
                deadline = None;
            } else if deadline.is_none() {
                let wait = (self.started.elapsed() / 60).clamp(SHORTEST_WAIT, LONGEST_WAIT);
                deadline = Some(Instant::now() + wait);
            }
        }
    }

    fn flush(&mut self) -> Result<(), DatasetError> {
        if !self.rows.is_empty() {
            let written = coverage_of(&self.rows);
            let began = Instant::now();
            let part = self.dataset.append(std::mem::take(&mut self.rows))?;
            info!(?part, "part is durable");
            let _ = self.said.blocking_send(Said::Written(part, began.elapsed()));
            written.iter().for_each(|(&cell, trials)| self.checkpoints.forget(cell, trials));
        }
        self.room = None;
        let receipts = std::mem::take(&mut self.receipts);
        if !receipts.is_empty() {
            // The dispatcher may be gone already; what is durable is found by the next coordinator.
            let _ = self.said.blocking_send(Said::Durable(receipts));
        }
        Ok(())
    }
}
