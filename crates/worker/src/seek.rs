//! Where the coordinator is, and whether that has changed.

use std::path::Path;
use std::time::{Duration, SystemTime};

use taugrid_process::connect::{ConnectError, Coordinator, Target};
use tokio::time::MissedTickBehavior;

/// An access file is looked at so often while the coordinator is not there.
const LOOK_EVERY: Duration = Duration::from_millis(75);

/// Looks for the coordinator.
pub(crate) struct Seeker<'a> {
    coordinator: &'a Coordinator,
    /// The access file as it was when it was read last; `None` if it was not there.
    seen: Option<Stamp>,
}

/// What changes when a file is written anew.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl<'a> Seeker<'a> {
    pub(crate) fn new(coordinator: &'a Coordinator) -> Self {
        Self { coordinator, seen: None }
    }

    /// Where to dial.
    pub(crate) async fn look(&mut self) -> Result<Target, ConnectError> {
        if let Some(path) = self.coordinator.access_file() {
            // Before it is read: a change in between is then noticed, if once too often.
            self.seen = stamp(path).await;
        }
        self.coordinator.find()
    }

    /// Waits until the access file is another one than was read last; for ever if there is none.
    pub(crate) async fn changed(&self) {
        let Some(path) = self.coordinator.access_file() else { return std::future::pending().await };
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let now = stamp(path).await;
            if now.is_some() && now != self.seen {
                return;
            }
        }
    }
}

/// Of the file opened anew: a network file system vouches for what is opened, not for what it remembers of a name.
async fn stamp(path: &Path) -> Option<Stamp> {
    let data = tokio::fs::File::open(path).await.ok()?.metadata().await.ok()?;
    let inode = std::os::unix::fs::MetadataExt::ino(&data);
    Some(Stamp { modified: data.modified().ok(), length: data.len(), inode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use taugrid_process::access::{Access, AccessFile};

    fn access(port: u16) -> Access {
        let coordinator = format!("http://127.0.0.1:{port}");
        Access { coordinator, sweep: "a".to_owned(), release: "1".to_owned(), tls: None }
    }

    #[tokio::test]
    async fn an_access_file_that_is_written_again_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.json");
        let coordinator = Coordinator::by_access_file(path.clone());
        let mut seeker = Seeker::new(&coordinator);
        assert!(seeker.look().await.is_err_and(|error| error.is_passing()), "it is not there yet");
        let first = AccessFile::write(&path, &access(1)).expect("written");
        seeker.changed().await;
        assert_eq!(seeker.look().await.expect("there").url(), "http://127.0.0.1:1");
        let is_quiet = tokio::time::timeout(3 * LOOK_EVERY, seeker.changed()).await.is_err();
        assert!(is_quiet, "it is as it was read");
        // The very same bytes: a coordinator that came back to where it was.
        let _again = AccessFile::write(&path, &access(1)).expect("written");
        seeker.changed().await;
        drop(first);
    }
}
