//! Results in an object store: a server of S3's protocol within the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use buckets::{BUCKET, SECRET, Server};
use rig::{Folder, Process, Run, dataset_bytes};

use crate::{SMALL, SWEEP};

/// A bucket, and a sweep file for it.
struct Scene {
    server: Server,
    folder: Folder,
}

impl Scene {
    fn new(sweep: &str) -> Self {
        let folder = Folder::new();
        folder.write("sweep.yaml", sweep);
        Self { server: Server::start(), folder }
    }

    fn url(&self) -> String {
        format!("s3://{BUCKET}/results/a")
    }

    fn start(&self, program: &str, words: &[&str]) -> Process {
        let environment = self.server.environment().into_iter().chain([("TAUGRID_LOCK_TAKEOVER", "1")]);
        Process::start_in(program, words, environment)
    }

    fn run(&self) -> Run {
        let sweep = self.folder.path("sweep.yaml");
        self.start("taugrid", &["run", &sweep.to_string_lossy(), "--out", &self.url()]).end()
    }

    fn coordinator(&self) -> Process {
        let (sweep, access) = (self.folder.path("sweep.yaml"), self.folder.path("access.json"));
        let (sweep, access) = (sweep.to_string_lossy(), access.to_string_lossy());
        self.start("taugrid-coordinator", &[&sweep, "--out", &self.url(), "--access-file", &access])
    }

    /// What the server has of the dataset.
    fn dataset(&self) -> BTreeMap<String, Vec<u8>> {
        dataset_bytes(&self.server.folder().join("results/a"))
    }

    fn undisturbed(&self) -> BTreeMap<String, Vec<u8>> {
        self.folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
        self.folder.dataset("undisturbed")
    }
}

/// Long enough for some parts on any machine.
fn long() -> String {
    SWEEP.replace("trials: 4000", "trials: 20000")
}

fn tells_no_secret(run: &Run) {
    assert!(!run.stderr.contains(SECRET) && !run.stdout.contains(SECRET), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_sweep_in_a_bucket_is_the_same_dataset_and_every_command_reads_it() {
    let scene = Scene::new(SMALL);
    let run = scene.run();
    run.assert(0, &[]);
    tells_no_secret(&run);
    assert!(run.stdout.contains("s3://bucket/results/a/report/"), "{}", run.stdout);
    assert!(scene.dataset() == scene.undisturbed());
    for command in ["verify", "report", "compact"] {
        scene.start("taugrid", &[command, &scene.url()]).end().assert(0, &[]);
    }
    scene.run().assert(0, &["0 of 100 trials to run"]);
    assert!(scene.dataset() == scene.undisturbed());
    let report = scene.server.folder().join("results/a/report");
    assert!(fs::read_dir(report).expect("a report").count() > 1);
}

#[test]
fn errors_that_pass_do_not_stop_a_sweep() {
    let scene = Scene::new(&long());
    let mut coordinator = scene.coordinator();
    coordinator.wait_for("listening");
    let worker = scene.folder.start_worker(2);
    let faults = &scene.server.faults;
    for fault in [&faults.refuse, &faults.lose, &faults.lie] {
        coordinator.wait_for("part is durable");
        fault.store(2, Ordering::SeqCst);
    }
    coordinator.end().assert(0, &[]);
    worker.end().assert(0, &[]);
    assert!(scene.dataset() == scene.undisturbed());
}

#[test]
fn a_killed_coordinator_is_taken_over_from_with_its_workers() {
    let scene = Scene::new(&long());
    let mut first = scene.coordinator();
    first.wait_for("listening");
    let worker = scene.folder.start_worker(2);
    first.wait_for("part is durable");
    // While it lives, there is no second.
    scene.run().assert(2, &["in use"]);
    first.kill();
    let second = scene.coordinator();
    second.end().assert(0, &[]);
    worker.end().assert(0, &[]);
    assert!(scene.dataset() == scene.undisturbed());
}

/// Stopped for longer than the takeover time, as a node that stalls: another one has taken over, and the first one finds
/// that out before it writes.
#[test]
fn a_coordinator_that_was_taken_over_from_writes_nothing_more() {
    let scene = Scene::new(&long());
    let mut first = scene.coordinator();
    first.wait_for("listening");
    let worker = scene.folder.start_worker(1);
    first.wait_for("part is durable");
    first.signal("STOP");
    let mut second = scene.coordinator();
    second.wait_for("listening");
    first.signal("CONT");
    let first = first.end();
    first.assert(3, &["has taken over", "nothing is lost"]);
    second.end().assert(0, &[]);
    worker.end().assert(0, &[]);
    assert!(scene.dataset() == scene.undisturbed());
}

#[test]
fn what_is_wrong_with_a_place_is_said() {
    let scene = Scene::new(SMALL);
    let sweep = scene.folder.path("sweep.yaml");
    let sweep = sweep.to_string_lossy();
    let run = |out: &str| scene.start("taugrid", &["run", &sweep, "--out", out]).end();
    run("ftp://host/x").assert(2, &["ftp://", "s3://bucket/prefix"]);
    let secret = run("s3://id:hush-hush@bucket/x");
    secret.assert(2, &["environment"]);
    let wrong = Process::start_in(
        "taugrid",
        ["run", &*sweep, "--out", &scene.url()],
        scene.server.environment().into_iter().chain([("AWS_SECRET_ACCESS_KEY", "no-such-key-at-all")]),
    );
    let wrong = wrong.end();
    wrong.assert(2, &["access denied"]);
    assert!(!wrong.stderr.contains("no-such-key-at-all"), "{}", wrong.stderr);
    assert!(!Path::new(&scene.server.folder().join("results")).exists(), "nothing was written");
}
