//! What a worker is started with.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use taugrid_process::connect::Coordinator;
use taugrid_process::host;

use crate::slurm;

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the coordinator is.
    pub coordinator: Coordinator,
    /// Shown to people.
    pub name: String,
    /// Trials run at once.
    pub threads: NonZeroUsize,
    /// What the worker draws from: its identity, by which a coordinator knows it again, and the lengths of its pauses. No
    /// two workers may have the same.
    pub seed: u64,
    /// Where artifacts are cached.
    pub cache: PathBuf,
    /// How long to go on trying while the coordinator cannot be reached.
    pub patience: Duration,
    /// Whether to end when the coordinator stops before the end of the sweep, rather than wait for it to come back.
    pub leave_with_coordinator: bool,
    /// How long the worker may take to hand back what it holds when it is asked to stop.
    pub grace: Duration,
    /// The worker stops of its own accord so long after it started, less `grace`.
    pub time_limit: Option<Duration>,
    /// Trials that have been in hand for so long are shown to the coordinator, and again after as long, so that others
    /// could go on with them; never if `None`.
    pub checkpoint_every: Option<Duration>,
    /// Of the trials that are given up, those are shown that have so much thread time in them.
    pub least_work: Duration,
    /// Rows that are not acknowledged take up to so many bytes of memory; the others are spilled.
    pub memory: usize,
    /// Where they are spilled to, and what cannot be handed over is left for the next worker; by default to a folder of
    /// the cache's, which is removed at the end.
    pub spill: Option<PathBuf>,
}

impl Options {
    /// The defaults, for a coordinator that is there.
    pub fn new(coordinator: Coordinator) -> Self {
        Self {
            coordinator,
            name: default_name(),
            threads: default_threads(),
            seed: rand::random(),
            cache: default_cache(),
            patience: Duration::from_secs(300),
            leave_with_coordinator: false,
            grace: Duration::from_secs(25),
            time_limit: None,
            checkpoint_every: Some(Duration::from_secs(120)),
            least_work: Duration::from_millis(500),
            memory: 64 << 20,
            spill: None,
        }
    }
}

/// The host's name and the process id.
fn default_name() -> String {
    format!("{}:{}", host::name().as_deref().unwrap_or("worker"), std::process::id())
}

/// The cores this process may use, by its affinity mask and cgroup, and by what Slurm says where it runs in a job.
pub fn default_threads() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    slurm::cpus().map_or(cores, |cpus| cores.min(cpus))
}

/// `$XDG_CACHE_HOME/taugrid`, `$HOME/.cache/taugrid`, or a folder of the system's for temporary files.
pub fn default_cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("taugrid")
}
