//! The first moments of a coordinator that was started again: the workers of its predecessor come back.
//!
//! They may hold finished trials. So nothing is leased until all of them are back, or have had time to come back:
//! otherwise the first to come would be given what the others have already. They are at work meanwhile on what they hold.

use std::collections::BTreeSet;

use super::event::{Identity, Moment};

/// Who is waited for.
#[derive(Debug, Clone, Default)]
pub struct Muster {
    /// Workers that were there when the predecessor was heard of last.
    pub expected: BTreeSet<Identity>,
    /// Not ended before, in case that more were there than is known.
    pub least: Moment,
    /// Ended then, whoever is missing.
    pub most: Moment,
}

impl Muster {
    pub(super) fn joined(&mut self, worker: Identity) {
        self.expected.remove(&worker);
    }

    pub(super) fn is_over(&self, at: Moment) -> bool {
        at >= self.most || (self.expected.is_empty() && at >= self.least)
    }
}
