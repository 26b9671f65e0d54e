//! Threads in simulated time. A walker runs on a thread of its own, but only while the host waits for it: it stops whenever
//! it looks at the clock, and goes on when the time that its steps take has passed. So of a host and its walkers one runs
//! at a time, and how fast this machine is makes no difference.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread;
use std::time::Duration;

use taugrid_worker::Threads;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

type Walker = Box<dyn FnOnce() + Send>;

/// Threads of a worker. They end with the host's runtime: walkers that are at work then are left to themselves.
pub struct SimulatedThreads {
    count: NonZeroUsize,
    walkers: mpsc::UnboundedSender<Walker>,
}

/// A walker stops.
enum Stop {
    /// To look at the clock, after so many steps.
    Look(u64),
    /// For good.
    Done,
}

/// A walker goes on.
enum Go {
    Walk(Walker),
    /// It is as late as this.
    On(Duration),
}

/// The walker's end of the line to its host.
struct Line {
    stops: blocking::Sender<Stop>,
    goes: blocking::Receiver<Go>,
    /// What the clock said last.
    late: Cell<Duration>,
}

thread_local! {
    static LINE: RefCell<Option<Line>> = const { RefCell::new(None) };
}

impl SimulatedThreads {
    /// So many threads of the host that this is called on, where a step takes `step`.
    pub fn start(count: NonZeroUsize, step: Duration) -> Self {
        let (walkers, queue) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        let started = Instant::now();
        for _ in 0..count.get() {
            tokio::spawn(serve(Arc::clone(&queue), started, step));
        }
        Self { count, walkers }
    }
}

/// One thread: runs the walkers of the queue, one after the other.
async fn serve(queue: Arc<Mutex<mpsc::UnboundedReceiver<Walker>>>, started: Instant, step: Duration) {
    let (stops, stopped) = blocking::channel();
    let (go, goes) = blocking::channel();
    thread::spawn(move || walk(Line { stops, goes, late: Cell::default() }));
    loop {
        let Some(walker) = queue.lock().await.recv().await else { return };
        let mut next = Go::Walk(walker);
        loop {
            go.send(next).expect("the thread is there");
            // The host stands still meanwhile.
            match stopped.recv().expect("the thread is there") {
                Stop::Done => break,
                Stop::Look(0) => {}
                Stop::Look(steps) => sleep(step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))).await,
            }
            next = Go::On(started.elapsed());
        }
    }
}

/// What runs on the thread.
fn walk(line: Line) {
    LINE.set(Some(line));
    while let Some(walker) = wait() {
        walker();
        say(Stop::Done);
    }
}

fn wait() -> Option<Walker> {
    LINE.with_borrow(|line| match line.as_ref()?.goes.recv() {
        Ok(Go::Walk(walker)) => Some(walker),
        Ok(Go::On(_)) | Err(_) => None,
    })
}

fn say(stop: Stop) {
    // If the host is no more nobody needs to know.
    LINE.with_borrow(|line| line.as_ref().map(|line| line.stops.send(stop)));
}

impl Threads for SimulatedThreads {
    fn count(&self) -> NonZeroUsize {
        self.count
    }

    fn spawn(&self, walker: Walker) {
        // If the host is on its way out, nobody needs the walker.
        let _ = self.walkers.send(walker);
    }

    fn now(&self, steps: u64) -> Duration {
        say(Stop::Look(steps));
        LINE.with_borrow(|line| {
            let line = line.as_ref().expect("only walkers ask");
            // If the host is no more, time stands still until the walker is told to give up.
            if let Ok(Go::On(late)) = line.goes.recv() {
                line.late.set(late);
            }
            line.late.get()
        })
    }
}

impl fmt::Debug for SimulatedThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedThreads").field("count", &self.count).finish_non_exhaustive()
    }
}
