//! Streams that break, and the next ones.

use std::time::Duration;

use taugrid_process::access::{Access, AccessFile};
use taugrid_process::connect::Coordinator as Where;
use taugrid_wire::v1::{
    Ack, Adopted, AdoptedLease, Farewell, Held, Recall, coordinator_message::Kind, farewell::Reason,
};
use taugrid_worker::{Ending, Options, WorkerError};

use crate::coordinator::{Coordinator, Knowledge, lease, span};
use crate::{Worker, options};

fn farewell(reason: Reason) -> Kind {
    Kind::Farewell(Farewell { reason: reason.into(), detail: "so it is".to_owned() })
}

#[tokio::test]
async fn leases_outlive_the_stream_and_rows_are_said_again_with_their_grants() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(options(Where::local(coordinator.address), cache.path()));
    let (first, .., mut stream) = coordinator.welcomed(&knowledge).await;
    stream.say(lease(1, &knowledge.quick(), 0..40));
    stream.say(lease(2, &knowledge.endless(), 0..4));
    stream.say(lease(3, &knowledge.endless(), 10..12));
    let rows = stream.whole(1).await;
    assert!(rows.iter().all(|rows| rows.grants.is_empty()), "they are of a lease of this stream");
    assert!(rows.iter().map(|rows| rows.sequence).eq(1..=rows.len() as u64));
    // The first message is durable, the others are not known to be.
    stream.say(Kind::Ack(Ack { sequence: 1 }));
    stream.say(lease(4, &knowledge.quick(), 40..50));
    let more = stream.whole(4).await;
    stream.cut();

    let (hello, again, ready, mut stream) = coordinator.welcomed(&knowledge).await;
    assert_eq!((hello.identity, hello.sweep), (first.identity, knowledge.id()));
    let unacknowledged: Vec<_> = rows.into_iter().skip(1).chain(more).collect();
    assert!(!unacknowledged.is_empty());
    for (again, before) in again.iter().zip(&unacknowledged) {
        assert_eq!((again.sequence, &again.rows), (before.sequence, &before.rows));
        let grant = if knowledge.trials(again)[0] < 40 { "grant 1" } else { "grant 4" };
        assert_eq!(again.grants, [grant]);
    }
    assert_eq!(again.len(), unacknowledged.len());
    let held = |name: &str, left| Held { grant: name.to_owned().into(), left };
    assert_eq!(ready.held, [held("grant 2", span(0, 4)), held("grant 3", span(10, 2))]);
    // Half of one is still the worker's, and nothing of the other.
    let kept = AdoptedLease { held: 0, lease: 50, trials: span(0, 2) };
    stream.say(Kind::Adopted(Adopted { leases: vec![kept] }));
    stream.say(Kind::Recall(Recall { lease: 50, most: 9, begun: true }));
    let (_, returned) = stream.returned().await;
    assert_eq!((returned.lease, returned.trials), (50, span(0, 2)));
    // What was given away can be the worker's again.
    assert!(matches!(stream.next().await, taugrid_wire::v1::worker_message::Kind::LeaseDone(done) if done.lease == 50));
    stream.say(lease(51, &knowledge.endless(), 2..4));
    stream.say(lease(52, &knowledge.quick(), 50..60));
    stream.whole(52).await;
    stream.say(farewell(Reason::Finished));
    assert!(matches!(worker.end().await, Ok(Ending::Finished)));
}

#[tokio::test]
async fn trials_that_end_while_there_is_no_coordinator_are_handed_to_the_next() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(options(Where::local(coordinator.address), cache.path()));
    let (.., stream) = coordinator.welcomed(&knowledge).await;
    stream.say(lease(1, &knowledge.quick(), 0..100));
    stream.cut();
    // However far it came before that: rows with their grants, and the rest is held.
    let (_, again, ready, stream) = coordinator.welcomed(&knowledge).await;
    let mut trials: Vec<_> = again.iter().flat_map(|rows| knowledge.trials(rows)).collect();
    assert!(again.iter().all(|rows| rows.grants == ["grant 1"]));
    trials.extend(ready.held.iter().flat_map(|held| &held.left).flat_map(|left| left.first..left.first + left.count));
    trials.sort_unstable();
    // If the lease was cut off before it came there is nothing at all.
    assert!(trials.is_empty() || trials == (0..100).collect::<Vec<_>>(), "{trials:?}");
    stream.say(farewell(Reason::Cancelled));
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
}

#[tokio::test]
async fn a_worker_with_rows_of_another_sweep_says_so_and_is_sent_away() {
    let (knowledge, other, mut coordinator) = (Knowledge::new(), Knowledge::other(), Coordinator::listen().await);
    assert_ne!(knowledge.id(), other.id());
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(options(Where::local(coordinator.address), cache.path()));
    let (.., stream) = coordinator.welcomed(&knowledge).await;
    // With nothing in hand it serves whoever is there.
    stream.cut();
    let (hello, .., mut stream) = coordinator.welcomed(&other).await;
    assert_eq!(hello.sweep, "");
    stream.say(lease(1, &other.quick(), 0..4));
    stream.whole(1).await;
    stream.cut();
    let (hello, stream) = coordinator.stream().await;
    assert_eq!(hello.sweep, other.id());
    stream.say(farewell(Reason::OtherSweep));
    assert!(matches!(worker.end().await, Err(WorkerError::OtherSweep(text)) if text == "so it is"));
}

#[tokio::test]
async fn a_worker_finds_the_coordinator_where_the_access_file_says() {
    let (knowledge, mut first) = (Knowledge::new(), Coordinator::listen().await);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.json");
    let access = |coordinator: &Coordinator| Access {
        coordinator: coordinator.url(),
        sweep: knowledge.id(),
        release: taugrid_wire::RELEASE.to_owned(),
        tls: None,
    };
    let worker = Worker::start(options(Where::by_access_file(path.clone()), folder.path()));
    let _file = AccessFile::write(&path, &access(&first)).expect("written");
    let (.., stream) = first.welcomed(&knowledge).await;
    // It dies, and leaves its file: the worker goes on looking there, until there is another one.
    stream.cut();
    first.die();
    let mut second = Coordinator::listen().await;
    let _file = AccessFile::write(&path, &access(&second)).expect("written");
    let (.., stream) = second.welcomed(&knowledge).await;
    stream.say(farewell(Reason::Finished));
    assert!(matches!(worker.end().await, Ok(Ending::Finished)));
}

#[tokio::test]
async fn rows_beyond_the_memory_are_spilled_and_said_again_from_there() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(Options { memory: 0, ..options(Where::local(coordinator.address), cache.path()) });
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    stream.say(lease(1, &knowledge.quick(), 0..40));
    let rows = stream.whole(1).await;
    let spilled = || walk(&cache.path().join("spill")).filter(|name| name.ends_with(".results")).count();
    assert_eq!(spilled(), rows.len());
    stream.cut();
    let (_, again, _, mut stream) = coordinator.welcomed(&knowledge).await;
    assert_eq!(again.len(), rows.len());
    for (again, before) in again.iter().zip(&rows) {
        assert_eq!((again.sequence, &again.rows), (before.sequence, &before.rows));
        stream.say(Kind::Ack(Ack { sequence: again.sequence }));
    }
    // What is heard after the acknowledgements is heard after them.
    stream.say(lease(2, &knowledge.quick(), 40..41));
    let last = stream.whole(2).await;
    assert_eq!(spilled(), last.len());
    stream.say(farewell(Reason::Finished));
    assert!(matches!(worker.end().await, Ok(Ending::Finished)));
    assert_eq!(walk(&cache.path().join("spill")).count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn patience_has_an_end() {
    let coordinator = Coordinator::listen().await;
    let address = coordinator.address;
    coordinator.die();
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(Options { patience: Duration::ZERO, ..options(Where::local(address), cache.path()) });
    assert!(matches!(worker.end().await, Err(WorkerError::Connect(_) | WorkerError::Broken(_))));
}

/// The names of all files below a folder.
fn walk(folder: &std::path::Path) -> Box<dyn Iterator<Item = String>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    Box::new(entries.flat_map(|entry| match entry.path().is_dir() {
        true => walk(&entry.path()),
        false => Box::new(std::iter::once(entry.file_name().to_string_lossy().into_owned())),
    }))
}
