//! The trials of one cell on their way to the walkers: leases of the same cell follow one another without a gap, so that
//! no lane falls empty between them.
//!
//! | module | what it is |
//! | --- | --- |
//! | `state` | which trials wait, which are in which walker's hands, what the walkers are asked: no threads in it |
//! | `walk` | one walker's go: its trials' rows out, what it is asked in |

mod state;
mod walk;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taugrid_escape::ensemble;
use taugrid_escape::walk::Simulation;
use taugrid_results::{CellKey, Ranges};
use tokio::sync::mpsc;

use self::state::{Request, State, Wish};
use self::walk::{Taker, Walk};
use crate::holdings::TenureId;
use crate::pool::{Recalled, Report, Ticket, Work};
use crate::threads::Threads;

/// What makes a trial worth showing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing {
    /// Trials in hand for so long are shown, and again after as long; never if `None`.
    pub(crate) every: Option<Duration>,
    /// Trials given up are shown if there is so much thread time in them.
    pub(crate) least_work: Duration,
}

/// The leases of one cell that are being run.
pub(crate) struct Feed {
    cell: CellKey,
    simulation: Arc<dyn Simulation>,
    showing: Showing,
    /// While it is set no trial is begun.
    paused: Arc<AtomicBool>,
    state: Mutex<State>,
}

impl Feed {
    /// A feed with its first lease.
    pub(crate) fn new(work: Work, showing: Showing, paused: Arc<AtomicBool>) -> Self {
        let (cell, simulation) = (work.tenure.cell, Arc::clone(&work.simulation));
        let feed = Self { cell, simulation, showing, paused, state: Mutex::default() };
        feed.add(work);
        feed
    }

    /// Whether a lease can be added: one of this cell, none of whose trials is, or was, a lease's that is still open here.
    pub(crate) fn serves(&self, work: &Work) -> bool {
        self.cell == work.tenure.cell && !self.lock().overlaps(&work.trials)
    }

    /// Adds a lease behind those that are there.
    pub(crate) fn add(&self, work: Work) {
        self.lock().add(work.tenure, work.trials, work.from);
    }

    /// Whether trials of this lease wait or are in hand.
    pub(crate) fn holds(&self, tenure: TenureId) -> bool {
        self.lock().open(tenure).is_some()
    }

    /// Whether a walker has come to it yet.
    pub(crate) fn is_touched(&self) -> bool {
        self.lock().touched
    }

    /// Whether nothing is left to do, and nobody there to do it.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        state.walkers == 0 && state.waiting_count() == 0
    }

    /// How many walkers more the trials that wait could fill, on so many threads; they are counted as there from now on.
    pub(crate) fn enlist(&self, threads: usize) -> usize {
        if self.is_paused() {
            return 0;
        }
        let mut state = self.lock();
        let wanted = state.waiting_count().div_ceil(self.simulation.lanes() as u64);
        let more = threads.saturating_sub(state.walkers).min(usize::try_from(wanted).unwrap_or(threads));
        state.walkers += more;
        more
    }

    /// Takes a walker off the list, unless trials wait that it may take.
    pub(crate) fn retire(&self) -> Retirement {
        let mut state = self.lock();
        let waits = state.waiting_count() > 0;
        if waits && !self.is_paused() {
            return Retirement::Refused;
        }
        state.walkers -= 1;
        if state.walkers == 0 && !waits { Retirement::Last } else { Retirement::OneOfMany }
    }

    /// Walks until no trial waits. A kernel that panics takes its walker with it, and is reported.
    pub(crate) fn walk(&self, reports: &mpsc::UnboundedSender<Report>, clock: &dyn Threads) {
        let hand = self.lock().enter();
        // Sound to go on after: the walker and its buffers are gone with the panic, the simulation is never written to,
        // and the state is changed under its lock alone, where no kernel runs.
        let walked = catch_unwind(AssertUnwindSafe(|| {
            let mut walk = Walk::new(self, hand, reports, clock);
            ensemble::walk(&*self.simulation, &Taker { feed: self, hand }, &NEVER, &mut walk);
        }));
        let (in_hand, answered) = self.lock().leave(hand);
        answered.into_iter().for_each(|request| self.report(request, reports));
        if let Err(panic) = walked {
            let detail = format!("the kernel panicked: {}", message(&*panic));
            let _ = reports.send(Report::Failed { tenures: self.fail(in_hand), detail });
        }
    }

    /// A walker panicked with trials of these leases in hand. No walker is to try the same before the session has heard
    /// of it, so that what waits of them is dropped; if it had none, it could not begin with what waits first.
    fn fail(&self, mut tenures: Vec<TenureId>) -> Vec<TenureId> {
        let mut state = self.lock();
        if tenures.is_empty() {
            tenures.extend(state.first_waiting());
        }
        tenures.iter().for_each(|tenure| {
            state.drop_waiting(*tenure, None, u64::MAX);
        });
        tenures
    }

    /// Drops `trials` of a lease: those that wait at once, those in hand as soon as their walkers look up. Rows of trials
    /// that end before are reported all the same.
    pub(crate) fn give_up(&self, tenure: TenureId, trials: &Ranges) {
        let mut state = self.lock();
        state.drop_waiting(tenure, Some(trials), u64::MAX);
        let in_hand = state.in_hand(tenure, trials);
        state.ask(Wish::Some(in_hand), None);
    }

    /// Takes back up to `most` of the trials `left` of a lease, from the end: those that wait, and if `begun` those in
    /// hand as well. Of the latter [`Report::Released`] tells when all walkers have looked up.
    pub(crate) fn recall(&self, tenure: TenureId, left: &Ranges, most: u64, begun: bool, ticket: Ticket) -> Recalled {
        let mut state = self.lock();
        let dropped = state.drop_waiting(tenure, Some(left), most);
        let more = most - dropped.count();
        if !begun || more == 0 {
            return Recalled { dropped, pending: false };
        }
        let in_hand = last(&state.in_hand(tenure, left), more);
        let pending = state.ask(Wish::Some(in_hand), Some(ticket));
        Recalled { dropped, pending }
    }

    /// Gives up everything. What walkers have in hand comes as [`Report::Checkpoints`].
    pub(crate) fn release_all(&self) {
        let mut state = self.lock();
        state.drop_all_waiting();
        state.ask(Wish::All, None);
    }

    fn report(&self, request: Request, reports: &mpsc::UnboundedSender<Report>) {
        // Nobody listens once the worker is on its way out.
        let Request { ticket, trials, checkpoints, .. } = request;
        let _ = reports.send(Report::Released { ticket, trials, checkpoints });
    }

    fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, the numbers in it are whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Walkers are asked to give up their trials, never told to drop them.
static NEVER: AtomicBool = AtomicBool::new(false);

/// What came of a walker's wish to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Retirement {
    /// Trials wait.
    Refused,
    /// It may go; others are still there, or trials wait until the feed goes on.
    OneOfMany,
    /// It may go, and was the last.
    Last,
}

/// The last `most` of `trials`.
fn last(trials: &Ranges, mut most: u64) -> Ranges {
    let mut chosen = Ranges::new();
    for range in trials.iter().rev() {
        let from = range.start.max(range.end.saturating_sub(most));
        if from < range.end {
            most -= range.end - from;
            chosen.insert(from..range.end);
        }
    }
    chosen
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
