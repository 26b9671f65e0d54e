//! Parts: the files of `trials/`, each written once and never changed.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `name` | a part's name, which carries a hash of its bytes |
//! | `write` | sorted rows → the bytes of a part |
//! | `read` | a stored part: its footer, its rows |
//! | `ends` | how its trials ended, without the rest of its rows |
//!
//! A part's footer says what it covers, so that opening a dataset reads footers alone:
//!
//! | key | value |
//! | --- | --- |
//! | `taugrid.format` | the dataset's format version |
//! | `taugrid.sweep` | the sweep's id, so that a part of another dataset is known for one |
//! | `taugrid.ranges` | `{"cell": [[first trial, end], …], …}`, in key order |
//! | `taugrid.ranges.sha256` | the first 16 hex digits of that text's SHA-256 |

mod ends;
mod name;
mod read;
mod write;

pub(crate) use name::{FOLDER, PREFIX, PartName};
pub(crate) use read::Part;
pub(crate) use write::{PartWriter, ROW_GROUP, properties};

use sha2::{Digest, Sha256};

const KEY_FORMAT: &str = "taugrid.format";
const KEY_SWEEP: &str = "taugrid.sweep";
const KEY_RANGES: &str = "taugrid.ranges";
const KEY_RANGES_DIGEST: &str = "taugrid.ranges.sha256";

/// The first 16 hex digits of a SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> String {
    short_hex(Sha256::new_with_prefix(bytes))
}

fn short_hex(hash: Sha256) -> String {
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
