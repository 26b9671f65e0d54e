//! Inputs to begin with, one of each kind: what is sound, for the fuzzer to spoil. The committed ones were made of these by
//! `cargo run -p taugrid-hostile --example seeds`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use taugrid_coordinator::fuzzing::grant;
use taugrid_results::store::{MemoryStore, Store};
use taugrid_results::{Dataset, Outcome, Row, TrialCheckpoint, TrialRecord, encode_checkpoints};
use taugrid_sweep::{Artifact, Cell, Physics, Sweep};
use taugrid_wire::leases::Gathered;
use taugrid_wire::rows::to_wire;
use taugrid_wire::v1::{
    self, CoordinatorMessage, Trials, WorkerMessage, coordinator_message as coordinator, worker_message as worker,
};
use taugrid_wire::{PROTOCOL, RELEASE};

use crate::{artifact, frames};

/// A sweep without data: two cells, whose trials fit into a message.
pub const SWEEP: &str = "\
name: hostile
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics: [{kind: gaussian-sgd, covariance: hessian}, {kind: gaussian-sgd, covariance: identity}]
grid: {eta: 0.1, batch_size: 1}
trials: 16
max_steps: 1000
";

/// The same, with trials that stop by precision: of the same physics, so that rows of one are rows of the other.
pub fn precise() -> String {
    SWEEP.replace("trials: 16", "precision: {relative: 0.5, min: 2, max: 16}")
}

/// An input that is to be taken.
pub struct Seed {
    /// Of which target.
    pub target: &'static str,
    /// Which one.
    pub name: &'static str,
    /// It.
    pub bytes: Vec<u8>,
}

/// The sweep of a text that is sound.
///
/// # Panics
/// If it is not.
pub fn sweep(text: &str) -> Sweep {
    Sweep::parse(text, Path::new("sweep.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

/// An empty dataset of a sweep, and its files.
///
/// # Panics
/// If it cannot be made.
pub fn dataset(text: &str) -> (Dataset, Arc<MemoryStore>) {
    let (sweep, memory) = (sweep(text), Arc::new(MemoryStore::new()));
    let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(&memory);
    let (physics, cells) = (sweep.physics(), sweep.cells());
    let dataset = Dataset::create_or_resume_in(store, text, &sweep.name, &physics, &cells, sweep.demand);
    (dataset.unwrap_or_else(|error| panic!("{error}")), memory)
}

/// Rows as a worker might send them.
fn rows(cells: &[Cell], trials: std::ops::Range<u64>) -> Vec<Row> {
    let row = |cell: &Cell, trial: u64| {
        let (outcome, steps, exit_loss) = match trial % 5 {
            0 => (Outcome::Censored, 1000, 0.25),
            1 => (Outcome::Diverged, 3, f64::NAN),
            _ => (Outcome::Exited, 10 + trial, 0.5 + trial as f64 / 64.0),
        };
        Row { cell: cell.key, record: TrialRecord { trial, outcome, steps, exit_loss, exit_radius: 1.5 } }
    };
    let mut rows: Vec<_> = cells.iter().flat_map(|cell| trials.clone().map(|trial| row(cell, trial))).collect();
    rows.sort_by_key(Row::position);
    rows
}

/// All of them.
///
/// # Panics
/// If one cannot be made.
pub fn all() -> Vec<Seed> {
    let sweep = sweep(SWEEP);
    let mut seeds = Vec::new();
    let mut add = |target, name, bytes| seeds.push(Seed { target, name, bytes });
    for (name, text) in SWEEP_FILES {
        add("sweep_file", name, text.as_bytes().to_vec());
    }
    for (name, messages) in worker_says(&sweep) {
        let messages: Vec<_> = messages.into_iter().map(|kind| WorkerMessage { kind: Some(kind) }).collect();
        add("worker_message", name, frames::join(&messages));
    }
    for (name, messages) in coordinator_says(&sweep) {
        let messages: Vec<_> = messages.into_iter().map(|kind| CoordinatorMessage { kind: Some(kind) }).collect();
        add("coordinator_message", name, frames::join(&messages));
    }
    for (name, text) in [("network", artifact::NETWORK), ("regression", artifact::REGRESSION)] {
        add("artifact", name, made(text).encode());
    }
    for (name, trials) in [("some", 3..9), ("all", 0..16), ("one", 5..6)] {
        add("part", name, part(trials));
    }
    for (name, text) in ACCESS_FILES {
        add("access_file", name, text.as_bytes().to_vec());
    }
    for (name, bytes) in MACHINES {
        add("machine", name, bytes.to_vec());
    }
    seeds
}

fn made(text: &str) -> Artifact {
    let made = sweep(text).prepare(&mut |_| std::ops::ControlFlow::Continue(()));
    made.unwrap_or_else(|error| panic!("{error}")).unwrap_or_else(|| panic!("it has data"))
}

fn part(trials: std::ops::Range<u64>) -> Vec<u8> {
    let (mut dataset, store) = dataset(SWEEP);
    let appended = dataset.append(rows(&sweep(SWEEP).cells(), trials));
    assert!(appended.is_ok(), "{appended:?}");
    let part = store.files().into_iter().find(|(name, _)| name.starts_with("trials/"));
    part.map(|(_, bytes)| bytes).unwrap_or_default()
}

fn worker_says(sweep: &Sweep) -> Vec<(&'static str, Vec<worker::Kind>)> {
    use worker::Kind;
    let cells = sweep.cells();
    let first = &cells[..1];
    let hello = Kind::Hello(v1::Hello {
        protocol: PROTOCOL,
        release: RELEASE.to_owned(),
        name: "worker".to_owned(),
        threads: 2,
        sweep: sweep.physics().sweep_id(),
        identity: 5,
    });
    let ready = Kind::Ready(v1::Ready::default());
    let results = |sequence, rows: &[Row], grants: Vec<Bytes>| {
        Kind::Results(v1::Results { sequence, rows: Some(to_wire(rows)), grants })
    };
    let batch = |kinds: [Kind; 3]| {
        let messages = kinds.map(|kind| WorkerMessage { kind: Some(kind) }).into();
        Kind::Batch(v1::WorkerBatch { messages })
    };
    let granted = |cell: &Cell, first, count| grant(cell.key, &(first..first + count));
    let all = cells.iter().map(|cell| granted(cell, 0, 16)).collect();
    let held = v1::Held { grant: granted(&cells[0], 0, 16), left: trials(4, 8) };
    let state = TrialCheckpoint { cell: cells[0].key, trial: 3, steps: 100, state: Bytes::from_static(&[0x11; 40]) };
    let shown = Kind::Checkpoints(v1::Checkpoints { batch: encode_checkpoints(&[state]) });
    vec![
        ("hello", vec![hello.clone(), ready.clone(), Kind::Heartbeat(v1::Heartbeat {})]),
        ("all", vec![ready.clone(), results(1, &rows(&cells, 0..16), all)]),
        ("again", vec![hello, results(9, &rows(first, 0..4), vec![granted(&cells[0], 0, 16)]), ready.clone()]),
        ("held", vec![Kind::Ready(v1::Ready { held: vec![held] }), Kind::Returned(returned(1, trials(6, 6)))]),
        ("checkpoints", vec![ready.clone(), shown.clone()]),
        (
            "returned",
            vec![ready.clone(), Kind::Returned(returned(1, trials(0, 2))), Kind::Returned(returned(2, vec![]))],
        ),
        ("failed", vec![ready.clone(), Kind::Failed(v1::Failed { lease: 1, detail: "a kernel".to_owned() })]),
        ("done", vec![ready.clone(), Kind::LeaseDone(v1::LeaseDone { lease: 1, busy_nanos: 5 })]),
        ("batch", vec![batch([ready, results(2, &rows(first, 3..5), vec![granted(&cells[0], 0, 16)]), shown])]),
        ("goodbye", vec![Kind::Goodbye(v1::Goodbye { reason: "asked to stop".to_owned() })]),
    ]
}

fn returned(lease: u64, trials: Vec<Trials>) -> v1::Returned {
    v1::Returned { lease, trials }
}

fn trials(first: u64, count: u64) -> Vec<Trials> {
    vec![Trials { first, count }]
}

fn coordinator_says(sweep: &Sweep) -> Vec<(&'static str, Vec<coordinator::Kind>)> {
    use coordinator::Kind;
    let cells = sweep.cells();
    let welcome = |physics: &Physics| {
        let (sweep, physics) = (String::new(), physics.to_json());
        Kind::Welcome(v1::Welcome { sweep, physics, artifact: None, heartbeat_millis: 2000 })
    };
    let leases = |leases: &[(u64, &Cell, Range<u64>)]| {
        let mut gathered = Gathered::default();
        for (lease, cell, trials) in leases {
            gathered.push(*lease, cell, trials, b"grant");
        }
        let mut message = gathered.finish();
        message.cells.iter_mut().for_each(|cells| cells.keys.fill(0));
        Kind::Leases(Box::new(message))
    };
    let lease = |lease, cell, first, count| leases(&[(lease, cell, first..first + count)]);
    let recall = |lease, most, begun| Kind::Recall(v1::Recall { lease, most, begun });
    let state = |steps, kind| {
        let state = Bytes::from(vec![kind; 200]);
        let batch = encode_checkpoints(&[TrialCheckpoint { cell: cells[0].key, trial: 3, steps, state }]);
        Kind::Checkpoints(v1::Checkpoints { batch })
    };
    let adopted = v1::AdoptedLease { held: 0, lease: 5, trials: trials(2, 6) };
    let adopted = Kind::Adopted(v1::Adopted { leases: vec![adopted] });
    let farewell = Kind::Farewell(v1::Farewell { reason: 1, detail: "all is done".to_owned() });
    let physics = sweep.physics();
    let other = |landscape: &str| {
        let text = SWEEP.replace("{kind: quadratic, eigenvalues: [1.0, 0.25]}", landscape);
        welcome(&crate::seeds::sweep(&text).physics())
    };
    let begun = lease(1, &cells[0], 0, 8);
    let batch = |kinds: [Kind; 3]| {
        let messages = kinds.map(|kind| CoordinatorMessage { kind: Some(kind) }).into();
        Kind::Batch(v1::CoordinatorBatch { messages })
    };
    vec![
        (
            "batch",
            vec![batch([state(100, 0x13), begun.clone(), recall(1, 2, false)]), Kind::Ack(v1::Ack { sequence: 2 })],
        ),
        ("lease", vec![begun.clone(), lease(2, &cells[1], 0, 16), recall(1, 3, false), recall(2, u64::MAX, true)]),
        ("leases", vec![leases(&[(1, &cells[0], 0..8), (2, &cells[0], 8..9), (3, &cells[1], 0..1)])]),
        ("checkpoints", vec![state(100, 0x11), state(0, 0x12), begun.clone(), Kind::Ack(v1::Ack { sequence: 1 })]),
        ("adopted", vec![begun, welcome(&physics), adopted, recall(5, 1, true), farewell]),
        ("well", vec![other("{kind: double-well, barrier: 0.25, half_width: 1.0}"), lease(3, &cells[0], 4, 1)]),
        ("quartic", vec![other("{kind: quartic, eigenvalues: [1.0], quartic: -1.0}"), lease(3, &cells[1], 4, 0)]),
        ("dense", vec![other("{kind: quadratic, matrix: [[2.0, 0.5], [0.5, 1.0]]}"), lease(3, &cells[1], 4, 2)]),
    ]
}

const SWEEP_FILES: [(&str, &str); 8] = [
    ("quadratic", SWEEP),
    ("network", artifact::NETWORK),
    ("regression", artifact::REGRESSION),
    (
        "files",
        "\
name: files
seed: 1
landscape:
  kind: mlp
  data: {path: data.csv, label: class, standardize: true, clip: 3}
  hidden: 1
  activation: relu
  weight_decay: 0
  loss: cross-entropy
  minimum: {train: {epochs: 10, learning_rate: 0.1, seed: 1}}
domain: {kind: ball, radius: 0.1, follows_alpha: false}
dynamics: [{kind: sgd}, {kind: gaussian-sgd, covariance: sample}]
grid: {around: {eta: 0.1, batch_size: 2}, alpha: {from: 1, to: 4, points: 3, spacing: log}}
trials: 10
max_steps: 1_000
\0x,y,class\n1,2.5,a\n-3,4e0,b\n5,6,a\n7,8,b\n",
    ),
    (
        "regression-file",
        "\
name: table
seed: 1
landscape: {kind: linear-regression, data: {path: data.csv}}
domain: {kind: sublevel, depth: 0.5}
dynamics: [{kind: sgd}, {kind: gaussian-sgd, covariance: sample}, {kind: sde, covariance: frozen, substeps: 4}]
grid: {alpha: [1, 2], eta: 0.1, batch_size: [1, 2]}
trials: 10
max_steps: 1000
\x001,2,a\n3,5,b\n5,6,a\n8,7,b\n",
    ),
    (
        "wells",
        "\
name: wells
seed: 18446744073709551615
landscape: {kind: double-well, barrier: 0.25, half_width: 1.0, transverse: [1.0]}
domain: {kind: sublevel, depth: 0.2}
dynamics: {kind: sde, covariance: identity, substeps: 16}
grid: {eta: 0.05, batch_size: 4}
trials: 1e3
max_steps: 9007199254740992
dtype: f64
estimator: direct
",
    ),
    (
        "heavy",
        "\
name: \"heavy\"
seed: 0
landscape: {kind: quartic, eigenvalues: [1.0, 0.5], quartic: -1.0}
domain: {kind: ball, radius: 0.5}
dynamics:
  - &levy {kind: levy-sgd, stability: 1.5, covariance: identity, coordinates: independent}
  - {kind: levy-sgd, stability: 1.5}
grid: {alpha: [1, 2.5], beta: [1], eta: {from: 0.1, to: 0.4, points: 4, spacing: linear}, batch_size: 1}
trials: 10
max_steps: 1000
",
    ),
    (
        "rotated",
        "\
name: rotated
seed: 1
landscape: {kind: quadratic, dim: 3, max: 1.0, min: 0.1, spacing: geometric, rotation: 5}
domain: {kind: ball, radius: 1}
dynamics: {kind: gaussian-sgd, covariance: hessian}
grid: {eta: 0.1, batch_size: 1}
trials: 1
max_steps: 10
",
    ),
];

const ACCESS_FILES: [(&str, &str); 3] = [
    ("plain", r#"{"coordinator": "http://127.0.0.1:7000", "sweep": "a", "release": "0.1.0"}"#),
    ("null", r#"{"coordinator": "http://[::1]:65535", "sweep": "", "release": "", "tls": null}"#),
    (
        "tls",
        r#"{"coordinator": "https://node-1:7000", "sweep": "a", "release": "0.1.0",
            "tls": {"ca": "@ca", "certificate": "@certificate", "key": "@key"}}"#,
    ),
];

/// Bytes that [`machine`](mod@crate::machine) makes these of: a sweep that is over before it begins; one of four trials, a worker
/// that joins, sends all rows and is done, and the writer.
const MACHINES: [(&str, &[u8]); 2] = [
    ("nothing", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 5]),
    (
        "one-worker",
        &[
            4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // four trials of one cell
            0, 1, 0, 1, 0, 1, // joined
            4, 1, 1, 0, 1, 0, 4, 1, 4, 1, 1, // received
            6, 1, 1, 1, // done
            10, 0, 1, 1, 1, // durable
        ],
    ),
];
