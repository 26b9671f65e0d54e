//! What is said of bad sweep files, to the letter.

#![allow(clippy::expect_used)]

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use taugrid_sweep::Sweep;

const GOOD: &str = "\
name: good
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics:
  - {kind: gaussian-sgd, covariance: hessian}
  - {kind: gaussian-sgd, covariance: identity}
grid:
  alpha: [1, 2, 4]
  eta: {from: 0.05, to: 0.2, points: 5, spacing: log}
  batch_size: [1, 2]
trials: 1000
max_steps: 10_000_000
";

/// [`GOOD`] with `from` replaced by `to`.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

fn told(text: &str) -> String {
    match Sweep::parse(text, Path::new("sweep.yaml")) {
        Ok(_) => "fine".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_good_one_is_good() {
    assert_eq!(told(GOOD), "fine");
    assert_eq!(told(&with("trials: 1000", "precision: {relative: 0.05, max: 50}")), "fine");
}

/// Edits of [`GOOD`], and what is said of the outcome.
const EDITS: &[(&str, &str, &str)] = &[
    (
        "[1, 2, 4]",
        "[1, -2, .nan, zwei, [1]]",
        "sweep.yaml: 4 errors\n\
         9:14  grid.alpha[1]: -2 is not positive; alpha is a finite number above 0\n\
         9:18  grid.alpha[2]: .nan is not finite; alpha is a finite number above 0\n\
         9:24  grid.alpha[3]: \"zwei\" is not a number; alpha is a finite number above 0\n\
         9:30  grid.alpha[4]: a list is not a number; alpha is a finite number above 0",
    ),
    (
        "trials: 1000",
        "trails: 1000",
        "sweep.yaml: 2 errors\n\
         1:1  trials: missing; trials is a whole number, 1 to 1000000000000; or precision, like {relative: 0.05, confidence: 0.95, min: 100, max: 100_000}\n\
         12:1  trails: unknown key; did you mean trials? (known here: name, seed, landscape, domain, dynamics, grid, trials, precision, max_steps, dtype, estimator, training)",
    ),
    (
        "eta: {from: 0.05",
        "etta: {from: 0.05",
        "sweep.yaml: 2 errors\n\
         9:3  grid.eta: missing; a list, a number, or {from, to, points, spacing}; a learning rate is a finite number above 0\n\
         10:3  grid.etta: unknown key; did you mean eta? (known here: alpha, beta, eta, batch_size, around)",
    ),
    (
        "[1, 2, 4]",
        "[]",
        "sweep.yaml: 1 error\n\
         9:10  grid.alpha: an empty list; give at least one value: a list, a number, or {from, to, points, spacing}",
    ),
    (
        "[1, 2, 4]",
        "~",
        "sweep.yaml: 1 error\n\
         9:10  grid.alpha: nothing is not a number; alpha is a finite number above 0",
    ),
    (
        "[1, 2, 4]",
        "[1, 2, 1.0]",
        "sweep.yaml: 1 error\n\
         9:17  grid.alpha[2]: 1.0 is listed already, as grid.alpha[0]",
    ),
    (
        "points: 5, spacing: log",
        "points: 1, spacing: cubic",
        "sweep.yaml: 2 errors\n\
         10:38  grid.eta.points: 1 is below 2; points is how many values the range has, both ends included: 2 to 1000000\n\
         10:50  grid.eta.spacing: \"cubic\" is no spacing (available: log, linear)",
    ),
    (
        "points: 5, spacing: log",
        "points: 5",
        "sweep.yaml: 1 error\n\
         10:8  grid.eta.spacing: missing; spacing is one of log, linear",
    ),
    (
        "from: 0.05, to: 0.2",
        "from: -0.05, to: .inf",
        "sweep.yaml: 2 errors\n\
         10:15  grid.eta.from: -0.05 is not positive; a learning rate is a finite number above 0\n\
         10:26  grid.eta.to: .inf is not finite; a learning rate is a finite number above 0",
    ),
    (
        "from: 0.05, to: 0.2",
        "from: 0.2, to: 0.2",
        "sweep.yaml: 1 error\n\
         10:8  grid.eta: from and to are both 0.2; give the single value 0.2 instead of a range",
    ),
    (
        "from: 0.05, to: 0.2, points: 5",
        "from: 0.2, to: 0.2000000000001, points: 500_000",
        "sweep.yaml: 1 error\n\
         10:8  grid.eta: from and to are too near each other for so many different values",
    ),
    (
        "to: 0.2, points: 5, spacing: log}\n  batch_size: [1, 2]",
        "to: 0.2, points: 1e6, spacing: log}\n  batch_size: {from: 1, to: 1e12, points: 1e6, spacing: linear}",
        "sweep.yaml: 1 error\n\
         9:3  grid: 6000000000000 cells (2 dynamics on 3 alpha × 1 beta × 1000000 eta × 1000000 batch_size); a sweep has at most 1000000",
    ),
    (
        "[1, 2]",
        "[0, 1.5, -1, 1e13]",
        "sweep.yaml: 4 errors\n\
         11:16  grid.batch_size[0]: 0 is below 1; a batch size is a whole number from 1 to 1000000000000\n\
         11:19  grid.batch_size[1]: 1.5 is not a whole number; a batch size is a whole number from 1 to 1000000000000\n\
         11:24  grid.batch_size[2]: -1 is negative; a batch size is a whole number from 1 to 1000000000000\n\
         11:28  grid.batch_size[3]: 1e13 is above 1000000000000; a batch size is a whole number from 1 to 1000000000000",
    ),
    (
        "grid:",
        "grid: {around: {eta: 0.1}, alpha: [1, -1]}\nold_grid:",
        "sweep.yaml: 3 errors\n\
         8:16  grid.around.batch_size: missing; a batch size is a whole number from 1 to 1000000000000\n\
         8:39  grid.alpha[1]: -1 is not positive; alpha is a finite number above 0\n\
         9:1  old_grid: unknown key (known here: name, seed, landscape, domain, dynamics, grid, trials, precision, max_steps, dtype, estimator, training)",
    ),
    (
        "trials: 1000",
        "trials: 1e11",
        "sweep.yaml: 1 error\n\
         12:9  trials: 100000000000 trials in each of 60 cells are 6000000000000; a sweep has at most 1000000000000",
    ),
    (
        "trials: 1000",
        "precision: {relative: 0.05, confidence: 95, maximum: 100}",
        "sweep.yaml: 3 errors\n\
         12:12  precision.max: missing; max is a whole number of trials, 1 to 1000000000000\n\
         12:41  precision.confidence: 95 is out of bounds; confidence is the level of the interval, 0.5 to 0.9999\n\
         12:45  precision.maximum: unknown key (known here: relative, confidence, min, max)",
    ),
    (
        "trials: 1000",
        "trials: 0\nprecision: {relative: 5, min: 1.5, max: 10}",
        "sweep.yaml: 4 errors\n\
         12:9  trials: 0 is below 1; trials is a whole number, 1 to 1000000000000\n\
         13:12  precision: the number of trials is given already; keep one of the two\n\
         13:23  precision.relative: 5 is out of bounds; relative is half of the interval's width as a share of the mean, above 0 and at most 0.5\n\
         13:31  precision.min: 1.5 is not a whole number; min is a whole number of trials, 1 to 1000000000000",
    ),
    (
        "trials: 1000",
        "precision: {relative: 0, min: 200, max: 100}",
        "sweep.yaml: 2 errors\n\
         12:12  precision: min 200 is above max 100; swap them\n\
         12:23  precision.relative: 0 is not positive; relative is half of the interval's width as a share of the mean, above 0 and at most 0.5",
    ),
    (
        "trials: 1000",
        "precision: {relative: 0.1, min: 200, max: 100}",
        "sweep.yaml: 1 error\n\
         12:12  precision: min 200 is above max 100; swap them",
    ),
    (
        "trials: 1000",
        "precision: 0.05",
        "sweep.yaml: 1 error\n\
         12:12  precision: 0.05 stands here; a mapping is expected, like {relative: 0.05, confidence: 0.95, min: 100, max: 100_000}",
    ),
    (
        "trials: 1000",
        "precision: {relative: 0.05, max: 1e11}",
        "sweep.yaml: 1 error\n\
         12:12  precision: 100000000000 trials in each of 60 cells are 6000000000000; a sweep has at most 1000000000000",
    ),
    (
        "max_steps: 10_000_000",
        "max_steps: 0\nestimator: splitting",
        "sweep.yaml: 2 errors\n\
         13:12  max_steps: 0 is below 1; max_steps is a whole number, 1 to 9007199254740992 (2^53)\n\
         14:12  estimator: splitting is not in this version (0.1.0); available: direct",
    ),
    (
        "kind: sublevel, depth: 0.5",
        "kind: sublevel, radius: 0.5",
        "sweep.yaml: 2 errors\n\
         4:9  domain.depth: missing; a depth is a finite number above 0\n\
         4:26  domain.radius: unknown key (known here: kind, depth, check_every)",
    ),
    (
        "kind: sublevel, depth: 0.5",
        "kind: ball, radius: 0, follows_alpha: maybe",
        "sweep.yaml: 2 errors\n\
         4:30  domain.radius: 0 is not positive; a radius is a finite number above 0\n\
         4:48  domain.follows_alpha: \"maybe\" is neither true nor false",
    ),
    (
        "kind: sublevel, depth: 0.5",
        "depth: 0.5",
        "sweep.yaml: 1 error\n\
         4:9  domain.kind: missing; it is one of ball, sublevel",
    ),
    (
        "kind: sublevel, depth: 0.5",
        "kind: subleval, depth: 0.5",
        "sweep.yaml: 1 error\n\
         4:16  domain.kind: \"subleval\" is no domain; did you mean sublevel? (available: ball, sublevel)",
    ),
    (
        "{kind: sublevel, depth: 0.5}",
        "sublevel",
        "sweep.yaml: 1 error\n\
         4:9  domain: \"sublevel\" stands here; a mapping is expected, like {kind: sublevel, depth: 0.5}",
    ),
    (
        "covariance: identity",
        "covariance: hessian",
        "sweep.yaml: 1 error\n\
         7:5  dynamics[1]: the same dynamics as dynamics[0]; name each once",
    ),
    (
        "{kind: gaussian-sgd, covariance: identity}",
        "{kind: sgd}",
        "sweep.yaml: 1 error\n\
         7:5  dynamics[1]: sgd draws minibatches of examples, and a quadratic landscape has no data; use gaussian-sgd, or landscape kind linear-regression or mlp",
    ),
    (
        "{kind: gaussian-sgd, covariance: identity}",
        "{kind: sde, covariance: sample, substeps: 0}",
        "sweep.yaml: 1 error\n\
         7:47  dynamics[1].substeps: 0 is below 1; substeps is how many steps of the scheme a time of η has, 1 to 1000000",
    ),
    (
        "{kind: gaussian-sgd, covariance: identity}",
        "{kind: levy-sgd, stability: 2.5, coordinates: free}",
        "sweep.yaml: 2 errors\n\
         7:33  dynamics[1].stability: 2.5 is out of bounds; a stability is above 1 and at most 2, which is the Gaussian\n\
         7:51  dynamics[1].coordinates: \"free\" is no coordinates (available: isotropic, independent)",
    ),
    (
        "covariance: identity",
        "covariance: frozn",
        "sweep.yaml: 1 error\n\
         7:38  dynamics[1].covariance: \"frozn\" is no covariance; did you mean frozen? (available: hessian, identity, sample, frozen)",
    ),
    (
        "covariance: identity",
        "covariance: sample",
        "sweep.yaml: 1 error\n\
         7:5  dynamics[1]: covariance sample is that of the examples' gradients, and a quadratic landscape has no data; use covariance hessian or identity, or landscape kind linear-regression or mlp",
    ),
    (
        "depth: 0.5",
        "depth: 0.5, check_every: 10",
        "sweep.yaml: 1 error\n\
         4:9  domain: check_every is for an mlp, whose loss is dear; on a quadratic every step is looked at",
    ),
    (
        "depth: 0.5",
        "depth: 0.5, check_every: 0",
        "sweep.yaml: 1 error\n\
         4:51  domain.check_every: 0 is below 1; check_every is a whole number of steps, 1 to 1000000",
    ),
    (
        "trials: 1000",
        "trials: 1000\ndtype: f16",
        "sweep.yaml: 1 error\n\
         13:8  dtype: \"f16\" is no dtype (available: f32, f64)",
    ),
    (
        ", covariance: identity}",
        "}",
        "sweep.yaml: 1 error\n\
         7:5  dynamics[1].covariance: missing; covariance is one of hessian, identity, sample, frozen",
    ),
    (
        "[1.0, 0.25]",
        "[1.0, 0, -0.25]",
        "sweep.yaml: 2 errors\n\
         3:49  landscape.eigenvalues[1]: 0 is not positive; an eigenvalue is a finite number above 0, else θ* is no minimum\n\
         3:52  landscape.eigenvalues[2]: -0.25 is not positive; an eigenvalue is a finite number above 0, else θ* is no minimum",
    ),
    (
        "[1.0, 0.25]",
        "{dim: 0, max: 1, min: 2, spacing: log}",
        "sweep.yaml: 2 errors\n\
         3:49  landscape.eigenvalues.dim: 0 is below 1; a dimension is a whole number from 1 to 100000\n\
         3:77  landscape.eigenvalues.spacing: \"log\" is no spacing (available: geometric, linear)",
    ),
    (
        "[1.0, 0.25]",
        "{dim: 5, max: 1, min: 2, spacing: linear}",
        "sweep.yaml: 1 error\n\
         3:43  landscape.eigenvalues: min 2 is above max 1; swap them",
    ),
    (
        "eigenvalues: [1.0, 0.25]",
        "dim: 100001",
        "sweep.yaml: 4 errors\n\
         3:12  landscape.max: missing; an eigenvalue is a finite number above 0, else θ* is no minimum\n\
         3:12  landscape.min: missing; an eigenvalue is a finite number above 0, else θ* is no minimum\n\
         3:12  landscape.spacing: missing; spacing is one of geometric, linear\n\
         3:35  landscape.dim: 100001 is above 100000; a dimension is a whole number from 1 to 100000",
    ),
    (
        "]}\ndomain",
        "], dim: 2}\ndomain",
        "sweep.yaml: 1 error\n\
         3:61  landscape.dim: the eigenvalues are given already; keep one of the two",
    ),
    (
        ", eigenvalues: [1.0, 0.25]}",
        "}",
        "sweep.yaml: 1 error\n\
         3:12  landscape.eigenvalues: missing; a list, like [1.0, 0.25], or {dim: 100, max: 1.0, min: 0.01, spacing: geometric}",
    ),
    (
        "kind: quadratic",
        "kind: quartic",
        "sweep.yaml: 1 error\n\
         3:12  landscape.quartic: missing; quartic is the coefficient of ¼ θ_0⁴, a finite number",
    ),
    (
        "{kind: quadratic, eigenvalues: [1.0, 0.25]}",
        "{kind: double-well, barrier: 0, transverse: [-1]}",
        "sweep.yaml: 3 errors\n\
         3:12  landscape.half_width: missing; half_width is the distance from the minimum to the saddle, a finite number above 0\n\
         3:41  landscape.barrier: 0 is not positive; a barrier is the height of the saddle, a finite number above 0\n\
         3:57  landscape.transverse[0]: -1 is not positive; an eigenvalue is a finite number above 0, else θ* is no minimum",
    ),
    (
        "eigenvalues: [1.0, 0.25]",
        "matrix: [[1, 2], [2, 1]]",
        "sweep.yaml: 1 error\n\
         3:38  landscape.matrix: its least eigenvalue is -1.000e0; all must be above 0, else θ* is no minimum",
    ),
    (
        "eigenvalues: [1.0, 0.25]",
        "matrix: [[1, 0.5], [0.25, 1]]",
        "sweep.yaml: 1 error\n\
         3:49  landscape.matrix[1]: entry 0 is 0.25, and entry 1 of row 0 is 0.5; a Hessian is symmetric",
    ),
    (
        "name: good",
        "name: ../evil",
        "sweep.yaml: 1 error\n\
         1:7  name: \"../evil\" is no name for a folder; a name has letters, digits, . _ - and begins with a letter or digit; at most 100",
    ),
    (
        "name: good",
        "name: 2021",
        "sweep.yaml: 1 error\n\
         1:7  name: 2021 is no name for a folder; a name has letters, digits, . _ - and begins with a letter or digit; at most 100; put quotes around it if it is to be text",
    ),
    (
        "seed: 7",
        "seed: -1\nseed: 2",
        "sweep.yaml: 2 errors\n\
         2:7  seed: -1 is negative; a seed is a whole number, 0 to 18446744073709551615\n\
         3:1  seed: given twice; the first is on line 2",
    ),
    (
        "seed: 7\nl",
        "l",
        "sweep.yaml: 1 error\n\
         1:1  seed: missing; a seed is a whole number, 0 to 18446744073709551615",
    ),
    (
        "  alpha: [1, 2, 4]",
        "\talpha: 1",
        "sweep.yaml: 1 error\n\
         9:1  not YAML: found character that cannot start any token; indent with spaces, not with tabs",
    ),
    (
        "[1, 2, 4]",
        "[1, 2, 4",
        "sweep.yaml: 1 error\n\
         10:6  not YAML: did not find expected ',' or ']'",
    ),
];

/// Whole files, and what is said of them.
const FILES: &[(&str, &str)] = &[
    (
        "\n",
        "sweep.yaml: the file is empty; a sweep is expected, like {name: quickstart, seed: 1, landscape: {…}, domain: {…}, dynamics: […], grid: {…}, trials: 1000, max_steps: 10_000_000}",
    ),
    (
        "# nothing\n",
        "sweep.yaml: the file is empty; a sweep is expected, like {name: quickstart, seed: 1, landscape: {…}, domain: {…}, dynamics: […], grid: {…}, trials: 1000, max_steps: 10_000_000}",
    ),
    (
        "- 1",
        "sweep.yaml: 1 error\n\
         1:1  a list stands here; a mapping is expected, like {name: quickstart, seed: 1, landscape: {…}, domain: {…}, dynamics: […], grid: {…}, trials: 1000, max_steps: 10_000_000}",
    ),
    (
        "just text",
        "sweep.yaml: 1 error\n\
         1:1  \"just text\" stands here; a mapping is expected, like {name: quickstart, seed: 1, landscape: {…}, domain: {…}, dynamics: […], grid: {…}, trials: 1000, max_steps: 10_000_000}",
    ),
    (
        "name: {}\nseed: []\nlandscape: 1\ndomain: 1\ndynamics: 1\ngrid: 1\ntrials: x\nmax_steps: ~\n",
        "sweep.yaml: 8 errors\n\
         1:7  name: a mapping is no name for a folder; a name has letters, digits, . _ - and begins with a letter or digit; at most 100; put quotes around it if it is to be text\n\
         2:7  seed: an empty list is not a number; a seed is a whole number, 0 to 18446744073709551615\n\
         3:12  landscape: 1 stands here; a mapping is expected, like {kind: quadratic, eigenvalues: [1.0, 0.25]}\n\
         4:9  domain: 1 stands here; a mapping is expected, like {kind: sublevel, depth: 0.5}\n\
         5:11  dynamics: 1 stands here; a mapping is expected, like {kind: gaussian-sgd, covariance: hessian}\n\
         6:7  grid: 1 stands here; a mapping is expected, like {alpha: [1, 2, 4], eta: [0.1, 0.2], batch_size: 1}\n\
         7:9  trials: \"x\" is not a number; trials is a whole number, 1 to 1000000000000\n\
         8:12  max_steps: nothing is not a number; max_steps is a whole number, 1 to 9007199254740992 (2^53)",
    ),
];

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place_and_its_remedy() {
    let edited = EDITS.iter().map(|(from, to, expected)| (with(from, to), *expected));
    let whole = FILES.iter().map(|(text, expected)| ((*text).to_owned(), *expected));
    let mut wrong = 0;
    for (text, expected) in edited.chain(whole) {
        // The table leaves out what every message begins with, and stands for every release.
        let message = told(&text).replace("\n  sweep.yaml:", "\n").replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        if message != expected {
            wrong += 1;
            println!("told\n{message}\nexpected\n{expected}\nof\n{text}");
        }
    }
    assert_eq!(wrong, 0);
}

#[test]
fn files_that_cannot_be_read_are_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = |name: &str| {
        let message = Sweep::load(&folder.path().join(name)).expect_err(name).to_string();
        message.replace(&folder.path().display().to_string(), "DIR")
    };
    std::fs::write(folder.path().join("binary.yaml"), b"name: x\nseed: \xff\n").expect("writes");
    std::fs::write(folder.path().join("huge.yaml"), vec![b'#'; (4 << 20) + 1]).expect("writes");
    assert_eq!(told("missing.yaml"), "DIR/missing.yaml: no such file");
    assert_eq!(told(""), "DIR/: a directory, where a file is expected");
    assert_eq!(told("binary.yaml"), "DIR/binary.yaml: not UTF-8 text: a stray byte in line 2");
    assert_eq!(told("huge.yaml"), "DIR/huge.yaml: larger than the 4194304 bytes that such a file may have");
}

#[test]
fn depth_is_no_way_to_break_the_reader() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        let text = format!("name: {}{}", open.repeat(2_000), close.repeat(2_000));
        assert!(told(&text).starts_with("sweep.yaml: 1 error\n  sweep.yaml:"), "{open}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    /// No text makes the parser panic: a good file with a few random edits stays a file or becomes an error.
    #[test]
    fn mutations_never_panic(
        edits in prop::collection::vec((0..GOOD.len(), 0..12usize, "[\\PC\\n\\t]{0,6}|[-0-9a-z:\\[\\]{},&*!|>#'\"%@`. \\n]{0,6}"), 1..6)
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, cut, insert) in edits {
            let at = at.min(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        let _ = Sweep::parse(&text, Path::new("sweep.yaml"));
    }
}

/// And in no time: each key was once looked for among all before it.
#[test]
fn of_very_many_problems_the_first_thousand_are_told_and_the_others_counted() {
    let text: String = (0..100_000).map(|i| format!("key{i}: 1\n")).collect();
    let error = Sweep::parse(&text, Path::new("sweep.yaml")).expect_err("no sweep");
    assert_eq!(error.problems.len(), 1001);
    // Every key is unknown, and the eight that a sweep must have are missing.
    assert_eq!(error.problems[1000].message, "and 99008 more");
}
