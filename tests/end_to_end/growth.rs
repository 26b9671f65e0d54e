//! A sweep that grows keeps what it has.

use rig::{Folder, Process};

use crate::SMALL;

#[test]
fn whatever_is_added_only_what_is_new_is_run() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "grown", &[]).assert(0, &[]);
    let mut sweep = SMALL.to_owned();
    for (from, to, said) in [
        ("eta: [0.1, 0.2]", "eta: [0.15, 0.1, 0.2]", "50 of 150 trials to run"),
        ("alpha: [2]", "alpha: [2, 3]", "150 of 300 trials to run"),
        ("batch_size: [1]", "batch_size: [2, 1]", "300 of 600 trials to run"),
        ("grid: {", "grid: {beta: [0.5, 1], ", "600 of 1200 trials to run"),
        (
            "dynamics: {kind: gaussian-sgd, covariance: hessian}",
            "dynamics: [{kind: gaussian-sgd, covariance: identity}, {kind: gaussian-sgd, covariance: hessian}]",
            "1200 of 2400 trials to run",
        ),
        ("trials: 50", "trials: 60", "480 of 2880 trials to run"),
        ("name: small", "name: renamed", "0 of 2880 trials to run"),
    ] {
        assert!(sweep.contains(from), "{from}");
        sweep = sweep.replace(from, to);
        folder.write("sweep.yaml", &sweep);
        let mut run = folder.start_run("sweep.yaml", "grown", &[]);
        run.wait_for(said);
        run.end().assert(0, &[]);
    }
    folder.run("sweep.yaml", "fresh", &[]).assert(0, &[]);
    assert!(folder.dataset("grown") == folder.dataset("fresh"));
}

/// Texts of a sweep file, and what they are replaced by.
type Edits = &'static [(&'static str, &'static str)];

/// What would change the rows that are there, and how it is told: the old value, and beside it the new one.
const REFUSED: [(Edits, &[&str]); 10] = [
    (&[("seed: 7", "seed: 8")], &["seed: 7 there, 8 here"]),
    (&[("max_steps: 100_000", "max_steps: 99")], &["max_steps: 100000 there, 99 here"]),
    (&[("trials: 50", "trials: 50\ndtype: f64")], &["dtype: f32 there, f64 here"]),
    (&[("depth: 0.5", "depth: 0.6")], &["domain.depth: 0.5 there, 0.6 here"]),
    (
        &[("{kind: sublevel, depth: 0.5}", "{kind: ball, radius: 1}")],
        &[
            "domain.depth: 0.5 there, nothing here",
            "domain.kind: sublevel there, ball here",
            "domain.follows_alpha: nothing there, true here",
            "domain.radius: nothing there, 1 here",
        ],
    ),
    (&[("[1.0]", "[2.0]")], &["landscape.eigenvalues[0]: 1 there, 2 here"]),
    (&[("[1.0]", "[1.0, 0.25]")], &["landscape.eigenvalues: [1] there, [1,0.25] here"]),
    (&[("eigenvalues: [1.0]", "eigenvalues: [1.0], rotation: 3")], &["landscape.rotation: nothing there, 3 here"]),
    (
        &[("kind: quadratic, eigenvalues: [1.0]", "kind: quartic, eigenvalues: [1.0], quartic: 1")],
        &["landscape.kind: quadratic there, quartic here", "landscape.quartic: nothing there, 1 here"],
    ),
    (
        &[("seed: 7", "seed: 8"), ("depth: 0.5", "depth: 0.6"), ("100_000", "99"), ("[1.0]", "[2.0]")],
        &[
            "domain.depth: 0.5 there, 0.6 here",
            "landscape.eigenvalues[0]: 1 there, 2 here",
            "max_steps: 100000 there, 99 here",
            "seed: 7 there, 8 here",
        ],
    ),
];

#[test]
fn what_would_change_the_rows_is_refused_and_all_that_differs_is_shown() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let before = folder.dataset("out");
    for (edits, lines) in REFUSED {
        let other = edits.iter().fold(SMALL.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        folder.write("other.yaml", other);
        let run = folder.run("other.yaml", "out", &[]);
        let said = format!(
            "error: {}: the dataset holds the results of another sweep:\n  {}\n\
             take that back, or give this sweep a folder of its own (--out)\n",
            folder.path("out").display(),
            lines.join("\n  ")
        );
        run.assert(4, &[&said]);
    }
    assert!(folder.dataset("out") == before);
    assert_eq!(std::fs::read_to_string(folder.path("out/sweep.yaml")).expect("there"), SMALL);
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
