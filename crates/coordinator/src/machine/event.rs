//! What the machine is told, and what it says is to be done.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use taugrid_results::{CellKey, Coverage, Ranges};

/// A connection of a worker. A worker that comes back has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// A worker's process, whatever connection it has: a number that it drew when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub u64);

/// A lease. Never used twice within the life of a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// A message of results, as its worker numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// Who sent it.
    pub worker: WorkerId,
    /// Its number within that worker's life.
    pub sequence: u64,
}

/// Time since the coordinator started.
pub type Moment = Duration;

/// A lease of an earlier stream that its worker is still at work on. That it was given is for the shell to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Of which cell.
    pub cell: CellKey,
    /// The trials whose rows have not been sent.
    pub left: Ranges,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A worker can take leases. Rows may have come from it before.
    Joined {
        /// Its connection.
        worker: WorkerId,
        /// Its process.
        identity: Identity,
        /// Trials it runs at once.
        threads: u32,
        /// What it still holds; answered by [`Effect::Adopted`] if there is anything.
        held: Vec<Held>,
        /// When.
        at: Moment,
    },
    /// A worker's stream ended.
    Left {
        /// Its connection.
        worker: WorkerId,
        /// Whether it said goodbye. If not, it may have died of what it held.
        orderly: bool,
        /// When.
        at: Moment,
    },
    /// Anything came from a worker.
    Heard {
        /// Its connection.
        worker: WorkerId,
        /// When.
        at: Moment,
    },
    /// Rows came. They are for the writer ([`Effect::Write`]), unless the worker may not send them.
    Received {
        /// The message.
        receipt: Receipt,
        /// The trials it holds, `rows` of them.
        trials: Coverage,
        /// How many.
        rows: u64,
        /// Trials that the worker may hand over besides those of its leases: it proved that it was given them once. A
        /// worker that comes back after its lease was given away still hands over what it has.
        granted: Coverage,
    },
    /// A worker has sent all rows of these leases.
    LeasesDone {
        /// Its connection.
        worker: WorkerId,
        /// The leases, and the thread time that each took.
        leases: Vec<(LeaseId, Duration)>,
    },
    /// A worker gave back trials of a lease: asked to ([`Effect::Recall`]), or because it leaves.
    Returned {
        /// Its connection.
        worker: WorkerId,
        /// The lease.
        lease: LeaseId,
        /// The trials.
        trials: Ranges,
        /// When.
        at: Moment,
    },
    /// The kernel failed on a trial of a lease; the worker holds nothing of it any more.
    Failed {
        /// Its connection.
        worker: WorkerId,
        /// The lease.
        lease: LeaseId,
        /// When.
        at: Moment,
    },
    /// Checkpoints of these trials are durable: whoever held them did not labour in vain.
    Checkpointed {
        /// The trials.
        trials: Coverage,
    },
    /// The rows of these messages are durable.
    Durable {
        /// The messages.
        receipts: Vec<Receipt>,
    },
    /// The answer to [`Effect::Decide`].
    Decided {
        /// The cell.
        cell: CellKey,
        /// How many trials it needs now; `None` if those it has are enough.
        limit: Option<u64>,
    },
    /// Lease no more, and call back what is out.
    Pause,
    /// Lease again.
    Resume,
    /// Time passed.
    Clock {
        /// The time.
        at: Moment,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Give a shard to a worker.
    Lease {
        /// To whom.
        worker: WorkerId,
        /// Under which number.
        lease: LeaseId,
        /// Of which cell.
        cell: CellKey,
        /// Which trials.
        trials: Range<u64>,
    },
    /// Tell a worker what it holds of what it held.
    Adopted {
        /// Whom.
        worker: WorkerId,
        /// By the place in [`Event::Joined`]: the new number, and the trials that are still its own. What is not in here
        /// it holds no more.
        leases: Vec<(usize, LeaseId, Ranges)>,
    },
    /// Ask a worker to give back trials of a lease.
    Recall {
        /// Whom.
        worker: WorkerId,
        /// Of which lease.
        lease: LeaseId,
        /// How many at most.
        most: u64,
        /// Those that it has begun as well.
        begun: bool,
    },
    /// Give the rows that came to the writer.
    Write(Receipt),
    /// Tell a worker, if it is still there, that its rows are durable.
    Ack(Receipt),
    /// Close a worker's stream.
    Dismiss {
        /// Whose.
        worker: WorkerId,
        /// Why.
        reason: Dismissal,
    },
    /// All trials 0..`trials` of a cell have been received: are they enough?
    Decide {
        /// The cell.
        cell: CellKey,
        /// How many it has.
        trials: u64,
    },
    /// These trials are not leased any more: workers died of them.
    Quarantine(Quarantined),
    /// All rows have been received: make them durable without waiting for more.
    Flush,
    /// All rows are durable, but for what is in quarantine.
    Finish,
}

/// Trials that are set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Of which cell.
    pub cell: CellKey,
    /// Which trials.
    pub trials: Range<u64>,
    /// How many workers died, or failed, while they held them.
    pub workers: u32,
}

/// Why a worker is sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissal {
    /// Nothing came from it for too long.
    Silent,
    /// It said a lease was done whose rows it had not sent.
    RowsMissing,
    /// It named a lease it does not hold.
    UnknownLease,
    /// It gave back trials that it does not hold.
    NotItsTrials,
    /// It sent rows of trials that it was never given.
    NotLeased,
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "nothing was heard of it for too long",
            Self::RowsMissing => "it said that a lease was done, and its rows had not come",
            Self::UnknownLease => "it named a lease that it does not hold",
            Self::NotItsTrials => "it gave back trials that it does not hold",
            Self::NotLeased => "it sent rows of trials that it was never given",
        })
    }
}
