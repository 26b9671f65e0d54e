//! What the coordinator says. Everything is checked: it came off the wire.

use taugrid_results::decode_checkpoints;
use taugrid_wire::batch::Batched;
use taugrid_wire::leases::{Lease, from_wire};
use taugrid_wire::trials::to_wire;
use taugrid_wire::v1::{
    Adopted, Checkpoints, CoordinatorMessage, Farewell, Recall, Returned, coordinator_message::Kind, worker_message,
};
use tracing::debug;

use super::Desk;
use crate::error::WorkerError;
use crate::pool::{Ticket, Work};

impl Desk {
    /// Takes in a message; a farewell is for the caller, and what comes after it is for nobody.
    pub(crate) fn hear(&mut self, message: CoordinatorMessage) -> Result<Option<Farewell>, WorkerError> {
        for kind in message.kinds() {
            if let Some(farewell) = self.hear_part(kind)? {
                return Ok(Some(farewell));
            }
        }
        Ok(None)
    }

    fn hear_part(&mut self, kind: Kind) -> Result<Option<Farewell>, WorkerError> {
        match kind {
            Kind::Leases(message) => {
                let leases = from_wire(&message).map_err(|error| WorkerError::Protocol(format!("leases: {error}")))?;
                leases.into_iter().try_for_each(|lease| self.begin(lease))?;
            }
            Kind::Ack(ack) => {
                self.outbox.acknowledge(ack.sequence);
                self.pause_or_resume();
            }
            Kind::Adopted(adopted) => self.adopt(&adopted)?,
            Kind::Recall(recall) => self.recall(recall),
            Kind::Checkpoints(checkpoints) => self.keep(&checkpoints)?,
            Kind::Farewell(farewell) => return Ok(Some(farewell)),
            Kind::Welcome(_) => return Err(WorkerError::Protocol("a second Welcome".to_owned())),
            Kind::Batch(_) => return Err(WorkerError::Protocol("a batch within a batch".to_owned())),
        }
        Ok(None)
    }

    fn begin(&mut self, lease: Lease) -> Result<(), WorkerError> {
        if self.has_said_goodbye() {
            return Ok(());
        }
        let Lease { number, cell, trials, grant } = lease;
        let Some(setup) = &mut self.setup else {
            return Err(WorkerError::Protocol("a lease before the Welcome".to_owned()));
        };
        debug!(lease = number, trials = trials.end - trials.start, "lease");
        let simulation = setup.simulation(&cell)?;
        let begun = self.holdings.begin(number, cell.key, trials.clone(), grant);
        let tenure = begun.map_err(WorkerError::Protocol)?;
        let from = self.arriving.take(cell.key, &trials, &*simulation);
        if trials.is_empty() {
            let done = self.holdings.settle(tenure.id);
            self.after_rows.extend(done.map(worker_message::Kind::LeaseDone));
        } else if !self.is_leaving() {
            self.pool.submit(Work { tenure, trials, simulation, from });
        }
        Ok(())
    }

    fn keep(&mut self, checkpoints: &Checkpoints) -> Result<(), WorkerError> {
        let checkpoints = decode_checkpoints(&checkpoints.batch);
        self.arriving.keep(checkpoints.map_err(|error| WorkerError::Protocol(format!("checkpoints: {error}")))?);
        Ok(())
    }

    fn adopt(&mut self, adopted: &Adopted) -> Result<(), WorkerError> {
        let adoption = self.holdings.adopt(adopted).map_err(WorkerError::Protocol)?;
        for (tenure, trials) in adoption.given_up {
            debug!(cell = %tenure.cell, "trials are somebody else's now");
            self.pool.give_up(tenure.id, &trials);
        }
        self.after_rows.extend(adoption.failed.into_iter().map(worker_message::Kind::Failed));
        self.after_rows.extend(adoption.done.into_iter().map(worker_message::Kind::LeaseDone));
        self.hand_back_inherited();
        self.leave_if_ready()
    }

    fn recall(&mut self, recall: Recall) {
        if self.has_said_goodbye() {
            return;
        }
        let Recall { lease, most, begun } = recall;
        let Some(holding) = self.holdings.numbered(lease) else {
            // It is done; what said so and this crossed on the way.
            return self.line.say(worker_message::Kind::Returned(Returned { lease, trials: Vec::new() }));
        };
        self.last_ticket += 1;
        let (ticket, tenure) = (Ticket(self.last_ticket), holding.tenure.id);
        let recalled = self.pool.recall(tenure, &holding.left, most, begun, ticket);
        if recalled.pending {
            // Until the answer is complete they count as held, or the lease might be said to be done before it is given.
            let recall = super::Recall { tenure, lease, stream: self.stream, dropped: recalled.dropped };
            self.recalls.insert(ticket, recall);
        } else {
            let done = self.holdings.forgo(tenure, &recalled.dropped);
            let trials = to_wire(&recalled.dropped);
            self.line.say(worker_message::Kind::Returned(Returned { lease, trials }));
            self.after_rows.extend(done.map(worker_message::Kind::LeaseDone));
        }
    }
}
