//! Everything is given up, and handed back, or left to the next worker.

use std::io;

use prost::Message;
use taugrid_results::{TrialCheckpoint, encode_checkpoints};
use taugrid_wire::trials::to_wire;
use taugrid_wire::v1::{Goodbye, Held, Ready, Returned, worker_message::Kind};
use tracing::{info, warn};

use super::Desk;
use crate::error::WorkerError;
use crate::holdings::TenureId;
use crate::spill;

/// How far a worker is with leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leaving {
    /// It stays.
    #[default]
    No,
    /// Its walkers are giving up their trials.
    Releasing,
    /// They have.
    Quiet,
    /// The coordinator was told.
    Said,
}

impl Desk {
    /// Has the walkers give up everything.
    pub(crate) fn begin_leaving(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Releasing;
            self.pool.release_all();
        }
    }

    /// Has the walkers give up everything, and waits until they have, if what they had is to be kept.
    pub(crate) async fn fall_quiet(&mut self) -> Result<(), WorkerError> {
        self.begin_leaving();
        while self.is_releasing() && self.outbox.spill().keeps() {
            if let Some(report) = self.report().await {
                self.take_in(report)?;
            }
        }
        Ok(())
    }

    /// Whether the worker is on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving != Leaving::No
    }

    /// Whether the walkers are still giving up their trials.
    pub(super) fn is_releasing(&self) -> bool {
        self.leaving == Leaving::Releasing
    }

    /// Whether the coordinator was told on this stream that the worker leaves.
    pub(crate) fn has_said_goodbye(&self) -> bool {
        self.leaving == Leaving::Said
    }

    /// The goodbye was said on a stream that is no more.
    pub(super) fn forget_goodbye(&mut self) {
        if self.leaving == Leaving::Said {
            self.leaving = Leaving::Quiet;
        }
    }

    /// Whether the worker is on its way out, and nobody needs to hear of it.
    pub(crate) fn has_left_nothing(&self) -> bool {
        self.leaving == Leaving::Quiet && !self.is_open && self.outbox.is_empty() && self.holdings.is_empty()
    }

    pub(super) fn be_quiet(&mut self) -> Result<(), WorkerError> {
        if self.leaving == Leaving::Releasing {
            self.leaving = Leaving::Quiet;
        }
        self.leave_if_ready()
    }

    /// Hands back what is held and says goodbye, as soon as nothing moves any more and all that is held has a number.
    pub(super) fn leave_if_ready(&mut self) -> Result<(), WorkerError> {
        if self.leaving == Leaving::Quiet && self.is_open && !self.holdings.awaits_adoption() {
            self.seal();
            let held: Vec<_> = self.holdings.all().map(|holding| holding.tenure.id).collect();
            held.into_iter().for_each(|id| self.hand_back(id));
            self.line.say(Kind::Goodbye(Goodbye { reason: "asked to stop".to_owned() }));
            self.leaving = Leaving::Said;
        }
        Ok(())
    }

    /// Hands back the leases of dead workers that have a number now.
    pub(super) fn hand_back_inherited(&mut self) {
        let inherited = self.holdings.all().filter(|holding| holding.inherited).map(|holding| holding.tenure.id);
        let inherited: Vec<_> = inherited.collect();
        inherited.into_iter().for_each(|id| self.hand_back(id));
        self.inherited.drain(..).for_each(|path| spill::remove(&path));
        if !self.is_leaving() {
            self.shelf.clear();
        }
    }

    /// Shows where the trials of a lease are, and gives it back. They stay on the shelf: the stream may break yet.
    fn hand_back(&mut self, id: TenureId) {
        let Some(holding) = self.holdings.all().find(|holding| holding.tenure.id == id) else { return };
        let (cell, trials) = (holding.tenure.cell, to_wire(&holding.left));
        let Some(lease) = holding.lease else { return };
        let theirs = self.shelf.values().filter(|one| one.cell == cell && holding.left.contains(one.trial));
        self.line.show(theirs.cloned());
        self.line.say(Kind::Returned(Returned { lease, trials }));
        if holding.inherited {
            self.holdings.let_go(id);
        }
    }

    pub(super) fn put_on_shelf(&mut self, checkpoints: Vec<TrialCheckpoint>) {
        self.shelf.extend(checkpoints.into_iter().map(|one| ((one.cell, one.trial), one)));
    }

    /// The coordinator has closed the stream after the goodbye: it has taken in all.
    pub(crate) fn be_done(&mut self) {
        self.outbox.forget();
        self.shelf.clear();
    }

    /// Writes what is left for the next worker, where that was asked for.
    pub(crate) fn bequeath(&mut self) {
        while let Some(report) = self.next_report() {
            if let Err(error) = self.take_in(report) {
                warn!("{error}");
            }
        }
        if !self.outbox.spill().keeps() || !self.has_something_to_leave() {
            return;
        }
        self.seal();
        match self.write_all().map_err(WorkerError::Spill) {
            Ok(()) => info!("what is not handed over is kept for the next worker"),
            Err(error) => warn!("what is not handed over cannot be kept for the next worker: {error}"),
        }
    }

    fn has_something_to_leave(&self) -> bool {
        !self.outbox.is_empty() || !self.shelf.is_empty()
    }

    fn write_all(&mut self) -> io::Result<()> {
        let Some(sweep) = self.setup.as_ref().map(|setup| setup.sweep.clone()) else { return Ok(()) };
        self.outbox.bequeath(&sweep)?;
        let mut number = 0;
        for holding in self.holdings.all() {
            let cell = holding.tenure.cell;
            let theirs = self.shelf.values().filter(|one| one.cell == cell && holding.left.contains(one.trial));
            let theirs: Vec<_> = theirs.cloned().collect();
            if theirs.is_empty() {
                continue;
            }
            number += 1;
            let held = Held { grant: holding.tenure.grant.clone(), left: to_wire(&holding.left) };
            let ready = Ready { held: vec![held] }.encode_to_vec();
            let spill = self.outbox.spill();
            spill.write(&sweep, &format!("{number:012}.checkpoints"), &encode_checkpoints(&theirs), true)?;
            spill.write(&sweep, &format!("{number:012}.held"), &ready, true)?;
        }
        self.inherited.drain(..).for_each(|path| spill::remove(&path));
        Ok(())
    }
}
