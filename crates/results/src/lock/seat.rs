//! What there is one of.

use std::fmt::Debug;

use crate::store::StoreError;

/// A lock that was taken. Dropping it without releasing it is like a kill.
pub(super) trait Seat: Debug + Send {
    /// Shows that the holder lives, if it is still the holder.
    fn renew(&mut self) -> Result<(), Renewal>;

    /// Lets go, so that the next one need not wait. If that fails, it waits.
    fn release(&mut self);
}

/// Why a seat was not renewed.
#[derive(Debug)]
pub(super) enum Renewal {
    /// Another one has it: who.
    Taken(String),
    /// It is not known who has it.
    Failed(StoreError),
}

impl From<StoreError> for Renewal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
