//! A bucket as a store: Amazon S3, Google Cloud Storage, Azure Blob Storage, by the crate `object_store`.
//!
//! A part is committed by a conditional write (put-if-absent). Errors that pass are tried again with growing pauses: those of
//! one request by `object_store`, and a put whose answer was lost by looking at what is there. The calls block the
//! thread that makes them and nothing else: the requests run on threads of their own, so it may be any thread, one of an
//! async runtime too.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::{Store, StoreError, StoreErrorKind, check_name, split};

mod connect;
mod redact;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// Requests that are under way at once.
const CONCURRENCY: usize = 64;
/// Pauses before a put is tried again.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(8)];

/// The objects under one prefix of a bucket.
#[derive(Debug)]
pub struct ObjectStorage {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Background,
}

/// Threads for requests. Ending them waits for nothing, so it can be done anywhere.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl ObjectStorage {
    /// The objects at `url`, with credentials and endpoint from the environment. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// If the environment does not say what it takes.
    pub fn open(url: &Url) -> Result<Self, StoreError> {
        let (objects, prefix) = connect::connect(url).map_err(|error| explain(url.as_str(), error))?;
        Self::new(objects, prefix)
    }

    /// The objects of any store under `prefix`.
    ///
    /// # Errors
    /// If threads cannot be started.
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: Path) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("objects").enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::from_io("the threads for requests", error))?;
        Ok(Self { objects, prefix, runtime: Background(Some(runtime)) })
    }

    fn path(&self, name: &str) -> Result<Path, StoreError> {
        check_name(name)?;
        Ok(self.prefix.parts().chain(Path::from(name).parts()).collect())
    }

    /// Carries out requests on the store's own threads, and waits for what comes of them.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        name: &str,
        requests: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = || StoreError::new(name, StoreErrorKind::Io(std::io::Error::other("the request came to no end")));
        let (sender, receiver) = sync_channel(1);
        self.runtime.0.as_ref().ok_or_else(ended)?.spawn(async move {
            // Nobody waits any more: there is nobody to tell.
            let _ = sender.send(requests.await);
        });
        receiver.recv().map_err(|_| ended())?.map_err(|error| explain(name, error))
    }

    /// The store itself, and the path of `name` in it.
    pub(crate) fn object(&self, name: &str) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
        Ok((self.objects.clone(), self.path(name)?))
    }
}

async fn get(objects: &dyn ObjectStore, path: &Path, range: Option<GetRange>) -> Result<(ObjectMeta, Bytes), Error> {
    let found = objects.get_opts(path, GetOptions { range, ..GetOptions::default() }).await?;
    let meta = found.meta.clone();
    Ok((meta, found.bytes().await?))
}

/// Puts an object that is not there. One that is there with the very bytes was put by an earlier try.
async fn put_new(objects: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<(), Error> {
    let mut pauses = PAUSES.iter();
    loop {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let error = match objects.put_opts(path, bytes.clone().into(), options).await {
            Ok(_) => return Ok(()),
            Err(error @ (Error::AlreadyExists { .. } | Error::Generic { .. })) => error,
            Err(error) => return Err(error),
        };
        match get(objects, path, None).await {
            Ok((_, found)) if found == bytes => return Ok(()),
            Ok(_) => return Err(Error::AlreadyExists { path: path.to_string(), source: Box::new(error) }),
            Err(_) => {}
        }
        match pauses.next() {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(error),
        }
    }
}

impl Store for ObjectStorage {
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (folder, start) = split(prefix);
        let inside: Path = self.prefix.parts().chain(Path::from(folder).parts()).collect();
        let objects = self.objects.clone();
        let listed = self.wait(prefix, async move { objects.list_with_delimiter(Some(&inside)).await })?;
        let names = listed.objects.iter().filter_map(|object| object.location.filename());
        let named = names.filter(|name| name.starts_with(start));
        let mut names: Vec<String> =
            named.map(|name| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }).collect();
        names.sort();
        Ok(names)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        let (objects, path) = self.object(name)?;
        self.wait(name, async move { objects.head(&path).await.map(|meta| meta.size) })
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let (objects, path) = self.object(name)?;
        self.wait(name, async move { get(objects.as_ref(), &path, None).await.map(|(_, bytes)| bytes.into()) })
    }

    fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let beyond = || StoreError::from_io(name, std::io::ErrorKind::UnexpectedEof.into());
        if range.start >= range.end {
            // No request asks for nothing; that it lies within the object is still to be seen.
            let within = self.size(name)? >= range.start && range.start == range.end;
            return if within { Ok(Vec::new()) } else { Err(beyond()) };
        }
        let (objects, path) = self.object(name)?;
        let wanted = range.clone();
        let got = self.wait(name, async move {
            get(objects.as_ref(), &path, Some(GetRange::Bounded(wanted))).await.map(|(_, bytes)| Vec::from(bytes))
        });
        match got {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(_) => Err(beyond()),
            Err(error) => Err(error),
        }
    }

    fn read_end(&self, name: &str, most: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let (objects, path) = self.object(name)?;
        self.wait(name, async move {
            match get(objects.as_ref(), &path, Some(GetRange::Suffix(most))).await {
                Ok((meta, bytes)) => Ok((Vec::from(bytes), meta.size)),
                Err(error @ Error::NotFound { .. }) => Err(error),
                // Some stores know no such range, and an empty object has none.
                Err(_) => {
                    let size = objects.head(&path).await?.size;
                    if size == 0 {
                        return Ok((Vec::new(), 0));
                    }
                    let range = GetRange::Bounded(size.saturating_sub(most)..size);
                    let (meta, bytes) = get(objects.as_ref(), &path, Some(range)).await?;
                    Ok((Vec::from(bytes), meta.size))
                }
            }
        })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (objects, path) = self.object(name)?;
        let bytes = Bytes::copy_from_slice(bytes);
        self.wait(name, async move { put_new(objects.as_ref(), &path, bytes).await })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (objects, path) = self.object(name)?;
        let bytes = Bytes::copy_from_slice(bytes);
        self.wait(name, async move { objects.put(&path, bytes.into()).await.map(|_| ()) })
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let (objects, path) = self.object(name)?;
        self.wait(name, async move {
            // Deleting what is not there is well with most stores.
            objects.head(&path).await?;
            objects.delete(&path).await
        })
    }

    fn delete_all(&self, names: &[String]) -> Result<(), StoreError> {
        let Some(first) = names.first() else { return Ok(()) };
        let paths: Vec<_> = names.iter().map(|name| self.path(name)).collect::<Result<_, _>>()?;
        let objects = self.objects.clone();
        self.wait(first, async move {
            let mut deleted = objects.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
            while let Some(deleted) = deleted.next().await {
                match deleted {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }

    fn remove_leftovers(&self, _folders: &[&str]) -> Result<(), StoreError> {
        // An object is there whole or not at all.
        Ok(())
    }

    fn remove_folder(&self, _folder: &str) -> Result<(), StoreError> {
        // A folder is no more than a beginning that names have in common.
        Ok(())
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }
}

/// `error` by its meaning, without anything secret.
pub(super) fn explain(name: &str, error: Error) -> StoreError {
    let text = redact::redact(&error.to_string());
    let kind = match error {
        _ if text.contains("NoSuchBucket") => {
            StoreErrorKind::Unusable("there is no such bucket: make it first".to_owned())
        }
        Error::NotFound { .. } => StoreErrorKind::NotFound,
        Error::AlreadyExists { .. } => StoreErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StoreErrorKind::Unusable(format!(
            "access denied; the credentials in the environment (AWS_ACCESS_KEY_ID and the like) do not allow it: {text}"
        )),
        Error::NotSupported { .. } | Error::NotImplemented { .. } | Error::UnknownConfigurationKey { .. } => {
            StoreErrorKind::Unusable(text)
        }
        Error::InvalidPath { .. } => StoreErrorKind::Name,
        _ if text.contains("InsufficientStorage") || text.contains("QuotaExceeded") => StoreErrorKind::Full,
        _ => StoreErrorKind::Io(std::io::Error::other(text)),
    };
    StoreError::new(name, kind)
}
