//! Rows on their way: gathered into batches, kept until acknowledged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use taugrid_results::{Cell, CellKey, CellTable, IpcError, Row, RowError, encode_ipc, to_batch};
use taugrid_wire::v1::Results;

/// So many rows make a message at once; far below the largest message.
pub(crate) const ROWS_OF_A_MESSAGE: usize = 1 << 14;

/// Why rows could not be made into a message.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A row has no place in the schema.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The batch could not be encoded.
    #[error(transparent)]
    Ipc(#[from] IpcError),
}

/// Finished rows that are not known to be durable.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Vec<Row>,
    sent: BTreeMap<u64, Results>,
    last_sequence: u64,
}

impl Outbox {
    /// Adds finished rows.
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.waiting.extend(rows);
    }

    /// Whether enough rows wait for a message of full size.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= ROWS_OF_A_MESSAGE
    }

    /// Whether any row waits.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether every row is known to be durable.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    /// The next message of rows that wait, if any do; `cells` knows their cells. It is kept until [`Self::acknowledge`].
    pub(crate) fn next(&mut self, cells: &HashMap<CellKey, Cell>) -> Result<Option<Results>, EncodeError> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let rest = self.waiting.split_off(self.waiting.len().min(ROWS_OF_A_MESSAGE));
        let rows = std::mem::replace(&mut self.waiting, rest);
        let theirs: BTreeSet<CellKey> = rows.iter().map(|row| row.cell).collect();
        let table = CellTable::new(theirs.iter().filter_map(|key| cells.get(key).copied()));
        let arrow_ipc = encode_ipc(&to_batch(&rows, &table)?)?.into();
        self.last_sequence += 1;
        let results = Results { sequence: self.last_sequence, arrow_ipc };
        self.sent.insert(self.last_sequence, results.clone());
        Ok(Some(results))
    }

    /// Every message that was sent and not acknowledged, in order.
    pub(crate) fn unacknowledged(&self) -> Vec<Results> {
        self.sent.values().cloned().collect()
    }

    /// The rows of message `sequence` are durable.
    pub(crate) fn acknowledge(&mut self, sequence: u64) {
        self.sent.remove(&sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taugrid_results::{Outcome, TrialRecord, decode_ipc, from_batch};
    use taugrid_sweep::{Covariance, DynamicsSpec};

    fn cell(key: u64) -> Cell {
        let dynamics = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
        Cell { key: CellKey(key), dynamics, alpha: 1.0, beta: 1.0, eta: 0.1, batch_size: 1 }
    }

    fn row(key: u64, trial: u64) -> Row {
        let record = TrialRecord { trial, outcome: Outcome::Exited, steps: 3, exit_loss: 0.5, exit_radius: 1.0 };
        Row { cell: CellKey(key), record }
    }

    #[test]
    fn rows_are_kept_until_they_are_acknowledged_and_sent_again_until_then() {
        let cells: HashMap<_, _> = [1, 2].map(|key| (CellKey(key), cell(key))).into();
        let mut outbox = Outbox::default();
        assert!(outbox.next(&cells).expect("nothing to encode").is_none());
        outbox.add(vec![row(1, 0), row(2, 0)]);
        let first = outbox.next(&cells).expect("encodable").expect("rows wait");
        outbox.add(vec![row(1, 1)]);
        let second = outbox.next(&cells).expect("encodable").expect("rows wait");
        assert_eq!(outbox.unacknowledged(), vec![first.clone(), second.clone()]);
        outbox.acknowledge(first.sequence);
        assert_eq!(outbox.unacknowledged(), vec![second.clone()]);
        assert!(!outbox.is_empty());
        outbox.acknowledge(second.sequence);
        assert!(outbox.is_empty());

        let table = CellTable::new(cells.values().copied());
        let batch = decode_ipc(&first.arrow_ipc).expect("a batch");
        let rows = from_batch(&batch, &table).expect("rows");
        assert!(rows.iter().zip([row(1, 0), row(2, 0)]).all(|(came, went)| came.same(&went)) && rows.len() == 2);
    }

    #[test]
    fn a_message_has_a_bounded_size() {
        let cells: HashMap<_, _> = [(CellKey(1), cell(1))].into();
        let mut outbox = Outbox::default();
        outbox.add((0..=ROWS_OF_A_MESSAGE as u64).map(|trial| row(1, trial)).collect());
        assert!(outbox.is_full());
        let sizes: Vec<_> = std::iter::from_fn(|| outbox.next(&cells).expect("encodable"))
            .map(|results| decode_ipc(&results.arrow_ipc).expect("a batch").num_rows())
            .collect();
        assert_eq!(sizes, [ROWS_OF_A_MESSAGE, 1]);
        assert!(outbox.unacknowledged().iter().all(|r| r.arrow_ipc.len() < taugrid_wire::MAX_MESSAGE_BYTES / 4));
    }
}
