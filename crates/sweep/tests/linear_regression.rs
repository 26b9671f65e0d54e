//! Linear regressions: in sweep files, over the wire, and as landscapes.

#![allow(clippy::expect_used)]

use std::ops::ControlFlow;
use std::path::Path;

use taugrid_sweep::{Artifact, BuiltLandscape, LandscapeError, LandscapeSpec, Physics, PrepareError, Sweep};

const CSV: &str = "w,h,class\n1,2,a\n2,1,b\n0.5,0.25,a\n3,3,b\n";
const DRAWN: &str = "{synthetic: {examples: 50, features: 3, classes: 2, seed: 1}}";

/// A sweep over a regression, with these lines of its landscape.
fn sweep(landscape: &str) -> String {
    format!(
        "name: fit\nseed: 1\nlandscape:\n  kind: linear-regression\n{landscape}\
         domain: {{kind: ball, radius: 1}}\ndynamics: [{{kind: sgd}}, {{kind: gaussian-sgd, covariance: sample}}, \
         {{kind: gaussian-sgd, covariance: hessian}}]\n\
         grid: {{eta: 0.1, batch_size: [1, 4]}}\ntrials: 10\nmax_steps: 100\n"
    )
}

/// What is made of such a sweep beside `d.csv`.
fn parse(csv: &str, landscape: &str) -> Result<Sweep, String> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("d.csv"), csv).expect("writes");
    Sweep::parse(&sweep(landscape), &folder.path().join("s.yaml"))
        .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "DIR"))
}

fn told(csv: &str, landscape: &str) -> String {
    parse(csv, landscape).err().unwrap_or("fine".into())
}

fn target(landscape: &str) -> Option<u64> {
    let sweep = parse(CSV, landscape).expect(landscape);
    let LandscapeSpec::LinearRegression(spec) = sweep.landscape else { panic!("a regression") };
    spec.target
}

fn prepared(sweep: &Sweep) -> Result<Artifact, PrepareError> {
    sweep.prepare(&mut |_| panic!("nothing to tell")).map(|artifact| artifact.expect("data have one"))
}

#[test]
fn a_target_is_the_label_an_index_or_a_name() {
    assert_eq!(target("  data: {path: d.csv}\n"), None);
    assert_eq!(target("  data: {path: d.csv}\n  target: label\n"), None);
    assert_eq!(target("  data: {path: d.csv}\n  target: h\n"), Some(1));
    assert_eq!(target("  data: {path: d.csv}\n  target: 1\n"), Some(1));
    // The column of the labels does not count.
    let first = parse("class,w,h\na,1,2\nb,2,1\na,3,5\nb,1,1\n", "  data: {path: d.csv, label: class}\n  target: h\n");
    let LandscapeSpec::LinearRegression(spec) = first.expect("good").landscape else { panic!("a regression") };
    assert_eq!(spec.target, Some(1));
    assert_eq!(target(&format!("  data: {DRAWN}\n  target: 2\n  intercept: false\n  weight_decay: 0.1\n")), Some(2));
}

#[test]
fn what_is_wrong_is_told_all_at_once() {
    for (csv, landscape, expected) in [
        (
            CSV,
            "  data: {path: d.csv}\n  target: 2\n",
            "DIR/s.yaml: 1 error\n  \
             DIR/s.yaml:6:11  landscape.target: 2 is no feature: there are 2, counted from 0; a target is label, a feature \
             counted from 0 without the label column, or the name of a feature in the header",
        ),
        (
            CSV,
            "  data: {path: d.csv}\n  target: lable\n  intercept: maybe\n  weight_decay: -1\n  hidden: 3\n",
            "DIR/s.yaml: 4 errors\n  \
             DIR/s.yaml:6:11  landscape.target: \"lable\" is no feature; did you mean label? (available: label, w, h)\n  \
             DIR/s.yaml:7:14  landscape.intercept: \"maybe\" is neither true nor false\n  \
             DIR/s.yaml:8:17  landscape.weight_decay: -1 is negative; weight decay is a finite number from 0\n  \
             DIR/s.yaml:9:3  landscape.hidden: unknown key (known here: kind, data, target, intercept, weight_decay)",
        ),
        (
            "1,2,a\n2,1,b\n0.5,0.25,a\n3,3,b\n",
            "  data: {path: d.csv}\n  target: w\n",
            "DIR/s.yaml: 1 error\n  \
             DIR/s.yaml:6:11  landscape.target: \"w\" is a name, and the file has no header; give label, or an index from 0",
        ),
        (
            CSV,
            &format!("  data: {DRAWN}\n  target: w\n"),
            "DIR/s.yaml: 1 error\n  \
             DIR/s.yaml:6:11  landscape.target: \"w\" is a name, and synthetic features have no names; give label, or an \
             index from 0",
        ),
        (
            "x,class\n1,a\n2,b\n3,a\n4,b\n",
            "  data: {path: d.csv}\n  target: x\n  intercept: false\n",
            "DIR/s.yaml: 1 error\n  \
             DIR/s.yaml:6:11  landscape.target: no inputs are left; take the intercept in, or give more features",
        ),
        (
            CSV,
            "  data: {synthetic: {examples: 50, features: 1000, classes: 2, seed: 1}}\n",
            "DIR/s.yaml: 1 error\n  \
             DIR/s.yaml:4:3  landscape: 1001 inputs; at most 1000 can be, for the Hessian is formed",
        ),
        (
            CSV,
            "",
            "DIR/s.yaml: 1 error\n  \
             DIR/s.yaml:4:3  landscape.data: missing; {path: data.csv}, or {synthetic: {examples: 1000, features: 10, \
             classes: 3, seed: 1}}",
        ),
    ] {
        assert_eq!(told(csv, landscape), expected, "{landscape}");
    }
    // More than there are examples, and a domain that is a perceptron's.
    let text = sweep("  data: {path: d.csv}\n").replace("[1, 4]", "[1, 5]");
    let text = text.replace("{kind: ball, radius: 1}", "{kind: sublevel, depth: 1, check_every: 2}");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("d.csv"), CSV).expect("writes");
    let error = Sweep::parse(&text, &folder.path().join("s.yaml")).expect_err("wrong").to_string();
    for words in ["2 errors", "5 is more than the 4 examples", "check_every is for an mlp"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_comes_off_the_wire_is_checked() {
    let physics = parse(CSV, &format!("  data: {DRAWN}\n  target: 1\n")).expect("good").physics();
    assert!(physics.needs_artifact());
    let json = physics.to_json();
    assert_eq!(Physics::from_json(&json).expect("its own"), physics);
    for (from, to) in [
        ("\"target\":1", "\"target\":3"),
        ("\"target\":1", "\"target\":-1"),
        ("\"weight_decay\":0", "\"weight_decay\":-1"),
        ("\"intercept\":true", "\"intercept\":1"),
        ("\"intercept\":true", "\"intercept\":true,\"hidden\":1"),
        ("\"examples\":50", "\"examples\":0"),
        ("\"features\":3", "\"features\":5000"),
    ] {
        assert!(json.contains(from), "{json}");
        assert!(Physics::from_json(&json.replace(from, to)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn the_landscape_is_built_from_the_examples_alone() {
    let here = parse(CSV, &format!("  data: {DRAWN}\n  target: 1\n")).expect("good");
    let artifact = prepared(&here).expect("it can be fitted");
    let bytes = artifact.encode();
    let read = Artifact::decode(&bytes).expect("its own");
    assert_eq!((&read, read.encode()), (&artifact, bytes.clone()));
    assert!(artifact.network.is_none());
    assert!(Artifact::decode(&bytes[..bytes.len() - 1]).is_err());

    let physics = Physics::from_json(&here.physics().to_json()).expect("its own");
    let landscape = physics.landscape(Some(&read)).expect("it fits");
    assert!(matches!(&landscape, BuiltLandscape::Regression(data) if data.bowl().eigenvalues().len() == 3));
    let curvature = landscape.curvature();
    assert!(curvature.lambda_min.is_some() && curvature.trace.is_some() && curvature.noise.is_some());
    for cell in here.cells() {
        let problem = physics.problem(&cell, &landscape);
        assert!(problem.simulation(physics.seed(), cell.key.0).is_ok());
    }

    assert!(matches!(physics.landscape(None), Err(LandscapeError::NoArtifact)));
    let other = parse(CSV, &format!("  data: {DRAWN}\n  target: 2\n")).expect("good").physics();
    assert!(matches!(other.landscape(Some(&read)), Err(LandscapeError::OtherLandscape("identity"))));
}

#[test]
fn forged_artifacts_are_refused() {
    let bytes = prepared(&parse(CSV, &format!("  data: {DRAWN}\n")).expect("good")).expect("it can be fitted").encode();
    let refusal = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect(from);
        let mut forged = bytes.clone();
        forged[at..at + to.len()].copy_from_slice(to.as_bytes());
        Artifact::decode(&forged).expect_err("forged").to_string()
    };
    for (from, to, expected) in [
        (r#"format\":2"#, r#"format\":1"#, "the artifact has format 1; this version reads format 2"),
        (r#"classes\":2"#, r#"classes\":1"#, "the artifact's examples cannot be used"),
        (
            r#"inputs\":3"#,
            r#"inputs\":4"#,
            "the artifact's tensors do not fit: inputs is F64 [50, 3], where F64 [50, 4] is expected",
        ),
        (
            r#"classes\""#,
            r#"glasses\""#,
            "the artifact's metadata are not what this version writes: unknown field `glasses`, expected one of `format`, \
             `landscape`, `inputs`, `classes`",
        ),
    ] {
        assert_eq!(refusal(from, to), expected);
    }
}

/// Neither of the other's making is taken for it.
#[test]
fn an_artifact_of_a_network_is_another_thing() {
    let data = parse(CSV, &format!("  data: {DRAWN}\n")).expect("good");
    let text = sweep(&format!(
        "  data: {DRAWN}\n  hidden: 2\n  minimum: {{train: {{epochs: 2, learning_rate: 0.1, seed: 1}}}}\n"
    ))
    .replace("kind: linear-regression", "kind: mlp");
    let network = Sweep::parse(&text, Path::new("s.yaml")).expect("good");
    let landscape_id = network.physics().landscape_id();
    let bare = Artifact { landscape_id, ..prepared(&data).expect("it can be fitted") };
    assert!(matches!(network.physics().landscape(Some(&bare)), Err(LandscapeError::OtherLandscape("kind"))));
    let of_network = network.prepare(&mut |_| ControlFlow::Continue(())).expect("it trains").expect("it has one");
    assert!(of_network.network.is_some());
}

#[test]
fn what_cannot_be_fitted_is_told_in_preparation_with_the_remedy() {
    let collinear = "1,2,a\n2,4,b\n3,6,a\n4,8,b\n";
    let error = prepared(&parse(collinear, "  data: {path: d.csv}\n").expect("it reads")).expect_err("no fit");
    let told = error.to_string();
    assert!(told.starts_with("failed to fit the regression: the inputs are collinear"), "{told}");
    assert!(told.ends_with("leave an input out, or add weight_decay"), "{told}");
    prepared(&parse(collinear, "  data: {path: d.csv}\n  weight_decay: 0.1\n").expect("it reads")).expect("a ridge");
}
