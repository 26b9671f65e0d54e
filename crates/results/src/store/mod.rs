//! Where a dataset's files are: names and bytes, written whole, durably and at once.
//!
//! | module | what it is |
//! | --- | --- |
//! | `local` | a folder |
//! | `object` | a prefix in a bucket of an object store |
//! | `fenced` | another store, as long as this process may write |
//! | `memory` | a map, for tests |
//! | `faulty` | another store that fails on demand, for tests of what a full disk or a kill leaves behind |
//!
//! Nothing above the trait renames, appends or locks, for object stores can none of it. All of them pass the one suite in
//! `conformance`.

mod faulty;
mod fenced;
mod local;
mod memory;
mod object;

#[cfg(test)]
mod conformance;

pub use faulty::{Fault, FaultyStore};
pub use fenced::FencedStore;
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use object::ObjectStorage;
#[cfg(test)]
pub(crate) use object::testing;

use std::fmt;
use std::io;
use std::ops::Range;

/// Files by name. Names are relative, with `/` between folders: `trials/part-….parquet`.
///
/// A file is there with all of its bytes or not at all, and when [`put`](Store::put) or [`replace`](Store::replace) has
/// returned it stays there through a power failure.
pub trait Store: fmt::Debug + Send + Sync {
    /// The names that begin with `prefix`, sorted, in the folder that `prefix` names (not in folders below it).
    ///
    /// # Errors
    /// If the folder cannot be read. A folder that is not there holds nothing.
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] if it is not there.
    fn size(&self, name: &str) -> Result<u64, StoreError>;

    /// All of a file.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] if it is not there.
    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError>;

    /// These bytes of a file, all of them.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] if it is not there, [`StoreErrorKind::Io`] if it ends before `range` does.
    fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError>;

    /// The last bytes of a file, `most` or all that it has, and how many it has: in one request.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] if it is not there.
    fn read_end(&self, name: &str, most: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let size = self.size(name)?;
        Ok((self.read_range(name, size.saturating_sub(most)..size)?, size))
    }

    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyExists`] if it is there, and then it is as it was (over a network, only if its bytes are
    /// others: an equal one may come from a try whose answer was lost). After [`StoreErrorKind::Full`] nothing
    /// changed. After [`StoreErrorKind::Io`] the file may be there, whole: look before writing the same rows elsewhere.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes a file or puts it in the place of the old one.
    ///
    /// # Errors
    /// As [`put`](Store::put); the old file is as it was, or (after [`StoreErrorKind::Io`]) the new one is there, whole.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`] if it is not there.
    fn delete(&self, name: &str) -> Result<(), StoreError>;

    /// Removes files. Those that are not there are passed over.
    ///
    /// # Errors
    /// If one cannot be removed; then some of them are.
    fn delete_all(&self, names: &[String]) -> Result<(), StoreError> {
        names.iter().try_for_each(|name| match self.delete(name) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        })
    }

    /// Removes a folder that holds nothing, if there is one. Where folders are only parts of names, there is nothing to do.
    ///
    /// # Errors
    /// If it is there, empty, and cannot be removed.
    fn remove_folder(&self, folder: &str) -> Result<(), StoreError> {
        let _ = folder;
        Ok(())
    }

    /// Removes what a writer that was killed left half written, here and in `folders`. For the one writer alone.
    ///
    /// # Errors
    /// If something is there and cannot be removed.
    fn remove_leftovers(&self, folders: &[&str]) -> Result<(), StoreError>;

    /// How many files are best read at once.
    fn concurrency(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
}

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {kind}")]
pub struct StoreError {
    /// The file.
    pub name: String,
    /// What is the matter.
    #[source]
    pub kind: StoreErrorKind,
}

/// What is the matter with a file, by meaning.
#[derive(Debug, thiserror::Error)]
pub enum StoreErrorKind {
    /// It is not there.
    #[error("not found")]
    NotFound,
    /// It is there already.
    #[error("it exists already")]
    AlreadyExists,
    /// No room: the disk, the quota or the largest file size.
    #[error("no space left: the disk or the quota is full")]
    Full,
    /// No right to do this, or everything is read-only.
    #[error("permission denied, or a read-only file system")]
    Permission,
    /// The store cannot be used as things are: no bucket, no right, no conditional writes.
    #[error("{0}")]
    Unusable(String),
    /// This process may not write any more: another one has taken over. Nothing was changed, or the like.
    #[error("{0}")]
    Fenced(String),
    /// No name that this store has.
    #[error("not a name within the dataset")]
    Name,
    /// Anything else.
    #[error("{0}")]
    Io(io::Error),
}

impl StoreError {
    pub(crate) fn new(name: &str, kind: StoreErrorKind) -> Self {
        Self { name: name.to_string(), kind }
    }

    /// `error` by its meaning.
    pub fn from_io(name: &str, error: io::Error) -> Self {
        use io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::NotFound => StoreErrorKind::NotFound,
            ErrorKind::AlreadyExists => StoreErrorKind::AlreadyExists,
            // ENOSPC, EDQUOT and EFBIG.
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreErrorKind::Full,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Permission,
            _ => StoreErrorKind::Io(error),
        };
        Self::new(name, kind)
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, StoreErrorKind::NotFound)
    }

    /// Whether there is such a file already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self.kind, StoreErrorKind::AlreadyExists)
    }

    /// Whether there is no room left.
    pub fn is_full(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Full)
    }
}

impl From<StoreError> for io::Error {
    /// For readers that speak [`io::Error`].
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::NotFound => Self::new(io::ErrorKind::NotFound, error),
            _ => Self::other(error),
        }
    }
}

/// Splits a name or prefix into its folder (empty at the top) and the rest.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

/// Refuses names that could lead out of the store, and those that [`LocalStore`] gives to half-written files.
fn check_name(name: &str) -> Result<(), StoreError> {
    let sound = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if name.split('/').all(sound) && !name.ends_with(TEMPORARY) {
        Ok(())
    } else {
        Err(StoreError::new(name, StoreErrorKind::Name))
    }
}

/// How the names of half-written files end.
const TEMPORARY: &str = ".tmp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_known_by_meaning() {
        // Linux: ENOENT, EEXIST, ENOSPC, EDQUOT, EFBIG, EACCES, EPERM, EROFS, EIO.
        let kind = |code| StoreError::from_io("x", io::Error::from_raw_os_error(code)).kind;
        assert!(matches!(kind(2), StoreErrorKind::NotFound));
        assert!(matches!(kind(17), StoreErrorKind::AlreadyExists));
        for full in [28, 122, 27] {
            assert!(matches!(kind(full), StoreErrorKind::Full), "{full}");
        }
        for denied in [13, 1, 30] {
            assert!(matches!(kind(denied), StoreErrorKind::Permission), "{denied}");
        }
        assert!(matches!(kind(5), StoreErrorKind::Io(_)));
    }

    #[test]
    fn names_stay_within_the_store() {
        for good in ["manifest.json", "trials/part-1.parquet"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "trials/../../x", "trials//x", "a\\b", "trials/x.tmp", "."] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
