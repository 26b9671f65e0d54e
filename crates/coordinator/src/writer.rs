//! The writer: gathers rows and makes them durable. What it gathers waits while it writes, on a thread that may block.
//!
//! Rows become a Parquet part when there are many, when they have waited long enough, or when told to; only then are
//! their receipts handed back, to be acknowledged.

use std::sync::Arc;
use std::time::Duration;

use taugrid_results::{Checkpoints, Coverage, Dataset, DatasetError, PartInfo, Row, coverage_of};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};
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

/// How the writer ended: the dataset, and why it could not go on if it could not; or neither, if it panicked.
pub(crate) type Written = Result<(Dataset, Result<(), DatasetError>), JoinError>;

/// Starts the writer. It ends when `jobs` is closed, after a last flush, or at the first error.
pub(crate) fn spawn(
    dataset: Dataset,
    checkpoints: Arc<Checkpoints>,
    jobs: mpsc::UnboundedReceiver<Job>,
    said: mpsc::Sender<Said>,
) -> JoinHandle<Written> {
    let (rows, receipts) = (Vec::new(), Vec::new());
    let writer = Writer { checkpoints, rows, receipts, room: None, said: said.clone(), started: Instant::now() };
    tokio::spawn(async move {
        let written = writer.work(dataset, jobs).await;
        if !matches!(written, Ok((_, Ok(())))) {
            // The dispatcher may be gone already; then there is nobody to tell.
            let _ = said.send(Said::WriterFailed).await;
        }
        written
    })
}

struct Writer {
    checkpoints: Arc<Checkpoints>,
    rows: Vec<Row>,
    receipts: Vec<Receipt>,
    /// What the rows take of the room there is for rows that are not durable.
    room: Option<OwnedSemaphorePermit>,
    said: mpsc::Sender<Said>,
    started: Instant,
}

impl Writer {
    async fn work(mut self, mut dataset: Dataset, mut jobs: mpsc::UnboundedReceiver<Job>) -> Written {
        let mut deadline: Option<Instant> = None;
        loop {
            let waited = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let job = tokio::select! {
                biased;
                () = waited => Some(Job::Flush),
                job = jobs.recv() => job,
            };
            let (flush, last) = match job {
                Some(Job::Rows(receipt, rows, room)) => {
                    self.receipts.push(receipt);
                    match &mut self.room {
                        Some(held) => held.merge(room),
                        None => self.room = Some(room),
                    }
                    self.rows.extend(rows);
                    (self.rows.len() >= ROWS_OF_A_PART, false)
                }
                Some(Job::Roll(workers)) => {
                    let store = Arc::clone(dataset.store());
                    spawn_blocking(move || roll::write(&*store, &workers)).await?;
                    continue;
                }
                Some(Job::Flush) => (true, false),
                None => (true, true),
            };
            if flush {
                let flushed;
                (dataset, flushed) = self.flush(dataset).await?;
                if last || flushed.is_err() {
                    return Ok((dataset, flushed));
                }
                deadline = None;
            } else if deadline.is_none() {
                let wait = (self.started.elapsed() / 60).clamp(SHORTEST_WAIT, LONGEST_WAIT);
                deadline = Some(Instant::now() + wait);
            }
        }
    }

    /// Makes the rows durable, and hands back their receipts.
    async fn flush(&mut self, mut dataset: Dataset) -> Written {
        let rows = std::mem::take(&mut self.rows);
        if !rows.is_empty() {
            let checkpoints = Arc::clone(&self.checkpoints);
            let began = Instant::now();
            let appending = spawn_blocking(move || {
                let appended = append(&mut dataset, &checkpoints, rows);
                (dataset, appended)
            });
            let appended;
            (dataset, appended) = appending.await?;
            match appended {
                Ok(part) => {
                    let _ = self.said.send(Said::Written(part, began.elapsed())).await;
                }
                Err(error) => return Ok((dataset, Err(error))),
            }
        }
        self.room = None;
        let receipts = std::mem::take(&mut self.receipts);
        if !receipts.is_empty() {
            // The dispatcher may be gone already; what is durable is found by the next coordinator.
            let _ = self.said.send(Said::Durable(receipts)).await;
        }
        Ok((dataset, Ok(())))
    }
}

/// Writes a part. The checkpoints of its trials are of no more use.
fn append(dataset: &mut Dataset, checkpoints: &Checkpoints, rows: Vec<Row>) -> Result<PartInfo, DatasetError> {
    // A sweep of short trials has none: then there is nothing to find out.
    let written = if checkpoints.is_empty() { Coverage::new() } else { coverage_of(&rows) };
    let part = dataset.append(rows)?;
    info!(?part, "part is durable");
    written.iter().for_each(|(&cell, trials)| checkpoints.forget(cell, trials));
    Ok(part)
}
