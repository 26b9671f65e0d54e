//! Repair: what is damaged is set aside in `damaged/`, so that its trials are missing, and are run again.
//!
//! The hash in a part's name decides. Bytes that have it are what was written: if they do not fit (a part of another sweep, of
//! a cell that the manifest does not list) that is somebody's mistake and no damage, and is refused. Bytes that have not are
//! worth nothing; they are kept for who wants to know what happened to the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::warn;

use crate::dataset::Dataset;
use crate::error::DatasetError;
use crate::journal::{JOURNAL, Listing};
use crate::manifest::{MANIFEST, Manifest};
use crate::parallel;
use crate::part::{Part, PartName, digest};
use crate::store::Store;

/// Where damaged files go.
const FOLDER: &str = "damaged";
/// Bytes of parts that are hashed when a dataset is opened to be written: a few seconds' worth. What lies beyond is hashed before
/// it is first read, and at the latest by the compaction.
const HASHED_AT_ONCE: u64 = 8 << 30;

impl Dataset {
    /// Opens a dataset whose manifest is damaged: `anew` is put in its place, if the parts are of that sweep.
    ///
    /// # Errors
    /// If a part is sound and not of that sweep: then the damaged one stays. If a file cannot be read or moved.
    pub(crate) fn with_manifest_anew(store: Arc<dyn Store>, anew: Manifest, why: &str) -> Result<Self, DatasetError> {
        let mut dataset = Self::without_parts(store, anew)?.for_writing()?;
        dataset.manifest.admit(&dataset.coverage);
        keep(&dataset.store, MANIFEST, why)?;
        // At no time is there none: parts without one belong to nobody.
        dataset.store.replace(MANIFEST, &dataset.manifest.to_bytes()?)?;
        Ok(dataset)
    }

    /// The parts that are there, without the journal of a compaction if that is damaged: then both what the compaction read and
    /// what it wrote counts. They say the same, and repetitions are dropped.
    pub(crate) fn sound_listing(&self) -> Result<Listing, DatasetError> {
        match Listing::of(&self.store) {
            Err(DatasetError::Damaged { file, why }) if file == JOURNAL => {
                set_aside(&self.store, JOURNAL, &why)?;
                Listing::of(&self.store)
            }
            listed => listed,
        }
    }

    /// Opens the parts, and sets aside those that are damaged.
    ///
    /// # Errors
    /// If a part is sound and none of this sweep's, or a file cannot be read or moved.
    pub(crate) fn open_sound(&self, names: &[PartName]) -> Result<Vec<Part>, DatasetError> {
        let (store, sweep_id) = (&self.store, &self.manifest.sweep_id);
        let hashed = AtomicU64::new(0);
        let examined = parallel::map(names, store.concurrency(), |name| examine(store, name, sweep_id, &hashed));
        let mut sound = Vec::with_capacity(names.len());
        for (name, examined) in names.iter().zip(examined) {
            match examined? {
                Ok(part) => sound.push(part),
                Err(why) => set_aside(store, name.as_str(), &why)?,
            }
        }
        Ok(sound)
    }

    /// Sets aside the parts whose bytes are not those that were written. The trials that only they held are missing then.
    ///
    /// # Errors
    /// [`DatasetError::SetAside`] if there was one.
    pub(crate) fn set_damaged_aside(&mut self) -> Result<(), DatasetError> {
        let verdicts = parallel::map(&self.parts, self.store.concurrency(), |part| part.check_bytes(&self.store));
        let mut files = Vec::new();
        for (part, verdict) in self.parts.iter().zip(verdicts) {
            match verdict {
                Ok(()) => {}
                Err(DatasetError::Damaged { why, .. }) => {
                    set_aside(&self.store, part.name.as_str(), &why)?;
                    files.push(part.name.as_str().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        self.load(Listing::of(&self.store)?)?;
        Err(DatasetError::SetAside { files })
    }
}

/// The part of this name, or what damage it has.
fn examine(
    store: &Arc<dyn Store>,
    name: &PartName,
    sweep_id: &str,
    hashed: &AtomicU64,
) -> Result<Result<Part, String>, DatasetError> {
    let opened = Part::open(store, name.clone(), sweep_id);
    let verdict = match &opened {
        Ok(part) if hashed.fetch_add(part.size, Ordering::Relaxed) < HASHED_AT_ONCE => part.check_bytes(store),
        // It cannot be read: is it damaged, or another's?
        Err(DatasetError::Damaged { .. }) => name.check(store),
        _ => Ok(()),
    };
    match verdict {
        Ok(()) => opened.map(Ok),
        Err(DatasetError::Damaged { why, .. }) => Ok(Err(why)),
        Err(error) => Err(error),
    }
}

/// Moves a damaged file to `damaged/`.
fn set_aside(store: &Arc<dyn Store>, name: &str, why: &str) -> Result<(), DatasetError> {
    keep(store, name, why)?;
    Ok(store.delete(name)?)
}

/// Copies a damaged file to `damaged/`, under a name that says what its bytes are now.
fn keep(store: &Arc<dyn Store>, name: &str, why: &str) -> Result<(), DatasetError> {
    let bytes = store.read(name)?;
    let stem = name.rsplit('/').next().unwrap_or(name);
    let kept = format!("{FOLDER}/{stem}.{}", digest(&bytes));
    match store.put(&kept, &bytes) {
        // By a run that was killed before it came to the deletion.
        Err(error) if !error.is_already_exists() => return Err(error.into()),
        _ => {}
    }
    warn!("{name} is damaged ({why}): it is kept as {kept}, and what it held is made again");
    Ok(())
}

#[cfg(test)]
mod tests;
