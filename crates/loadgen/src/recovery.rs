//! How long it takes after a kill: until what a worker held is leased elsewhere, until a coordinator that is started again
//! is ready, and until its workers are back at work.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::LoadError;
use crate::coordinator::Stage;
use crate::crowd::Crowd;
use crate::worker::Manner;

const PATIENCE: Duration = Duration::from_secs(10);

/// From the break of a worker's stream until its trials are with another worker, which waits for nothing but them.
pub(crate) async fn of_a_worker(stage: &Stage) -> Result<Duration, LoadError> {
    let coordinator = stage.start().await?;
    // It takes all trials there are and keeps them.
    let keeps = Manner::idle();
    let victim = Crowd::gather(coordinator.target(), 1, &keeps, None).await?;
    grows("at the beginning", &victim, 0).await?;
    // Until it has all of them.
    sleep(Duration::from_millis(300)).await;
    let other = Manner { first_identity: 2, ..keeps };
    let other = Crowd::gather(coordinator.target(), 1, &other, None).await?;
    sleep(Duration::from_millis(300)).await;
    let before = other.tally.leases.load(Ordering::Relaxed);
    let broken = victim.kill();
    grows("after the kill of a worker", &other, before).await?;
    let taken = broken.elapsed();
    drop(other);
    coordinator.kill().await?;
    Ok(taken)
}

/// From the start of a coordinator on what a killed one left, until it answers a worker and until it has leased to one.
pub(crate) async fn of_a_coordinator(stage: &Stage, workers: usize) -> Result<(Duration, Duration), LoadError> {
    let manner = Manner::paced(Duration::from_millis(20), Duration::from_millis(5));
    let first = stage.start().await?;
    let crowd = Crowd::gather(first.target(), workers, &manner, None).await?;
    while crowd.tally.durable.load(Ordering::Relaxed) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    first.kill().await?;
    drop(crowd);
    let began = Instant::now();
    let second = stage.start().await?;
    let crowd = Crowd::gather(second.target(), workers, &manner, None).await?;
    let ready = began.elapsed();
    grows("after the kill of the coordinator", &crowd, 0).await?;
    let at_work = began.elapsed();
    crowd.leave().await;
    second.kill().await?;
    Ok((ready, at_work))
}

/// Waits until the crowd has more leases than `before`.
async fn grows(what: &str, crowd: &Crowd, before: u64) -> Result<(), LoadError> {
    let growing = async {
        while crowd.tally.leases.load(Ordering::Relaxed) <= before {
            sleep(Duration::from_micros(100)).await;
        }
    };
    timeout(PATIENCE, growing).await.map_err(|_| LoadError::Worker(format!("no lease came {what}")))
}
