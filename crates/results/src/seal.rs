//! A Parquet file that carries a hash of itself, for the one file whose name cannot.
//!
//! The footer has a key `taugrid.sha256` whose value is the beginning of the SHA-256 of the whole file with zeros in that
//! very place. It is found without decoding anything.

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;

use crate::error::DatasetError;
use crate::part::{digest, properties};

const KEY: &str = "taugrid.sha256";
const ZEROS: &str = "0000000000000000";

/// The bytes of a table, with a pair of its own in the footer and with their own hash: the same for the same table. `file` is
/// what an error names.
pub(crate) fn table(file: &str, batch: &RecordBatch, (key, value): (&str, &str)) -> Result<Vec<u8>, DatasetError> {
    let refused = |error| DatasetError::encode(file, error);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties().build())).map_err(refused)?;
    writer.append_key_value_metadata(KeyValue::new(key.to_string(), value.to_string()));
    writer.append_key_value_metadata(placeholder());
    writer.write(batch).map_err(refused)?;
    let mut bytes = writer.into_inner().map_err(refused)?;
    fill(&mut bytes);
    Ok(bytes)
}

/// The pair to write into the footer.
fn placeholder() -> KeyValue {
    KeyValue::new(KEY.to_string(), ZEROS.to_string())
}

/// Writes the hash of the file into the place of the [`placeholder`].
fn fill(bytes: &mut [u8]) {
    if let Some(place) = place(bytes) {
        let hash = digest(bytes);
        bytes[place..place + ZEROS.len()].copy_from_slice(hash.as_bytes());
    }
}

/// Whether the file has the hash that it carries.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    let Some(place) = place(bytes) else { return false };
    let value = place..place + ZEROS.len();
    let mut zeroed = bytes.to_vec();
    zeroed[value.clone()].copy_from_slice(ZEROS.as_bytes());
    digest(&zeroed).as_bytes() == &bytes[value]
}

/// Where the value begins: after the last mention of the key and two bytes, the head of the value's field and its length.
fn place(bytes: &[u8]) -> Option<usize> {
    let key = bytes.windows(KEY.len()).rposition(|window| window == KEY.as_bytes())?;
    let place = key + KEY.len() + 2;
    let sound = bytes.get(place - 1) == Some(&(ZEROS.len() as u8)) && bytes.len() >= place + ZEROS.len();
    sound.then_some(place)
}
