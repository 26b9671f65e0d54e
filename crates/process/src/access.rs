//! The access file: how workers find their coordinator, and what lets them in.
//!
//! The coordinator writes it once it listens, readable by its owner alone, and removes it when the sweep ends. On a
//! cluster it lies on the shared file system. Whoever can read it can send rows: it is as secret as a password.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use tracing::warn;

use crate::tls::Credentials;

/// The largest access file, in bytes. A real one has some two thousand.
const LARGEST: u64 = 1 << 20;

/// What a worker needs to reach its coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Where the coordinator listens: `https://host:port`, or `http://host:port` if it is insecure.
    pub coordinator: String,
    /// The sweep it runs.
    pub sweep: String,
    /// The coordinator's release.
    pub release: String,
    /// What lets a client in, made for this life of the coordinator. None if it is insecure, or has the user's own
    /// certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Credentials>,
}

/// Why an access file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("access file {}: {kind}", path.display())]
pub struct AccessError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub kind: AccessErrorKind,
}

/// Why an access file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessErrorKind {
    /// It cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than any access file.
    #[error("it has more than {LARGEST} bytes, and is no access file; name the file that the coordinator wrote")]
    TooLarge,
    /// It is none, or damaged. What stands there is not repeated: it may be a key.
    #[error(
        "line {line}, column {column}: {what}; it is damaged, or no access file of this release: copy it again, or \
         start the coordinator again"
    )]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// There is a file of that name that is not to be overwritten.
    #[error("there is a file already, and it is not an access file of this sweep; remove it, or name another")]
    Taken,
}

impl AccessError {
    /// Whether the file is not there, or not yet.
    pub fn is_missing(&self) -> bool {
        matches!(&self.kind, AccessErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl Access {
    /// Reads an access file. Warns if it holds a key that others can read as well.
    pub fn read(path: &Path) -> Result<Self, AccessError> {
        let failed = |kind| AccessError { path: path.to_owned(), kind };
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        let mut text = Vec::new();
        (&file).take(LARGEST + 1).read_to_end(&mut text).map_err(|error| failed(error.into()))?;
        let access = Self::parse(&text).map_err(failed)?;
        if access.tls.is_some() && is_open_to_others(&file) {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| {
                warn!("{}: others can read this file, and with it reach the coordinator: chmod 600", path.display());
            });
        }
        Ok(access)
    }

    /// The access file of which this is the text.
    pub fn parse(text: &[u8]) -> Result<Self, AccessErrorKind> {
        if text.len() as u64 > LARGEST {
            return Err(AccessErrorKind::TooLarge);
        }
        serde_json::from_slice(text).map_err(|error| malformed(&error))
    }
}

fn malformed(error: &serde_json::Error) -> AccessErrorKind {
    let what = match error.classify() {
        Category::Eof => "it ends too soon",
        Category::Syntax | Category::Io => "this is no JSON",
        Category::Data => "a key is missing, unknown, or of the wrong type",
    };
    AccessErrorKind::Malformed { line: error.line(), column: error.column(), what }
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// An access file on disk, removed when dropped unless another coordinator has replaced it.
#[derive(Debug)]
pub struct AccessFile {
    path: PathBuf,
    access: Access,
}

impl AccessFile {
    /// Writes `access` to `path`: a reader sees all of it or nothing, and none but the owner sees any of it.
    ///
    /// # Errors
    /// If there is a file already that a coordinator of this sweep did not write, or if it cannot be written.
    pub fn write(path: &Path, access: &Access) -> Result<Self, AccessError> {
        let failed = |kind| AccessError { path: path.to_owned(), kind };
        match Access::read(path) {
            // A predecessor that was killed left it.
            Ok(left) if left.sweep == access.sweep => {}
            Err(error) if error.is_missing() => {}
            Ok(_) | Err(_) => return Err(failed(AccessErrorKind::Taken)),
        }
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write_privately(&temporary, access).and_then(|()| fs::rename(&temporary, path));
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(failed(error.into()));
        }
        Ok(Self { path: path.to_owned(), access: access.clone() })
    }
}

/// The mode counts only for a file that is made: one that lies there, whoever made it, goes first.
fn write_privately(path: &Path, access: &Access) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&serde_json::to_vec_pretty(access)?)?;
    file.sync_all()
}

impl Drop for AccessFile {
    fn drop(&mut self) {
        if Access::read(&self.path).is_ok_and(|access| access == self.access) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn access(sweep: &str) -> Access {
        let credentials =
            |word: &str| Credentials { ca: "CA".into(), certificate: "CERT".into(), key: format!("{word}-key") };
        Access {
            coordinator: "https://127.0.0.1:7000".into(),
            sweep: sweep.into(),
            release: "0".into(),
            tls: Some(credentials("secret")),
        }
    }

    #[test]
    fn what_is_written_is_read_and_goes_with_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        let first = AccessFile::write(&path, &access("a")).unwrap();
        assert_eq!(Access::read(&path).unwrap(), access("a"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // The next life of the same coordinator replaces it; then it is no longer the first one's to remove.
        let next = Access { coordinator: "https://127.0.0.1:7001".into(), ..access("a") };
        let second = AccessFile::write(&path, &next).unwrap();
        drop(first);
        assert_eq!(Access::read(&path).unwrap(), next);
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_temporary_file_that_others_can_read_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        let trap = path.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&trap, "").unwrap();
        fs::set_permissions(&trap, fs::Permissions::from_mode(0o666)).unwrap();
        let _file = AccessFile::write(&path, &access("a")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_of_this_sweep_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        for content in ["name: my sweep".to_owned(), serde_json::to_string(&access("b")).unwrap()] {
            fs::write(&path, &content).unwrap();
            let error = AccessFile::write(&path, &access("a")).unwrap_err().to_string();
            assert!(error.contains("access.json") && error.contains("remove it"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    /// Whatever is wrong, the message has the file, the line and the remedy, and nothing of the key.
    #[test]
    fn damage_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        let good = serde_json::to_string_pretty(&access("a")).unwrap();
        let damaged = [
            (good[..good.len() - 20].to_owned(), "ends too soon"),
            (good.replace("\"sweep\"", "\"sweeep\""), "unknown"),
            (good.replace("{\n    \"ca\"", "\"secret-key\", \"x\": {\n    \"ca\""), "wrong type"),
            (good.replace("secret-key\"", "secret-key"), "no JSON"),
            (String::new(), "ends too soon"),
        ];
        for (content, what) in damaged {
            fs::write(&path, content).unwrap();
            let error = Access::read(&path).unwrap_err().to_string();
            for word in ["access.json", "line ", what, "start the coordinator again"] {
                assert!(error.contains(word), "{error}");
            }
            assert!(!error.contains("secret"), "{error}");
        }
        fs::write(&path, vec![b' '; LARGEST as usize + 1]).unwrap();
        assert!(Access::read(&path).unwrap_err().to_string().contains("bytes"));
        fs::remove_file(&path).unwrap();
        assert!(Access::read(&path).unwrap_err().is_missing());
    }

    #[test]
    fn files_of_coordinators_without_tls_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.json");
        fs::write(&path, r#"{"coordinator": "http://127.0.0.1:1", "sweep": "a", "release": "0"}"#).unwrap();
        assert_eq!(Access::read(&path).unwrap().tls, None);
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", access("a"));
        assert!(shown.contains("7000") && !shown.contains("secret"), "{shown}");
    }
}
