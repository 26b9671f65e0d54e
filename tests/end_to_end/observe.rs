//! A coordinator as an engine such as Kubernetes runs it: observed, with files for keys, and staying when it is done.

// What these helpers expect is what the tests expect: a broken expectation should end the test.
#![allow(clippy::expect_used)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use rig::{Folder, Process, Run, binary};
use taugrid_wire::batch::Batched;
use taugrid_wire::externalscaler::ScaledObjectRef;
use taugrid_wire::externalscaler::external_scaler_client::ExternalScalerClient;
use taugrid_wire::v1::coordinator_message::Kind as Heard;
use taugrid_wire::v1::dispatch_client::DispatchClient;
use taugrid_wire::v1::farewell::Reason;
use taugrid_wire::v1::worker_message::Kind as Said;
use taugrid_wire::v1::{Failed, Hello, Ready, WorkerMessage};
use taugrid_wire::{PROTOCOL, RELEASE};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{LONG_TRAINING, SMALL, SWEEP};

/// The last word of a line that says where something listens.
fn address(process: &mut Process, words: &str) -> String {
    process.wait_for(words).trim().rsplit(' ').next().expect("an address").to_owned()
}

fn run(program: &str, arguments: &[&str]) -> Run {
    Process::start(program, arguments).end()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// `GET url`: the answer, headers and all.
fn get(url: &str) -> String {
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn metric(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().expect("a number")
}

/// Whether KEDA is told that there is work.
fn is_active(scaler: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut keda = ExternalScalerClient::connect(format!("http://{scaler}")).await.expect("it listens");
        let scaler_metadata = [("slotsPerWorker".to_owned(), "1".to_owned())].into();
        let scaled = ScaledObjectRef { scaler_metadata, ..ScaledObjectRef::default() };
        keda.is_active(scaled).await.expect("it answers").into_inner().result
    })
}

/// A coordinator that stays, on ports of its own choice.
fn staying(folder: &Folder) -> Process {
    let (sweep, out, access) = (folder.path("sweep.yaml"), folder.path("out"), folder.path("access.json"));
    let words = [text(&sweep), "--out", text(&out), "--access-file", text(&access), "--http", "127.0.0.1:0"];
    Process::start("taugrid-coordinator", words.iter().chain(&["--scaler", "127.0.0.1:0", "--stay"]))
}

/// From the first worker to long after the last: what is counted, what KEDA is told, and how it ends.
#[test]
fn a_complete_coordinator_stays_until_it_is_asked_to_go() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SWEEP);
    folder.run("sweep.yaml", "alone", &[]).assert(0, &[]);
    let mut coordinator = staying(&folder);
    let metrics = address(&mut coordinator, "metrics on ");
    let scaler = address(&mut coordinator, "scaler on ");
    let page = |name: &str| get(&metrics.replace("metrics", name));
    coordinator.wait_for("listening on ");
    while !is_active(&scaler) {
        std::thread::yield_now();
    }
    assert!(page("readyz").starts_with("HTTP/1.1 200 "));
    assert_eq!(metric(&get(&metrics), r#"taugrid_trials{state="received"}"#), 0.0);
    folder.start_worker(2).end().assert(0, &[]);
    coordinator.wait_for("staying");

    let answer = get(&metrics);
    for (name, value) in [
        (r#"taugrid_trials{state="received"}"#, 32_000.0),
        (r#"taugrid_trials{state="open"}"#, 0.0),
        (r#"taugrid_cells{state="done"}"#, 8.0),
        (r#"taugrid_phase{phase="finished"}"#, 1.0),
        ("taugrid_rows_received_total", 32_000.0),
        ("taugrid_rows_written_total", 32_000.0),
        ("taugrid_unwritten_rows", 0.0),
        ("taugrid_workers", 0.0),
        ("taugrid_workers_joined_total", 1.0),
    ] {
        assert_eq!(metric(&answer, name), value, "{name} in\n{answer}");
    }
    for name in [
        "taugrid_exits_total",
        "taugrid_busy_thread_seconds_total",
        "taugrid_thread_seconds_total",
        "taugrid_leases_finished_total",
        "taugrid_parts_written_total",
        "taugrid_written_bytes_total",
        "taugrid_write_seconds_total",
        "process_resident_memory_bytes",
    ] {
        assert!(metric(&answer, name) > 0.0, "{name} in\n{answer}");
    }
    assert!(!is_active(&scaler));
    assert!(page("healthz").starts_with("HTTP/1.1 200 ") && page("readyz").ends_with("finished\n"));
    // A worker that comes late is told so, and so is whoever asks.
    folder.start_worker(1).end().assert(0, &[]);
    run("taugrid", &["status", "--access-file", text(&folder.path("access.json"))]).assert(3, &["is complete"]);
    assert!(folder.dataset("out") == folder.dataset("alone"));
    coordinator.signal("TERM");
    coordinator.end().assert(0, &[]);

    // Started again, as Kubernetes would, it finds nothing to do and stays.
    let mut again = staying(&folder);
    again.wait_for("staying");
    again.signal("TERM");
    again.end().assert(0, &[]);
}

/// A worker of a Deployment waits when its sweep is complete, and works when there is more.
#[test]
fn a_staying_worker_waits_for_more() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let access = folder.path("access.json");
    let start = |stay| Process::start("taugrid-worker", ["--access-file", text(&access), "--threads", "1", stay]);
    let mut first = staying(&folder);
    first.wait_for("listening on ");
    let (mut patient, mut eager) = (start("--stay=600"), start("--stay=1"));
    first.wait_for("staying");
    eager.wait_for("waiting for more");
    patient.wait_for("waiting for more");
    patient.signal("TERM");
    patient.end().assert(0, &[]);
    first.signal("TERM");
    first.end().assert(0, &[]);
    folder.write("sweep.yaml", SMALL.replace("trials: 50", "trials: 80"));
    let mut second = staying(&folder);
    second.wait_for("2 cells are complete");
    second.signal("TERM");
    second.end().assert(0, &[]);
    run("taugrid", &["verify", text(&folder.path("out"))]).assert(0, &[]);
    eager.kill();
}

/// A worker whose kernel fails at whatever it is given, until it is sent away; why it was.
async fn fail_at_everything(url: String) -> Reason {
    let mut client = DispatchClient::connect(url).await.expect("it listens");
    let (say, said) = mpsc::channel(64);
    let say = async |kind| say.send(WorkerMessage { kind: Some(kind) }).await.expect("it is heard");
    let hello = Hello {
        protocol: PROTOCOL,
        release: RELEASE.to_owned(),
        name: "failing".to_owned(),
        threads: 1,
        identity: 7,
        ..Hello::default()
    };
    say(Said::Hello(hello)).await;
    let mut heard = client.attach(ReceiverStream::new(said)).await.expect("it answers").into_inner();
    while let Some(message) = heard.message().await.expect("the stream is whole") {
        for kind in message.kinds() {
            match kind {
                Heard::Welcome(_) => say(Said::Ready(Ready::default())).await,
                Heard::Leases(message) => {
                    for lease in message.leases {
                        say(Said::Failed(Failed { lease, detail: "as it must".to_owned() })).await;
                    }
                }
                Heard::Farewell(farewell) => return farewell.reason(),
                _ => {}
            }
        }
    }
    panic!("it ends without a farewell");
}

/// Trials that no worker can run do not make a coordinator that is started again and again: it stays and says so, and asks for
/// no workers.
#[test]
fn a_coordinator_that_cannot_complete_its_sweep_stays_and_asks_for_nobody() {
    let folder = Folder::new();
    let sweep = folder.write("sweep.yaml", SMALL);
    let out = folder.path("out");
    let words = [text(&sweep), "--out", text(&out), "--stay", "--http", "127.0.0.1:0", "--scaler", "127.0.0.1:0"];
    let mut coordinator = Process::start("taugrid-coordinator", words);
    let metrics = address(&mut coordinator, "metrics on ");
    let scaler = address(&mut coordinator, "scaler on ");
    let url = address(&mut coordinator, "listening on ");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert_eq!(runtime.block_on(fail_at_everything(url)), Reason::Finished);
    let staying = coordinator.wait_for("staying on ");
    let url = staying.split_whitespace().nth(2).expect("an address").trim_end_matches(',');
    let page = get(&metrics);
    assert_eq!(metric(&page, r#"taugrid_trials{state="quarantined"}"#), 100.0);
    assert_eq!(metric(&page, r#"taugrid_phase{phase="incomplete"}"#), 1.0);
    assert!(metric(&page, "taugrid_kernel_failures_total") > 0.0);
    run("taugrid", &["status", "--coordinator", url]).assert(3, &["set aside"]);
    assert!(!is_active(&scaler));
    coordinator.signal("TERM");
    coordinator.end().assert(3, &["set aside", "as it must"]);
}

/// While θ* is trained, which can take hours, nobody takes the coordinator for dead, or sends it workers.
#[test]
fn a_coordinator_that_prepares_is_alive_and_not_ready() {
    let folder = Folder::new();
    folder.write("sweep.yaml", LONG_TRAINING);
    let mut coordinator = staying(&folder);
    let metrics = address(&mut coordinator, "metrics on ");
    let scaler = address(&mut coordinator, "scaler on ");
    assert!(get(&metrics.replace("metrics", "healthz")).starts_with("HTTP/1.1 200 "));
    assert!(get(&metrics.replace("metrics", "readyz")).starts_with("HTTP/1.1 503 "));
    assert_eq!(metric(&get(&metrics), r#"taugrid_phase{phase="preparing"}"#), 1.0);
    assert!(!is_active(&scaler));
    coordinator.signal("TERM");
    coordinator.end().assert(3, &[]);
}

/// Keys as files, made by taugrid, for both ends; once made they are not made over.
#[test]
fn certificates_let_in_by_the_name_they_are_made_for() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let keys = folder.path("keys");
    let make = |name: &str| run("taugrid", &["certificates", text(&keys), "--name", name]);
    make("no name").assert(2, &["--name no name"]);
    assert!(!keys.exists());
    make("taugrid-coordinator").assert(0, &["as a password"]);
    make("taugrid-coordinator").assert(2, &["there already"]);
    for file in ["coordinator/tls.key", "worker/tls.key", "worker/ca.crt"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(keys.join(file)).expect("made").permissions());
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let tls = |set: &str| {
        let file = |name: &str| text(&keys.join(set).join(name)).to_owned();
        [
            "--tls-ca".to_owned(),
            file("ca.crt"),
            "--tls-cert".to_owned(),
            file("tls.crt"),
            "--tls-key".to_owned(),
            file("tls.key"),
        ]
    };
    let mut command = Command::new(binary("taugrid-coordinator"));
    command.arg(folder.path("sweep.yaml")).arg("--out").arg(folder.path("out")).args(tls("coordinator"));
    let mut coordinator = Process::spawn(command);
    let url = address(&mut coordinator, "listening on ");
    let worker = |url: &str, set: &str| {
        let mut command = Command::new(binary("taugrid-worker"));
        command.args(["--threads", "1", "--coordinator", url]).args(tls(set));
        Process::spawn(command).end()
    };
    // Not by a name that they are not for, and not with the coordinator's own.
    worker(&url, "worker").assert(2, &["not to be trusted"]);
    let by_name = url.replace("127.0.0.1", "localhost");
    worker(&by_name, "coordinator").assert(2, &["refuses our certificate"]);
    worker(&by_name, "worker").assert(0, &[]);
    coordinator.end().assert(0, &["cells are complete"]);
}

/// `--check` says what a start would say, and starts nothing.
#[test]
fn a_check_finds_what_is_wrong_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let sweep = folder.write("sweep.yaml", SMALL);
    let bad = folder.write("bad.yaml", SMALL.replace("trials: 50", "trials: -1"));
    let file = folder.write("file", "");
    let out = folder.path("out");
    let coordinator = |sweep: &Path, more: &[&str]| {
        run("taugrid-coordinator", &[&[text(sweep), "--out", text(&out), "--check"], more].concat())
    };
    coordinator(&sweep, &["--http", "0.0.0.0:7001", "--scaler", "0.0.0.0:7002", "--stay"]).assert(0, &["2 cells"]);
    coordinator(&sweep, &["--access-file", text(&folder.path("access.json"))]).assert(0, &[]);
    coordinator(&bad, &[]).assert(2, &["trials"]);
    coordinator(&sweep, &["--listen", "0.0.0.0:7000"]).assert(2, &["nothing says who may come in"]);
    coordinator(&sweep, &["--http", "0.0.0.0:7001", "--scaler", "0.0.0.0:7001"]).assert(2, &["two ports"]);
    coordinator(&sweep, &["--stray"]).assert(2, &["--stray"]);
    let pem = ["--tls-ca", text(&file), "--tls-cert", text(&file), "--tls-key", text(&file)];
    coordinator(&sweep, &pem).assert(2, &["--tls-ca", "no certificate in PEM"]);
    run("taugrid-coordinator", &[text(&sweep), "--out", text(&file), "--check"]).assert(2, &["this is a file"]);

    let worker = |more: &[&str]| run("taugrid-worker", &[&["--check"], more].concat());
    worker(&["--coordinator", "http://127.0.0.1:1", "--stay"]).assert(0, &[]);
    worker(&["--access-file", text(&folder.path("access.json"))]).assert(0, &[]);
    worker(&["--coordinator", "https://host:1"]).assert(2, &["--tls-ca"]);
    worker(&[&["--coordinator", "https://host:1"], &pem[..]].concat()).assert(2, &["--tls-ca"]);
    worker(&["--coordinator", "http://127.0.0.1:1", "--stay", "--time-limit", "90m"]).assert(2, &["--time-limit"]);

    let mut left: Vec<_> = fs::read_dir(sweep.parent().expect("it lies in the folder"))
        .expect("the folder is there")
        .map(|entry| entry.expect("listed").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["bad.yaml", "file", "sweep.yaml"]);
}
