//! Cell keys: pinned for ever, and a function of the cell's own physics alone.

#![allow(clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::Path;

use taugrid_sweep::{Cell, CellKey, Covariance, DomainSpec, DynamicsSpec, Physics, Sweep};

const SWEEP: &str = "\
name: keys
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics: {kind: gaussian-sgd, covariance: hessian}
grid: {alpha: [1, 2], eta: [0.1], batch_size: [1, 4]}
trials: 1000
max_steps: 1_000_000
";

fn sweep(text: &str) -> Sweep {
    Sweep::parse(text, Path::new("keys.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

fn edited(edits: &[(&str, &str)]) -> Sweep {
    sweep(&edits.iter().fold(SWEEP.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    }))
}

fn keys(sweep: &Sweep) -> Vec<CellKey> {
    sweep.cells().iter().map(|cell| cell.key).collect()
}

/// A change here makes every finished dataset's cells strangers: it must never happen.
#[test]
fn golden_keys() {
    let hexes = |sweep: &Sweep| keys(sweep).iter().map(CellKey::to_string).collect::<Vec<_>>();
    assert_eq!(
        sweep(SWEEP).physics().to_json(),
        r#"{"streams":2,"seed":7,"max_steps":1000000,"dtype":"f32","landscape":{"kind":"quadratic","eigenvalues":[1,0.25]},"domain":{"kind":"sublevel","depth":0.5}}"#
    );
    assert_eq!(hexes(&sweep(SWEEP)), ["b7b9192394077a9d", "fee87b51020ae9e7", "de4ec4fd04ad89b1", "b3f097a0c366e432"]);
    let other = edited(&[
        ("[1.0, 0.25]", "{dim: 3, max: 1e3, min: 1e-9, spacing: geometric}"),
        ("{kind: sublevel, depth: 0.5}", "{kind: ball, radius: 0.885, follows_alpha: false}"),
        ("hessian", "identity"),
        ("alpha: [1, 2]", "alpha: 0.1"),
    ]);
    assert_eq!(hexes(&other), ["dcb49ac8eb9be45b", "de336dc796884ce1"]);
    let mlp = edited(&[
        (
            "{kind: quadratic, eigenvalues: [1.0, 0.25]}",
            "{kind: mlp, data: {synthetic: {examples: 60, features: 4, classes: 3, seed: 5}, standardize: true, clip: 5}, \
             hidden: 8, activation: tanh, weight_decay: 1e-4, minimum: {train: {epochs: 10, learning_rate: 0.3, seed: 1}}}",
        ),
        ("{kind: gaussian-sgd, covariance: hessian}", "{kind: sgd}"),
    ]);
    assert_eq!(
        mlp.physics().to_json(),
        r#"{"streams":2,"seed":7,"max_steps":1000000,"dtype":"f32","landscape":{"kind":"mlp","data":{"source":{"kind":"synthetic","examples":60,"features":4,"classes":3,"seed":5},"standardize":true,"clip":5},"hidden":8,"activation":"tanh","loss":"mse","weight_decay":0.0001,"minimum":{"kind":"train","epochs":10,"learning_rate":0.3,"seed":1}},"domain":{"kind":"sublevel","depth":0.5}}"#
    );
    assert_eq!(hexes(&mlp), ["d50d7247703f1464", "73bbfabed68b2016", "4720045915ed1625", "4e29d248d2cf0343"]);
}

/// The key is what the documentation says it is.
#[test]
fn a_key_is_the_beginning_of_a_hash_of_canonical_json() {
    let cell = sweep(SWEEP).cells()[0];
    let json = r#"{"landscape":{"kind":"quadratic","eigenvalues":[1,0.25]},"domain":{"kind":"sublevel","depth":0.5},"dynamics":{"kind":"gaussian-sgd","covariance":"hessian"},"alpha":1,"beta":1,"eta":0.1,"batch_size":1}"#;
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(json);
    assert_eq!(cell.key.0.to_be_bytes(), hash[..8]);
}

#[test]
fn keys_do_not_hang_on_how_the_file_is_written() {
    let same = [
        edited(&[
            ("[1.0, 0.25]", "[1, 2.5e-1]"),
            ("[1, 2]", "[1.0, 2e0]"),
            ("[0.1]", "1e-1"),
            ("[1, 4]", "[1.0, 4e0]"),
        ]),
        edited(&[("[1.0, 0.25]", "{dim: 2, max: 1, min: 0.25, spacing: linear}")]),
        edited(&[("eigenvalues: [1.0, 0.25]", "dim: 2, max: 1, min: 0.25, spacing: geometric")]),
        edited(&[
            ("{kind: sublevel, depth: 0.5}", "{depth: 0.50, kind: sublevel}"),
            ("eta: [0.1]", "beta: 1, eta: [0.1]"),
        ]),
        edited(&[("{kind: gaussian-sgd, covariance: hessian}", "[{covariance: hessian, kind: gaussian-sgd}]")]),
        edited(&[("name: keys", "name: other"), ("trials: 1000", "trials: 5")]),
        edited(&[("seed: 7", "seed: 8"), ("1_000_000", "17")]),
    ];
    for other in same {
        assert_eq!(keys(&other), keys(&sweep(SWEEP)), "{}", other.text());
    }
    let follows = edited(&[("{kind: sublevel, depth: 0.5}", "{kind: ball, radius: 1}")]);
    let says_so = edited(&[("{kind: sublevel, depth: 0.5}", "{kind: ball, radius: 1, follows_alpha: true}")]);
    assert_eq!(keys(&follows), keys(&says_so));
}

#[test]
fn what_changes_the_physics_changes_every_key() {
    let before = keys(&sweep(SWEEP));
    for edit in
        [("0.25]", "0.26]"), ("depth: 0.5", "depth: 0.6"), ("hessian", "identity"), ("eta: [0.1]", "eta: [0.2]")]
    {
        assert!(keys(&edited(&[edit])).iter().all(|key| !before.contains(key)), "{edit:?}");
    }
}

/// Adding values, trials or dynamics to a finished sweep leaves every cell that was there with its key, hence its rows.
#[test]
fn a_sweep_can_grow() {
    let point = |cell: &Cell| format!("{:?}", Cell { key: CellKey(0), ..*cell });
    let grown = [
        edited(&[("alpha: [1, 2]", "alpha: [1, 1.5, 2]")]),
        edited(&[("eta: [0.1]", "eta: {from: 0.05, to: 0.2, points: 7, spacing: linear}")]),
        edited(&[("eta: [0.1]", "eta: [0.1], beta: [0.5, 1]")]),
        edited(&[("batch_size: [1, 4]", "batch_size: {from: 1, to: 64, points: 13, spacing: log}")]),
        edited(&[("trials: 1000", "trials: 100_000")]),
        edited(&[(
            "{kind: gaussian-sgd, covariance: hessian}",
            "[{kind: gaussian-sgd, covariance: identity}, {kind: gaussian-sgd, covariance: hessian}]",
        )]),
    ];
    for after in grown {
        let after_keys: BTreeMap<String, CellKey> = after.cells().iter().map(|cell| (point(cell), cell.key)).collect();
        for cell in sweep(SWEEP).cells() {
            assert_eq!(after_keys.get(&point(&cell)), Some(&cell.key), "{}", after.text());
        }
        let distinct: std::collections::BTreeSet<_> = after_keys.values().collect();
        assert_eq!(distinct.len() as u64, after.cell_count());
    }
}

#[test]
fn cells_stand_in_the_order_of_the_file() {
    let points = |text: &str| -> Vec<(f64, f64, f64, u64)> {
        sweep(text).cells().iter().map(|c| (c.alpha, c.beta, c.eta, c.batch_size)).collect()
    };
    assert_eq!(points(SWEEP), [(1.0, 1.0, 0.1, 1), (1.0, 1.0, 0.1, 4), (2.0, 1.0, 0.1, 1), (2.0, 1.0, 0.1, 4)]);
    let around = SWEEP.replace(
        "{alpha: [1, 2], eta: [0.1], batch_size: [1, 4]}",
        "{around: {alpha: 2, eta: 0.1, batch_size: 8}, \
         alpha: [1, 2, 4], eta: [0.2], batch_size: [8, 16]}",
    );
    assert_eq!(
        points(&around),
        [(2.0, 1.0, 0.1, 8), (1.0, 1.0, 0.1, 8), (4.0, 1.0, 0.1, 8), (2.0, 1.0, 0.2, 8), (2.0, 1.0, 0.1, 16)]
    );
    assert_eq!(sweep(&around).cell_count(), 5);
}

#[test]
fn physics_go_over_the_wire_and_name_what_differs() {
    let here = sweep(SWEEP).physics();
    let read = Physics::from_json(&here.to_json()).expect("its own");
    assert_eq!((&read, read.sweep_id()), (&here, here.sweep_id()));
    assert_eq!(here.sweep_id().len(), 64);
    let cell = sweep(SWEEP).cells()[1];
    assert_eq!(read.cell(cell.dynamics, cell.alpha, cell.beta, cell.eta, cell.batch_size), cell);
    assert!(!here.needs_artifact());
    assert_eq!(here.difference(&read), [""; 0]);

    let there = edited(&[("depth: 0.5", "depth: 0.6"), ("seed: 7", "seed: 8")]).physics();
    assert_eq!(here.difference(&there), ["domain.depth: 0.6 there, 0.5 here", "seed: 8 there, 7 here"]);
    let there =
        edited(&[("[1.0, 0.25]", "[1.0, 0.5]"), ("{kind: sublevel, depth: 0.5}", "{kind: ball, radius: 1}")]).physics();
    assert_eq!(
        here.difference(&there),
        [
            "domain.follows_alpha: true there, nothing here",
            "domain.kind: ball there, sublevel here",
            "domain.radius: 1 there, nothing here",
            "domain.depth: nothing there, 0.5 here",
            "landscape.eigenvalues[1]: 0.5 there, 0.25 here",
        ]
    );
}

#[test]
fn physics_that_cannot_be_are_refused() {
    let good = sweep(SWEEP).physics().to_json();
    for (from, to) in [
        ("\"seed\":7", "\"seed\":-7"),
        ("\"seed\":7,", ""),
        ("\"seed\":7", "\"seed\":7,\"sede\":7"),
        ("1000000", "0"),
        ("[1,0.25]", "[]"),
        ("[1,0.25]", "[1,-0.25]"),
        ("[1,0.25]", "[1,1e999]"),
        ("\"depth\":0.5", "\"depth\":0"),
        ("\"depth\":0.5", "\"depth\":0.5,\"radius\":1"),
        ("quadratic", "cubic"),
        ("{", "["),
    ] {
        assert!(good.contains(from));
        assert!(Physics::from_json(&good.replace(from, to)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn names_of_the_dataset() {
    let dynamics = DynamicsSpec::GaussianSgd { covariance: Covariance::Identity };
    assert_eq!((dynamics.kind(), dynamics.covariance()), ("gaussian-sgd", Some("identity")));
    assert_eq!((DynamicsSpec::Sgd.kind(), DynamicsSpec::Sgd.covariance()), ("sgd", None));
    assert_eq!(sweep(SWEEP).domain, DomainSpec::Sublevel { depth: 0.5, check_every: 1 });
}
