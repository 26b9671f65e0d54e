//! Names of parts: `part-00000017-0123456789abcdef.parquet` for one that was appended, `part-compact-00000-….parquet`
//! for one that a compaction made. The last word is the beginning of the SHA-256 of the file's bytes, so that a single
//! flipped bit gives a part away, and so that the name of a compacted part depends on its rows alone.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{digest, short_hex};
use crate::error::DatasetError;
use crate::store::Store;

/// The folder of all parts.
pub(crate) const FOLDER: &str = "trials";
/// What the names of all parts begin with.
pub(crate) const PREFIX: &str = "trials/part-";
const COMPACT: &str = "compact-";
const SUFFIX: &str = ".parquet";

/// A part's name in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartName(String);

impl PartName {
    /// The name of the `number`-th part that was appended, of these bytes.
    pub(crate) fn appended(number: u64, bytes: &[u8]) -> Self {
        Self(format!("{PREFIX}{number:08}-{}{SUFFIX}", digest(bytes)))
    }

    /// The name of the `index`-th part of a compacted dataset, of these bytes.
    pub(crate) fn compacted(index: usize, bytes: &[u8]) -> Self {
        Self(format!("{PREFIX}{COMPACT}{index:05}-{}{SUFFIX}", digest(bytes)))
    }

    /// `name`, if a part can have it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let stem = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        let (number, digest) = stem.rsplit_once('-')?;
        let digits = number.strip_prefix(COMPACT).unwrap_or(number);
        let sound = digits.len() >= 5
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && digest.len() == 16
            && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(name.to_string()))
    }

    /// Whether a compaction made it.
    pub(crate) fn is_compacted(&self) -> bool {
        self.stem().starts_with(COMPACT)
    }

    /// Its number among the appended parts.
    pub(crate) fn number(&self) -> Option<u64> {
        self.stem().split_once('-')?.0.parse().ok()
    }

    /// The hash that its bytes must have.
    pub(crate) fn digest(&self) -> &str {
        self.stem().rsplit_once('-').map_or("", |(_, digest)| digest)
    }

    /// Whether the bytes in the store have the hash in this name.
    pub(crate) fn check(&self, store: &Arc<dyn Store>) -> Result<(), DatasetError> {
        const BLOCK: u64 = 8 << 20;
        let size = store.size(self.as_str())?;
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < size {
            let end = size.min(at + BLOCK);
            hash.update(&store.read_range(self.as_str(), at..end)?);
            at = end;
        }
        let found = short_hex(hash);
        if found == self.digest() {
            return Ok(());
        }
        let why = format!("its {size} bytes have the hash {found}, not the one in its name");
        Err(DatasetError::damaged(self.as_str(), why))
    }

    /// The name in the store.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn stem(&self) -> &str {
        let inner = self.0.strip_prefix(PREFIX).unwrap_or(&self.0);
        inner.strip_suffix(SUFFIX).unwrap_or(inner)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_kind_number_and_hash() {
        let appended = PartName::appended(17, b"abc");
        assert_eq!(appended.as_str(), "trials/part-00000017-ba7816bf8f01cfea.parquet");
        assert_eq!((appended.number(), appended.is_compacted()), (Some(17), false));
        let compacted = PartName::compacted(3, b"abc");
        assert_eq!(compacted.as_str(), "trials/part-compact-00003-ba7816bf8f01cfea.parquet");
        assert_eq!((compacted.number(), compacted.is_compacted()), (None, true));
        for name in [appended, compacted] {
            assert_eq!(name.digest(), "ba7816bf8f01cfea");
            assert_eq!(PartName::parse(name.as_str()), Some(name));
        }
    }

    #[test]
    fn other_names_are_none_of_ours() {
        for bad in [
            "trials/part-.parquet",
            "trials/part-00000001.parquet",
            "trials/part-00000001-ba7816bf8f01cfea (copy).parquet",
            "trials/part-0000000x-ba7816bf8f01cfea.parquet",
            "trials/part-00000001-BA7816bf8f01cfea.parquet",
            "trials/part-compact--ba7816bf8f01cfea.parquet",
            "part-00000001-ba7816bf8f01cfea.parquet",
        ] {
            assert_eq!(PartName::parse(bad), None, "{bad}");
        }
    }
}
