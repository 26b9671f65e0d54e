//! A coordinator without a network, a disk and a clock, that hears what the fuzzer says. Nothing is made for it but this:
//! the conversation, the dispatcher and the machine are those of [`serve`](crate::serve()).

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use taugrid_results::store::MemoryStore;
use taugrid_results::{Cell, CellKey, CellTable, CellTallies, Checkpoints, Coverage};
use taugrid_sweep::Sweep;
use taugrid_wire::v1::{StatusReply, Welcome, WorkerMessage, worker_message::Kind};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::conversation::{Conversation, Parting, Shared};
use crate::decisions::Decisions;
use crate::dispatcher::{Dispatcher, Said, Tools, Verdict};
use crate::grants::Grants;
use crate::machine::{Identity, Machine, Plan, Tuning, WorkerId};
use crate::outgoing::outgoing;
use crate::provenance::Provenance;
use crate::serve::Progress;
use crate::service::Service;
use crate::writer::Job;

/// What leases are signed with here.
const KEY: &[u8] = b"a key that the fuzzer knows";
/// As on every coordinator, but far fewer, so that few rows fill it.
const MOST_ROWS: u32 = 1 << 10;

/// The grant of a lease, as a worker would have it of such a coordinator.
pub fn grant(cell: CellKey, trials: &Range<u64>) -> Bytes {
    Bytes::copy_from_slice(&Grants::with_key(KEY).sign(cell, trials))
}

/// How a coordinator took what a worker said.
#[derive(Debug)]
pub struct Heard {
    /// Why the worker was sent away, if it was.
    pub wrong: Option<String>,
    /// Whether the sweep came to its end.
    pub finished: bool,
    /// How the sweep stood when the worker had left.
    pub status: StatusReply,
}

/// Runs coordinators, one a conversation.
pub struct Coordinators {
    runtime: Runtime,
}

impl Coordinators {
    /// On the thread that asks.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self { runtime: Builder::new_current_thread().enable_time().build()? })
    }

    /// Has a worker say `messages` to a new coordinator of `sweep`, and leave.
    ///
    /// # Errors
    /// If the store in memory refuses.
    pub fn hear(&self, sweep: &Sweep, messages: Vec<WorkerMessage>) -> io::Result<Heard> {
        self.runtime.block_on(hear(sweep, messages))
    }
}

async fn hear(sweep: &Sweep, messages: Vec<WorkerMessage>) -> io::Result<Heard> {
    let worker = WorkerId(1);
    let (said, mut line) = mpsc::channel(1);
    let (jobs, mut written) = mpsc::unbounded_channel();
    let (shared, mut dispatcher) = coordinator(sweep, said, jobs)?;
    let (stream, _unread) = outgoing(Welcome::default(), Arc::clone(&shared.checkpoints));
    let mut messages = messages.into_iter().peekable();
    let (mut identity, mut threads) = (Identity(7), 2);
    if let Some(WorkerMessage { kind: Some(Kind::Hello(hello)) }) = messages.peek() {
        let (sweep, physics) = (sweep.physics().sweep_id(), String::new());
        let service =
            Service { sweep, physics, artifact: None, shared: Arc::clone(&shared), next_worker: Default::default() };
        // Whoever is not let in says no more; what others say is to be heard.
        let _ = service.admit(hello);
        (identity, threads) = (Identity(hello.identity), hello.threads.clamp(1, 1 << 16));
        messages.next();
    }
    dispatcher.take_in(Said::Attached { worker, name: String::new(), stream });
    let conversation = Conversation { worker, identity, threads, shared, is_ready: false };
    let listening = async move { conversation.listen(tokio_stream::iter(messages.map(Ok))).await };
    let taking = async {
        let mut verdict = None;
        while let Some(said) = line.recv().await {
            verdict = dispatcher.take_in(said).or(verdict);
            // The writer: all rows are durable at once.
            let jobs = std::iter::from_fn(|| written.try_recv().ok());
            let receipts = jobs.filter_map(|job| match job {
                Job::Rows(receipt, ..) => Some(receipt),
                _ => None,
            });
            let receipts: Vec<_> = receipts.collect();
            if !receipts.is_empty() {
                verdict = dispatcher.take_in(Said::Durable(receipts)).or(verdict);
            }
        }
        verdict
    };
    let (parting, verdict) = tokio::join!(listening, taking);
    let left = Said::Left { worker, orderly: !matches!(parting, Parting::Broken) };
    let verdict = dispatcher.take_in(left).or(verdict);
    let wrong = if let Parting::Wrong(detail) = parting { Some(detail) } else { None };
    Ok(Heard { wrong, finished: verdict == Some(Verdict::Finished), status: dispatcher.status() })
}

fn coordinator(
    sweep: &Sweep,
    said: mpsc::Sender<Said>,
    writer: mpsc::UnboundedSender<Job>,
) -> io::Result<(Arc<Shared>, Dispatcher)> {
    let cells = sweep.cells();
    let checkpoints = Checkpoints::open(Arc::new(MemoryStore::new())).map_err(io::Error::other)?;
    let checkpoints = Arc::new(checkpoints);
    let grants = Grants::with_key(KEY);
    let table = Arc::new(CellTable::new(cells.iter().copied()));
    let shared = Arc::new(Shared {
        cells: Arc::clone(&table),
        most_trials: sweep.demand.most(),
        max_steps: sweep.max_steps,
        grants: grants.clone(),
        checkpoints: Arc::clone(&checkpoints),
        room: Arc::new(Semaphore::new(MOST_ROWS as usize)),
        most_rows: MOST_ROWS,
        dispatcher: said,
    });
    let tallies = |cell: &Cell| Some((cell.key, CellTallies::new(sweep.demand.precision()?)));
    let mut decisions = Decisions::new(cells.iter().filter_map(tallies).collect());
    let plans = cells.iter().map(|cell| {
        let (trials, open_ended) = decisions.needed(cell.key).unwrap_or((sweep.demand.most(), false));
        (cell.key, Plan { trials, open_ended, lanes: 4 })
    });
    let plans: Vec<_> = plans.collect();
    let tuning = Tuning { most_unwritten: MOST_ROWS.into(), ..Tuning::default() };
    let machine = Machine::new(plans, &Coverage::new(), None, tuning);
    let tools = Tools {
        name: sweep.name.clone(),
        sweep: sweep.physics().sweep_id(),
        cells: table,
        grants,
        checkpoints,
        decisions,
        writer,
        progress: watch::channel(Progress::default()).0,
        provenance: Provenance::none(),
    };
    Ok((shared, Dispatcher::new(machine, tools)))
}
