//! What is to be said on a stream, in its order. Rows stand in it by number: they stay in the outbox.

use std::collections::VecDeque;

use bytes::Bytes;
use taugrid_results::{TrialCheckpoint, encode_checkpoints};
use taugrid_wire::v1::{Checkpoints, worker_message::Kind};
use taugrid_wire::{CHECKPOINT_BATCH_BYTES, MAX_SINGLE_BYTES};
use tracing::warn;

use crate::outbox::Sealed;

/// What a checkpoint takes in a message beside its state, at the most; and a message beside its checkpoints.
const CHECKPOINT_OVERHEAD: usize = 1 << 10;
/// So many bytes of checkpoints may wait. What is shown beyond that is not said; it is shown again later.
const MOST_WAITING: usize = 4 * CHECKPOINT_BATCH_BYTES;

/// Something to be said.
pub(crate) enum Item {
    /// A message of rows, said for the first time.
    Rows(Sealed),
    /// A message of rows, said again: with all of its grants.
    RowsAgain(u64),
    /// Anything else.
    Word(Kind),
}

/// What is to be said, in order.
#[derive(Default)]
pub(crate) struct Line {
    items: VecDeque<Item>,
    checkpoint_bytes: usize,
    warned: bool,
}

impl Line {
    /// Whether nothing is to be said.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds things at the end.
    pub(crate) fn extend(&mut self, items: impl IntoIterator<Item = Item>) {
        self.items.extend(items);
    }

    /// Adds a word at the end.
    pub(crate) fn say(&mut self, word: Kind) {
        self.items.push_back(Item::Word(word));
    }

    /// Shows checkpoints, in batches. A state that no message can hold is left out.
    pub(crate) fn show(&mut self, checkpoints: impl IntoIterator<Item = TrialCheckpoint>) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for checkpoint in checkpoints {
            let size = checkpoint.state.len() + CHECKPOINT_OVERHEAD;
            if size + CHECKPOINT_OVERHEAD > MAX_SINGLE_BYTES {
                if !self.warned {
                    warn!(
                        "a trial's state of {} bytes is too large for a message: such trials begin anew elsewhere",
                        checkpoint.state.len()
                    );
                    self.warned = true;
                }
                continue;
            }
            if bytes + size > CHECKPOINT_BATCH_BYTES && !batch.is_empty() {
                self.show_batch(&std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += size;
            batch.push(checkpoint);
        }
        if !batch.is_empty() {
            self.show_batch(&batch);
        }
    }

    fn show_batch(&mut self, batch: &[TrialCheckpoint]) {
        let batch: Bytes = encode_checkpoints(batch);
        self.checkpoint_bytes += batch.len();
        self.say(Kind::Checkpoints(Checkpoints { batch }));
    }

    /// Whether so many checkpoints wait that others had better be shown another time.
    pub(crate) fn is_congested(&self) -> bool {
        self.checkpoint_bytes >= MOST_WAITING
    }

    /// Takes the first.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front();
        if let Some(Item::Word(Kind::Checkpoints(checkpoints))) = &item {
            self.checkpoint_bytes -= checkpoints.batch.len();
        }
        item
    }

    /// Forgets all of it: the stream broke.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.checkpoint_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taugrid_results::{CellKey, decode_checkpoints};

    fn states(sizes: &[usize]) -> Vec<TrialCheckpoint> {
        let of = |(trial, size): (u64, &usize)| TrialCheckpoint {
            cell: CellKey(1),
            trial,
            steps: 5,
            state: vec![7; *size].into(),
        };
        (0..).zip(sizes).map(of).collect()
    }

    /// The trials of each message.
    fn shown(line: &mut Line) -> Vec<Vec<u64>> {
        let batch = |item| {
            let Item::Word(Kind::Checkpoints(checkpoints)) = item else { panic!("checkpoints") };
            assert!(checkpoints.batch.len() <= MAX_SINGLE_BYTES);
            decode_checkpoints(&checkpoints.batch).expect("our own").iter().map(|one| one.trial).collect()
        };
        std::iter::from_fn(|| line.pop()).map(batch).collect()
    }

    #[test]
    fn states_are_shown_in_batches_and_none_that_no_message_can_hold() {
        let mut line = Line::default();
        line.show(states(&[]));
        assert!(line.is_empty());
        let half = CHECKPOINT_BATCH_BYTES / 2 - CHECKPOINT_OVERHEAD;
        line.show(states(&[half, half, half, CHECKPOINT_BATCH_BYTES + 1, MAX_SINGLE_BYTES, 1, 1]));
        assert_eq!(shown(&mut line), [vec![0, 1], vec![2], vec![3], vec![5, 6]]);
    }

    #[test]
    fn a_line_says_when_enough_states_wait() {
        let mut line = Line::default();
        line.show(states(&[CHECKPOINT_BATCH_BYTES; 3]));
        assert!(!line.is_congested());
        line.show(states(&[CHECKPOINT_BATCH_BYTES; 2]));
        assert!(line.is_congested());
        line.pop();
        line.pop();
        assert!(!line.is_congested());
        line.show(states(&[CHECKPOINT_BATCH_BYTES; 4]));
        line.clear();
        assert!(line.is_empty() && !line.is_congested());
    }
}
