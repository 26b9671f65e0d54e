//! What one end has to say at one time goes in one message: its framing, its way through the connection and its
//! reader's attention are paid for once.

use std::collections::VecDeque;

use prost::Message;

use crate::BATCH_BYTES;
use crate::v1::{
    CoordinatorBatch, CoordinatorMessage, WorkerBatch, WorkerMessage, coordinator_message, worker_message,
};

/// A message that can be a batch of others.
pub trait Batched: Message + Sized {
    /// What a message says.
    type Kind;

    /// The message that says this.
    fn of(kind: Self::Kind) -> Self;

    /// One message that means what `messages` mean one after another.
    fn batch(messages: Vec<Self>) -> Self;

    /// What the messages of a batch say, in their order; of what is none, itself. A kind of a later release is not among
    /// them: it says nothing to this one. One of them may be a batch, which nobody sends.
    fn kinds(self) -> VecDeque<Self::Kind>;
}

impl Batched for WorkerMessage {
    type Kind = worker_message::Kind;

    fn of(kind: Self::Kind) -> Self {
        Self { kind: Some(kind) }
    }

    fn batch(messages: Vec<Self>) -> Self {
        Self::of(worker_message::Kind::Batch(WorkerBatch { messages }))
    }

    fn kinds(self) -> VecDeque<Self::Kind> {
        match self.kind {
            Some(worker_message::Kind::Batch(batch)) => {
                batch.messages.into_iter().filter_map(|part| part.kind).collect()
            }
            kind => kind.into_iter().collect(),
        }
    }
}

impl Batched for CoordinatorMessage {
    type Kind = coordinator_message::Kind;

    fn of(kind: Self::Kind) -> Self {
        Self { kind: Some(kind) }
    }

    fn batch(messages: Vec<Self>) -> Self {
        Self::of(coordinator_message::Kind::Batch(CoordinatorBatch { messages }))
    }

    fn kinds(self) -> VecDeque<Self::Kind> {
        match self.kind {
            Some(coordinator_message::Kind::Batch(batch)) => {
                batch.messages.into_iter().filter_map(|part| part.kind).collect()
            }
            kind => kind.into_iter().collect(),
        }
    }
}

/// Messages that are gathered.
#[derive(Debug)]
pub struct Gathering<M> {
    messages: Vec<M>,
    bytes: usize,
}

impl<M> Default for Gathering<M> {
    fn default() -> Self {
        Self { messages: Vec::new(), bytes: 0 }
    }
}

impl<M: Batched> Gathering<M> {
    /// Adds one that says this.
    pub fn push(&mut self, kind: M::Kind) {
        let message = M::of(kind);
        self.bytes += message.encoded_len();
        self.messages.push(message);
    }

    /// Whether there are enough for one message: [`BATCH_BYTES`] of them.
    pub fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES
    }

    /// All of them in one message, if there are any.
    pub fn finish(mut self) -> Option<M> {
        if self.messages.len() > 1 { Some(M::batch(self.messages)) } else { self.messages.pop() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_MESSAGE_BYTES;
    use crate::v1::{Ack, Checkpoints};

    fn ack(sequence: u64) -> coordinator_message::Kind {
        coordinator_message::Kind::Ack(Ack { sequence })
    }

    #[test]
    fn what_is_gathered_comes_apart_in_its_order() {
        let mut gathering = Gathering::<CoordinatorMessage>::default();
        assert_eq!(Gathering::<CoordinatorMessage>::default().finish(), None);
        (0..5).map(ack).for_each(|kind| gathering.push(kind));
        let one = gathering.finish().expect("there are some");
        let back = CoordinatorMessage::decode(&*one.encode_to_vec()).expect("our own").kinds();
        assert_eq!(back, (0..5).map(ack).collect::<Vec<_>>());
    }

    #[test]
    fn one_alone_is_no_batch() {
        let mut gathering = Gathering::<CoordinatorMessage>::default();
        gathering.push(ack(7));
        assert_eq!(gathering.finish(), Some(CoordinatorMessage::of(ack(7))));
        assert_eq!(CoordinatorMessage::of(ack(7)).kinds(), [ack(7)]);
    }

    #[test]
    fn the_largest_messages_fit_however_they_are_gathered() {
        let of = |bytes| {
            let batch = vec![0; bytes].into();
            coordinator_message::Kind::Checkpoints(Checkpoints { batch })
        };
        let mut gathering = Gathering::<CoordinatorMessage>::default();
        while !gathering.is_full() {
            gathering.push(of(if gathering.bytes < BATCH_BYTES - 1000 { 500 } else { crate::MAX_SINGLE_BYTES - 64 }));
        }
        assert!(gathering.finish().expect("there are some").encoded_len() <= MAX_MESSAGE_BYTES);
    }
}
