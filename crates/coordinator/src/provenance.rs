//! Who ran what, and when: kept beside the dataset, never in it.
//!
//! One file of JSON lines for each life of a coordinator. For people: nothing reads it back, so a line that cannot be
//! written is a warning and no more. In a folder lines are appended; an object store cannot append, so there a thread of
//! its own writes the whole file anew, now and then and at the end.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use taugrid_results::{Location, Store};
use tracing::warn;

use crate::dispatcher::Verdict;
use crate::machine::WorkerId;

/// Between two writings of the whole file to an object store.
const PAUSE: Duration = Duration::from_secs(10);

/// The log of one life of a coordinator.
pub(crate) struct Provenance(Log);

enum Log {
    None,
    File(File),
    Object(Option<Sender<String>>, Option<JoinHandle<()>>),
}

impl Provenance {
    /// Opens `OUT/provenance/<time>-<pid>.jsonl`.
    pub(crate) fn open(out: &Location, store: &Arc<dyn Store>, release: &str) -> Self {
        let name = format!("provenance/{}-{}.jsonl", now(), std::process::id());
        let opened = match out.folder() {
            Some(folder) => {
                let made = fs::create_dir_all(folder.join("provenance"));
                made.and_then(|()| File::create(folder.join(&name))).map(Log::File)
            }
            None => object(&name, store.clone()),
        };
        let log = opened.unwrap_or_else(|error| {
            warn!("no provenance will be kept: {}: {error}", out.file(&name));
            Log::None
        });
        let mut provenance = Self(log);
        provenance.line(json!({"event": "started", "release": release, "pid": std::process::id()}));
        provenance
    }

    /// Nowhere.
    pub(crate) fn none() -> Self {
        Self(Log::None)
    }

    pub(crate) fn attached(&mut self, worker: WorkerId, name: &str) {
        self.line(json!({"event": "attached", "worker": worker.0, "name": name}));
    }

    pub(crate) fn ready(&mut self, worker: WorkerId, threads: u32) {
        self.line(json!({"event": "ready", "worker": worker.0, "threads": threads}));
    }

    pub(crate) fn left(&mut self, worker: WorkerId) {
        self.line(json!({"event": "left", "worker": worker.0}));
    }

    pub(crate) fn ended(&mut self, verdict: Verdict) {
        let how = match verdict {
            Verdict::Finished => "finished",
            Verdict::Stopped => "stopped",
            Verdict::Cancelled => "cancelled",
            Verdict::WriterFailed => "writer failed",
        };
        self.line(json!({"event": "ended", "how": how}));
    }

    fn line(&mut self, mut line: Value) {
        line["unix_millis"] = json!(now());
        match &mut self.0 {
            Log::None => {}
            Log::File(file) => {
                if let Err(error) = writeln!(file, "{line}") {
                    warn!("provenance ends here: {error}");
                    self.0 = Log::None;
                }
            }
            Log::Object(lines, _) => {
                // The thread ends with the log alone.
                let _ = lines.as_ref().map(|lines| lines.send(format!("{line}\n")));
            }
        }
    }
}

impl Drop for Provenance {
    fn drop(&mut self) {
        if let Log::Object(lines, thread) = &mut self.0 {
            drop(lines.take());
            if let Some(thread) = thread.take() {
                // It panics nowhere; and if it did, there is nothing to be done here.
                let _ = thread.join();
            }
        }
    }
}

fn object(name: &str, store: Arc<dyn Store>) -> std::io::Result<Log> {
    let (sender, lines) = channel();
    let name = name.to_owned();
    let thread = std::thread::Builder::new().name("provenance".to_owned());
    let thread = thread.spawn(move || write(&name, store.as_ref(), &lines))?;
    Ok(Log::Object(Some(sender), Some(thread)))
}

/// Gathers lines for a while, writes all that there are, and so on until the log is closed.
fn write(name: &str, store: &dyn Store, lines: &Receiver<String>) {
    let mut text = String::new();
    loop {
        let Ok(first) = lines.recv() else { return };
        text.push_str(&first);
        let until = std::time::Instant::now() + PAUSE;
        let closed = loop {
            match lines.recv_timeout(until.saturating_duration_since(std::time::Instant::now())) {
                Ok(line) => text.push_str(&line),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            }
        };
        if let Err(error) = store.replace(name, text.as_bytes()) {
            warn!("a part of the provenance is not kept: {error}");
        }
        if closed {
            return;
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
