//! What goes out to one worker: messages as they are, and checkpoints, which are read from the store on their way.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use futures_util::stream::unfold;
use taugrid_results::{CellKey, Checkpoints, encode_checkpoints};
use taugrid_wire::CHECKPOINT_BATCH_BYTES;
use taugrid_wire::batch::{Batched, Gathering};
use taugrid_wire::v1::{self, CoordinatorMessage, Welcome, coordinator_message::Kind, farewell::Reason};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;
use tracing::warn;

/// Messages that may wait for one worker. One that leaves more unread is not well: its stream ends.
const LINE: usize = 1 << 13;

/// The way to one worker. Dropping the last of them closes the worker's stream.
#[derive(Clone)]
pub(crate) struct Outgoing(mpsc::Sender<Item>);

/// The way to one worker, for somebody who does not keep it open.
pub(crate) struct WeakOutgoing(mpsc::WeakSender<Item>);

/// Small, for a line that is empty has room for some dozens of them.
enum Item {
    Message(Box<Kind>),
    Checkpoints(CellKey, Vec<u64>),
}

/// The two ends of the way to a worker. It begins with `welcome`, in a message by itself.
pub(crate) fn outgoing(
    welcome: Welcome,
    checkpoints: Arc<Checkpoints>,
) -> (Outgoing, impl Stream<Item = Result<CoordinatorMessage, Status>> + Send) {
    let (sender, items) = mpsc::channel(LINE);
    let waiting = Waiting { items, taken: VecDeque::new(), checkpoints };
    let later = unfold(waiting, async |mut waiting| Some((Ok(waiting.next().await?), waiting)));
    (Outgoing(sender), alone(Kind::Welcome(welcome)).chain(later))
}

/// The way to a worker that is told this, and no more.
pub(crate) fn alone(kind: Kind) -> impl Stream<Item = Result<CoordinatorMessage, Status>> + Send {
    tokio_stream::once(Ok(CoordinatorMessage::of(kind)))
}

/// What waits for a worker, at the end where it goes out.
struct Waiting {
    items: mpsc::Receiver<Item>,
    taken: VecDeque<Item>,
    checkpoints: Arc<Checkpoints>,
}

impl Waiting {
    /// What waits, as much as goes into one message; or what comes next, if nothing does.
    async fn next(&mut self) -> Option<CoordinatorMessage> {
        loop {
            if self.taken.is_empty() {
                let mut taken = Vec::new();
                if self.items.recv_many(&mut taken, LINE).await == 0 {
                    return None;
                }
                self.taken = taken.into();
            }
            let mut gathering = Gathering::default();
            while !gathering.is_full()
                && let Some(item) = self.taken.pop_front()
            {
                let kind = match item {
                    Item::Message(kind) => Some(*kind),
                    Item::Checkpoints(cell, trials) => load(Arc::clone(&self.checkpoints), cell, trials).await,
                };
                kind.into_iter().for_each(|kind| gathering.push(kind));
            }
            // Checkpoints that are gone are nothing to say.
            if let Some(message) = gathering.finish() {
                return Some(message);
            }
        }
    }
}

/// Checkpoints are a saving: where they cannot be read, their trials begin anew.
async fn load(checkpoints: Arc<Checkpoints>, cell: CellKey, trials: Vec<u64>) -> Option<Kind> {
    let loaded = tokio::task::spawn_blocking(move || checkpoints.load(cell, &trials)).await.ok()?;
    match loaded {
        Ok(batch) if batch.is_empty() => None,
        // What came as one batch, or several, makes one.
        Ok(batch) => Some(Kind::Checkpoints(v1::Checkpoints { batch: encode_checkpoints(&batch) })),
        Err(error) => {
            warn!("trials begin anew: {error}");
            None
        }
    }
}

impl Outgoing {
    /// Sends to the worker; whether there is room. A stream that is gone will be reported by the service as such.
    #[must_use]
    pub(crate) fn send(&self, kind: Kind) -> bool {
        self.put(Item::Message(Box::new(kind)))
    }

    /// Sends the checkpoints of these trials, if there are any; whether there is room. They come before the lease.
    #[must_use]
    pub(crate) fn checkpoints(&self, cell: CellKey, trials: &Range<u64>, checkpoints: &Checkpoints) -> bool {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (trial, size) in checkpoints.within(cell, trials) {
            if bytes + size > CHECKPOINT_BATCH_BYTES && !batch.is_empty() {
                if !self.put(Item::Checkpoints(cell, std::mem::take(&mut batch))) {
                    return false;
                }
                bytes = 0;
            }
            batch.push(trial);
            bytes += size;
        }
        batch.is_empty() || self.put(Item::Checkpoints(cell, batch))
    }

    fn put(&self, item: Item) -> bool {
        !matches!(self.0.try_send(item), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// The same way, not kept open.
    pub(crate) fn downgrade(&self) -> WeakOutgoing {
        WeakOutgoing(self.0.downgrade())
    }
}

impl WeakOutgoing {
    /// Says farewell, if the stream is open.
    pub(crate) fn farewell(&self, reason: Reason, detail: String) {
        if let Some(sender) = self.0.upgrade() {
            let _ = Outgoing(sender).send(farewell(reason, detail));
        }
    }
}

/// A farewell.
pub(crate) fn farewell(reason: Reason, detail: String) -> Kind {
    Kind::Farewell(v1::Farewell { reason: reason.into(), detail })
}

#[cfg(test)]
mod tests {
    use taugrid_results::store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn the_first_word_comes_by_itself_and_what_waits_then_comes_together() {
        let checkpoints = Checkpoints::open(Arc::new(MemoryStore::new())).expect("an empty store");
        let (way, messages) = outgoing(Welcome::default(), Arc::new(checkpoints));
        let later = [Kind::Ack(v1::Ack { sequence: 1 }), farewell(Reason::Finished, "all is done".to_owned())];
        assert!(later.iter().all(|kind| way.send(kind.clone())));
        drop(way);
        let heard: Vec<_> = messages.map(|message| message.expect("no error")).collect().await;
        let [first, second] = <[_; 2]>::try_from(heard).expect("two messages");
        assert_eq!(first.kind, Some(Kind::Welcome(Welcome::default())));
        assert_eq!(second.kinds(), later);
    }
}
