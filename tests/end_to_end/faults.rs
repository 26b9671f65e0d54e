//! kill -9 of anything, at a moment when part of the sweep is durable: the end is the same.

use std::collections::BTreeMap;

use rig::{Folder, Process};

use crate::{LONG_TRAINING, SWEEP};

/// A sweep that is under way, and what an undisturbed run of it gives.
struct Scene {
    folder: Folder,
    undisturbed: BTreeMap<String, Vec<u8>>,
}

impl Scene {
    fn new() -> Self {
        let folder = Folder::new();
        folder.write("sweep.yaml", SWEEP);
        folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
        let undisturbed = folder.dataset("undisturbed");
        Self { folder, undisturbed }
    }

    fn coordinator(&self) -> Process {
        self.folder.start_coordinator("sweep.yaml", "out")
    }

    fn worker(&self, threads: usize) -> Process {
        self.folder.start_worker(threads)
    }

    /// A coordinator and workers of one thread each, once the first rows are durable.
    fn under_way<const N: usize>(&self) -> (Process, [Process; N]) {
        let mut coordinator = self.coordinator();
        let workers = std::array::from_fn(|_| self.worker(1));
        wait_for_rows(&mut coordinator);
        (coordinator, workers)
    }

    /// All ends well, and as if nothing had happened.
    #[track_caller]
    fn ends(self, coordinator: Process, workers: impl IntoIterator<Item = Process>) {
        coordinator.end().assert(0, &["cells are complete"]);
        for worker in workers {
            worker.end().assert(0, &[]);
        }
        assert!(self.folder.dataset("out") == self.undisturbed, "the dataset is another one");
    }

    /// `taugrid run` of what is there ends well, and as if nothing had happened.
    #[track_caller]
    fn resumes(self) {
        self.folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
        assert!(self.folder.dataset("out") == self.undisturbed, "the dataset is another one");
    }
}

fn wait_for_rows(process: &mut Process) {
    process.wait_for("part is durable");
}

#[test]
fn a_killed_worker_is_replaced() {
    let scene = Scene::new();
    let (mut coordinator, [victim]) = scene.under_way();
    victim.kill();
    coordinator.wait_for("worker left");
    let other = scene.worker(2);
    scene.ends(coordinator, [other]);
}

#[test]
fn a_killed_coordinator_goes_on_where_it_was_with_the_workers_that_live() {
    let scene = Scene::new();
    let (first, mut workers) = scene.under_way::<2>();
    first.kill();
    for worker in &mut workers {
        worker.wait_for("trying again");
    }
    let second = scene.coordinator();
    scene.ends(second, workers);
}

#[test]
fn a_killed_run_resumes() {
    let scene = Scene::new();
    let mut run = scene.folder.start_run("sweep.yaml", "out", &["--threads", "1"]);
    wait_for_rows(&mut run);
    run.kill();
    scene.resumes();
}

#[test]
fn an_interrupted_run_says_so_and_resumes() {
    let scene = Scene::new();
    let mut run = scene.folder.start_run("sweep.yaml", "out", &["--threads", "1"]);
    wait_for_rows(&mut run);
    run.signal("INT");
    run.end().assert(3, &["interrupted", "resumes"]);
    let out = scene.folder.path("out");
    let verified = Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end();
    verified.assert(0, &[]);
    assert!(verified.stdout.contains("still to be run"), "{}", verified.stdout);
    scene.resumes();
}

/// Stopped for longer than a coordinator waits, as a laptop that sleeps or a node that stalls.
#[test]
fn a_worker_that_was_silent_for_long_comes_back_and_works_on() {
    let scene = Scene::new();
    let (mut coordinator, [mut worker]) = scene.under_way();
    worker.signal("STOP");
    coordinator.wait_for("worker left");
    worker.signal("CONT");
    worker.wait_for("trying again");
    scene.ends(coordinator, [worker]);
}

#[test]
fn a_coordinator_that_is_asked_to_stop_leaves_its_workers_waiting_for_the_next() {
    let scene = Scene::new();
    let (first, [mut worker]) = scene.under_way();
    first.signal("TERM");
    first.end().assert(3, &["resumes"]);
    worker.wait_for("trying again");
    let second = scene.coordinator();
    scene.ends(second, [worker]);
}

#[test]
fn a_worker_that_is_asked_to_stop_hands_over_what_it_has() {
    let scene = Scene::new();
    let (mut coordinator, [worker]) = scene.under_way();
    worker.signal("TERM");
    worker.end().assert(3, &[]);
    coordinator.wait_for("worker left");
    let other = scene.worker(2);
    scene.ends(coordinator, [other]);
}

/// Preparing θ* takes long, and can be stopped as well as trials can.
#[test]
fn training_stops_when_asked_to() {
    let folder = Folder::new();
    folder.write("sweep.yaml", LONG_TRAINING);
    for program in ["taugrid", "taugrid-coordinator"] {
        let (sweep, out) = (folder.path("sweep.yaml"), folder.path(program));
        let mut words = vec![sweep.as_os_str(), "--out".as_ref(), out.as_os_str()];
        if program == "taugrid" {
            words.insert(0, "run".as_ref());
        } else {
            words.push("--insecure".as_ref());
        }
        let mut process = Process::start(program, words);
        process.wait_for("preparing the landscape");
        process.signal("TERM");
        process.end().assert(3, &["the same command begins again"]);
    }
}
