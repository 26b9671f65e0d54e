//! Sweeps on data: the files they name, good and bad.

#![allow(clippy::expect_used)]

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use taugrid_sweep::{DataSource, LandscapeSpec, MinimumSpec, Physics, Sweep};
use tempfile::TempDir;

const CSV: &str = "w,h,class\n1,2,a\n2,1,b\n0.5,0.25,a\n3,3,b\n";

/// A sweep over a perceptron, with `data`, `minimum`, `dynamics` and `batch_size` as given.
fn sweep(data: &str, minimum: &str, dynamics: &str, batch_size: &str) -> String {
    format!(
        "name: mlp\nseed: 1\nlandscape:\n  kind: mlp\n  data: {data}\n  hidden: 3\n  minimum: {minimum}\n\
         domain: {{kind: ball, radius: 1}}\ndynamics: {dynamics}\n\
         grid: {{eta: 0.1, batch_size: {batch_size}}}\ntrials: 10\nmax_steps: 100\n"
    )
}

const TRAIN: &str = "{train: {epochs: 5, learning_rate: 0.1, seed: 1}}";
const SGD: &str = "{kind: sgd}";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("writes");
    }
    folder
}

fn parse(folder: &TempDir, text: &str) -> Result<Sweep, String> {
    Sweep::parse(text, &folder.path().join("s.yaml"))
        .map_err(|error| error.to_string().replace(&format!("{}", folder.path().display()), "DIR"))
}

fn told(files: &[(&str, &[u8])], text: &str) -> String {
    parse(&folder(files), text).err().unwrap_or("fine".into())
}

fn weights(features: usize) -> Vec<u8> {
    let zeros = vec![0u8; 1000];
    let tensor = |name, shape: &[usize]| {
        let bytes = &zeros[..4 * shape.iter().product::<usize>()];
        (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("consistent"))
    };
    let tensors = [
        tensor("fc1.weight", &[3, features]),
        tensor("fc1.bias", &[3]),
        tensor("fc2.weight", &[2, 3]),
        tensor("fc2.bias", &[2]),
    ];
    safetensors::serialize(tensors, None).expect("serializes")
}

#[test]
fn files_are_known_by_their_content() {
    let files = folder(&[("d.csv", CSV.as_bytes()), ("t.safetensors", &weights(2))]);
    fs::create_dir(files.path().join("sub")).expect("creates");
    fs::copy(files.path().join("d.csv"), files.path().join("sub/moved.csv")).expect("copies");
    let physics = |data| parse(&files, &sweep(data, "{load: t.safetensors}", SGD, "[1, 4]")).expect(data).physics();
    let plain = physics("{path: d.csv}");
    assert!(plain.needs_artifact());
    let LandscapeSpec::Mlp(mlp) = plain.landscape_spec() else { panic!("an mlp") };
    let DataSource::File { sha256, label } = &mlp.data.source else { panic!("a file") };
    assert_eq!((sha256.len(), *label), (64, 2));
    assert_eq!(Physics::from_json(&plain.to_json()).expect("its own"), plain);
    for (from, to) in [
        (sha256.as_str(), "../../etc/passwd"),
        ("\"hidden\":3", "\"hidden\":0"),
        ("\"clip\":null", "\"clip\":-1"),
        ("\"weight_decay\":0", "\"weight_decay\":-1"),
        ("\"label\":2", "\"label\":2,\"path\":\"x\""),
        ("\"standardize\":false,", ""),
    ] {
        assert!(plain.to_json().contains(from), "{from}");
        assert!(Physics::from_json(&plain.to_json().replace(from, to)).is_err(), "{from} -> {to}");
    }
    assert!(matches!(&mlp.minimum, MinimumSpec::Load { sha256 } if sha256.len() == 64));
    for same in ["{path: sub/moved.csv}", "{path: d.csv, label: 2}", "{path: d.csv, label: class, standardize: false}"]
    {
        assert_eq!(physics(same), plain, "{same}");
    }
    for other in ["{path: d.csv, clip: 5}", "{path: d.csv, label: 0}", "{path: d.csv, standardize: true}"] {
        // With label: 0 there are four classes, and the weights no longer fit.
        if let Ok(sweep) = parse(&files, &sweep(other, "{load: t.safetensors}", SGD, "1")) {
            assert_ne!(sweep.physics(), plain, "{other}");
        }
    }
    let absolute = format!("{{path: {}}}", files.path().join("d.csv").display());
    assert_eq!(physics(&absolute), plain);
}

#[test]
fn bad_data_are_told_by_file_and_line() {
    let csv = |text: &str| told(&[("d.csv", text.as_bytes())], &sweep("{path: d.csv}", TRAIN, SGD, "1"));
    assert_eq!(csv(CSV), "fine");
    assert_eq!(
        csv("w,h,class\n1,2,a\nwide,1,b\n0.5,a\n"),
        "DIR/s.yaml: 2 errors\n  \
         DIR/d.csv:3  field 1 (w): \"wide\" is not a number; a feature is a finite number\n  \
         DIR/d.csv:4  a short row: 2 fields, where the first row has 3"
    );
    assert_eq!(csv(""), "DIR/s.yaml: 1 error\n  DIR/d.csv: the file is empty; a row an example is expected");
    let many = csv(&format!("1,2,a\n{}", "1,x,b\n".repeat(15)));
    assert_eq!(many.lines().count(), 12);
    assert!(many.starts_with("DIR/s.yaml: 11 errors\n  DIR/d.csv:2  field 2: \"x\""), "{many}");
    assert!(many.ends_with("\n  DIR/d.csv: and 5 more"), "{many}");
}

#[test]
fn bad_files_and_combinations_are_told_beside_other_errors() {
    let d: (&str, &[u8]) = ("d.csv", CSV.as_bytes());
    let wide = weights(5);
    for (text, expected) in [
        (
            sweep("{path: no.csv}", TRAIN, SGD, "0"),
            "DIR/s.yaml: 2 errors\n  \
            DIR/s.yaml:5:16  landscape.data.path: DIR/no.csv: no such file\n  \
            DIR/s.yaml:10:30  grid.batch_size: 0 is below 1; a batch size is a whole number from 1 to 1000000000000",
        ),
        (
            sweep("{path: .}", TRAIN, SGD, "1"),
            "DIR/s.yaml: 1 error\n  \
            DIR/s.yaml:5:16  landscape.data.path: DIR/.: a directory, where a file is expected",
        ),
        (
            sweep("{path: d.csv, label: colour}", TRAIN, SGD, "1"),
            "DIR/s.yaml: 1 error\n  \
            DIR/d.csv: no label column \"colour\" in the header; its columns are w, h, class",
        ),
        (
            sweep("{path: d.csv}", TRAIN, SGD, "[4, 5]"),
            "DIR/s.yaml: 1 error\n  \
            DIR/s.yaml:10:34  grid.batch_size[1]: 5 is more than the 4 examples; sgd draws a minibatch without replacement",
        ),
        (sweep("{path: d.csv}", TRAIN, "{kind: gaussian-sgd, covariance: identity}", "5"), "fine"),
        (
            sweep(
                "{path: d.csv}",
                TRAIN,
                "{kind: levy-sgd, stability: 1.5, covariance: sample, coordinates: independent}",
                "1",
            ),
            "DIR/s.yaml: 1 error\n  \
            DIR/s.yaml:9:11  dynamics: stable noise with the covariance of examples is isotropic alone: that covariance is \
            never formed, so there are no coordinates to be independent in; leave coordinates out, or use covariance identity",
        ),
        (
            sweep("{path: d.csv}", "{load: w.safetensors}", SGD, "1"),
            "DIR/s.yaml: 1 error\n  \
            DIR/w.safetensors: tensor fc1.weight: its shape is [3, 5], where [3, 2] is expected",
        ),
        (
            sweep("{path: d.csv}", "{load: d.csv}", SGD, "1"),
            "DIR/s.yaml: 1 error\n  \
            DIR/d.csv: not a safetensors file: header too large",
        ),
        (
            sweep("{path: d.csv, synthetic: {}}", "{}", SGD, "1"),
            "DIR/s.yaml: 2 errors\n  \
            DIR/s.yaml:5:34  landscape.data.synthetic: a path is given already; keep one of path, synthetic\n  \
            DIR/s.yaml:7:12  landscape.minimum: neither train nor load; give one of them, like \
            {train: {epochs: 1000, learning_rate: 0.3, seed: 1}}",
        ),
        (
            sweep("{synthetic: {examples: 2, features: 1, classes: 3, seed: 1}}", TRAIN, SGD, "1"),
            "DIR/s.yaml: 1 error\n  \
            DIR/s.yaml:5:21  landscape.data.synthetic: 2 examples cannot show 3 classes",
        ),
        (
            sweep("{synthetic: {examples: 1e8, features: 1e5, classes: 3, seed: 1}}", TRAIN, SGD, "1"),
            "DIR/s.yaml: 1 error\n  \
            DIR/s.yaml:5:21  landscape.data.synthetic: 100000000 examples × 100000 features are 10000000000000 numbers; \
            at most 134217728 fit",
        ),
        (
            sweep("{path: d.csv}", TRAIN, SGD, "1")
                .replace("hidden: 3", "hidden: 1e6\n  loss: hinge\n  activation: swish-2"),
            "DIR/s.yaml: 2 errors\n  \
            DIR/s.yaml:7:9  landscape.loss: \"hinge\" is no loss (available: mse, cross-entropy)\n  \
            DIR/s.yaml:8:15  landscape.activation: \"swish-2\" is no activation (available: relu, tanh)",
        ),
        (
            sweep("{synthetic: {examples: 1000, features: 1e4, classes: 3, seed: 1}}", TRAIN, SGD, "1")
                .replace("hidden: 3", "hidden: 1e6"),
            "DIR/s.yaml: 1 error\n  \
            DIR/s.yaml:6:11  landscape.hidden: 1e6 makes 10004000003 parameters; at most 20000000 fit",
        ),
    ] {
        let message = told(&[d, ("w.safetensors", &wide)], &text).replace(env!("CARGO_PKG_VERSION"), "0.1.0");
        assert_eq!(message, expected, "{text}");
    }
}

#[test]
fn the_sweep_file_is_kept_verbatim() {
    let files = folder(&[("d.csv", CSV.as_bytes())]);
    let text = format!("# mine\n{}", sweep("{path: d.csv}", TRAIN, SGD, "1"));
    let path = files.path().join("s.yaml");
    fs::write(&path, &text).expect("writes");
    assert_eq!(Sweep::load(&path).expect("good").text(), text);
    assert!(Sweep::load(Path::new("/nowhere/at/all.yaml")).is_err());
}
