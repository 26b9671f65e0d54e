//! Trials under way, kept so that others can go on with them: `OUT/checkpoints/*.bin`.
//!
//! They are a saving and no more: a trial without one begins anew and comes out the same. So a file that is damaged is
//! warned of and passed over, and one that cannot be deleted does no harm. One file holds what one worker showed at one
//! time; of several states of a trial the furthest counts. A file all of whose trials have ended, or have come further in
//! another, is deleted.

mod batch;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use taugrid_sweep::CellKey;
use tracing::warn;

pub use batch::{CheckpointBatchError, decode_checkpoints, encode_checkpoints};

use crate::error::DatasetError;
use crate::ranges::Ranges;
use crate::store::Store;

const FOLDER: &str = "checkpoints";

/// A trial under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialCheckpoint {
    /// Of which cell.
    pub cell: CellKey,
    /// Which trial.
    pub trial: u64,
    /// Steps made.
    pub steps: u64,
    /// Where it is, as its walker wrote it.
    pub state: Bytes,
}

/// The checkpoints in a store. Any number of threads may use it at a time.
#[derive(Debug)]
pub struct Checkpoints {
    store: Arc<dyn Store>,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    trials: BTreeMap<(CellKey, u64), Entry>,
    /// The trials whose furthest state each file holds.
    files: BTreeMap<Arc<str>, BTreeSet<(CellKey, u64)>>,
}

/// The furthest state of a trial.
#[derive(Debug, Clone)]
struct Entry {
    steps: u64,
    bytes: usize,
    file: Arc<str>,
}

impl Checkpoints {
    /// Those in `store`.
    ///
    /// # Errors
    /// If the store cannot be listed.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, DatasetError> {
        store.remove_leftovers(&[FOLDER])?;
        let mut index = Index::default();
        let mut useless = Vec::new();
        for name in store.list(&format!("{FOLDER}/"))? {
            match read(&*store, &name) {
                Ok(batch) => useless.extend(index.add(&name, &batch)),
                Err(error) => {
                    warn!("the checkpoints in {name} are lost, and their trials begin anew: {error}");
                    useless.push(Arc::from(name));
                }
            }
        }
        let checkpoints = Self { store, index: Mutex::new(index) };
        checkpoints.delete(useless);
        Ok(checkpoints)
    }

    /// Makes a batch durable, in a file of its own.
    ///
    /// # Errors
    /// If it cannot be written; then none of it is known.
    pub fn save(&self, batch: &[TrialCheckpoint]) -> Result<(), DatasetError> {
        if batch.is_empty() {
            return Ok(());
        }
        let bytes = encode_checkpoints(batch);
        let name = name(&bytes);
        match self.store.put(&name, &bytes) {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
        let useless = self.lock().add(&name, batch);
        self.delete(useless);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().trials.is_empty()
    }

    /// The trials of a range that have one, and the bytes of each state.
    pub fn within(&self, cell: CellKey, trials: &Range<u64>) -> Vec<(u64, usize)> {
        if trials.is_empty() {
            return Vec::new();
        }
        let index = self.lock();
        let range = index.trials.range((cell, trials.start)..(cell, trials.end));
        range.map(|(&(_, trial), entry)| (trial, entry.bytes)).collect()
    }

    /// The checkpoints of these trials, as far as there are any.
    ///
    /// # Errors
    /// If a file cannot be read, or is damaged.
    pub fn load(&self, cell: CellKey, trials: &[u64]) -> Result<Vec<TrialCheckpoint>, DatasetError> {
        let files: BTreeSet<Arc<str>> = {
            let index = self.lock();
            trials.iter().filter_map(|&trial| index.trials.get(&(cell, trial))).map(|e| Arc::clone(&e.file)).collect()
        };
        let mut loaded = Vec::new();
        for file in files {
            let batch = read(&*self.store, &file)?;
            let index = self.lock();
            loaded.extend(batch.into_iter().filter(|one| {
                let entry = index.trials.get(&(one.cell, one.trial));
                one.cell == cell && trials.contains(&one.trial) && entry.is_some_and(|entry| entry.file == file)
            }));
        }
        Ok(loaded)
    }

    /// These trials have ended.
    pub fn forget(&self, cell: CellKey, trials: &Ranges) {
        let useless = {
            let mut index = self.lock();
            if index.trials.is_empty() {
                return;
            }
            let ended = trials
                .iter()
                .flat_map(|range| index.trials.range((cell, range.start)..(cell, range.end)).map(|(&key, _)| key));
            let ended: Vec<_> = ended.collect();
            ended.into_iter().filter_map(|key| index.remove(key)).collect()
        };
        self.delete(useless);
    }

    /// The sweep is over: nothing is kept.
    pub fn clear(&self) {
        let files = {
            let mut index = self.lock();
            index.trials.clear();
            std::mem::take(&mut index.files).into_keys().collect()
        };
        self.delete(files);
        if let Err(error) = self.store.remove_folder(FOLDER) {
            warn!("{FOLDER}: {error}");
        }
    }

    fn delete(&self, files: Vec<Arc<str>>) {
        for file in files {
            match self.store.delete(&file) {
                Err(error) if !error.is_not_found() => warn!("{error}"),
                _ => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // Nothing panics while it is held; if something did, what is in it is advice.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Takes note of what a file holds; the files that are of no use any more.
    fn add(&mut self, name: &str, batch: &[TrialCheckpoint]) -> Vec<Arc<str>> {
        let file: Arc<str> = Arc::from(name);
        let mut useless = Vec::new();
        for one in batch {
            let key = (one.cell, one.trial);
            if self.trials.get(&key).is_some_and(|known| known.steps >= one.steps) {
                continue;
            }
            useless.extend(self.remove(key));
            self.trials.insert(key, Entry { steps: one.steps, bytes: one.state.len(), file: Arc::clone(&file) });
            self.files.entry(Arc::clone(&file)).or_default().insert(key);
        }
        if !self.files.contains_key(&file) {
            useless.push(file);
        }
        useless
    }

    /// Forgets a trial; its file, if that holds nothing else.
    fn remove(&mut self, key: (CellKey, u64)) -> Option<Arc<str>> {
        let entry = self.trials.remove(&key)?;
        let trials = self.files.get_mut(&entry.file)?;
        trials.remove(&key);
        if !trials.is_empty() {
            return None;
        }
        self.files.remove(&entry.file);
        Some(entry.file)
    }
}

/// A batch's name, which says what its bytes hash to.
fn name(bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{FOLDER}/{digest}.bin")
}

fn read(store: &dyn Store, file: &str) -> Result<Vec<TrialCheckpoint>, DatasetError> {
    let bytes = store.read(file)?;
    if name(&bytes) != file {
        return Err(DatasetError::damaged(file, "its content is not what its name says"));
    }
    decode_checkpoints(&bytes).map_err(|error| DatasetError::damaged(file, error))
}
