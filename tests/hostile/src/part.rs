//! A Parquet file in `trials/`. Whoever writes one can compute hashes, and a fuzzer cannot: the part has the name that its
//! bytes ask for, and the ranges in its footer are given the hash that they have.

use std::sync::{Arc, LazyLock};

use taugrid_results::store::{MemoryStore, Store};
use taugrid_results::{CellKey, Dataset};
use taugrid_sweep::Artifact;

use crate::seeds::{dataset, precise};

/// The files of a dataset without a part.
static EMPTY: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let (_, store) = dataset(&precise());
    store.files().into_iter().collect()
});

/// See the module: taken is a part in which verification finds no fault.
///
/// # Panics
/// If something is wrong with what reads it.
pub fn part(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    let memory = MemoryStore::new();
    let name = format!("trials/part-00000000-{}.parquet", digest(&bytes));
    let files = EMPTY.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).chain([(&*name, &bytes[..])]);
    for (name, bytes) in files {
        assert!(memory.put(name, bytes).is_ok(), "{name}");
    }
    let store: Arc<dyn Store> = Arc::new(memory);
    let Ok(report) = Dataset::verify_in(Arc::clone(&store)) else { panic!("damage is no error") };
    let mut read = false;
    if let Ok(dataset) = Dataset::open_in(store) {
        let keys: Vec<CellKey> = dataset.coverage().keys().copied().collect();
        read = keys.into_iter().all(|key| dataset.rows(key).is_ok());
        let _ = dataset.tallies();
        let mut rows = 0;
        let walked = dataset.for_each_cell(|_, theirs| rows += theirs.len() as u64);
        assert!(walked.is_err() || rows >= report.rows || !report.is_sound());
    }
    assert!(read || !report.is_sound(), "verified, and cannot be read: {report:?}");
    report.is_sound()
}

/// The first 16 hex digits of the SHA-256.
fn digest(bytes: &[u8]) -> String {
    let mut digest = Artifact::sha256(bytes);
    digest.truncate(16);
    digest
}

/// Writes the hash of the ranges beside them, if both are there.
fn seal(bytes: &mut [u8]) {
    const RANGES: &[u8] = b"taugrid.ranges";
    const DIGEST: &[u8] = b"taugrid.ranges.sha256";
    let after = |what: &[u8], not: &[u8]| {
        let found = |at: &usize| bytes[*at..].starts_with(what) && (not.is_empty() || !bytes[*at..].starts_with(not));
        (0..bytes.len()).rev().find(found).map(|at| at + what.len())
    };
    let Some((place, ranges)) = after(DIGEST, &[]).zip(after(RANGES, DIGEST)) else { return };
    // Thrift, compact: a byte for the field, the length in groups of seven bits, and the text.
    let (mut at, mut length) = (ranges + 1, 0);
    for shift in [0, 7, 14] {
        let Some(byte) = bytes.get(at) else { return };
        length |= usize::from(byte & 0x7f) << shift;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let Some(hash) = bytes.get(at..at + length).map(digest) else { return };
    if let Some(value) = bytes.get_mut(place + 2..place + 2 + hash.len()) {
        value.copy_from_slice(hash.as_bytes());
    }
}
