//! Leases on one stream: resumed, recalled, shown, refused.

use std::collections::BTreeSet;
use std::time::Duration;

use taugrid_process::connect::Coordinator as Where;
use taugrid_results::{TrialCheckpoint, encode_checkpoints};
use taugrid_wire::v1::{Checkpoints, Recall, coordinator_message::Kind, worker_message};
use taugrid_worker::{Options, WorkerError};

use crate::coordinator::{Coordinator, Knowledge, Stream, lease, span};
use crate::{Worker, options};

/// A worker that shows its trials as soon and as often as it can.
async fn showing(coordinator: &mut Coordinator, knowledge: &Knowledge) -> (Worker, Stream, tempfile::TempDir) {
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(Options {
        checkpoint_every: Some(Duration::from_nanos(1)),
        ..options(Where::local(coordinator.address), cache.path())
    });
    let (hello, again, ready, stream) = coordinator.welcomed(knowledge).await;
    assert!(hello.sweep.is_empty() && again.is_empty() && ready.held.is_empty());
    (worker, stream, cache)
}

/// Waits until these trials have been shown; their last states.
async fn shown(stream: &mut Stream, trials: std::ops::Range<u64>) -> Vec<TrialCheckpoint> {
    let mut left: BTreeSet<u64> = trials.collect();
    let mut last = Vec::new();
    while !left.is_empty() {
        last = stream.checkpoints().await;
        last.iter().for_each(|one| {
            left.remove(&one.trial);
        });
    }
    last
}

#[tokio::test]
async fn trials_are_recalled_from_the_end_and_those_begun_with_their_states() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let cache = tempfile::tempdir().expect("a folder");
    let worker = Worker::start(options(Where::local(coordinator.address), cache.path()));
    let (.., mut stream) = coordinator.welcomed(&knowledge).await;
    let recall = |most, begun| Kind::Recall(Recall { lease: 3, most, begun });
    // Four walkers have 64 trials in hand at the most.
    stream.say(lease(3, &knowledge.endless(), 0..100));
    stream.say(recall(10, false));
    let (shown, returned) = stream.returned().await;
    assert_eq!((shown.len(), returned.lease, returned.trials), (0, 3, span(90, 10)));
    stream.say(recall(26, true));
    let (shown, returned) = stream.returned().await;
    assert_eq!((shown.len(), returned.trials), (0, span(64, 26)), "those that wait suffice");
    stream.say(recall(u64::MAX, true));
    let (shown, returned) = stream.returned().await;
    assert_eq!(returned.trials, span(0, 64));
    let trials: BTreeSet<_> = shown.iter().map(|one| one.trial).collect();
    assert!(trials.iter().all(|trial| *trial < 64) && trials.len() == shown.len(), "{trials:?}");
    assert!(matches!(stream.next().await, worker_message::Kind::LeaseDone(done) if done.lease == 3));
    // It is no lease any more, and another one never was.
    stream.say(recall(5, true));
    assert_eq!(stream.returned().await.1.trials, []);
    // What was given back can come again.
    stream.say(lease(4, &knowledge.quick(), 0..40));
    let rows = stream.whole(4).await;
    assert_eq!(rows.iter().flat_map(|rows| knowledge.trials(rows)).count(), 40);
    worker.stop.cancel();
    stream.goodbye().await;
}

#[tokio::test]
async fn trials_in_hand_are_shown_and_go_on_from_there_elsewhere() {
    let (knowledge, mut coordinator) = (Knowledge::new(), Coordinator::listen().await);
    let endless = knowledge.endless();
    let (worker, mut stream, _cache) = showing(&mut coordinator, &knowledge).await;
    stream.say(lease(1, &endless, 5..8));
    let states = shown(&mut stream, 5..8).await;
    assert!(states.iter().all(|one| one.cell == endless.key && one.steps > 0));
    drop((worker, stream));

    // Another worker is given them, one of them damaged, and one that is of no trial of the lease.
    let mut sent = states.clone();
    sent[0].state = vec![1, 2, 3].into();
    sent.push(TrialCheckpoint { trial: 99, ..states[1].clone() });
    let (worker, mut stream, _cache) = showing(&mut coordinator, &knowledge).await;
    stream.say(Kind::Checkpoints(Checkpoints { batch: encode_checkpoints(&sent) }));
    stream.say(lease(2, &endless, 5..8));
    let now = shown(&mut stream, 5..8).await;
    for one in &now {
        let before = sent[1..].iter().find(|sent| sent.trial == one.trial);
        assert!(before.is_none_or(|before| one.steps > before.steps), "trial {} began anew", one.trial);
    }
    worker.stop.cancel();
    let (_, returned) = stream.returned().await;
    assert_eq!(returned.trials, span(5, 3));
}

#[tokio::test]
async fn a_coordinator_that_says_what_cannot_be_is_left() {
    let knowledge = Knowledge::new();
    let endless = knowledge.endless();
    let lies = [
        vec![lease(1, &endless, 0..4), lease(2, &endless, 3..6)],
        vec![Kind::Adopted(Default::default())],
        vec![knowledge.welcome()],
        vec![Kind::Checkpoints(Checkpoints { batch: vec![255; 3].into() })],
    ];
    for lie in lies {
        let mut coordinator = Coordinator::listen().await;
        let cache = tempfile::tempdir().expect("a folder");
        let worker = Worker::start(options(Where::local(coordinator.address), cache.path()));
        let (.., stream) = coordinator.welcomed(&knowledge).await;
        let text = format!("{lie:?}");
        lie.into_iter().for_each(|kind| stream.say(kind));
        assert!(matches!(worker.end().await, Err(WorkerError::Protocol(_))), "{text}");
    }
}
