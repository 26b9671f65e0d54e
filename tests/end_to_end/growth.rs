//! A sweep that grows keeps what it has.

use rig::{Folder, Process};

use crate::SMALL;

#[test]
fn a_value_added_to_an_axis_runs_only_what_is_new() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "grown", &[]).assert(0, &[]);
    let larger = SMALL.replace("eta: [0.1, 0.2]", "eta: [0.15, 0.1, 0.2]");
    folder.write("sweep.yaml", &larger);
    let mut run = folder.start_run("sweep.yaml", "grown", &[]);
    run.wait_for("50 of 150 trials to run");
    run.end().assert(0, &[]);
    folder.run("sweep.yaml", "fresh", &[]).assert(0, &[]);
    assert!(folder.dataset("grown") == folder.dataset("fresh"));
}

#[test]
fn a_finished_sweep_runs_nothing_again() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let before = folder.dataset("out");
    let mut again = folder.start_run("sweep.yaml", "out", &[]);
    again.wait_for("0 of 100 trials to run");
    again.end().assert(0, &[]);
    assert!(folder.dataset("out") == before);
}

#[test]
fn another_sweep_is_kept_out_and_the_difference_is_shown() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let before = folder.dataset("out");
    folder.write("other.yaml", SMALL.replace("depth: 0.5", "depth: 0.6"));
    folder.run("other.yaml", "out", &[]).assert(4, &["domain.depth: 0.5 there, 0.6 here"]);
    folder.write("seed.yaml", SMALL.replace("seed: 7", "seed: 8"));
    folder.run("seed.yaml", "out", &[]).assert(4, &["seed: 7 there, 8 here"]);
    assert!(folder.dataset("out") == before);
}

#[test]
fn a_flipped_bit_is_found_and_its_file_named() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let out = folder.path("out");
    let (name, mut bytes) =
        folder.dataset("out").into_iter().find(|(name, _)| name.starts_with("trials")).expect("a part");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(out.join(&name), bytes).expect("it can be written");
    let file = name.rsplit('/').next().expect("a file has a name");
    Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end().assert(4, &[file]);
}

#[test]
fn a_sweep_that_never_came_to_a_row_does_not_hold_its_folder() {
    let folder = Folder::new();
    folder.write("sweep.yaml", crate::LONG_TRAINING.replace("learning_rate: 0.01", "learning_rate: 1e9"));
    folder.run("sweep.yaml", "out", &[]).assert(2, &["learning rate"]);
    let mended = crate::LONG_TRAINING.replace("epochs: 1_000_000", "epochs: 3");
    folder.write("sweep.yaml", mended);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
}

#[test]
fn a_sweep_that_shrank_shows_what_it_is_now_and_keeps_what_it_had() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "shrunk", &[]).assert(0, &[]);
    let before = folder.dataset("shrunk");
    let smaller = SMALL.replace("eta: [0.1, 0.2]", "eta: [0.2]").replace("trials: 50", "trials: 20");
    folder.write("sweep.yaml", &smaller);
    folder.run("sweep.yaml", "shrunk", &[]).assert(0, &[]);
    folder.run("sweep.yaml", "fresh", &[]).assert(0, &[]);
    let after = folder.dataset("shrunk");
    assert!(after["cells.parquet"] == folder.dataset("fresh")["cells.parquet"]);
    assert!(before.iter().filter(|(name, _)| name.starts_with("trials")).all(|(name, bytes)| after[name] == *bytes));
}

#[test]
fn a_damaged_artifact_is_found() {
    let folder = Folder::new();
    folder.write("sweep.yaml", crate::LONG_TRAINING.replace("epochs: 1_000_000", "epochs: 3"));
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let (out, artifact) = (folder.path("out"), folder.path("out/artifact.safetensors"));
    let mut bytes = std::fs::read(&artifact).expect("an artifact");
    bytes.extend(b"more");
    std::fs::write(&artifact, &bytes).expect("it can be written");
    Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end().assert(4, &["artifact.safetensors"]);
    std::fs::remove_file(&artifact).expect("it was there");
    Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end().assert(4, &["artifact.safetensors"]);
}
