//! Linear regression on data, from the sweep file to the dataset.

use rig::{Folder, Process};

const REGRESSION: &str = "\
name: regression
seed: 7
landscape:
  kind: linear-regression
  data: {synthetic: {examples: 200, features: 3, classes: 2, seed: 1}, standardize: true}
  target: 1
domain: {kind: ball, radius: 0.3}
dynamics:
  - {kind: sgd}
  - {kind: gaussian-sgd, covariance: hessian}
  - {kind: gaussian-sgd, covariance: sample}
  - {kind: gaussian-sgd, covariance: frozen}
  - {kind: gaussian-sgd, covariance: identity}
  - {kind: sde, covariance: hessian, substeps: 4}
grid: {eta: [0.2], batch_size: [2, 4]}
trials: 40
max_steps: 20_000
";

#[test]
fn a_regression_gives_the_same_dataset_however_many_work() {
    let folder = Folder::new();
    folder.write("sweep.yaml", REGRESSION);
    folder.run("sweep.yaml", "alone", &["--threads", "1"]).assert(0, &[]);
    folder.run("sweep.yaml", "two", &["--threads", "2", "--local-workers", "2"]).assert(0, &[]);
    assert!(folder.dataset("alone") == folder.dataset("two"), "two workers gave another dataset");
    for command in ["verify", "report"] {
        Process::start("taugrid", [command.as_ref(), folder.path("alone").as_os_str()]).end().assert(0, &[]);
    }
}

/// Two features that say the same: θ* is a line, unless weight decay picks a point of it.
#[test]
fn what_cannot_be_fitted_is_told_before_a_worker_starts() {
    let folder = Folder::new();
    folder.write("data.csv", "a,b,class\n1,2,x\n2,4,y\n3,6,x\n5,10,y\n");
    let data = "data: {synthetic: {examples: 200, features: 3, classes: 2, seed: 1}, standardize: true}\n  target: 1";
    let collinear = REGRESSION.replace(data, "data: {path: data.csv}");
    let sweep = folder.write("sweep.yaml", &collinear);
    let words = ["failed to fit the regression", "collinear", "weight_decay"];
    Process::start("taugrid", ["plan".as_ref(), sweep.as_os_str()]).end().assert(2, &words);
    folder.run("sweep.yaml", "out", &[]).assert(2, &words);
    // The remedy that is named is one, in the same folder.
    let ridge = collinear.replace("data: {path: data.csv}", "data: {path: data.csv}\n  weight_decay: 0.1");
    folder.write("sweep.yaml", ridge);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
}
