//! Artifacts: made, sent, read, and built into landscapes.

#![allow(clippy::expect_used)]

use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use taugrid_sweep::{Artifact, BuiltLandscape, LandscapeError, Network, Physics, Preparation, PrepareError, Sweep};

const SWEEP: &str = "\
name: small
seed: 3
landscape:
  kind: mlp
  data: {synthetic: {examples: 60, features: 3, classes: 2, seed: 5}, standardize: true, clip: 2}
  hidden: 4
  activation: tanh
  weight_decay: 1e-3
  minimum: {train: {epochs: 200, learning_rate: 0.5, seed: 1}}
domain: {kind: ball, radius: 0.05}
dynamics: [{kind: sgd}, {kind: gaussian-sgd, covariance: identity}]
grid: {eta: 0.1, batch_size: [1, 60]}
trials: 4
max_steps: 1000
";

fn sweep(text: &str) -> Sweep {
    Sweep::parse(text, Path::new("small.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

fn prepared(sweep: &Sweep) -> Artifact {
    sweep.prepare(&mut |_| ControlFlow::Continue(())).expect("it trains").expect("data have one")
}

fn network(artifact: &Artifact) -> &Network {
    artifact.network.as_ref().expect("an mlp has one")
}

#[test]
fn an_artifact_is_made_the_same_each_time_and_survives_the_wire() {
    let mut told = Vec::new();
    let artifact = sweep(SWEEP)
        .prepare(&mut |step| {
            told.push(step);
            ControlFlow::Continue(())
        })
        .expect("it trains")
        .expect("an mlp has one");
    let found = network(&artifact);
    assert_eq!(found.theta.len(), 4 * (3 + 1 + 2) + 2);
    assert!(artifact.examples.inputs().iter().all(|x| x.abs() <= 2.0));
    assert!(found.lambda_max > 0.0 && found.lambda_max_residual <= 1e-8 * found.lambda_max, "{found:?}");
    let losses: Vec<f64> = told
        .iter()
        .filter_map(|step| if let Preparation::Training { loss, .. } = step { Some(*loss) } else { None })
        .collect();
    assert_eq!(losses.len(), 201);
    assert!(losses[200] < 0.3 * losses[0], "{losses:?}");
    assert_eq!(found.loss, losses[200]);
    let products = told.iter().filter(|step| matches!(step, Preparation::Curvature { .. })).count();
    // d products span the whole space: λmin is exact.
    assert!(products > 1 && products <= found.theta.len(), "{products}");
    assert!(found.lambda_min < found.lambda_max && found.lambda_min_residual <= 1e-6 * found.lambda_max);
    assert!(matches!(told.last(), Some(Preparation::Noise { probe: 30, probes: 30 })));

    let bytes = artifact.encode();
    assert_eq!(bytes, prepared(&sweep(SWEEP)).encode());
    assert_eq!(Artifact::sha256(&bytes).len(), 64);
    let read = Artifact::decode(&bytes).expect("its own");
    assert_eq!((&read, read.encode()), (&artifact, bytes));
}

/// The loss is part of the physics, of the artifact, and of what L(θ*) is.
#[test]
fn cross_entropy_goes_all_the_way() {
    let text = SWEEP.replace("activation: tanh", "activation: tanh\n  loss: cross-entropy");
    let (squared, entropy) = (sweep(SWEEP), sweep(&text));
    assert!(entropy.physics().to_json().contains(r#""loss":"cross-entropy""#));
    assert!(squared.physics().to_json().contains(r#""loss":"mse""#));
    assert_ne!(squared.cells()[0].key, entropy.cells()[0].key);
    let artifact = prepared(&entropy);
    let bytes = artifact.encode();
    assert_eq!(Artifact::decode(&bytes).expect("its own"), artifact);
    // Of two classes, and θ far from having learnt them.
    let loss = network(&artifact).loss;
    assert!((0.05..0.7).contains(&loss), "{loss}");
    let physics = Physics::from_json(&entropy.physics().to_json()).expect("its own");
    assert!(physics.landscape(Some(&artifact)).is_ok());
    let mut other = artifact;
    other.network.as_mut().expect("an mlp has one").loss_function = taugrid_sweep::Loss::Mse;
    assert!(matches!(physics.landscape(Some(&other)), Err(LandscapeError::OtherLandscape("loss"))));
    // Where it is the mean squared error, the artifact is what it was before there was another.
    let bytes = prepared(&squared).encode();
    assert!(!String::from_utf8_lossy(&bytes).contains("loss_function"));
}

#[test]
fn the_landscape_and_its_problems_are_built_from_what_goes_over_the_wire() {
    let here = sweep(SWEEP);
    let artifact = Artifact::decode(&prepared(&here).encode()).expect("its own");
    let physics = Physics::from_json(&here.physics().to_json()).expect("its own");
    let landscape = physics.landscape(Some(&artifact)).expect("it fits");
    assert_eq!(landscape.curvature().lambda_max, network(&artifact).lambda_max);
    assert_eq!(here.cells().len(), 4);
    for cell in here.cells() {
        let problem = physics.problem(&cell, &landscape);
        assert_eq!((problem.eta, problem.batch_size, problem.max_steps), (0.1, cell.batch_size, 1000));
        assert!(problem.simulation(physics.seed(), cell.key.0).is_ok());
    }

    assert!(matches!(physics.landscape(None), Err(LandscapeError::NoArtifact)));
    let other = sweep(&SWEEP.replace("hidden: 4", "hidden: 5")).physics();
    assert!(matches!(other.landscape(Some(&artifact)), Err(LandscapeError::OtherLandscape(_))));
    let mut elsewhere = artifact.clone();
    elsewhere.network.as_mut().expect("an mlp has one").loss *= 1.0 + f64::EPSILON;
    assert!(matches!(physics.landscape(Some(&elsewhere)), Err(LandscapeError::Arithmetic { .. })));
}

#[test]
fn a_quadratic_needs_no_artifact() {
    let text = SWEEP.replace("dynamics: [{kind: sgd}, ", "dynamics: [");
    let (head, tail) = (text.find("landscape").expect("there"), text.find("domain").expect("there"));
    let text = format!("{}landscape: {{kind: quadratic, eigenvalues: [2, 1]}}\n{}", &text[..head], &text[tail..]);
    let sweep = sweep(&text);
    assert_eq!(sweep.prepare(&mut |_| panic!("nothing to tell")).expect("fine"), None);
    let landscape = sweep.physics().landscape(None).expect("a bowl");
    assert!(matches!(landscape, BuiltLandscape::Quadratic(_)));
}

/// θ* written as PyTorch would write it and loaded again is the θ* it was, with the curvature it had.
#[test]
fn a_minimum_can_be_loaded() {
    let artifact = prepared(&sweep(SWEEP));
    let trained = network(&artifact);
    let tensors = trained.shape.to_tensors(&trained.theta).expect("its own shape");
    let parts: [(&str, &[usize], &[f64]); 4] = [
        ("0.weight", &[4, 3], &tensors.fc1_weight),
        ("0.bias", &[4], &tensors.fc1_bias),
        ("2.weight", &[2, 4], &tensors.fc2_weight),
        ("2.bias", &[2], &tensors.fc2_bias),
    ];
    let bytes = parts.map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    let views = parts.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F64, shape.to_vec(), bytes).expect("consistent"))
    });
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("theta.safetensors"), safetensors::serialize(views, None).expect("serializes"))
        .expect("writes");
    let text = SWEEP.replace("{train: {epochs: 200, learning_rate: 0.5, seed: 1}}", "{load: theta.safetensors}");
    let sweep = Sweep::parse(&text, &folder.path().join("s.yaml")).expect("good");
    let other = prepared(&sweep);
    let loaded = network(&other);
    assert_eq!((&loaded.theta, loaded.loss, loaded.lambda_max), (&trained.theta, trained.loss, trained.lambda_max));
    assert_ne!(other.landscape_id, artifact.landscape_id);
}

#[test]
fn training_that_diverges_is_told() {
    let text = SWEEP.replace("learning_rate: 0.5", "learning_rate: 1e9").replace("tanh", "relu");
    let error = sweep(&text).prepare(&mut |_| ControlFlow::Continue(())).expect_err("it explodes").to_string();
    assert!(error.starts_with("failed to train: the loss is not finite after epoch"), "{error}");
}

/// What an artifact's bytes say, to be said otherwise.
struct Forged {
    metadata: String,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Forged {
    fn of(bytes: &[u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(bytes).expect("an artifact");
        let tensors = SafeTensors::deserialize(bytes).expect("an artifact");
        let owned = |(name, t): (String, TensorView<'_>)| (name, t.dtype(), t.shape().to_vec(), t.data().to_vec());
        Self {
            metadata: header.metadata().as_ref().expect("there")["taugrid"].clone(),
            tensors: tensors.tensors().into_iter().map(owned).collect(),
        }
    }

    fn refusal(&self) -> String {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).expect("consistent"))
        });
        let metadata = HashMap::from([("taugrid".to_owned(), self.metadata.clone())]);
        let bytes = safetensors::serialize(views, Some(metadata)).expect("serializes");
        Artifact::decode(&bytes).expect_err("forged").to_string()
    }

    fn tensor(&mut self, name: &str) -> &mut (String, Dtype, Vec<usize>, Vec<u8>) {
        self.tensors.iter_mut().find(|tensor| tensor.0 == name).expect("there")
    }
}

#[test]
fn forged_artifacts_are_refused() {
    let bytes = prepared(&sweep(SWEEP)).encode();
    assert!(Artifact::decode(&bytes[..bytes.len() - 1]).is_err());
    assert!(Artifact::decode(b"").is_err());

    for (from, to, refusal) in [
        ("\"format\":2", "\"format\":1", "the artifact has format 1; this version reads format 2"),
        ("\"format\":2", "\"format\":3", "the artifact has format 3; this version reads format 2"),
        (
            "\"hidden\":4",
            "\"hidden\":5",
            "the artifact's tensors do not fit: theta is F64 [26], where F64 [32] is expected",
        ),
        (
            "\"hidden\":4",
            "\"hidden\":18446744073709551615",
            "the artifact's metadata are not what this version writes: a shape out of bounds",
        ),
        ("\"weight_decay\":0.001", "\"weight_decay\":-1", "the artifact's weight_decay is -1"),
        (
            "\"activation\":\"tanh\",",
            "",
            "the artifact's metadata are not what this version writes: missing field `activation`",
        ),
    ] {
        let mut forged = Forged::of(&bytes);
        assert!(forged.metadata.contains(from), "{}", forged.metadata);
        forged.metadata = forged.metadata.replace(from, to);
        assert_eq!(forged.refusal(), refusal);
    }

    let mut forged = Forged::of(&bytes);
    forged.tensor("theta").3[..8].copy_from_slice(&f64::NAN.to_le_bytes());
    assert_eq!(forged.refusal(), "the artifact's theta is NaN");
    let mut forged = Forged::of(&bytes);
    forged.tensor("labels").3[0] = 2;
    assert_eq!(forged.refusal(), "the artifact's examples cannot be used");
    let mut forged = Forged::of(&bytes);
    forged.tensor("labels").1 = Dtype::I32;
    assert_eq!(forged.refusal(), "the artifact's tensors do not fit: labels is I32 [60], where U32 [60] is expected");
    let mut forged = Forged::of(&bytes);
    forged.tensors.retain(|tensor| tensor.0 != "theta");
    assert_eq!(forged.refusal(), "the artifact's tensors do not fit: there are inputs, labels");
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_artifacts_never_panic(at in 0..600usize, byte: u8, length in 0..4000usize) {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = BYTES.get_or_init(|| prepared(&sweep(SWEEP)).encode()).clone();
        bytes[at] = byte;
        let _ = Artifact::decode(&bytes);
        bytes.truncate(length);
        let _ = Artifact::decode(&bytes);
    }
}

#[test]
fn preparation_stops_when_told_to_in_training_and_after() {
    let stops = |at: fn(&Preparation) -> bool| {
        let mut progress =
            |step: Preparation| if at(&step) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        sweep(SWEEP).prepare(&mut progress)
    };
    for at in [
        (|step| matches!(step, Preparation::Training { epoch: 1, .. })) as fn(&Preparation) -> bool,
        |step| matches!(step, Preparation::Curvature { .. }),
        |step| matches!(step, Preparation::Noise { probe: 3, .. }),
    ] {
        assert!(matches!(stops(at), Err(PrepareError::Stopped)));
    }
}
