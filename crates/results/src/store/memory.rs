//! A map as a store, for tests.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Store, StoreError, StoreErrorKind, check_name, split};

/// Files in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// All files, to compare two stores.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        // No line below panics while it holds the map.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: &str, read: impl FnOnce(&Vec<u8>) -> T) -> Result<T, StoreError> {
        check_name(name)?;
        self.locked().get(name).map(read).ok_or_else(|| StoreError::new(name, StoreErrorKind::NotFound))
    }
}

impl Store for MemoryStore {
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = split(prefix).0;
        let files = self.locked();
        let inside = files.keys().filter(|name| name.starts_with(prefix) && split(name).0 == folder);
        Ok(inside.cloned().collect())
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.with(name, |bytes| bytes.len() as u64)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.with(name, Clone::clone)
    }

    fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let range = range.start as usize..range.end as usize;
        let bytes = self.with(name, |bytes| bytes.get(range).map(<[u8]>::to_vec))?;
        bytes.ok_or_else(|| StoreError::from_io(name, io::ErrorKind::UnexpectedEof.into()))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        let mut files = self.locked();
        if files.contains_key(name) {
            return Err(StoreError::new(name, StoreErrorKind::AlreadyExists));
        }
        files.insert(name.to_string(), bytes.to_vec());
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        self.locked().insert(name.to_string(), bytes.to_vec());
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        match self.locked().remove(name) {
            Some(_) => Ok(()),
            None => Err(StoreError::new(name, StoreErrorKind::NotFound)),
        }
    }

    fn remove_leftovers(&self, _folders: &[&str]) -> Result<(), StoreError> {
        Ok(())
    }
}
