//! The access file: how workers find their coordinator.
//!
//! The coordinator writes it once it listens, readable by its owner alone, and removes it when the sweep ends. On a
//! cluster it lies on the shared file system.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a worker needs to reach its coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Where the coordinator listens: `http://host:port`.
    pub coordinator: String,
    /// The sweep it runs.
    pub sweep: String,
    /// The coordinator's release.
    pub release: String,
}

/// An access file on disk, removed when dropped unless another coordinator has replaced it.
#[derive(Debug)]
pub struct AccessFile {
    path: PathBuf,
    access: Access,
}

impl AccessFile {
    /// Writes `access` to `path`: a reader sees all of it or nothing.
    pub fn write(path: &Path, access: &Access) -> io::Result<Self> {
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&temporary).and_then(|mut file| {
            file.write_all(&serde_json::to_vec_pretty(access)?)?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map(|()| Self { path: path.to_owned(), access: access.clone() })
    }
}

impl Drop for AccessFile {
    fn drop(&mut self) {
        if Access::read(&self.path).is_ok_and(|access| access == self.access) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Access {
    /// Reads an access file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        serde_json::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
