//! What stands in `OUT/.lock`.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timing;

/// Who holds the lock, as others read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// For people.
    pub(super) holder: String,
    /// Which boot of which machine: whether its processes can be seen from here.
    pub(super) host: String,
    /// Which lock: no two have the same.
    life: String,
    /// Grows with every renewal.
    beat: u64,
    /// After so long without a renewal it may be taken over.
    takeover_millis: u64,
    /// Whether the holder has let go.
    pub(super) released: bool,
}

impl Record {
    /// One of this process, that no other lock has.
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            holder: format!("process {} on {}", std::process::id(), host_name()),
            host: host(),
            life: format!("{:016x}", RandomState::new().build_hasher().finish()),
            beat: 0,
            takeover_millis: timing.takeover.as_millis() as u64,
            released: false,
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As a line of text.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers alone: nothing that JSON does not have.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn next(&self) -> Self {
        Self { beat: self.beat + 1, ..self.clone() }
    }

    pub(super) fn release(&self) -> Self {
        Self { released: true, ..self.next() }
    }

    /// Whether `other` is a record of the same lock.
    pub(super) fn is_same_life(&self, other: &Self) -> bool {
        self.life == other.life
    }

    pub(super) fn takeover(&self) -> Duration {
        Duration::from_millis(self.takeover_millis)
    }
}

/// This boot of this machine.
pub(super) fn host() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned());
    boot.ok().filter(|id| !id.is_empty()).unwrap_or_else(host_name)
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or("an unknown host".to_owned())
}
