//! Workers that are asked to stop, or whose time is over.

use std::time::Duration;

use taugrid_process::connect::Coordinator as Where;
use taugrid_wire::v1::{Adopted, AdoptedLease, Held, coordinator_message::Kind, worker_message};
use taugrid_worker::{Ending, Options};

use crate::coordinator::{Coordinator, Knowledge, Stream, lease, span};
use crate::{Worker, options};

/// Leases trials that never end, and waits until they are under way.
async fn under_way(stream: &mut Stream, knowledge: &Knowledge) {
    stream.say(lease(2, &knowledge.endless(), 0..3));
    while stream.checkpoints().await.len() < 3 {}
}

fn showing(address: std::net::SocketAddr, cache: &std::path::Path) -> Options {
    Options { checkpoint_every: Some(Duration::from_millis(1)), ..options(Where::local(address), cache) }
}

/// What comes after the worker was asked to stop, but for what was on its way: kinds, and the trials shown last.
async fn last_words(stream: &mut Stream) -> (Vec<&'static str>, Vec<u64>) {
    let (mut words, mut shown) = (Vec::new(), Vec::new());
    loop {
        let word = match stream.next().await {
            worker_message::Kind::Results(_) => "rows",
            worker_message::Kind::LeaseDone(_) => "done",
            worker_message::Kind::Checkpoints(batch) => {
                let batch = taugrid_results::decode_checkpoints(&batch.batch).expect("a batch");
                shown = batch.iter().map(|one| one.trial).collect();
                "states"
            }
            worker_message::Kind::Returned(returned) => {
                assert_eq!((returned.lease, returned.trials), (2, span(0, 3)));
                "returned"
            }
            worker_message::Kind::Goodbye(_) => return (words, shown),
            other => panic!("{other:?}"),
        };
        if words.last() != Some(&word) {
            words.push(word);
        }
    }
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_hands_back_everything_and_waits_to_be_heard() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(showing(coordinator.address, cache.path()));
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    under_way(&mut stream, &knowledge).await;
    worker.stop.cancel();
    let (words, shown) = last_words(&mut stream).await;
    assert_eq!((words, shown), (vec!["states", "returned"], vec![0, 1, 2]));
    assert!(!worker.life.is_finished(), "it waits until the coordinator closes the stream");
    drop(stream);
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
}

#[tokio::test]
async fn a_goodbye_that_was_not_heard_out_is_said_again() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(showing(coordinator.address, cache.path()));
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    under_way(&mut stream, &knowledge).await;
    worker.stop.cancel();
    last_words(&mut stream).await;
    stream.cut();
    let (_, again, ready, mut stream) = coordinator.welcomed(&knowledge).await;
    assert!(again.is_empty());
    assert_eq!(ready.held, [Held { grant: "grant 2".into(), left: span(0, 3) }]);
    let kept = AdoptedLease { held: 0, lease: 9, trials: span(0, 2) };
    stream.say(Kind::Adopted(Adopted { leases: vec![kept] }));
    let (shown, returned) = stream.returned().await;
    assert_eq!((returned.lease, returned.trials), (9, span(0, 2)));
    assert_eq!(shown.iter().map(|one| one.trial).collect::<Vec<_>>(), [0, 1]);
    stream.goodbye().await;
    drop(stream);
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
}

#[tokio::test]
async fn a_worker_with_nothing_in_hand_just_says_goodbye() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(options(Where::local(coordinator.address), cache.path()));
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    worker.stop.cancel();
    stream.goodbye().await;
    drop(stream);
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
    // And one that has no coordinator just goes.
    coordinator.die();
    let worker = Worker::start(options(Where::by_access_file(cache.path().join("none")), cache.path()));
    worker.stop.cancel();
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
}

#[tokio::test]
async fn a_worker_stops_by_itself_ahead_of_its_time_limit() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let defaults = showing(coordinator.address, cache.path());
    let time_limit = Some(defaults.grace + Duration::from_millis(200));
    let worker = Worker::start(Options { time_limit, ..defaults });
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    stream.say(lease(2, &knowledge.endless(), 0..3));
    assert_eq!(last_words(&mut stream).await.0, ["states", "returned"]);
    drop(stream);
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
}

#[tokio::test]
async fn what_cannot_be_handed_back_is_left_to_the_next_worker() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let folder = tempfile::tempdir().expect("a folder");
    let spill = Some(folder.path().join("spill"));
    let cache = folder.path().join("cache");
    let worker = Worker::start(Options {
        spill: spill.clone(),
        grace: Duration::from_secs(1),
        ..showing(coordinator.address, &cache)
    });
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    stream.say(lease(1, &knowledge.quick(), 0..4));
    let rows = stream.whole(1).await;
    under_way(&mut stream, &knowledge).await;
    worker.stop.cancel();
    stream.cut();
    coordinator.die();
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));

    let mut coordinator = Coordinator::listen().await;
    let worker = Worker::start(Options { spill: spill.clone(), ..options(Where::local(coordinator.address), &cache) });
    let (hello, again, ready, mut stream) = coordinator.welcomed(&knowledge).await;
    assert_eq!(hello.sweep, "", "it would serve another sweep as well");
    let bodies = |all: &[taugrid_wire::v1::Results]| all.iter().map(|one| one.rows.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&again), bodies(&rows));
    assert!(again.iter().all(|rows| rows.grants == ["grant 1"]));
    assert_eq!(ready.held, [Held { grant: "grant 2".into(), left: span(0, 3) }]);
    let kept = AdoptedLease { held: 0, lease: 7, trials: span(1, 2) };
    stream.say(Kind::Adopted(Adopted { leases: vec![kept] }));
    let (shown, returned) = stream.returned().await;
    assert_eq!((returned.lease, returned.trials), (7, span(1, 2)));
    assert_eq!(shown.iter().map(|one| one.trial).collect::<Vec<_>>(), [1, 2]);
    for rows in &again {
        stream.say(Kind::Ack(taugrid_wire::v1::Ack { sequence: rows.sequence }));
    }
    worker.stop.cancel();
    stream.goodbye().await;
    drop(stream);
    assert!(matches!(worker.end().await, Ok(Ending::Stopped)));
    assert_eq!(std::fs::read_dir(folder.path().join("spill")).map_or(0, Iterator::count), 0, "all is handed over");
}
