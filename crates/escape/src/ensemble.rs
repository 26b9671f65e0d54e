//! Many trials on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::walk::{Simulation, TrialRecord};

/// Where finished trials go. One sink serves one thread for a while; it is dropped when that thread has nothing left to
/// add, and a sink that gathers records hands them on then.
pub trait Sink: Send {
    /// Takes a finished trial. Trials finish in no order.
    fn record(&mut self, record: TrialRecord);
}

/// Runs `trials` on the current rayon pool, each record to a sink made by `sink`. Once `stop` is set, trials that are
/// not finished are abandoned within about a millisecond; what was recorded stays recorded.
pub fn run<S: Sink>(simulation: &dyn Simulation, trials: Range<u64>, stop: &AtomicBool, sink: impl Fn() -> S + Sync) {
    trials
        .into_par_iter()
        .fold(
            || None,
            |seat, trial| {
                let (mut walker, mut sink) = seat.unwrap_or_else(|| (simulation.walker(), sink()));
                walker.start(trial);
                while !stop.load(Ordering::Relaxed) {
                    if let Some(record) = walker.advance() {
                        sink.record(record);
                        break;
                    }
                }
                Some((walker, sink))
            },
        )
        .for_each(drop);
}
