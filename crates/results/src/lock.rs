//! One writer per folder: a lock on `OUT/.lock` that the kernel drops with the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::store::StoreError;

const LOCK: &str = ".lock";

/// The right to write into a dataset's folder, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

/// Why a folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else writes into it.
    #[error("the folder is in use by {holder}")]
    Held {
        /// Who, as far as is known.
        holder: String,
    },
    /// The lock's file cannot be made or locked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DirectoryLock {
    /// Locks `folder`, which is made if it is not there.
    pub(crate) fn acquire(folder: &Path) -> Result<Self, LockError> {
        let failed = |error| LockError::Store(StoreError::from_io(&folder.join(LOCK).to_string_lossy(), error));
        fs::create_dir_all(folder).map_err(failed)?;
        // Never truncated on opening: what is in it is the holder's.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(folder.join(LOCK)).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { holder: holder(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut lock = Self { file };
        // Who holds it is a courtesy; a full disk does not stand in its way.
        let _ = lock.sign();
        Ok(lock)
    }

    fn sign(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(format!("process {} on {}\n", std::process::id(), host()).as_bytes())
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // The lock goes with the file; its text is only for those who come while it is held.
        let _ = self.file.set_len(0);
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(200).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_string(),
        _ => "another process".to_string(),
    }
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).unwrap_or("an unknown host".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_who_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("results/new");
        let lock = DirectoryLock::acquire(&inside).expect("free");
        let error = DirectoryLock::acquire(&inside).expect_err("held");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the folder is in use by process {} on ", std::process::id())), "{text}");
        drop(lock);
        DirectoryLock::acquire(&inside).expect("free again");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_no_panic() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("file"), b"").expect("written");
        let error = DirectoryLock::acquire(&folder.path().join("file/results")).expect_err("a file is in the way");
        assert!(matches!(error, LockError::Store(_)), "{error}");
    }
}
