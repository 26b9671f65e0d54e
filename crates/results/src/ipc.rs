//! Record batches on the wire: one Arrow IPC stream that holds exactly one batch.
//!
//! The bytes come from a network. Arrow's reader checks most of them, but slices a message's body by offsets that it
//! takes as they are, which panics; so those are checked here before the reader sees them.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::ipc::{MessageHeader, RecordBatch as BatchHeader, root_as_message};

use crate::schema::{difference, trials_schema};

/// Bytes that are not one batch, or a batch that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The stream is cut short, damaged, or of another make.
    #[error("not an Arrow stream of one batch: {0}")]
    Malformed(String),
    /// The columns are not those of [`trials_schema`].
    #[error("the columns are not those of trials: {0}")]
    Schema(String),
    /// Arrow's own word.
    #[error("the Arrow stream cannot be read or written")]
    Arrow(#[from] ArrowError),
}

fn malformed(why: impl Into<String>) -> IpcError {
    IpcError::Malformed(why.into())
}

/// `batch` as one Arrow IPC stream.
///
/// # Errors
/// If Arrow refuses it.
pub fn encode_ipc(batch: &RecordBatch) -> Result<Vec<u8>, IpcError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

/// The one batch in `bytes`, under [`trials_schema`]. Never panics, whatever the bytes are; the values are for
/// [`from_batch`](crate::from_batch) to check.
///
/// # Errors
/// If `bytes` are not an Arrow IPC stream with these columns and exactly one batch.
pub fn decode_ipc(bytes: &[u8]) -> Result<RecordBatch, IpcError> {
    check_messages(bytes)?;
    let mut reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    if let Some(difference) = difference(&reader.schema(), &trials_schema()) {
        return Err(IpcError::Schema(difference));
    }
    let batch = reader.next().ok_or_else(|| malformed("it holds no batch"))??;
    match reader.next() {
        None => Ok(batch),
        Some(_) => Err(malformed("it holds more than one batch")),
    }
}

/// Walks the messages of a stream and checks every length in them against the bytes that are there.
fn check_messages(bytes: &[u8]) -> Result<(), IpcError> {
    let mut rest = bytes;
    let word = |rest: &mut &[u8]| -> Option<u32> {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        *rest = tail;
        Some(u32::from_le_bytes(*head))
    };
    loop {
        let Some(mut length) = word(&mut rest) else { return Err(malformed("it has no end")) };
        if length == u32::MAX {
            length = word(&mut rest).ok_or_else(|| malformed("it is cut short"))?;
        }
        if length == 0 {
            return if rest.is_empty() { Ok(()) } else { Err(malformed("bytes after its end")) };
        }
        let (head, tail) = rest.split_at_checked(length as usize).ok_or_else(|| malformed("it is cut short"))?;
        let message = root_as_message(head).map_err(|error| malformed(format!("a bad message: {error}")))?;
        let body = usize::try_from(message.bodyLength()).ok().and_then(|length| tail.split_at_checked(length));
        let (body, tail) = body.ok_or_else(|| malformed("it is cut short"))?;
        rest = tail;
        match message.header_type() {
            MessageHeader::Schema => {}
            MessageHeader::RecordBatch => check_batch(message.header_as_record_batch(), 2, body.len())?,
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                check_batch(dictionary.and_then(|dictionary| dictionary.data()), 3, body.len())?;
            }
            other => return Err(malformed(format!("a message of kind {other:?}"))),
        }
    }
}

/// Checks a batch whose columns have `per_column` buffers each: which values are valid, then numbers, keys or offsets, then
/// (if three) text.
fn check_batch(batch: Option<BatchHeader<'_>>, per_column: usize, body: usize) -> Result<(), IpcError> {
    let batch = batch.ok_or_else(|| malformed("a batch without a header"))?;
    if batch.compression().is_some() {
        return Err(malformed("a compressed batch"));
    }
    let nodes: Vec<_> = batch.nodes().into_iter().flatten().collect();
    let buffers: Vec<_> = batch.buffers().into_iter().flatten().collect();
    if buffers.len() != nodes.len() * per_column {
        return Err(malformed(format!("{} buffers for {} columns", buffers.len(), nodes.len())));
    }
    for buffer in &buffers {
        let (offset, length) = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
        let end = match (offset, length) {
            (Ok(offset), Ok(length)) => offset.checked_add(length),
            _ => None,
        };
        if end.is_none_or(|end| end > body) {
            return Err(malformed("a buffer that reaches beyond its message"));
        }
    }
    // A value takes a bit at least.
    let most = (body as i64).saturating_mul(8);
    if !(0..=most).contains(&batch.length()) {
        return Err(malformed(format!("a batch of {} rows in {body} bytes", batch.length())));
    }
    for (node, buffers) in nodes.iter().zip(buffers.chunks(per_column)) {
        let (length, nulls) = (node.length(), node.null_count());
        let possible = (0..=most).contains(&length) && (0..=length).contains(&nulls);
        let marked = nulls == 0 || buffers[0].length().saturating_mul(8) >= length;
        if !possible || !marked || buffers[1].length() % 4 != 0 {
            return Err(malformed("a column whose lengths do not go together"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{all_same, cells, rows};
    use crate::{CellTable, from_batch, to_batch};

    fn sample() -> (Vec<u8>, CellTable) {
        let cells = cells(5);
        let table = CellTable::new(cells.iter().copied());
        let batch = to_batch(&rows(&cells, 0..20), &table).expect("known cells");
        (encode_ipc(&batch).expect("a batch"), table)
    }

    #[test]
    fn a_batch_comes_back_as_it_was() {
        let cells = cells(5);
        let (bytes, table) = sample();
        let back = from_batch(&decode_ipc(&bytes).expect("a stream"), &table).expect("rows");
        assert!(all_same(&back, &rows(&cells, 0..20)));
        let none = to_batch(&[], &table).expect("no rows");
        let back = decode_ipc(&encode_ipc(&none).expect("a batch")).expect("a stream");
        assert_eq!(back.num_rows(), 0);
    }

    #[test]
    fn every_cut_is_refused() {
        let (bytes, _) = sample();
        for length in 0..bytes.len() {
            assert!(decode_ipc(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        let twice = [bytes.clone(), bytes].concat();
        assert!(decode_ipc(&twice).is_err());
    }

    #[test]
    fn two_batches_are_refused() {
        let cells = cells(2);
        let table = CellTable::new(cells.iter().copied());
        let batch = to_batch(&rows(&cells, 0..3), &table).expect("known cells");
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a writer");
        writer.write(&batch).expect("one");
        writer.write(&batch).expect("two");
        assert!(decode_ipc(&writer.into_inner().expect("bytes")).is_err());
    }

    #[test]
    fn no_single_flipped_bit_panics_or_makes_rows_of_other_cells() {
        let (bytes, table) = sample();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                if let Ok(batch) = decode_ipc(&flipped)
                    && let Ok(rows) = from_batch(&batch, &table)
                {
                    assert!(rows.iter().all(|row| table.get(row.cell).is_some()));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(decode_ipc(&bytes).is_err());
        }

        #[test]
        fn damage_never_panics(hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
            let (mut bytes, table) = sample();
            for (index, byte) in hits {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(batch) = decode_ipc(&bytes) {
                let _ = from_batch(&batch, &table);
            }
        }
    }
}
