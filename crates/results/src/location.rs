//! Where a dataset is: a folder, or a place in an object store.
//!
//! | text | what it means |
//! | --- | --- |
//! | `results/quickstart`, `file:///scratch/quickstart` | a folder |
//! | `s3://bucket/prefix` | Amazon S3 and whatever speaks its protocol |
//! | `gs://bucket/prefix` | Google Cloud Storage |
//! | `az://container/prefix` | Azure Blob Storage |
//!
//! Credentials and endpoints come from the environment, under the names that the vendors' own tools use (`AWS_…`,
//! `GOOGLE_…`, `AZURE_…`), and are in no text here.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use crate::lock::{LockError, WriterLock};
use crate::store::{LocalStore, ObjectStorage, Store, StoreError};

/// The place of a dataset, as it was named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what the names in it begin with.
    Bucket(Url),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Another kind of store.
    #[error("{0}:// is no store that taugrid knows: name a folder, or s3://bucket/prefix, gs://…, az://…, file:///…")]
    Scheme(String),
    /// A URL that is none. Without its text, which may hold credentials.
    #[error("not a URL of a store, like s3://bucket/prefix: {0}")]
    Url(String),
    /// Credentials in the text, which would end in logs and in the history of a shell.
    #[error(
        "a URL with credentials or a query in it: those belong into the environment (AWS_ACCESS_KEY_ID and the like)"
    )]
    Credentials,
}

impl Location {
    /// The place that `text` names.
    ///
    /// # Errors
    /// If it is a URL of no store, or holds credentials.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self, LocationError> {
        let text = text.as_ref();
        // A name that is not UTF-8 is a folder's.
        let Some((scheme, _)) = text.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(Self::Folder(text.into()));
        };
        if !matches!(scheme, "file" | "s3" | "gs" | "az") {
            return Err(LocationError::Scheme(scheme.to_owned()));
        }
        let parsed =
            text.to_str().map_or(Err("not UTF-8".to_owned()), |text| Url::parse(text).map_err(|e| e.to_string()));
        let url = parsed.map_err(LocationError::Url)?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(LocationError::Credentials);
        }
        if scheme == "file" {
            let folder = url.to_file_path();
            return folder.map(Self::Folder).map_err(|()| LocationError::Url("file:// takes a whole path".to_owned()));
        }
        match url.host_str() {
            Some(bucket) if !bucket.is_empty() => Ok(Self::Bucket(url)),
            _ => Err(LocationError::Url("it names no bucket".to_owned())),
        }
    }

    /// The files there.
    ///
    /// # Errors
    /// If the environment does not say what it takes to reach a bucket.
    pub fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Folder(folder) => Ok(Arc::new(LocalStore::new(folder))),
            Self::Bucket(url) => Ok(Arc::new(ObjectStorage::open(url)?)),
        }
    }

    /// Takes the place for writing, until the lock is dropped or the process ends.
    ///
    /// # Errors
    /// [`LockError::Held`] names who has it.
    pub fn lock(&self) -> Result<WriterLock, LockError> {
        match self {
            Self::Folder(folder) => WriterLock::of_folder(folder),
            Self::Bucket(url) => WriterLock::of_objects(Arc::new(ObjectStorage::open(url)?)),
        }
    }

    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }

    /// The name of a file there, to be shown.
    pub fn file(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Bucket(url) => format!("{}/{name}", url.as_str().trim_end_matches('/')),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(url) => f.write_str(url.as_str()),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl TryFrom<OsString> for Location {
    type Error = LocationError;

    fn try_from(text: OsString) -> Result<Self, LocationError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_urls_are_told_apart() {
        let folder = |text: &str| Ok(Location::Folder(PathBuf::from(text)));
        assert_eq!(Location::parse("results/new"), folder("results/new"));
        assert_eq!(Location::parse("file:///tmp/a%20b"), folder("/tmp/a b"));
        for (text, file) in [
            ("s3://bucket/a/b", "s3://bucket/a/b/report/x"),
            ("s3://bucket", "s3://bucket/report/x"),
            ("gs://bucket/a/", "gs://bucket/a/report/x"),
            ("az://container/a", "az://container/a/report/x"),
        ] {
            let location = Location::parse(text).expect("a place");
            assert_eq!((location.to_string().as_str(), location.folder()), (text, None));
            assert_eq!(location.file("report/x"), file);
        }
    }

    #[test]
    fn what_names_no_place_is_refused_and_secrets_are_not_repeated() {
        for bad in ["http://host/x", "s3:///x", "file://host/x", "ftp://x", "gs://"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
        for bad in ["s3://id:hush@bucket/x", "s3://hush@bucket/x", "az://c/x?sig=hush", "gs://b/x#hush"] {
            let error = Location::parse(bad).expect_err("credentials");
            assert_eq!(error, LocationError::Credentials);
            assert!(!format!("{error} {error:?}").contains("hush"));
        }
    }
}
