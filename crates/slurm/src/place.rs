//! Where things are under the folder of the results.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::record::Record;

/// What the mark of the end says of a sweep that was cancelled.
const CANCELLED: &str = "cancelled\n";
/// And of one that is done, or cannot go on.
const OVER: &str = "over\n";
const RECORD: &str = "provenance/slurm.json";
const END: &str = "provenance/slurm-end";

/// The folder of a sweep's results.
#[derive(Debug, Clone)]
pub struct Place {
    out: PathBuf,
}

/// Why nobody needs to come any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The sweep is finished, or its coordinator said that the same command would fail again.
    Over,
    /// It was cancelled.
    Cancelled,
}

impl Place {
    /// The one at `out`, which need not be there. Made absolute, links resolved as far as it is there: the jobs' names
    /// follow from it.
    ///
    /// # Errors
    /// If there is no current folder.
    pub fn new(out: &Path) -> io::Result<Self> {
        let absolute = std::path::absolute(out)?;
        let there = absolute.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
        let out = match there {
            Some((above, real)) => match absolute.strip_prefix(above) {
                Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
                _ => real,
            },
            None => absolute,
        };
        Ok(Self { out })
    }

    /// Its absolute path.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// How workers find the coordinator.
    pub fn access_file(&self) -> PathBuf {
        self.out.join("provenance/access.json")
    }

    /// Where jobs log to.
    pub fn logs(&self) -> PathBuf {
        self.out.join("provenance/slurm")
    }

    /// What workers leave for each other.
    pub fn spill(&self) -> PathBuf {
        self.out.join("provenance/spill")
    }

    /// Locked by whoever submits.
    pub fn submit_lock(&self) -> PathBuf {
        self.out.join("provenance/slurm-submit.lock")
    }

    /// Locked by whoever keeps the number of workers.
    pub fn scaler_lock(&self) -> PathBuf {
        self.out.join("provenance/slurm-autoscale.lock")
    }

    /// Makes the folders.
    pub fn make(&self) -> io::Result<()> {
        fs::create_dir_all(self.logs())
    }

    /// Once this file is there, workers that start leave at once, and nobody is submitted.
    pub fn end_mark(&self) -> PathBuf {
        self.out.join(END)
    }

    /// Whether the sweep has ended.
    pub fn end(&self) -> Option<End> {
        let text = fs::read_to_string(self.end_mark()).ok()?;
        Some(if text == CANCELLED { End::Cancelled } else { End::Over })
    }

    /// Says that it has.
    pub fn mark_end(&self, end: End) -> io::Result<()> {
        let text = if end == End::Cancelled { CANCELLED } else { OVER };
        self.replace(END, text.as_bytes())
    }

    /// Says that it goes on.
    pub fn unmark_end(&self) -> io::Result<()> {
        match fs::remove_file(self.end_mark()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What was submitted, if anything was.
    ///
    /// # Errors
    /// If there is a record that cannot be read.
    pub fn record(&self) -> Result<Option<Record>, RecordError> {
        let failed = |kind| RecordError { path: self.out.join(RECORD), kind };
        match fs::read(self.out.join(RECORD)) {
            Ok(bytes) => Record::parse(&bytes).map(Some).map_err(|error| failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Writes the record, all of it or nothing.
    pub fn write_record(&self, record: &Record) -> Result<(), RecordError> {
        let failed = |kind| RecordError { path: self.out.join(RECORD), kind };
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| failed(error.into()))?;
        self.replace(RECORD, &bytes).map_err(|error| failed(error.into()))
    }

    /// A reader sees the old file or the new one, and after a crash there is one of them.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.out.join(name);
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

/// The record cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct RecordError {
    path: PathBuf,
    #[source]
    kind: RecordErrorKind,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum RecordErrorKind {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is none.
    #[error(
        "this is no record of this release ({0}); remove it, and `taugrid slurm submit` finds the jobs by their names"
    )]
    Malformed(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_folder_is_the_same_by_any_path_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        // Before it is there, and after.
        let before = Place::new(&real.join("link/results/out")).unwrap();
        before.make().unwrap();
        let after = Place::new(&real.join("results/out")).unwrap();
        assert_eq!(before.out(), after.out());
        assert_eq!(before.out(), real.join("results/out"));
    }

    #[test]
    fn the_end_is_marked_and_unmarked() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path()).unwrap();
        place.make().unwrap();
        place.unmark_end().unwrap();
        for end in [End::Over, End::Cancelled] {
            place.mark_end(end).unwrap();
            assert_eq!(place.end(), Some(end));
        }
        place.unmark_end().unwrap();
        assert_eq!(place.end(), None);
    }

    #[test]
    fn a_record_that_is_none_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path()).unwrap();
        assert_eq!(place.record().unwrap(), None);
        place.make().unwrap();
        std::fs::write(folder.path().join(RECORD), "{}").unwrap();
        let error = place.record().unwrap_err().to_string();
        assert!(error.contains("slurm.json") && error.contains("remove it"), "{error}");
    }
}
