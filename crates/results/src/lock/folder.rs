//! A seat in a folder: a lock on `OUT/.lock`, which the kernel drops with the process, and a heartbeat in that file.
//!
//! On one host the kernel's lock is all it takes: whoever gets it has it, at once. Network file systems may keep it to each
//! host, or have none. So whoever gets it and finds the name of a holder on another host, watches for a few periods whether
//! that one lives; and a holder that finds another's name in the file has lost.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::clock::Clock;
use super::record::Record;
use super::seat::{Renewal, Seat};
use super::{LOCK, LockError, Timing};
use crate::store::StoreError;

/// Periods that a holder elsewhere is watched for.
const WATCHED: u32 = 3;

#[derive(Debug)]
pub(super) struct FolderSeat {
    file: File,
    path: PathBuf,
    record: Record,
    /// Whether the record is in the file: on a full disk the kernel's lock has to do.
    signed: bool,
}

/// Takes `folder`, which is made if it is not there.
pub(super) fn take(folder: &Path, clock: &dyn Clock, timing: Timing) -> Result<FolderSeat, LockError> {
    take_as(Record::new(timing), folder, clock, timing)
}

pub(super) fn take_as(
    record: Record,
    folder: &Path,
    clock: &dyn Clock,
    timing: Timing,
) -> Result<FolderSeat, LockError> {
    let path = folder.join(LOCK);
    let shown = path.display().to_string();
    let failed = |error| LockError::Store(StoreError::from_io(&shown, error));
    fs::create_dir_all(folder).map_err(failed)?;
    // Never truncated on opening: what is in it is the holder's.
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.open(&path).map_err(failed)?;
    let locked = match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => {
            let known = read(&path).ok().and_then(|bytes| Record::parse(&bytes));
            return Err(LockError::Held { holder: known.map_or("another process".to_owned(), |known| known.holder) });
        }
        // A network file system without locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported || is_no_locks(&error) => false,
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    };
    watch(&path, &record.host, locked, clock, timing)?;
    let mut seat = FolderSeat { file, path, record, signed: false };
    // A full disk does not stand in the way of the kernel's lock.
    match seat.write(&seat.record.next()) {
        Err(error) if !locked => return Err(failed(error)),
        done => seat.signed = done.is_ok(),
    }
    Ok(seat)
}

/// ENOLCK, which has no kind of its own.
fn is_no_locks(error: &io::Error) -> bool {
    error.raw_os_error() == Some(37)
}

/// Waits until whoever is named in the file has either shown a sign of life (then it is held) or none.
fn watch(path: &Path, here: &str, locked: bool, clock: &dyn Clock, timing: Timing) -> Result<(), LockError> {
    let Some(first) = read(path).ok().filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
    let named = Record::parse(&first);
    // The kernel has dropped the lock of a process of this host: it is dead.
    if named.as_ref().is_some_and(|named| named.released || (locked && named.host == here)) {
        return Ok(());
    }
    for _ in 0..2 * WATCHED {
        clock.sleep(timing.period / 2);
        let now = read(path).unwrap_or_default();
        if now.is_empty() {
            return Ok(());
        }
        if now != first {
            let holder = Record::parse(&now).or(named).map_or("another process".to_owned(), |named| named.holder);
            return Err(LockError::Held { holder });
        }
    }
    Ok(())
}

/// Through a name and not an open file: network file systems show what others wrote to those who open anew.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

impl FolderSeat {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        let bytes = record.to_bytes();
        self.file.write_all_at(&bytes, 0)?;
        self.file.set_len(bytes.len() as u64)?;
        self.file.sync_data()?;
        self.record = record.clone();
        Ok(())
    }
}

impl Seat for FolderSeat {
    fn renew(&mut self) -> Result<(), Renewal> {
        if !self.signed {
            return Ok(());
        }
        let failed = |path: &Path, error| Renewal::Failed(StoreError::from_io(&path.to_string_lossy(), error));
        match read(&self.path) {
            Ok(bytes) => match Record::parse(&bytes) {
                Some(found) if !found.is_same_life(&self.record) => return Err(Renewal::Taken(found.holder)),
                // Nobody's name: half of ours.
                _ => {}
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Renewal::Taken("whoever removed the lock's file".to_owned()));
            }
            Err(error) => return Err(failed(&self.path, error)),
        }
        let next = self.record.next();
        self.write(&next).map_err(|error| failed(&self.path, error))
    }

    fn release(&mut self) {
        let ours = read(&self.path).ok().and_then(|bytes| Record::parse(&bytes));
        if ours.is_none_or(|found| found.is_same_life(&self.record)) {
            // The kernel's lock goes with the file; its text is only for those who come while it is held.
            let _ = self.file.set_len(0);
        }
    }
}
