//! `taugrid train`: the sharpness along SGD.

use std::fs;
use std::path::PathBuf;

use rig::{Folder, Process, Run};
use taugrid_results::{LocalStore, read_training};

/// Two runs of a moment.
const TRAINED: &str = "\
name: trained
seed: 1
landscape:
  kind: mlp
  data: {synthetic: {examples: 300, features: 4, classes: 3, seed: 1}}
  hidden: 8
  minimum: {train: {epochs: 3, learning_rate: 0.1, seed: 1}}
domain: {kind: ball, radius: 0.1}
dynamics: {kind: sgd}
grid: {eta: [0.1], batch_size: [2]}
trials: 3
max_steps: 10
training: {epochs: 5, every: 2, batch_size: [10, 100], learning_rate: 0.3}
";

fn start(folder: &Folder, out: &str, more: &[&str]) -> Process {
    let mut words: Vec<PathBuf> = vec!["train".into(), folder.path("sweep.yaml"), "--out".into(), folder.path(out)];
    words.extend(more.iter().map(PathBuf::from));
    Process::start("taugrid", words)
}

fn train(folder: &Folder, out: &str, more: &[&str]) -> Run {
    start(folder, out, more).end()
}

#[test]
fn a_training_is_recorded_and_drawn_the_same_on_any_number_of_threads() {
    let folder = Folder::new();
    folder.write("sweep.yaml", TRAINED);
    let run = train(&folder, "out", &["--threads", "1"]);
    run.assert(0, &[]);
    assert!(run.stdout.contains("λmax") && run.stdout.contains("figure1.svg"), "{}", run.stdout);
    train(&folder, "again", &["--threads", "3"]).assert(0, &[]);
    for file in ["training.parquet", "report/figure1.svg", "report/figure1.png"] {
        let [one, other] = ["out", "again"].map(|out| fs::read(folder.path(out).join(file)).expect(file));
        assert!(one == other, "{file} differs");
    }
    assert!(fs::read_to_string(folder.path("out/report/figure1.svg")).expect("text").contains("epoch</text>"));

    let points = read_training(&LocalStore::new(folder.path("out"))).expect("sound");
    let places: Vec<_> = points.iter().map(|point| (point.batch_size, point.epoch, point.step)).collect();
    let expected =
        [(10, 0, 0), (10, 2, 60), (10, 4, 120), (10, 5, 150), (100, 0, 0), (100, 2, 6), (100, 4, 12), (100, 5, 15)];
    assert_eq!(places, expected);
    assert_eq!(points[0].profile, points[4].profile, "both begin at the same θ");
    for run in points.chunk_by(|a, b| a.run == b.run) {
        let (first, last) = (run[0].profile, run[3].profile);
        assert!(last.loss < first.loss && last.accuracy > 0.5, "{last:?} from {first:?}");
    }
    assert!(points.iter().all(|point| point.profile.lambda_max > 0.0 && point.profile.keskar.value > 0.0));
}

#[test]
fn a_training_and_a_sweep_share_a_folder() {
    let folder = Folder::new();
    folder.write("sweep.yaml", TRAINED);
    train(&folder, "out", &[]).assert(0, &[]);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let dataset = folder.dataset("out");
    // Another training is no other sweep.
    folder.write("sweep.yaml", TRAINED.replace("epochs: 5", "epochs: 1"));
    train(&folder, "out", &[]).assert(0, &[]);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    assert!(folder.dataset("out") == dataset);
    assert_eq!(read_training(&LocalStore::new(folder.path("out"))).expect("sound").len(), 4);
    let out = folder.path("out");
    Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end().assert(0, &[]);
}

#[test]
fn what_cannot_be_trained_is_refused_and_nothing_written() {
    let folder = Folder::new();
    let refused = |sweep: &str, words: &[&str]| {
        folder.write("sweep.yaml", sweep);
        train(&folder, "out", &[]).assert(2, words);
        assert!(!folder.path("out").exists(), "something was written");
    };
    refused(crate::SMALL, &["sweep.yaml", "quadratic", "mlp"]);
    refused(&(crate::SMALL.to_owned() + "training: {epochs: 1}\n"), &["sweep.yaml:9:", "training", "quadratic"]);
    let bad = TRAINED.replace("every: 2, batch_size: [10, 100]", "evry: 2, batch_size: [10, 301]");
    refused(
        &bad,
        &["sweep.yaml:13:", "training.evry", "did you mean every?", "training.batch_size[1]", "300 examples"],
    );

    folder.write("sweep.yaml", TRAINED.replace("learning_rate: 0.3", "learning_rate: 1e9"));
    train(&folder, "out", &[]).assert(2, &["batch size 10", "smaller learning rate"]);
    assert!(!folder.path("out/training.parquet").exists());
}

#[test]
fn an_interrupted_training_leaves_no_table() {
    let folder = Folder::new();
    folder.write("sweep.yaml", TRAINED.replace("epochs: 5, every: 2", "epochs: 1_000_000, every: 1_000"));
    for signal in ["INT", "TERM"] {
        let mut process = start(&folder, "out", &[]);
        process.wait_for("training");
        process.signal(signal);
        process.end().assert(3, &["the same command begins again"]);
    }
    let left: Vec<_> =
        fs::read_dir(folder.path("out")).expect("a folder").map(|e| e.expect("listed").file_name()).collect();
    assert_eq!(left, [".lock"]);
}
