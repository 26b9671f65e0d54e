//! A worker in conversation with a coordinator that says what the test has it say.

#![allow(clippy::expect_used)]

mod coordinator;
mod leases;
mod leaving;
mod streams;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use taugrid_process::connect::Coordinator as Where;
use taugrid_worker::life;
use taugrid_worker::{Ending, Options, WorkerError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A worker within this process.
struct Worker {
    stop: CancellationToken,
    life: JoinHandle<Result<Ending, WorkerError>>,
}

impl Worker {
    fn start(options: Options) -> Self {
        let stop = CancellationToken::new();
        let token = stop.clone();
        Self { stop, life: tokio::spawn(async move { life::run(&options, &token).await }) }
    }

    async fn end(self) -> Result<Ending, WorkerError> {
        self.life.await.expect("no panic")
    }
}

const THREADS: usize = 4;

/// So many threads that some are free however the trials that never end are shared out; all work is worth showing, and
/// nothing is shown of its own accord.
fn options(coordinator: Where, cache: &Path) -> Options {
    Options {
        threads: NonZeroUsize::MIN.saturating_add(THREADS - 1),
        cache: cache.to_owned(),
        grace: Duration::from_secs(20),
        checkpoint_every: None,
        least_work: Duration::ZERO,
        ..Options::new(coordinator)
    }
}
