//! The sweep files that taugrid comes with.

#![allow(clippy::expect_used)]

use std::ops::ControlFlow;
use std::path::Path;

use taugrid_sweep::{LandscapeSpec, Sweep};

#[test]
fn the_quickstart_is_what_its_comments_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.yaml");
    let sweep = Sweep::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((sweep.name.as_str(), sweep.cell_count(), sweep.most_trials()), ("quickstart", 54, 1000));
    assert_eq!(sweep.cells().len(), 54);
    assert!(!sweep.physics().needs_artifact());
}

#[test]
fn the_linear_regression_is_what_its_comments_say_and_can_be_fitted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/linear-regression.yaml");
    let sweep = Sweep::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((sweep.name.as_str(), sweep.cell_count(), sweep.most_trials()), ("linear-regression", 16, 300));
    assert!(sweep.prepare(&mut |_| ControlFlow::Continue(())).expect("it can be fitted").is_some());
}

#[test]
fn the_precision_is_what_its_comments_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/precision.yaml");
    let sweep = Sweep::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let precision = sweep.demand.precision().expect("a precision");
    assert_eq!((sweep.name.as_str(), sweep.cell_count(), precision.max), ("precision", 24, 100_000));
    assert_eq!((precision.relative, precision.confidence, precision.min), (0.05, 0.95, 100));
}

#[test]
fn figure_1_is_what_its_comments_say() {
    // The data are not ours to give; their shape will do.
    let drawn = "{synthetic: {examples: 10_430, features: 10, classes: 12, seed: 1}, standardize: true, clip: 5}";
    for (name, hidden, runs) in [("fig1", 64, 4), ("fig1-paper", 5000, 2)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../configs/{name}.yaml"));
        let text = std::fs::read_to_string(&path).expect("it is there");
        let text = text.replace("{path: avila-tr.txt, label: last, standardize: true, clip: 5}", drawn);
        let sweep = Sweep::parse(&text, &path).unwrap_or_else(|error| panic!("{error}"));
        let LandscapeSpec::Mlp(mlp) = &sweep.landscape else { panic!("{name} is no mlp") };
        assert_eq!((sweep.name.as_str(), mlp.hidden, sweep.training.runs().len()), (name, hidden, runs));
        assert_eq!((sweep.training.epochs, sweep.training.every), (100, 2));
    }
}
