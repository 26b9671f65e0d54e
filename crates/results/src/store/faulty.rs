//! A store that fails on demand, in front of another one: for tests of full disks, failing disks and kills.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Store, StoreError, StoreErrorKind};

/// What goes wrong. Writes (put, replace, delete) are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The disk is full for this write; the next one goes well.
    Full(u64),
    /// This write is done but reports a failure, as when the answer of a network is lost; the next one goes well.
    Unheard(u64),
    /// From this write on nothing works any more, as if the process had been killed before it.
    Killed(u64),
}

/// Another store with a [`Fault`].
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    fault: Fault,
    writes: AtomicU64,
}

enum Verdict {
    Go,
    Fail(StoreErrorKind),
    GoAndFail,
}

impl FaultyStore {
    /// `inner`, but with `fault`.
    pub fn new(inner: Arc<dyn Store>, fault: Fault) -> Self {
        Self { inner, fault, writes: AtomicU64::new(0) }
    }

    /// How many writes were asked for so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    fn while_alive<T>(&self, name: &str, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.fault {
            Fault::Killed(from) if self.writes() > from => Err(StoreError::new(name, failure())),
            _ => read(),
        }
    }

    fn counted(&self, name: &str, write: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let verdict = match self.fault {
            Fault::Full(at) if number == at => Verdict::Fail(StoreErrorKind::Full),
            Fault::Unheard(at) if number == at => Verdict::GoAndFail,
            Fault::Killed(from) if number >= from => Verdict::Fail(failure()),
            _ => Verdict::Go,
        };
        match verdict {
            Verdict::Go => write(),
            Verdict::Fail(kind) => Err(StoreError::new(name, kind)),
            Verdict::GoAndFail => write().and(Err(StoreError::new(name, failure()))),
        }
    }
}

fn failure() -> StoreErrorKind {
    StoreErrorKind::Io(io::Error::other("a failure that the test asked for"))
}

impl Store for FaultyStore {
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.while_alive(prefix, || self.inner.list(prefix))
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        self.while_alive(name, || self.inner.size(name))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.while_alive(name, || self.inner.read(name))
    }

    fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        self.while_alive(name, || self.inner.read_range(name, range))
    }

    fn read_end(&self, name: &str, most: u64) -> Result<(Vec<u8>, u64), StoreError> {
        self.while_alive(name, || self.inner.read_end(name, most))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.counted(name, || self.inner.put(name, bytes))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.counted(name, || self.inner.replace(name, bytes))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.counted(name, || self.inner.delete(name))
    }

    fn remove_leftovers(&self, folders: &[&str]) -> Result<(), StoreError> {
        self.inner.remove_leftovers(folders)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::*;

    #[test]
    fn each_fault_does_what_it_says() {
        let inner = Arc::new(MemoryStore::new());
        let full = FaultyStore::new(inner.clone(), Fault::Full(1));
        full.put("a", b"").expect("the first");
        assert!(full.put("b", b"").expect_err("the second").is_full());
        full.put("b", b"").expect("the third");
        let unheard = FaultyStore::new(inner.clone(), Fault::Unheard(0));
        unheard.put("c", b"").expect_err("unheard");
        assert_eq!(unheard.list("").expect("listed"), ["a", "b", "c"]);
        let killed = FaultyStore::new(inner.clone(), Fault::Killed(1));
        killed.delete("a").expect("the first");
        killed.delete("b").expect_err("killed");
        Store::read(&killed, "b").expect_err("dead");
        assert_eq!(inner.list("").expect("listed"), ["b", "c"]);
    }
}
