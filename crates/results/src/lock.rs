//! One writer per dataset: who may write, shown by a heartbeat that others can watch, and a fence before every write.
//!
//! | module | what it is |
//! | --- | --- |
//! | `record` | what stands in `OUT/.lock`: who, of which host, and how often the heart has beaten |
//! | `seat` | what there is one of: taken, renewed, released |
//! | `folder` | a seat in a folder: a lock that the kernel drops with the process, and the heartbeat |
//! | `object` | a seat in an object store: conditional writes, and the heartbeat |
//! | `clock` | time on this host |
//!
//! The holder renews its record every period. A challenger watches the record with its *own* clock: one that changes is
//! alive, one that stands still for the whole takeover time is dead and is taken over. Clocks of two hosts are never
//! compared.
//!
//! The loser stops before it writes. A holder that has not renewed for a while (well below the takeover time) renews before
//! its next write, and that fails if another one has taken over; then nothing is written any more. [`WriterLock::guard`]
//! puts this check before and after every write of a store.

mod clock;
mod folder;
mod object;
mod record;
mod seat;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::{Clock, SystemClock};
use seat::{Renewal, Seat};
use tracing::{error, warn};

use crate::store::{FencedStore, ObjectStorage, Store, StoreError};

/// The lock's name in the store.
const LOCK: &str = ".lock";
/// A holder whose heartbeat has stood still for so long is dead. `TAUGRID_LOCK_TAKEOVER` says other seconds.
const TAKEOVER: Duration = Duration::from_secs(15);

/// Why a dataset cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else writes there.
    #[error("in use by {holder}")]
    Held {
        /// Who, as far as is known.
        holder: String,
    },
    /// The store does not do what a lock takes.
    #[error(
        "this store ignores conditional writes (If-None-Match and If-Match), so nothing would keep a second coordinator out; \
         use one that has them"
    )]
    Unconditional,
    /// The lock cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The right to write has been lost: another process has it, or may have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another one has taken over.
    #[error("{holder} has taken over: this process writes nothing more")]
    Taken {
        /// Who.
        holder: String,
    },
    /// The lock could not be renewed for so long that another one may have taken over.
    #[error("the lock could not be renewed, so another process may have taken over; nothing was written: {why}")]
    Unrenewed {
        /// What is in the way.
        why: String,
    },
}

/// How often the heart beats, and for how long it may stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timing {
    /// From one renewal to the next.
    period: Duration,
    /// So long after a renewal was begun the holder writes without another one.
    valid: Duration,
    /// After so long without a heartbeat a challenger takes over.
    takeover: Duration,
}

impl Timing {
    fn of(takeover: Duration) -> Self {
        // What is left between `valid` and `takeover` is for a write that is under way.
        Self { period: takeover / 5, valid: takeover / 2, takeover }
    }

    fn from_environment() -> Self {
        let seconds = std::env::var("TAUGRID_LOCK_TAKEOVER").ok().and_then(|text| text.parse().ok());
        let seconds = seconds.filter(|seconds: &f64| (0.1..=3600.0).contains(seconds));
        Self::of(seconds.map_or(TAKEOVER, Duration::from_secs_f64))
    }
}

/// The right to write into a dataset, held until it is dropped, the process ends, or another one takes over.
#[derive(Debug)]
pub struct WriterLock {
    holder: Arc<Holder>,
    heart: Option<JoinHandle<()>>,
}

impl WriterLock {
    /// Takes `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// [`LockError::Held`] names who has it.
    pub fn of_folder(folder: &Path) -> Result<Self, LockError> {
        let (clock, timing) = (Arc::new(SystemClock), Timing::from_environment());
        let begun = clock.now();
        let seat = folder::take(folder, clock.as_ref(), timing)?;
        Self::hold(Box::new(seat), clock, timing, begun)
    }

    /// Takes a prefix of an object store.
    ///
    /// # Errors
    /// [`LockError::Held`] names who has it, [`LockError::Unconditional`] if the store cannot have a lock.
    pub fn of_objects(objects: Arc<ObjectStorage>) -> Result<Self, LockError> {
        let (clock, timing) = (Arc::new(SystemClock), Timing::from_environment());
        let (seat, begun) = object::take(Box::new(objects), clock.as_ref(), timing)?;
        Self::hold(Box::new(seat), clock, timing, begun)
    }

    fn hold(seat: Box<dyn Seat>, clock: Arc<dyn Clock>, timing: Timing, begun: Duration) -> Result<Self, LockError> {
        let holder = Arc::new(Holder::new(seat, clock, timing, begun));
        let heart = std::thread::Builder::new().name("lock".to_owned()).spawn({
            let holder = holder.clone();
            move || holder.beat()
        });
        let heart = heart.map_err(|error| StoreError::from_io(LOCK, error))?;
        Ok(Self { holder, heart: Some(heart) })
    }

    /// Whether this process may write now.
    ///
    /// # Errors
    /// [`Lost`] says who has the right now, or why it is not sure any more.
    pub fn check(&self) -> Result<(), Lost> {
        self.holder.check()
    }

    /// Whether this process may write now.
    pub fn is_held(&self) -> bool {
        self.check().is_ok()
    }

    /// `store`, with this check before and after every write.
    pub fn guard(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        let holder = self.holder.clone();
        Arc::new(FencedStore::new(store, move || holder.check().map_err(|lost| lost.to_string())))
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        self.holder.end();
        if let Some(heart) = self.heart.take() {
            // It panics nowhere; and if it did, there is nothing to be done here.
            let _ = heart.join();
        }
        self.holder.seat().release();
    }
}

/// Who holds a seat: the seat, and what is known of it.
#[derive(Debug)]
struct Holder {
    clock: Arc<dyn Clock>,
    timing: Timing,
    /// Held while it is being renewed, which may take as long as a request takes.
    seat: Mutex<Box<dyn Seat>>,
    /// Held for moments.
    standing: Mutex<Standing>,
    ending: Condvar,
}

#[derive(Debug)]
struct Standing {
    /// When the last renewal that succeeded was begun.
    renewed: Duration,
    lost: Option<Lost>,
    ended: bool,
}

impl Holder {
    fn new(seat: Box<dyn Seat>, clock: Arc<dyn Clock>, timing: Timing, renewed: Duration) -> Self {
        let standing = Standing { renewed, lost: None, ended: false };
        Self { clock, timing, seat: Mutex::new(seat), standing: Mutex::new(standing), ending: Condvar::new() }
    }

    /// Renews once a period, until the end.
    fn beat(&self) {
        loop {
            let standing = self.standing();
            let waited = self.ending.wait_timeout_while(standing, self.timing.period, |standing| !standing.ended);
            let (standing, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if standing.ended || standing.lost.is_some() {
                return;
            }
            drop(standing);
            match self.renew(&mut self.seat()) {
                Ok(()) => {}
                Err(lost @ Lost::Taken { .. }) => error!("{lost}"),
                Err(lost @ Lost::Unrenewed { .. }) => warn!("{lost}"),
            }
        }
    }

    fn check(&self) -> Result<(), Lost> {
        if let Some(known) = self.known() {
            return known;
        }
        let mut seat = self.seat();
        // The heart may have beaten while the seat was waited for.
        self.known().unwrap_or_else(|| self.renew(&mut seat))
    }

    /// What needs no renewal to be known.
    fn known(&self) -> Option<Result<(), Lost>> {
        let standing = self.standing();
        match &standing.lost {
            Some(lost) => Some(Err(lost.clone())),
            None => (self.clock.now().saturating_sub(standing.renewed) <= self.timing.valid).then_some(Ok(())),
        }
    }

    fn renew(&self, seat: &mut Box<dyn Seat>) -> Result<(), Lost> {
        let begun = self.clock.now();
        let renewal = seat.renew();
        let mut standing = self.standing();
        match renewal {
            Ok(()) => {
                standing.renewed = begun;
                Ok(())
            }
            Err(Renewal::Taken(holder)) => {
                let lost = Lost::Taken { holder };
                standing.lost = Some(lost.clone());
                Err(lost)
            }
            // It may pass.
            Err(Renewal::Failed(error)) => Err(Lost::Unrenewed { why: error.to_string() }),
        }
    }

    fn end(&self) {
        self.standing().ended = true;
        self.ending.notify_all();
    }

    fn seat(&self) -> MutexGuard<'_, Box<dyn Seat>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
