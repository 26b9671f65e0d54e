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
