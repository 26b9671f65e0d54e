//! A worker from its first connection to the end of the sweep, over any number of broken streams.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use taugrid_escape::simd::{Isa, IsaError};
use taugrid_wire::v1::{Farewell, farewell::Reason};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::desk::Desk;
pub use crate::error::WorkerError;
pub use crate::options::{Options, default_cache, default_threads};
use crate::seek::Seeker;
use crate::session::{Parting, hold};
use crate::threads::{RayonThreads, Threads};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How a worker's life ended, unless by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The sweep is finished.
    Finished,
    /// The worker was asked to stop, its time was over, or the coordinator stops and the worker leaves with it.
    Stopped,
}

/// Checks what the environment says of the instruction set, and warns of a slow one.
///
/// # Errors
/// If `TAUGRID_ISA` names none, or one that this machine lacks.
pub fn check_instruction_set() -> Result<(), IsaError> {
    let isa = Isa::from_environment()?;
    if isa.is_slow() {
        warn!("without AVX2 and FMA the kernels give the same rows, but some fifty times slower");
    }
    Ok(())
}

/// Serves the coordinator until the sweep ends, until `stop` or the time limit, or something that another try cannot mend.
/// Asked to stop, it hands back what it holds within the grace.
pub async fn run(options: &Options, stop: &CancellationToken) -> Result<Ending, WorkerError> {
    run_on(Arc::new(RayonThreads::new(options.threads)?), options, stop).await
}

/// The same on threads of the caller's, rather than those that the options ask for.
pub async fn run_on(
    threads: Arc<dyn Threads>,
    options: &Options,
    stop: &CancellationToken,
) -> Result<Ending, WorkerError> {
    let leave = stop.child_token();
    // Everything that runs beside ends with this.
    let _end = leave.clone().drop_guard();
    if let Some(limit) = options.time_limit {
        let (leave, at) = (leave.clone(), Instant::now() + limit.saturating_sub(options.grace));
        tokio::spawn(async move {
            let alarm = tokio::time::sleep_until(at);
            tokio::select! {
                () = alarm => leave.cancel(),
                () = leave.cancelled() => {}
            }
        });
    }
    let mut desk = Desk::new(options, threads);
    let ended = tokio::select! {
        ended = live(&mut desk, options, &leave) => ended,
        () = grace_over(&leave, options.grace) => {
            warn!("not all could be handed back within {} s", options.grace.as_secs());
            Ok(Ending::Stopped)
        }
    };
    match &ended {
        Ok(Ending::Finished) => desk.be_done(),
        Ok(Ending::Stopped) => desk.bequeath(),
        Err(_) => {
            let settling = tokio::time::timeout(options.grace, desk.fall_quiet());
            if let Ok(Err(error)) = settling.await {
                warn!("{error}");
            }
            desk.bequeath();
        }
    }
    ended
}

async fn live(desk: &mut Desk, options: &Options, leave: &CancellationToken) -> Result<Ending, WorkerError> {
    let mut seeker = Seeker::new(&options.coordinator);
    let mut dice = SmallRng::seed_from_u64(options.seed);
    let mut pause = FIRST_PAUSE;
    let mut last_contact = Instant::now();
    loop {
        let began = Instant::now();
        let attempt = match seeker.look().await {
            Ok(target) => hold(desk, &target, seeker.changed(), options, leave).await,
            Err(error) => Err(error.into()),
        };
        let error = match attempt {
            Ok(Parting::Left) => return Ok(Ending::Stopped),
            // A coordinator that stops may be started again, and wants what is held for it.
            Ok(Parting::Farewell(farewell))
                if farewell.reason() == Reason::Stopping && !options.leave_with_coordinator =>
            {
                WorkerError::broken("the coordinator stops")
            }
            Ok(Parting::Farewell(farewell)) => return part(farewell),
            Err(error) if !error.is_passing() => return Err(error),
            Err(error) => error,
        };
        if matches!(error, WorkerError::Broken(_)) {
            // There was a stream to break: the coordinator was reached.
            last_contact = Instant::now();
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
        }
        if last_contact.elapsed() > options.patience {
            return Err(error);
        }
        warn!("{error}; trying again");
        let jittered = pause.mul_f64(dice.random_range(0.5..1.5));
        pause = (pause * 2).min(LONGEST_PAUSE);
        let waiting = async {
            tokio::select! {
                () = tokio::time::sleep(jittered) => false,
                () = seeker.changed() => true,
            }
        };
        match desk.beside(leave, waiting).await? {
            None => return Ok(Ending::Stopped),
            Some(true) => pause = FIRST_PAUSE,
            Some(false) => {}
        }
    }
}

/// Waits until the worker is to leave, and then until its grace is over.
async fn grace_over(leave: &CancellationToken, grace: Duration) {
    leave.cancelled().await;
    tokio::time::sleep(grace).await;
}

fn part(farewell: Farewell) -> Result<Ending, WorkerError> {
    match farewell.reason() {
        Reason::Finished => Ok(Ending::Finished),
        Reason::Stopping | Reason::Cancelled => Ok(Ending::Stopped),
        Reason::Incompatible => Err(WorkerError::Incompatible(farewell.detail)),
        Reason::OtherSweep => Err(WorkerError::OtherSweep(farewell.detail)),
        Reason::ProtocolError | Reason::Unspecified => Err(WorkerError::Protocol(farewell.detail)),
    }
}
