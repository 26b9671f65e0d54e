//! One worker's stream, from its first message after Hello to its end: checks what comes off the wire, and passes it on.

use std::sync::Arc;
use std::time::Duration;

use taugrid_results::{
    CellTable, Checkpoints, Coverage, Outcome, Ranges, Row, TrialCheckpoint, TrialRecord, coverage_of,
    decode_checkpoints,
};
use taugrid_wire::batch::Batched;
use taugrid_wire::v1::{self, Trials, WorkerMessage, worker_message::Kind};
use taugrid_wire::{MOST_LEASES, rows, trials};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;
use tracing::warn;

use crate::dispatcher::Said;
use crate::grants::Grants;
use crate::machine::{Held, Identity, LeaseId, Receipt, WorkerId};
use crate::service::HEARTBEAT;

/// Pieces that a lease can be in, at most.
const MOST_PIECES: usize = 1 << 16;
/// What is shown of what a worker says of itself.
const MOST_TEXT: usize = 200;

/// What all streams share.
pub(crate) struct Shared {
    pub(crate) cells: Arc<CellTable>,
    /// The most trials that a cell can come to have.
    pub(crate) most_trials: u64,
    pub(crate) max_steps: u64,
    pub(crate) grants: Grants,
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// Bounds the rows that are not durable: a permit for each.
    pub(crate) room: Arc<Semaphore>,
    /// How many there are in all.
    pub(crate) most_rows: u32,
    pub(crate) dispatcher: mpsc::Sender<Said>,
}

/// One worker's stream.
pub(crate) struct Conversation {
    pub(crate) worker: WorkerId,
    pub(crate) identity: Identity,
    pub(crate) threads: u32,
    pub(crate) shared: Arc<Shared>,
    /// Whether the worker has said that it can take leases.
    pub(crate) is_ready: bool,
}

/// How a stream ended.
pub(crate) enum Parting {
    /// It broke, or was closed without a word.
    Broken,
    /// The worker said goodbye.
    Goodbye,
    /// The worker said what cannot be right.
    Wrong(String),
}

impl Conversation {
    /// Listens until the stream ends.
    pub(crate) async fn listen(
        mut self,
        mut incoming: impl Stream<Item = Result<WorkerMessage, Status>> + Unpin,
    ) -> Parting {
        // A broken stream ends the conversation as a closed one does: the worker comes back if it can.
        while let Some(Ok(message)) = incoming.next().await {
            if let Err(parting) = self.hear(message).await {
                return parting;
            }
        }
        Parting::Broken
    }

    /// Passes on a message, in its parts.
    async fn hear(&mut self, message: WorkerMessage) -> Result<(), Parting> {
        self.pass_on(Said::Heard { worker: self.worker, at: Instant::now() }).await?;
        let mut done = Vec::new();
        for kind in message.kinds() {
            if let Kind::LeaseDone(lease) = kind {
                done.push((LeaseId(lease.lease), Duration::from_nanos(lease.busy_nanos)));
                continue;
            }
            self.pass_on_done(&mut done).await?;
            let said = match kind {
                Kind::Goodbye(_) => return Err(Parting::Goodbye),
                Kind::Results(results) => self.results(results).await.map(Some),
                Kind::Checkpoints(checkpoints) => self.checkpoints(checkpoints).await,
                other => self.read(other),
            };
            if let Some(said) = said.map_err(Parting::Wrong)? {
                self.pass_on(said).await?;
            }
        }
        self.pass_on_done(&mut done).await
    }

    async fn pass_on_done(&self, leases: &mut Vec<(LeaseId, Duration)>) -> Result<(), Parting> {
        match std::mem::take(leases) {
            leases if leases.is_empty() => Ok(()),
            leases => self.pass_on(Said::LeasesDone { worker: self.worker, leases }).await,
        }
    }

    async fn pass_on(&self, said: Said) -> Result<(), Parting> {
        self.shared.dispatcher.send(said).await.map_err(|_| Parting::Broken)
    }

    /// The messages that are no more than what stands in them.
    fn read(&mut self, kind: Kind) -> Result<Option<Said>, String> {
        let worker = self.worker;
        Ok(match kind {
            Kind::Hello(_) => return Err("a second Hello".to_owned()),
            Kind::Batch(_) => return Err("a batch within a batch".to_owned()),
            Kind::Ready(_) if self.is_ready => return Err("a second Ready".to_owned()),
            Kind::Ready(message) => {
                self.is_ready = true;
                Some(self.ready(message)?)
            }
            Kind::Returned(returned) => {
                let trials = ranges(&returned.trials)?;
                Some(Said::Returned { worker, lease: LeaseId(returned.lease), trials })
            }
            Kind::Failed(failed) => {
                let detail = printable(&failed.detail);
                Some(Said::Failed { worker, lease: LeaseId(failed.lease), detail })
            }
            // A heartbeat.
            _ => None,
        })
    }

    fn ready(&self, ready: v1::Ready) -> Result<Said, String> {
        if ready.held.len() > MOST_LEASES {
            return Err(format!("it holds {} leases", ready.held.len()));
        }
        let held = ready.held.iter().map(|held| {
            let (cell, given) = self.shared.grants.check(&held.grant).ok_or("it holds a lease that was never given")?;
            let left = ranges(&held.left)?;
            if left.iter().any(|range| range.start < given.start || range.end > given.end) {
                return Err("it holds more of a lease than was given".to_owned());
            }
            Ok(Held { cell, left })
        });
        let held = held.collect::<Result<Vec<_>, String>>()?;
        Ok(Said::Ready { worker: self.worker, identity: self.identity, threads: self.threads, held })
    }

    async fn results(&self, results: v1::Results) -> Result<Said, String> {
        let receipt = Receipt { worker: self.worker, sequence: results.sequence };
        let rows = self.rows(&results.rows.unwrap_or_default())?;
        let mut granted = Coverage::new();
        for (cell, trials) in results.grants.iter().filter_map(|grant| self.shared.grants.check(grant)) {
            if !trials.is_empty() {
                granted.entry(cell).or_default().insert(trials);
            }
        }
        let room = self.room_for(rows.len()).await?;
        Ok(Said::Results { receipt, trials: coverage_of(&rows), rows, granted, room })
    }

    fn rows(&self, rows: &v1::Rows) -> Result<Vec<Row>, String> {
        let rows = rows::from_wire(rows, &self.shared.cells).map_err(|error| error.to_string())?;
        let most = self.shared.max_steps;
        let wrong = rows.iter().find(|row| {
            let TrialRecord { steps, outcome, .. } = row.record;
            steps > most || (outcome == Outcome::Censored && steps != most)
        });
        if let Some(row) = wrong {
            let steps = row.record.steps;
            return Err(format!("trial {} of cell {} has {steps} steps", row.record.trial, row.cell));
        }
        // A worker that lives on may hold rows of trials that the sweep had and has no more: they are let go.
        Ok(rows.into_iter().filter(|row| row.record.trial < self.shared.most_trials).collect())
    }

    /// Waits until so many rows more may be held. The stream waits with it, and the worker is not silent for that.
    async fn room_for(&self, rows: usize) -> Result<OwnedSemaphorePermit, String> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(self.shared.most_rows);
        let mut permit = std::pin::pin!(Arc::clone(&self.shared.room).acquire_many_owned(rows));
        loop {
            match tokio::time::timeout(HEARTBEAT, &mut permit).await {
                Ok(permit) => return permit.map_err(|error| error.to_string()),
                Err(_) => {
                    let _ = self.shared.dispatcher.send(Said::Heard { worker: self.worker, at: Instant::now() }).await;
                }
            }
        }
    }

    /// Makes checkpoints durable. Should that fail, they are lost, and no more than that.
    async fn checkpoints(&self, message: v1::Checkpoints) -> Result<Option<Said>, String> {
        let mut batch = decode_checkpoints(&message.batch).map_err(|error| error.to_string())?;
        for checkpoint in &batch {
            self.check(checkpoint)?;
        }
        batch.retain(|checkpoint| checkpoint.trial < self.shared.most_trials);
        let mut trials = Coverage::new();
        for TrialCheckpoint { cell, trial, .. } in &batch {
            trials.entry(*cell).or_default().insert(*trial..trial + 1);
        }
        let checkpoints = Arc::clone(&self.shared.checkpoints);
        let saved = tokio::task::spawn_blocking(move || checkpoints.save(&batch)).await;
        match saved {
            Ok(Ok(())) => Ok(Some(Said::Checkpointed { trials })),
            Ok(Err(error)) => {
                warn!("checkpoints are lost: {error}");
                Ok(None)
            }
            Err(error) => {
                warn!("checkpoints are lost: {error}");
                Ok(None)
            }
        }
    }

    fn check(&self, checkpoint: &TrialCheckpoint) -> Result<(), String> {
        let TrialCheckpoint { cell, trial, steps, .. } = checkpoint;
        if self.shared.cells.get(*cell).is_none() {
            return Err(format!("a checkpoint of cell {cell}, which the sweep does not have"));
        }
        if *steps >= self.shared.max_steps {
            return Err(format!("a checkpoint of trial {trial} of cell {cell} at {steps} steps"));
        }
        Ok(())
    }
}

/// Trials off the wire as a set.
fn ranges(pieces: &[Trials]) -> Result<Ranges, String> {
    if pieces.len() > MOST_PIECES {
        return Err(format!("trials in {} pieces", pieces.len()));
    }
    trials::from_wire(pieces).map_err(|error| error.to_string())
}

/// What a worker says, fit to be shown.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect()
}
