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
