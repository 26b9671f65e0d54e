//! kill -9 of anything, at a moment when part of the sweep is durable: the end is the same.

use rig::{Folder, Process};

use crate::SWEEP;

const DURABLE: &str = "part is durable";

fn undisturbed(folder: &Folder) -> std::collections::BTreeMap<String, Vec<u8>> {
    folder.write("sweep.yaml", SWEEP);
    folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
    folder.dataset("undisturbed")
}

#[test]
fn a_killed_worker_is_replaced() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    let victim = folder.start_worker(1);
    coordinator.wait_for(DURABLE);
    victim.kill();
    coordinator.wait_for("worker left");
    let other = folder.start_worker(2);
    coordinator.end().assert(0, &["cells are complete"]);
    other.end().assert(0, &[]);
    assert!(folder.dataset("out") == expected);
}

#[test]
fn a_killed_coordinator_goes_on_where_it_was_with_the_workers_that_live() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut first = folder.start_coordinator("sweep.yaml", "out");
    let mut workers = [folder.start_worker(1), folder.start_worker(1)];
    first.wait_for(DURABLE);
    first.kill();
    for worker in &mut workers {
        worker.wait_for("trying again");
    }
    let second = folder.start_coordinator("sweep.yaml", "out");
    second.end().assert(0, &["cells are complete"]);
    for worker in workers {
        worker.end().assert(0, &[]);
    }
    assert!(folder.dataset("out") == expected);
}

#[test]
fn a_killed_run_resumes() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut run = folder.start_run("sweep.yaml", "out", &["--threads", "1"]);
    run.wait_for(DURABLE);
    run.kill();
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    assert!(folder.dataset("out") == expected);
}

#[test]
fn an_interrupted_run_says_so_and_resumes() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut run = folder.start_run("sweep.yaml", "out", &["--threads", "1"]);
    run.wait_for(DURABLE);
    run.signal("INT");
    run.end().assert(3, &["interrupted", "resumes"]);
    let out = folder.path("out");
    let verified = Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end();
    verified.assert(0, &[]);
    assert!(verified.stdout.contains("still to be run"), "{}", verified.stdout);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    assert!(folder.dataset("out") == expected);
}

/// Stopped for longer than a coordinator waits, as a laptop that sleeps or a node that stalls.
#[test]
fn a_worker_that_was_silent_for_long_comes_back_and_works_on() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    let mut worker = folder.start_worker(1);
    coordinator.wait_for(DURABLE);
    worker.signal("STOP");
    coordinator.wait_for("worker left");
    worker.signal("CONT");
    worker.wait_for("trying again");
    coordinator.end().assert(0, &["cells are complete"]);
    worker.end().assert(0, &[]);
    assert!(folder.dataset("out") == expected);
}

#[test]
fn a_coordinator_that_is_asked_to_stop_leaves_its_workers_waiting_for_the_next() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut first = folder.start_coordinator("sweep.yaml", "out");
    let mut worker = folder.start_worker(2);
    first.wait_for(DURABLE);
    first.signal("TERM");
    first.end().assert(3, &["resumes"]);
    worker.wait_for("trying again");
    folder.start_coordinator("sweep.yaml", "out").end().assert(0, &["cells are complete"]);
    worker.end().assert(0, &[]);
    assert!(folder.dataset("out") == expected);
}

#[test]
fn a_worker_that_is_asked_to_stop_hands_over_what_it_has() {
    let folder = Folder::new();
    let expected = undisturbed(&folder);
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    let worker = folder.start_worker(1);
    coordinator.wait_for(DURABLE);
    worker.signal("TERM");
    worker.end().assert(3, &[]);
    coordinator.wait_for("worker left");
    let other = folder.start_worker(2);
    coordinator.end().assert(0, &["cells are complete"]);
    other.end().assert(0, &[]);
    assert!(folder.dataset("out") == expected);
}

/// Preparing θ* takes long, and can be stopped as well as trials can.
#[test]
fn training_stops_when_asked_to() {
    let folder = Folder::new();
    folder.write("sweep.yaml", crate::LONG_TRAINING);
    for program in ["taugrid", "taugrid-coordinator"] {
        let (sweep, out) = (folder.path("sweep.yaml"), folder.path(program));
        let mut words = vec![sweep.as_os_str(), "--out".as_ref(), out.as_os_str()];
        if program == "taugrid" {
            words.insert(0, "run".as_ref());
        }
        let mut process = Process::start(program, words);
        process.wait_for("preparing the landscape");
        process.signal("TERM");
        process.end().assert(3, &["the same command begins again"]);
    }
}
