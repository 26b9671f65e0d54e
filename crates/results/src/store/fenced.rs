//! A store that asks before every write whether it may, and after it whether it might have: a fence.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::{Store, StoreError, StoreErrorKind};

/// Another store, whose writes fail once `may_write` says no.
pub struct FencedStore<F> {
    inner: Arc<dyn Store>,
    may_write: F,
}

impl<F: Fn() -> Result<(), String> + Send + Sync> FencedStore<F> {
    /// `inner`, as long as `may_write` says nothing against it.
    pub fn new(inner: Arc<dyn Store>, may_write: F) -> Self {
        Self { inner, may_write }
    }

    fn guarded(&self, name: &str, write: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let check = || (self.may_write)().map_err(|why| StoreError::new(name, StoreErrorKind::Fenced(why)));
        check()?;
        write()?;
        // A write that took for ever may have come too late: its rows are not to be acknowledged.
        check()
    }
}

impl<F> fmt::Debug for FencedStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<F: Fn() -> Result<(), String> + Send + Sync> Store for FencedStore<F> {
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(prefix)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.inner.size(name)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.inner.read(name)
    }

    fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        self.inner.read_range(name, range)
    }

    fn read_end(&self, name: &str, most: u64) -> Result<(Vec<u8>, u64), StoreError> {
        self.inner.read_end(name, most)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.guarded(name, || self.inner.put(name, bytes))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.guarded(name, || self.inner.replace(name, bytes))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.guarded(name, || self.inner.delete(name))
    }

    fn delete_all(&self, names: &[String]) -> Result<(), StoreError> {
        self.guarded("", || self.inner.delete_all(names))
    }

    fn remove_leftovers(&self, folders: &[&str]) -> Result<(), StoreError> {
        self.guarded("", || self.inner.remove_leftovers(folders))
    }

    fn remove_folder(&self, folder: &str) -> Result<(), StoreError> {
        self.guarded(folder, || self.inner.remove_folder(folder))
    }

    fn concurrency(&self) -> usize {
        self.inner.concurrency()
    }
}
