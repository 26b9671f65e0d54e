//! What walkers run on: threads, and the clock that they look at. A simulation puts its own in their place.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// Threads, and the clock that is looked at on them.
pub trait Threads: fmt::Debug + Send + Sync {
    /// How many there are.
    fn count(&self) -> NonZeroUsize;

    /// Runs `walker` as soon as a thread is free for it, in the order of the calls.
    fn spawn(&self, walker: Box<dyn FnOnce() + Send>);

    /// The time since any fixed moment. Asked on these threads alone: by a walker when it begins, and after every go of a
    /// millisecond or so, with the `steps` that it has made in that.
    fn now(&self, steps: u64) -> Duration;
}

/// Threads of rayon's.
pub(crate) struct RayonThreads {
    pool: rayon::ThreadPool,
    count: NonZeroUsize,
    started: Instant,
}

impl RayonThreads {
    pub(crate) fn new(count: NonZeroUsize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(count.get()).thread_name(|i| format!("trials-{i}"));
        Ok(Self { pool: builder.build()?, count, started: Instant::now() })
    }
}

impl Threads for RayonThreads {
    fn count(&self) -> NonZeroUsize {
        self.count
    }

    fn spawn(&self, walker: Box<dyn FnOnce() + Send>) {
        self.pool.spawn_fifo(walker);
    }

    fn now(&self, _: u64) -> Duration {
        self.started.elapsed()
    }
}

impl fmt::Debug for RayonThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RayonThreads").field("count", &self.count).finish_non_exhaustive()
    }
}
