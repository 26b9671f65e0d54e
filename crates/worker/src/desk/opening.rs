//! A stream begins, and breaks: who the worker is, what it holds.

use std::fs;
use std::path::Path;

use prost::Message;
use taugrid_results::decode_checkpoints;
use taugrid_wire::trials::from_wire;
use taugrid_wire::v1::{Hello, Ready, Welcome, worker_message::Kind};
use taugrid_wire::{PROTOCOL, RELEASE};
use tracing::warn;

use super::Desk;
use crate::error::WorkerError;
use crate::line::Item;
use crate::options::Options;
use crate::setup::Setup;

impl Desk {
    /// A stream is to be opened; the first word on it.
    pub(crate) fn hello(&mut self, options: &Options) -> Hello {
        self.stream += 1;
        let sweep = match &self.setup {
            Some(setup) if self.holds_anything() => setup.sweep.clone(),
            _ => String::new(),
        };
        Hello {
            protocol: PROTOCOL,
            release: RELEASE.to_owned(),
            name: options.name.clone(),
            threads: u32::try_from(self.pool.threads()).unwrap_or(u32::MAX),
            sweep,
            identity: self.identity,
        }
    }

    /// Whether the worker is set up for the sweep of a welcome.
    ///
    /// # Errors
    /// If it is not, and holds rows or leases of another one: then it should have been sent away.
    pub(crate) fn knows(&self, welcome: &Welcome) -> Result<bool, WorkerError> {
        let knows = self.setup.as_ref().is_some_and(|setup| setup.sweep == welcome.sweep);
        if !knows && self.holds_anything() {
            return Err(WorkerError::Protocol("welcomed to a sweep, with rows of another one".to_owned()));
        }
        Ok(knows)
    }

    /// The worker is set up for a sweep, and takes over what dead workers of it have left.
    pub(crate) fn settle_in(&mut self, setup: Setup) {
        let inheritance = self.outbox.spill().inherit(&setup.sweep);
        self.setup = Some(setup);
        for path in inheritance.results {
            let name = path.display().to_string();
            if let Err(error) = self.outbox.inherit(path) {
                warn!("the rows in {name} cannot be handed over: {error}");
            }
        }
        for (held, checkpoints) in inheritance.held {
            match self.inherit_lease(&held, &checkpoints) {
                Ok(()) => self.inherited.extend([held, checkpoints]),
                Err(error) => warn!("the trials in {} begin anew: {error}", held.display()),
            }
        }
    }

    fn inherit_lease(&mut self, held: &Path, checkpoints: &Path) -> Result<(), String> {
        let read = |path| fs::read(path).map_err(|error| error.to_string());
        let ready = Ready::decode(&*read(held)?).map_err(|error| error.to_string())?;
        let checkpoints = decode_checkpoints(&read(checkpoints)?).map_err(|error| error.to_string())?;
        let (Some(held), Some(first)) = (ready.held.into_iter().next(), checkpoints.first()) else {
            return Err("there is none".to_owned());
        };
        let left = from_wire(&held.left).map_err(|error| error.to_string())?;
        self.holdings.inherit(first.cell, held.grant, left);
        self.put_on_shelf(checkpoints);
        Ok(())
    }

    /// Whether something is under way that has to be known before it can be said what is held.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.recalls.is_empty() || self.is_releasing()
    }

    /// The coordinator has said welcome: rows that are not acknowledged, and then what is held, are put into the line.
    pub(crate) fn open(&mut self) -> Result<(), WorkerError> {
        self.seal();
        self.is_open = true;
        self.line.extend(self.outbox.unacknowledged().into_iter().map(Item::RowsAgain));
        // A worker that leaves and holds no lease has nothing to wait for.
        if !(self.is_leaving() && self.holdings.is_empty()) {
            self.line.say(Kind::Ready(Ready { held: self.holdings.offer() }));
        }
        if !self.holdings.awaits_adoption() {
            self.hand_back_inherited();
        }
        self.leave_if_ready()
    }

    /// The stream is no more.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        self.line.clear();
        self.after_rows.clear();
        self.arriving.clear();
        self.holdings.unnumber();
        self.forget_goodbye();
    }

    /// Whether there is a row or a lease that is of a sweep.
    fn holds_anything(&self) -> bool {
        !self.outbox.is_empty() || !self.holdings.is_empty()
    }
}
