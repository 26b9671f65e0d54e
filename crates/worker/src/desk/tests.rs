use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use taugrid_results::{Outcome, Ranges, Row, TrialRecord};
use taugrid_sweep::{Cell, Sweep};
use taugrid_wire::batch::Batched;
use taugrid_wire::leases::Gathered;
use taugrid_wire::v1::{
    self, Ack, Adopted, AdoptedLease, CoordinatorBatch, CoordinatorMessage, Farewell, LeaseDone, Trials, Welcome,
    coordinator_message as coordinator,
};
use tempfile::TempDir;

use super::*;
use crate::holdings::Tenure;
use crate::pool::Ended;
use crate::threads::RayonThreads;
use taugrid_process::connect::Coordinator;

const SWEEP: &str = "
name: desk
seed: 1
landscape: {kind: quadratic, eigenvalues: [1.0]}
domain: {kind: sublevel, depth: 0.5}
dynamics: [{kind: gaussian-sgd, covariance: hessian}]
grid: {alpha: [1], beta: [1], eta: [0.1], batch_size: [1000000]}
trials: 100
max_steps: 1000000000000000
";

/// A desk whose one cell's trials never end; what its walkers would report is said by the test.
struct Rig {
    desk: Desk,
    options: Options,
    cell: Cell,
    _folder: TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            threads: NonZeroUsize::MIN,
            cache: folder.path().to_owned(),
            ..Options::new(Coordinator::by_access_file("nowhere".into()))
        };
        let sweep = Sweep::parse(SWEEP, Path::new("sweep.yaml")).expect("a sound sweep");
        let physics = sweep.physics();
        let cell = sweep.cells()[0];
        let mut desk = Desk::new(&options, Arc::new(RayonThreads::new(options.threads).expect("threads")));
        assert_eq!(desk.hello(&options).sweep, "");
        desk.settle_in(Setup::new(physics.sweep_id(), physics, None).expect("a landscape"));
        let mut rig = Self { desk, options, cell, _folder: folder };
        rig.desk.open().expect("opened");
        rig
    }

    fn hear(&mut self, kind: coordinator::Kind) -> Result<Option<Farewell>, WorkerError> {
        self.desk.hear(CoordinatorMessage { kind: Some(kind) })
    }

    fn lease(&mut self, lease: u64, trials: std::ops::Range<u64>) -> Result<Arc<Tenure>, WorkerError> {
        let grant = format!("grant {lease}");
        self.hear(given(lease, &self.cell.clone(), &trials, grant.as_bytes()))?;
        Ok(Arc::clone(&self.desk.holdings.numbered(lease).expect("held").tenure))
    }

    fn ended(&mut self, tenure: &Arc<Tenure>, trials: impl IntoIterator<Item = u64>) {
        let row = |trial| {
            let record = TrialRecord { trial, outcome: Outcome::Exited, steps: 3, exit_loss: 0.5, exit_radius: 1.0 };
            Row { cell: tenure.cell, record }
        };
        let rows = trials.into_iter().map(row).collect();
        let ended = Ended { tenure: Arc::clone(tenure), rows, busy: Duration::from_nanos(5) };
        self.desk.take_in(Report::Rows(vec![ended])).expect("taken in");
    }

    /// All that is to be said now.
    fn said(&mut self) -> Vec<Kind> {
        let message = || self.desk.next_message().expect("readable");
        std::iter::from_fn(message).flat_map(Batched::kinds).collect()
    }

    fn reopen(&mut self) -> Vec<Kind> {
        self.desk.close();
        let hello = self.desk.hello(&self.options);
        assert!(!hello.sweep.is_empty(), "rows or leases of this sweep are held");
        self.desk.open().expect("opened");
        self.said()
    }
}

fn given(lease: u64, cell: &Cell, trials: &Range<u64>, grant: &[u8]) -> coordinator::Kind {
    let mut leases = Gathered::default();
    leases.push(lease, cell, trials, grant);
    coordinator::Kind::Leases(Box::new(leases.finish()))
}

fn trials(first: u64, count: u64) -> Vec<Trials> {
    vec![Trials { first, count }]
}

#[test]
fn rows_come_before_their_lease_is_done_and_need_no_grant_on_its_stream() {
    let mut rig = Rig::new();
    assert_eq!(rig.said(), [Kind::Ready(v1::Ready::default())]);
    let tenure = rig.lease(1, 0..2).expect("sound");
    rig.ended(&tenure, 0..2);
    assert!(rig.desk.is_gathering() && rig.said().is_empty(), "they wait for others");
    rig.desk.seal();
    let [Kind::Results(results), Kind::LeaseDone(done)] = &rig.said()[..] else { panic!("rows, then done") };
    assert_eq!((results.sequence, results.grants.len()), (1, 0));
    assert_eq!(*done, LeaseDone { lease: 1, busy_nanos: 5 });
    // The stream breaks: they are said again, with the grant; the lease needs no word more.
    let [Kind::Results(again), Kind::Ready(ready)] = &rig.reopen()[..] else { panic!("rows, then ready") };
    assert_eq!(again.grants, ["grant 1"]);
    assert_eq!((again.sequence, &again.rows), (1, &results.rows));
    assert!(ready.held.is_empty());
    rig.hear(coordinator::Kind::Ack(Ack { sequence: 1 })).expect("fine");
    rig.desk.close();
    assert_eq!(rig.desk.hello(&rig.options).sweep, "", "nothing is held any more");
}

#[test]
fn what_ends_while_there_is_no_stream_comes_with_its_grant() {
    let mut rig = Rig::new();
    let tenure = rig.lease(1, 0..4).expect("sound");
    rig.desk.close();
    rig.ended(&tenure, [3]);
    rig.desk.hello(&rig.options);
    rig.desk.open().expect("opened");
    let [Kind::Results(results), Kind::Ready(ready)] = &rig.said()[..] else { panic!("rows, then ready") };
    assert_eq!(results.grants, ["grant 1"]);
    assert_eq!(ready.held, [v1::Held { grant: "grant 1".into(), left: trials(0, 3) }]);
    // Before the answer comes it is no lease of this stream; after that it is.
    rig.ended(&tenure, [0]);
    rig.desk.seal();
    let [Kind::Results(results)] = &rig.said()[..] else { panic!("rows") };
    assert_eq!(results.grants, ["grant 1"]);
    let adopted = Adopted { leases: vec![AdoptedLease { held: 0, lease: 8, trials: trials(0, 2) }] };
    rig.hear(coordinator::Kind::Adopted(adopted)).expect("as it was offered");
    // That trial is somebody else's by now: it is none of the lease of this stream, while that goes on.
    rig.ended(&tenure, [2]);
    rig.desk.seal();
    let [Kind::Results(results)] = &rig.said()[..] else { panic!("rows") };
    assert_eq!(results.grants, ["grant 1"]);
    rig.ended(&tenure, [1]);
    rig.desk.seal();
    let [Kind::Results(results), Kind::LeaseDone(done)] = &rig.said()[..] else { panic!("rows, then done") };
    assert_eq!((results.grants.len(), done.lease), (0, 8));
    // Nor when that is done.
    rig.ended(&tenure, [2]);
    rig.desk.seal();
    let [Kind::Results(results)] = &rig.said()[..] else { panic!("rows") };
    assert_eq!(results.grants, ["grant 1"]);
}

#[test]
fn a_recall_is_answered_once_and_with_nothing_that_is_not_held() {
    let mut rig = Rig::new();
    rig.said();
    rig.hear(coordinator::Kind::Recall(v1::Recall { lease: 5, most: 9, begun: true })).expect("fine");
    assert_eq!(rig.said(), [Kind::Returned(Returned { lease: 5, trials: Vec::new() })]);
    let tenure = rig.lease(1, 0..100).expect("sound");
    rig.hear(coordinator::Kind::Recall(v1::Recall { lease: 1, most: 10, begun: false })).expect("fine");
    assert_eq!(rig.said(), [Kind::Returned(Returned { lease: 1, trials: trials(90, 10) })]);
    // One is under way as the kernel fails: what the lease is said to return is then nothing.
    rig.desk.recalls.insert(
        Ticket(99),
        super::Recall { tenure: tenure.id, lease: 1, stream: rig.desk.stream, dropped: Ranges::from(80..90) },
    );
    rig.desk.take_in(Report::Failed { tenures: vec![tenure.id], detail: "boom".to_owned() }).expect("taken in");
    let released = Report::Released { ticket: Ticket(99), trials: Ranges::from(0..1), checkpoints: Vec::new() };
    rig.desk.take_in(released).expect("taken in");
    rig.desk.seal();
    let failed = v1::Failed { lease: 1, detail: "boom".to_owned() };
    assert_eq!(rig.said(), [Kind::Returned(Returned { lease: 1, trials: Vec::new() }), Kind::Failed(failed)]);
}

#[test]
fn a_trial_that_was_lost_and_came_back_and_ended_meanwhile_is_not_run_again() {
    let mut rig = Rig::new();
    rig.said();
    let lost = rig.lease(1, 0..100).expect("sound");
    rig.reopen();
    rig.hear(coordinator::Kind::Adopted(Adopted::default())).expect("as it was offered");
    let again = rig.lease(1, 0..100).expect("sound");
    rig.ended(&lost, [99, 95]);
    assert!(!rig.desk.holdings.is_left(again.cell, 99));
    rig.hear(coordinator::Kind::Recall(v1::Recall { lease: 1, most: 4, begun: false })).expect("fine");
    let given_back = [Trials { first: 94, count: 1 }, Trials { first: 96, count: 3 }];
    assert_eq!(rig.said(), [Kind::Returned(Returned { lease: 1, trials: given_back.to_vec() })]);
}

#[test]
fn a_lease_whose_rest_is_recalled_is_done_after_its_rows() {
    let mut rig = Rig::new();
    rig.said();
    let tenure = rig.lease(1, 0..3).expect("sound");
    rig.ended(&tenure, [0]);
    rig.desk.recalls.insert(
        Ticket(99),
        super::Recall { tenure: tenure.id, lease: 1, stream: rig.desk.stream, dropped: Ranges::from(2..3) },
    );
    let released = Report::Released { ticket: Ticket(99), trials: Ranges::from(1..2), checkpoints: Vec::new() };
    rig.desk.take_in(released).expect("taken in");
    rig.desk.seal();
    let said = rig.said();
    let [Kind::Returned(returned), Kind::Results(_), Kind::LeaseDone(done)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((&returned.trials, done.lease), (&trials(1, 2), 1));
}

#[test]
fn what_cannot_be_is_refused_and_nothing_panics() {
    let refused = |rig: &mut Rig, kind| match rig.hear(kind) {
        Err(WorkerError::Protocol(_)) => {}
        other => panic!("{other:?}"),
    };
    let mut rig = Rig::new();
    rig.lease(1, 0..10).expect("sound");
    for range in [5..15, 9..10] {
        assert!(matches!(rig.lease(2, range), Err(WorkerError::Protocol(_))), "they are held already");
    }
    assert!(matches!(rig.lease(1, 20..30), Err(WorkerError::Protocol(_))), "the number is in use");
    let nowhere = v1::Leases { leases: vec![2], ..Default::default() };
    refused(&mut rig, coordinator::Kind::Leases(Box::new(nowhere)));
    rig.cell.key.0 ^= 1;
    assert!(matches!(rig.lease(4, 30..40), Err(WorkerError::Protocol(_))), "the key is another cell's");
    refused(&mut rig, coordinator::Kind::Welcome(Welcome::default()));
    refused(&mut rig, coordinator::Kind::Adopted(Adopted::default()));
    let inner = coordinator::Kind::Batch(CoordinatorBatch::default());
    let nested = CoordinatorBatch { messages: vec![CoordinatorMessage { kind: Some(inner) }] };
    refused(&mut rig, coordinator::Kind::Batch(nested));
    refused(&mut rig, coordinator::Kind::Checkpoints(v1::Checkpoints { batch: Bytes::from_static(b"\xff") }));
    // An empty lease is done, and an unknown message acknowledged, without ado.
    rig.cell.key.0 ^= 1;
    rig.said();
    let empty = given(9, &rig.cell, &(3..3), b"");
    rig.hear(empty).expect("fine");
    rig.hear(coordinator::Kind::Ack(Ack { sequence: 77 })).expect("fine");
    rig.desk.seal();
    assert_eq!(rig.said(), [Kind::LeaseDone(LeaseDone { lease: 9, busy_nanos: 0 })]);
}

#[test]
fn rows_of_cells_that_the_sweep_does_not_have_are_let_go() {
    let mut rig = Rig::new();
    let tenure = Arc::new(Tenure { id: TenureId(99), cell: CellKey(rig.cell.key.0 ^ 1), grant: Bytes::new() });
    rig.ended(&tenure, [0]);
    assert!(!rig.desk.is_gathering());
}
