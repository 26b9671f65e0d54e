//! `OUT/compaction.json`: which parts count while a compaction is under way. It is there only then.
//!
//! 1. The intent: `after` is null. The parts in `before` count; compacted ones that are not among them are rubble.
//! 2. The new parts are put.
//! 3. The commit: `after` names them. From here on they count, and the rest of `before` is rubble.
//! 4. The rubble is deleted, then the journal.
//!
//! Whoever finds a journal finishes from there: back if there is no commit, onward if there is. The bytes of the parts know
//! nothing of it, so they depend on the rows alone.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::manifest::FormatVersion;
use crate::part::{PREFIX, PartName};
use crate::store::Store;

/// The journal's name in the store.
pub(crate) const JOURNAL: &str = "compaction.json";

/// A compaction under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    format: FormatVersion,
    before: Vec<String>,
    after: Option<Vec<String>>,
}

fn texts<'a>(names: impl IntoIterator<Item = &'a PartName>) -> Vec<String> {
    names.into_iter().map(|name| name.as_str().to_string()).collect()
}

impl Journal {
    pub(crate) fn intent<'a>(before: impl IntoIterator<Item = &'a PartName>) -> Self {
        Self { format: FormatVersion::CURRENT, before: texts(before), after: None }
    }

    pub(crate) fn commit<'a>(self, after: impl IntoIterator<Item = &'a PartName>) -> Self {
        Self { after: Some(texts(after)), ..self }
    }

    pub(crate) fn write(&self, store: &Arc<dyn Store>) -> Result<(), DatasetError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| DatasetError::encode(JOURNAL, error))?;
        bytes.push(b'\n');
        Ok(store.replace(JOURNAL, &bytes)?)
    }

    fn read(store: &Arc<dyn Store>) -> Result<Option<Self>, DatasetError> {
        match store.read(JOURNAL) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| DatasetError::damaged(JOURNAL, error))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Which parts do not count: of those that this compaction made or replaces, and no others.
    fn rubble(&self) -> impl Fn(&PartName) -> bool {
        let before: HashSet<&str> = self.before.iter().map(String::as_str).collect();
        let after: Option<HashSet<&str>> = self.after.as_ref().map(|after| after.iter().map(String::as_str).collect());
        move |part| match &after {
            None => part.is_compacted() && !before.contains(part.as_str()),
            Some(after) => before.contains(part.as_str()) && !after.contains(part.as_str()),
        }
    }
}

/// The names of the parts in a store.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Those that count.
    pub(crate) parts: Vec<PartName>,
    /// Those that a compaction under way made in vain or replaced.
    pub(crate) rubble: Vec<PartName>,
    /// Files that look like parts but have a name that no part has.
    pub(crate) strangers: Vec<String>,
    /// Whether a compaction is under way, or was when its process ended.
    pub(crate) compacting: bool,
}

impl Listing {
    /// Whether there is no part of any kind.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.rubble.is_empty() && self.strangers.is_empty()
    }

    pub(crate) fn of(store: &Arc<dyn Store>) -> Result<Self, DatasetError> {
        // The journal first: should a compaction begin in between, its parts repeat rows that are known, and readers
        // drop repetitions.
        let journal = Journal::read(store)?;
        let mut listing = Self { compacting: journal.is_some(), ..Self::default() };
        let is_rubble = journal.as_ref().map(Journal::rubble);
        // Sorted, as the store lists them.
        for name in store.list(PREFIX)? {
            match PartName::parse(&name) {
                Some(name) if is_rubble.as_ref().is_some_and(|is_rubble| is_rubble(&name)) => listing.rubble.push(name),
                Some(name) => listing.parts.push(name),
                None => listing.strangers.push(name),
            }
        }
        Ok(listing)
    }

    /// Deletes the rubble and the journal. For the one writer alone.
    pub(crate) fn settle(&mut self, store: &Arc<dyn Store>) -> Result<(), DatasetError> {
        store.delete_all(&texts(&self.rubble))?;
        self.rubble.clear();
        if self.compacting {
            store.delete_all(&[JOURNAL.to_owned()])?;
            self.compacting = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn what_counts_before_and_after_the_commit() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let old = [PartName::appended(0, b"a"), PartName::appended(1, b"b"), PartName::compacted(0, b"c")];
        let kept = old[2].clone();
        let new = PartName::compacted(1, b"d");
        for name in old.iter().chain([&new]) {
            store.put(name.as_str(), b"").expect("put");
        }
        store.put("trials/part-x.parquet", b"").expect("put");

        let intent = Journal::intent(&old);
        intent.write(&store).expect("written");
        let listing = Listing::of(&store).expect("listed");
        assert_eq!(listing.rubble, std::slice::from_ref(&new));
        assert_eq!(listing.parts.len(), 3);
        assert_eq!(listing.strangers, ["trials/part-x.parquet"]);

        // A part that is appended after a compaction failed is not its to judge.
        let later = PartName::appended(2, b"e");
        store.put(later.as_str(), b"").expect("put");
        assert_eq!(Listing::of(&store).expect("listed").rubble, std::slice::from_ref(&new));

        intent.commit([&kept, &new]).write(&store).expect("written");
        let mut listing = Listing::of(&store).expect("listed");
        assert_eq!(listing.rubble, [old[0].clone(), old[1].clone()]);
        assert_eq!(listing.parts, [later, kept, new]);
        listing.settle(&store).expect("settled");
        let after = Listing::of(&store).expect("listed");
        assert_eq!((after.parts, after.rubble, after.compacting), (listing.parts, Vec::new(), false));
    }

    #[test]
    fn a_damaged_journal_is_named() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        store.put(JOURNAL, b"{").expect("put");
        assert!(Listing::of(&store).expect_err("damaged").to_string().starts_with("compaction.json is damaged"));
    }
}
