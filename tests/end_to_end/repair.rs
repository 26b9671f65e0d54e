//! What happened to a disk: found by `verify`, mended by running the sweep again.

use std::fs;
use std::process::Command;

use rig::{Folder, Process};

use crate::{SMALL, SWEEP};

fn verify(folder: &Folder, code: i32, words: &[&str]) {
    let out = folder.path("out");
    Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end().assert(code, words);
}

/// The parts in `out`, by their names.
#[allow(clippy::expect_used)]
fn parts(folder: &Folder) -> Vec<String> {
    let mut parts: Vec<String> = fs::read_dir(folder.path("out/trials"))
        .expect("a dataset has trials")
        .map(|entry| entry.expect("listed").file_name().into_string().expect("UTF-8"))
        .collect();
    parts.sort();
    parts
}

#[test]
fn a_flipped_bit_in_a_finished_dataset_is_named_and_mended() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let before = folder.dataset("out");
    let part = parts(&folder).remove(0);
    let mut bytes = before[&format!("trials/{part}")].clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write(&format!("out/trials/{part}"), &bytes);
    verify(&folder, 4, &[&part]);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[&part, "damaged", "100 of 100 trials to run"]);
    assert!(folder.dataset("out") == before);
    verify(&folder, 0, &[]);
    let kept: Vec<_> = fs::read_dir(folder.path("out/damaged")).expect("kept").collect();
    assert_eq!(kept.len(), 1);
}

/// `cut -c` of a part of a sweep that is under way: just the trials in it are run again.
#[test]
fn a_truncated_part_costs_its_own_trials_alone() {
    let folder = Folder::new();
    // Long enough for some parts on any machine.
    folder.write("sweep.yaml", SWEEP.replace("trials: 4000", "trials: 20000"));
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    coordinator.wait_for("listening");
    let worker = folder.start_worker(1);
    // Two parts, the second of which comes when the first is durable.
    for _ in 0..2 {
        coordinator.wait_for("part is durable");
    }
    coordinator.signal("TERM");
    coordinator.end().assert(3, &[]);
    drop(worker);
    let (out, parts) = (folder.path("out"), parts(&folder));
    assert!(parts.len() >= 2, "{parts:?}");
    let all = taugrid_results::Dataset::open(&out).expect("sound").coverage().clone();
    let path = out.join("trials").join(&parts[0]);
    let script = r#"head -c 1000 "$0" > "$0.cut" && mv "$0.cut" "$0""#;
    assert!(Command::new("sh").args(["-c", script]).arg(&path).status().expect("sh").success());
    verify(&folder, 4, &[&parts[0]]);
    let run = folder.run("sweep.yaml", "out", &[]);
    run.assert(0, &[&parts[0], "damaged"]);
    // Those of the other parts were not.
    let line = run.stderr.lines().find(|line| line.contains("trials to run")).expect("it says how many");
    let to_run: u64 = line
        .split_whitespace()
        .zip(line.split_whitespace().skip(1))
        .find(|(_, next)| *next == "of")
        .expect("N of M")
        .0
        .parse()
        .expect("a number");
    let held = taugrid_results::coverage::count(&all);
    assert!(to_run > 160_000 - held && to_run < 160_000, "{to_run} of 160000 were run, and {held} were there");
    folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
    assert!(folder.dataset("out") == folder.dataset("undisturbed"));
}

#[test]
fn a_damaged_manifest_and_journal_are_made_anew() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let before = folder.dataset("out");
    folder.write("out/manifest.json", "{\"format\": 1, \"rel");
    folder.write("out/compaction.json", "half of");
    verify(&folder, 4, &["manifest.json"]);
    folder.run("sweep.yaml", "out", &[]).assert(0, &["manifest.json is damaged", "compaction.json is damaged"]);
    assert!(folder.dataset("out") == before);
    verify(&folder, 0, &[]);
}

#[test]
fn a_folder_that_is_read_only_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    fs::create_dir(folder.path("out")).expect("made");
    // Root may write anywhere, but not on a file system that is read-only.
    let script = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77
exec "$0" run "$1/sweep.yaml" --out "$1/out""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
    command.arg(rig::binary("taugrid")).arg(folder.path(""));
    let run = Process::spawn(command).end();
    if run.code == Some(77) || run.stderr.contains("unshare failed") {
        println!("NOT TESTED: this machine grants no mounts: {}", run.stderr);
        return;
    }
    run.assert(2, &["out", "read-only"]);
    assert_eq!(fs::read_dir(folder.path("out")).expect("there").count(), 0);
}
