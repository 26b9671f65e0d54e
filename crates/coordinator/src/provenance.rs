//! Who ran what, and when: kept beside the dataset, never in it.
//!
//! One file of JSON lines for each life of a coordinator. For people: nothing reads it back, so a line that cannot be
//! written is a warning and no more.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::warn;

use crate::dispatcher::Verdict;
use crate::machine::WorkerId;

/// The log of one life of a coordinator.
pub(crate) struct Provenance(Option<File>);

impl Provenance {
    /// Opens `OUT/provenance/<time>-<pid>.jsonl`.
    pub(crate) fn open(out: &Path, release: &str) -> Self {
        let folder = out.join("provenance");
        let path = folder.join(format!("{}-{}.jsonl", now(), std::process::id()));
        let file = fs::create_dir_all(&folder).and_then(|()| File::create(&path));
        if let Err(error) = &file {
            warn!("no provenance will be kept: {}: {error}", path.display());
        }
        let mut provenance = Self(file.ok());
        provenance.line(json!({"event": "started", "release": release, "pid": std::process::id()}));
        provenance
    }

    /// Nowhere.
    pub(crate) fn none() -> Self {
        Self(None)
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
        if let Some(file) = &mut self.0 {
            line["unix_millis"] = json!(now());
            if let Err(error) = writeln!(file, "{line}") {
                warn!("provenance ends here: {error}");
                self.0 = None;
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
