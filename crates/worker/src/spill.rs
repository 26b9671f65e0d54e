//! What memory is not to hold, and what is left when a worker ends, in files.
//!
//! ```text
//! BASE/<sweep>/<host>-<process>/lock                      held while the process lives
//!                               000000000007.results      a message of rows, with its grants
//!                               000000000001.held         a lease of which trials were begun
//!                               000000000001.checkpoints  and where they were
//! ```
//!
//! A folder whose lock is free is a dead worker's. What it holds is for the next worker of the same sweep.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use taugrid_process::host;
use tracing::warn;

const LOCK: &str = "lock";

/// Where a worker's files go.
pub(crate) struct Spill {
    base: PathBuf,
    /// Whether what is left is kept for the next worker.
    keeps: bool,
    /// The host, and the worker's identity: the name of its folder.
    name: String,
    own: Option<Folder>,
    inherited: Vec<Folder>,
}

/// A folder that this process holds.
struct Folder {
    path: PathBuf,
    /// Lets go of the folder when it is dropped, however the process ends.
    _lock: File,
}

/// What a dead worker left.
#[derive(Default)]
pub(crate) struct Inheritance {
    /// Files of messages of rows.
    pub(crate) results: Vec<PathBuf>,
    /// Files of leases, each with that of its checkpoints.
    pub(crate) held: Vec<(PathBuf, PathBuf)>,
}

impl Spill {
    /// Files go below `base`; `process` is the worker's identity. Nothing is made before the first is written.
    pub(crate) fn new(base: PathBuf, keeps: bool, process: u64) -> Self {
        Self { base, keeps, name: format!("{}{process:016x}", prefix()), own: None, inherited: Vec::new() }
    }

    /// Whether what is left at the end is kept for the next worker.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Writes a file of this worker's, all of it or nothing; with `durable`, it is on the disk after that.
    pub(crate) fn write(&mut self, sweep: &str, name: &str, bytes: &[u8], durable: bool) -> io::Result<PathBuf> {
        let folder = match &self.own {
            Some(folder) => folder,
            None => self.own.insert(Folder::make(&self.base.join(sweep), &self.name)?),
        };
        let path = folder.path.join(name);
        let temporary = folder.path.join(format!("{name}.tmp"));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            if durable { file.sync_all() } else { Ok(()) }
        });
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        if durable {
            File::open(&folder.path)?.sync_all()?;
        }
        Ok(path)
    }

    /// Takes what dead workers of `sweep` have left. Where nothing is to be kept it goes instead, whichever sweep it is
    /// of: those were workers of this host that could not tidy up.
    pub(crate) fn inherit(&mut self, sweep: &str) -> Inheritance {
        let mut inheritance = Inheritance::default();
        if !self.keeps {
            self.tidy_up();
            return inheritance;
        }
        for folder in entries(&self.base.join(sweep)).iter().filter_map(|path| Folder::claim(path)) {
            for path in entries(&folder.path) {
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("results") => inheritance.results.push(path),
                    Some("held") => inheritance.held.push((path.clone(), path.with_extension("checkpoints"))),
                    Some("tmp") => remove(&path),
                    _ => {}
                }
            }
            self.inherited.push(folder);
        }
        inheritance
    }

    /// Not every file system tells of another host's locks: what is to be destroyed is of this host.
    fn tidy_up(&self) {
        let folders = entries(&self.base).into_iter().flat_map(|sweep| entries(&sweep));
        let is_ours = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&prefix()))
        };
        for folder in folders.filter(is_ours).filter_map(|path| Folder::claim(&path)) {
            let _ = fs::remove_dir_all(&folder.path);
        }
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        for folder in self.own.iter().chain(&self.inherited) {
            let left = entries(&folder.path);
            if !self.keeps || left.iter().all(|path| path.file_name().is_some_and(|name| name == LOCK)) {
                let _ = fs::remove_dir_all(&folder.path);
                // That of the sweep goes with the last.
                let _ = folder.path.parent().map(fs::remove_dir);
            }
        }
    }
}

impl Folder {
    /// Makes a folder in `parent`. It has its name only once it is locked, so that nobody takes it for a dead worker's.
    fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let (path, unlocked) = (parent.join(name), parent.join(format!(".{name}")));
        // Rows are nobody else's to read.
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&unlocked)?;
        let made = File::create(unlocked.join(LOCK)).and_then(|lock| {
            lock.try_lock().map_err(io::Error::from)?;
            fs::rename(&unlocked, &path)?;
            Ok(lock)
        });
        if made.is_err() {
            let _ = fs::remove_dir_all(&unlocked);
        }
        Ok(Self { path, _lock: made? })
    }

    /// The folder, if whoever made it is dead.
    fn claim(path: &Path) -> Option<Self> {
        if path.file_name()?.to_str()?.starts_with('.') {
            return None;
        }
        let lock = File::options().write(true).open(path.join(LOCK)).ok()?;
        match lock.try_lock() {
            Ok(()) => Some(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => {
                warn!("{} cannot be locked, and is left alone: {error}", path.display());
                None
            }
        }
    }
}

/// How the folders of this host's workers begin.
fn prefix() -> String {
    let host = host::name().unwrap_or_default();
    host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).chain(['-']).collect()
}

/// Removes a file. One that stays does no harm.
pub(crate) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!("{} cannot be removed: {error}", path.display());
    }
}

/// What is in a folder, in the order of the names; nothing if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests;
