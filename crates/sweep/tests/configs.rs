//! The sweep files that taugrid comes with.

#![allow(clippy::expect_used)]

use std::ops::ControlFlow;
use std::path::Path;

use taugrid_sweep::Sweep;

#[test]
fn the_quickstart_is_what_its_comments_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.yaml");
    let sweep = Sweep::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((sweep.name.as_str(), sweep.cell_count(), sweep.trials), ("quickstart", 54, 1000));
    assert_eq!(sweep.cells().len(), 54);
    assert!(!sweep.physics().needs_artifact());
}

#[test]
fn the_linear_regression_is_what_its_comments_say_and_can_be_fitted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/linear-regression.yaml");
    let sweep = Sweep::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((sweep.name.as_str(), sweep.cell_count(), sweep.trials), ("linear-regression", 16, 300));
    assert!(sweep.prepare(&mut |_| ControlFlow::Continue(())).expect("it can be fitted").is_some());
}
