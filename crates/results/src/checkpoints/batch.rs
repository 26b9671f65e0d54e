//! A batch of checkpoints as bytes, on the wire and on disk: a head, then each checkpoint with its length. They come off
//! a network, so that nothing is allocated that the bytes do not hold.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use taugrid_sweep::CellKey;

use super::TrialCheckpoint;

/// "tgck", and the version of the format.
const MAGIC: [u8; 5] = *b"tgck\x01";
const HEAD: usize = MAGIC.len() + 8;
/// Cell, trial, steps, and the length of the state.
const ENTRY: usize = 4 * 8;

/// Bytes that are no batch of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointBatchError {
    /// They begin as no batch of this release does.
    #[error("not a batch of checkpoints of this release")]
    Format,
    /// They end too early, or too late.
    #[error("a batch of checkpoints that is cut short, or has bytes after its end")]
    Length,
}

/// A batch as bytes.
pub fn encode_checkpoints(batch: &[TrialCheckpoint]) -> Bytes {
    let states: usize = batch.iter().map(|one| ENTRY + one.state.len()).sum();
    let mut bytes = BytesMut::with_capacity(HEAD + states);
    bytes.put_slice(&MAGIC);
    bytes.put_u64_le(batch.len() as u64);
    for one in batch {
        bytes.put_u64_le(one.cell.0);
        bytes.put_u64_le(one.trial);
        bytes.put_u64_le(one.steps);
        bytes.put_u64_le(one.state.len() as u64);
        bytes.put_slice(&one.state);
    }
    bytes.freeze()
}

/// The batch that [`encode_checkpoints`] made. The states are for a simulation to check.
///
/// # Errors
/// If `bytes` are none.
pub fn decode_checkpoints(bytes: &[u8]) -> Result<Vec<TrialCheckpoint>, CheckpointBatchError> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(CheckpointBatchError::Format)?;
    let count = rest.try_get_u64_le().map_err(|_| CheckpointBatchError::Length)?;
    let count = usize::try_from(count).ok().filter(|&count| count <= rest.len() / ENTRY);
    let count = count.ok_or(CheckpointBatchError::Length)?;
    let mut batch = Vec::with_capacity(count);
    for _ in 0..count {
        let mut word = || rest.try_get_u64_le().map_err(|_| CheckpointBatchError::Length);
        let (cell, trial, steps) = (CellKey(word()?), word()?, word()?);
        let length = usize::try_from(word()?).map_err(|_| CheckpointBatchError::Length)?;
        let (state, after) = rest.split_at_checked(length).ok_or(CheckpointBatchError::Length)?;
        batch.push(TrialCheckpoint { cell, trial, steps, state: Bytes::copy_from_slice(state) });
        rest = after;
    }
    if rest.is_empty() { Ok(batch) } else { Err(CheckpointBatchError::Length) }
}
