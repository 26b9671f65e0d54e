//! One run: the hosts, the faults as their time comes, and how it ended.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use taugrid_coordinator::{Ending, Progress, serve};
use taugrid_process::connect::Coordinator;
use taugrid_process::listen::Listener;
use taugrid_sweep::Sweep;
use taugrid_worker::{Options, run_on};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use turmoil::{Builder, Sim};

use crate::faults::{End, Fault, Manner, Plan, Way};
use crate::network::{Acceptor, Dialler, Knife};
use crate::study::{Study, folder, open};
use crate::threads::SimulatedThreads;
use crate::witness::{Heard, Witness};

const COORDINATOR: &str = "coordinator";
const PORT: u16 = 7000;
/// Hosts take turns of so long.
const TICK: Duration = Duration::from_millis(5);
/// A sweep that has not ended by then does not end.
const LIMIT: Duration = Duration::from_secs(600);

/// How a run went.
#[derive(Debug, Clone)]
pub struct Story {
    /// What was to happen.
    pub plan: Plan,
    /// What was said.
    pub heard: Heard,
    /// Simulated time until the end of the sweep.
    pub took: Duration,
    /// What went wrong; nothing, if all is as it should be.
    pub wrong: Vec<String>,
}

/// What all of a run share.
#[derive(Clone)]
struct Shared {
    witness: Witness,
    out: PathBuf,
    cache: PathBuf,
    finished: Rc<Cell<bool>>,
    /// The worker's ends of their connections, and the coordinator's, by worker.
    knives: Rc<Vec<(Knife, Knife)>>,
    /// What asks a host to stop.
    stops: Rc<RefCell<Vec<CancellationToken>>>,
    stop_coordinator: Rc<RefCell<CancellationToken>>,
}

/// Runs the sweep of `study` under the faults of a seed.
pub fn run(study: &Study, seed: u64, manner: Manner) -> Story {
    let plan = Plan::draw(seed, manner);
    let folder = folder();
    let out = folder.path().join("out");
    let witness = Witness::new(out.clone(), study.cells(), manner != Manner::Rough);
    let workers = plan.workers.len();
    let shared = Shared {
        witness: witness.clone(),
        out: out.clone(),
        cache: folder.path().join("cache"),
        finished: Rc::default(),
        knives: Rc::new((0..workers).map(|_| Default::default()).collect()),
        stops: Rc::new(RefCell::new(vec![CancellationToken::new(); workers])),
        stop_coordinator: Rc::default(),
    };
    let mut stage = Stage::new(study.sweep(), seed, &plan, shared);
    let mut wrong = stage.play(&plan.faults, &witness);
    let took = stage.sim.elapsed();
    drop(stage);
    let heard = witness.heard();
    wrong.extend(heard.broken.iter().cloned());
    if wrong.is_empty() {
        wrong
            .extend(study.differences(&out).into_iter().map(|name| format!("{name} differs from the undisturbed one")));
        if out.join("checkpoints").exists() {
            wrong.push("checkpoints are left behind".to_owned());
        }
    }
    Story { plan, heard, took, wrong }
}

struct Stage {
    sim: Sim<'static>,
    shared: Shared,
}

fn worker_name(worker: usize) -> String {
    format!("worker-{worker}")
}

impl Stage {
    fn new(sweep: &Sweep, seed: u64, plan: &Plan, shared: Shared) -> Self {
        let mut builder = Builder::new();
        builder.rng_seed(seed).tick_duration(TICK).simulation_duration(2 * LIMIT).tcp_capacity(1 << 20);
        builder.min_message_latency(Duration::from_millis(1)).max_message_latency(plan.latency).enable_random_order();
        let mut sim = builder.build();
        // The coordinator knows its workers by their addresses, which they have once they are named.
        let addresses: Vec<IpAddr> = (0..plan.workers.len()).map(|worker| sim.lookup(worker_name(worker))).collect();
        let (sweep, ours) = (sweep.clone(), shared.clone());
        sim.host(COORDINATOR, move || coordinate(sweep.clone(), ours.clone(), addresses.clone()));
        for (worker, &(threads, step)) in plan.workers.iter().enumerate() {
            let (ours, memory, lives) = (shared.clone(), plan.memory, Cell::new(0));
            sim.host(worker_name(worker), move || {
                lives.set(lives.get() + 1);
                let identity = seed << 16 | (worker as u64) << 8 | lives.get();
                let threads = NonZeroUsize::new(threads).expect("some");
                work(ours.clone(), worker, identity, threads, step, memory)
            });
        }
        Self { sim, shared }
    }

    /// To the end of the sweep; what went wrong.
    fn play(&mut self, faults: &[(Duration, Fault)], witness: &Witness) -> Vec<String> {
        let mut faults = faults.iter().peekable();
        while !self.shared.finished.get() {
            if self.sim.elapsed() > LIMIT {
                return vec![format!("the sweep does not end: {:?}", witness.heard())];
            }
            while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= self.sim.elapsed()) {
                self.inflict(*fault);
            }
            if let Err(error) = self.sim.step() {
                return vec![format!("at {:?}: {error}", self.sim.elapsed())];
            }
        }
        Vec::new()
    }

    fn inflict(&mut self, fault: Fault) {
        let sim = &mut self.sim;
        let workers = (0..self.shared.knives.len()).map(worker_name);
        match fault {
            Fault::Partition(worker, Way::Both) => sim.partition(worker_name(worker), COORDINATOR),
            Fault::Partition(worker, Way::Up) => sim.partition_oneway(worker_name(worker), COORDINATOR),
            Fault::Partition(worker, Way::Down) => sim.partition_oneway(COORDINATOR, worker_name(worker)),
            Fault::Hold(worker) => sim.hold(worker_name(worker), COORDINATOR),
            Fault::Heal(worker) => sim.release(worker_name(worker), COORDINATOR),
            Fault::Latency(worker, most) => sim.set_link_max_message_latency(worker_name(worker), COORDINATOR, most),
            Fault::Reset(worker, end) => {
                let (theirs, ours) = &self.shared.knives[worker];
                if end != End::Coordinator {
                    theirs.cut();
                }
                if end != End::Worker {
                    ours.cut();
                }
            }
            Fault::Kill(worker) => sim.crash(worker_name(worker)),
            Fault::Vanish(worker) => {
                sim.partition(worker_name(worker), COORDINATOR);
                sim.crash(worker_name(worker));
            }
            Fault::Drain(worker) => self.shared.stops.borrow()[worker].cancel(),
            Fault::Start(worker) => {
                sim.release(worker_name(worker), COORDINATOR);
                sim.bounce(worker_name(worker));
            }
            Fault::KillCoordinator => sim.crash(COORDINATOR),
            Fault::VanishCoordinator => {
                workers.for_each(|worker| sim.partition(worker, COORDINATOR));
                sim.crash(COORDINATOR);
            }
            Fault::StopCoordinator => self.shared.stop_coordinator.borrow().cancel(),
            Fault::StartCoordinator => {
                workers.for_each(|worker| sim.release(worker, COORDINATOR));
                sim.bounce(COORDINATOR);
            }
        }
    }
}

/// A life of the coordinator.
async fn coordinate(sweep: Sweep, shared: Shared, workers: Vec<IpAddr>) -> turmoil::Result {
    let Shared { witness, out, finished, knives, stop_coordinator, .. } = shared;
    let stop = CancellationToken::new();
    stop_coordinator.replace(stop.clone());
    witness.coordinator_starts();
    let (directory, dataset) = open(&sweep, &out);
    let knives: Vec<Knife> = knives.iter().map(|(_, coordinator)| coordinator.clone()).collect();
    let acceptor = Acceptor::bind(PORT, move |peer| {
        let worker = workers.iter().position(|worker| *worker == peer.ip());
        (worker.map(|worker| knives[worker].clone()).unwrap_or_default(), witness.at_coordinator())
    });
    let listener = Listener::over(acceptor.await?);
    let (progress, _) = watch::channel(Progress::default());
    match serve(&directory, dataset, listener, progress, stop).await? {
        (_, Ending::Stopped) => Ok(()),
        (_, Ending::Incomplete(set_aside)) => Err(format!("trials are set aside: {set_aside:?}").into()),
        (dataset, Ending::Finished) => {
            directory.finish(dataset).map_err(|failure| failure.message)?;
            finished.set(true);
            Ok(())
        }
    }
}

/// A life of a worker.
async fn work(
    shared: Shared,
    worker: usize,
    identity: u64,
    threads: NonZeroUsize,
    step: Duration,
    memory: usize,
) -> turmoil::Result {
    let stop = CancellationToken::new();
    shared.stops.borrow_mut()[worker] = stop.clone();
    let witness = shared.witness.clone();
    let dialler =
        Dialler { knife: shared.knives[worker].0.clone(), listening: Box::new(move || witness.at_worker(identity)) };
    let options = Options {
        name: worker_name(worker),
        threads,
        seed: identity,
        cache: cache(&shared.cache, worker),
        patience: 2 * LIMIT,
        grace: Duration::from_secs(5),
        checkpoint_every: Some(Duration::from_secs(2)),
        memory,
        ..Options::new(Coordinator::over(Arc::new(dialler), format!("http://{COORDINATOR}:{PORT}")))
    };
    run_on(Arc::new(SimulatedThreads::start(threads, step)), &options, &stop).await?;
    Ok(())
}

fn cache(base: &Path, worker: usize) -> PathBuf {
    base.join(worker_name(worker))
}
