//! Folders with a sweep in them, and what a sweep leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Process, Run};

/// A temporary folder.
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// A new one, removed when dropped.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for temporary files"))
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder can be written to");
        path
    }

    /// `taugrid run` of a sweep file in it, to its end.
    pub fn run(&self, sweep: &str, out: &str, more: &[&str]) -> Run {
        self.start_run(sweep, out, more).end()
    }

    /// Starts `taugrid run`.
    pub fn start_run(&self, sweep: &str, out: &str, more: &[&str]) -> Process {
        let (sweep, out) = (self.path(sweep), self.path(out));
        let mut arguments = vec!["run".into(), sweep, "--out".into(), out];
        arguments.extend(more.iter().map(PathBuf::from));
        Process::start("taugrid", arguments)
    }

    /// Starts `taugrid-coordinator` on a free port of loopback, with its access file in the folder.
    pub fn start_coordinator(&self, sweep: &str, out: &str) -> Process {
        let (sweep, out, access) = (self.path(sweep), self.path(out), self.path("access.json"));
        let words =
            [sweep.as_os_str(), "--out".as_ref(), out.as_os_str(), "--access-file".as_ref(), access.as_os_str()];
        Process::start("taugrid-coordinator", words)
    }

    /// Starts a `taugrid-worker` that finds its coordinator by the access file in the folder.
    pub fn start_worker(&self, threads: usize) -> Process {
        let (access, cache, threads) = (self.path("access.json"), self.path("cache"), threads.to_string());
        let words = [
            "--access-file".as_ref(),
            access.as_os_str(),
            "--cache".as_ref(),
            cache.as_os_str(),
            "--threads".as_ref(),
            threads.as_ref(),
        ];
        Process::start("taugrid-worker", words)
    }

    /// The bytes of a finished dataset in it.
    pub fn dataset(&self, out: &str) -> BTreeMap<String, Vec<u8>> {
        dataset_bytes(&self.path(out))
    }
}

/// The files of a dataset that the physics decides, by their names: every part, and the table of cells.
pub fn dataset_bytes(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let parts =
        fs::read_dir(out.join("trials")).expect("a dataset has trials").map(|entry| entry.expect("listed").path());
    let files: BTreeMap<_, _> = parts
        .chain([out.join("cells.parquet")])
        .map(|path| {
            let name = path.strip_prefix(out).expect("it lies in it").display().to_string();
            (name, fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    assert!(files.len() >= 2, "there are no parts in {}", out.display());
    files
}
