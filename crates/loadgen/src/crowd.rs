//! Many simulated workers, each with a connection of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use taugrid_process::connect::Target;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::LoadError;
use crate::worker::{Latencies, Manner, Tally, Worker};

/// Connections that are being made at once: a listener has a backlog.
const AT_ONCE: usize = 64;
/// So long it may take until all are there.
const PATIENCE: Duration = Duration::from_secs(120);

/// Workers that are connected, until it is dropped.
pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    workers: JoinSet<Result<(), LoadError>>,
    leave: CancellationToken,
}

impl Crowd {
    /// Connects `size` workers, and waits until all of them were welcomed.
    pub(crate) async fn gather(
        target: &Target,
        size: usize,
        manner: &Manner,
        latencies: Option<Latencies>,
    ) -> Result<Self, LoadError> {
        let (tally, leave) = (Arc::new(Tally::default()), CancellationToken::new());
        let mut crowd = Self { tally: Arc::clone(&tally), workers: JoinSet::new(), leave };
        let began = Instant::now();
        for index in 0..size {
            while index as u64 >= tally.welcomed.load(Ordering::Relaxed) + AT_ONCE as u64 {
                crowd.pause(began).await?;
            }
            let worker =
                Worker { index, manner: manner.clone(), tally: Arc::clone(&tally), latencies: latencies.clone() };
            crowd.workers.spawn(worker.run(target.clone(), crowd.leave.clone()));
        }
        while tally.welcomed.load(Ordering::Relaxed) < size as u64 {
            crowd.pause(began).await?;
        }
        Ok(crowd)
    }

    /// A moment, unless it has taken too long already or one of them has failed.
    async fn pause(&mut self, began: Instant) -> Result<(), LoadError> {
        if let Some(Ok(Err(error))) = self.workers.try_join_next() {
            return Err(error);
        }
        if began.elapsed() > PATIENCE {
            return Err(LoadError::Worker("they did not all come in time".to_owned()));
        }
        sleep(Duration::from_millis(2)).await;
        Ok(())
    }

    /// Waits until the coordinator has sent all of them away; gives the first error.
    pub(crate) async fn end(mut self) -> Result<(), LoadError> {
        while let Some(joined) = self.workers.join_next().await {
            joined.map_err(|error| LoadError::Worker(error.to_string()))??;
        }
        Ok(())
    }

    /// Breaks all connections, as kills of the workers would. What it returns at is when.
    pub(crate) fn kill(mut self) -> Instant {
        self.workers.abort_all();
        Instant::now()
    }

    /// Has all of them say goodbye.
    pub(crate) async fn leave(mut self) {
        self.leave.cancel();
        while self.workers.join_next().await.is_some() {}
    }
}
