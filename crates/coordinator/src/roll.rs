//! The roll: which workers are connected, for the coordinator that comes after this one.
//!
//! Kept in `OUT/provenance/workers.json`, a second or so behind. It is advice: without it a coordinator that is started
//! again only leases sooner than it might.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use taugrid_results::Store;
use tracing::warn;

use crate::machine::{Identity, Muster};

const ROLL: &str = "provenance/workers.json";

/// Workers of a predecessor have so long to come back. They look out for the access file ten times a second, and try
/// an address once a second or so.
const MOST: Duration = Duration::from_millis(2500);
/// For those that came in the predecessor's last second, whom the roll does not know.
const LEAST: Duration = Duration::from_millis(250);

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Roll {
    /// In hex: JSON's numbers do not have 64 bits everywhere.
    workers: Vec<String>,
}

/// Whom to wait for: nobody, if no predecessor ended with workers at work.
pub(crate) fn call(store: &dyn Store) -> Option<Muster> {
    let roll: Roll = serde_json::from_slice(&store.read(ROLL).ok()?).ok()?;
    let expected = roll.workers.iter().filter_map(|id| u64::from_str_radix(id, 16).ok()).map(Identity).collect();
    Some(Muster { expected, least: LEAST, most: MOST })
}

/// Writes down who is connected.
pub(crate) fn write(store: &dyn Store, workers: &[Identity]) {
    let roll = Roll { workers: workers.iter().map(|id| format!("{:016x}", id.0)).collect() };
    let written = serde_json::to_vec(&roll).map_err(|error| error.to_string());
    let written = written.and_then(|json| store.replace(ROLL, &json).map_err(|error| error.to_string()));
    if let Err(error) = written {
        warn!("the roll of workers is not kept: {error}");
    }
}

/// The sweep is over: there is nobody to wait for.
pub(crate) fn close(store: &dyn Store) {
    match store.delete(ROLL) {
        Err(error) if !error.is_not_found() => warn!("{error}"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taugrid_results::store::MemoryStore;

    #[test]
    fn the_successor_waits_for_those_who_were_there() {
        let store = MemoryStore::new();
        assert!(call(&store).is_none(), "the first coordinator waits for nobody");
        write(&store, &[Identity(u64::MAX), Identity(3)]);
        let muster = call(&store).expect("a muster");
        assert!(muster.expected.iter().eq(&[Identity(3), Identity(u64::MAX)]));
        close(&store);
        assert!(call(&store).is_none());
        close(&store);
    }
}
