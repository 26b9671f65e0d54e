//! Who comes in and who does not, and that keys stay where they belong.

// What these helpers expect is what the tests expect: a broken expectation should end the test.
#![allow(clippy::expect_used)]

use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rig::{Folder, Process, binary};
use taugrid_process::access::Access;
use taugrid_process::connect::{ConnectErrorKind, Target};
use taugrid_process::tls::{Credentials, Keys};
use taugrid_wire::v1::dispatch_client::DispatchClient;
use taugrid_wire::v1::{FetchArtifactRequest, Hello, WorkerMessage, worker_message};
use taugrid_wire::{PROTOCOL, RELEASE};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{SMALL, SWEEP};

/// `taugrid-coordinator` of the folder's sweep, with these options.
fn coordinator<O: AsRef<OsStr>>(folder: &Folder, options: &[O]) -> Command {
    let mut command = Command::new(binary("taugrid-coordinator"));
    command.arg(folder.path("sweep.yaml")).arg("--out").arg(folder.path("out")).args(options);
    command
}

/// `taugrid-worker` with these options.
fn worker(folder: &Folder, options: &[&str]) -> Command {
    let mut command = Command::new(binary("taugrid-worker"));
    command.args(["--threads", "1", "--cache"]).arg(folder.path("cache")).args(options);
    command
}

/// The address in a line like `listening on https://127.0.0.1:7000`.
fn url_of(coordinator: &mut Process) -> String {
    coordinator.wait_for("listening on ").trim().rsplit(' ').next().expect("an address").to_owned()
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("temporary paths are text")
}

/// An address of this very machine that is not loopback.
fn own_address() -> Option<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().expect("the interfaces can be listed");
    interfaces.into_iter().map(|interface| interface.ip()).find(|ip| ip.is_ipv4() && !ip.is_loopback())
}

/// Whatever the umask is, and whatever lies where the file is prepared: its owner alone can read it, and the sweep that
/// is run by it is the same.
#[test]
fn the_access_file_is_its_owners_alone_and_the_sweep_by_it_the_same() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SWEEP);
    folder.run("sweep.yaml", "alone", &[]).assert(0, &[]);
    let access = text(folder.path("access.json"));
    let inner = coordinator(&folder, &["--access-file", &access]);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    let mut coordinator = Process::spawn(command);
    assert!(url_of(&mut coordinator).starts_with("https://127.0.0.1:"));
    let mode = fs::metadata(&access).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let workers = [folder.start_worker(1), folder.start_worker(1)];
    coordinator.end().assert(0, &["cells are complete"]);
    for worker in workers {
        worker.end().assert(0, &[]);
    }
    assert!(folder.dataset("out") == folder.dataset("alone"));
    assert!(!fs::exists(&access).expect("asked"), "the access file is still there");
}

#[test]
fn a_reader_warns_of_an_access_file_that_others_can_read() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    coordinator.wait_for("listening");
    let access = folder.path("access.json");
    fs::set_permissions(&access, fs::Permissions::from_mode(0o640)).expect("it is ours");
    folder.start_worker(1).end().assert(0, &["others can read", "chmod 600"]);
    coordinator.end().assert(0, &[]);
}

/// An access file of the same sweep, left by a coordinator that was killed, is replaced; nothing else is.
#[test]
fn an_access_file_is_not_written_over_anything_else() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut first = folder.start_coordinator("sweep.yaml", "out");
    first.wait_for("listening");
    let access = folder.path("access.json");
    let left = fs::read_to_string(&access).expect("it is there");
    first.kill();
    let mut second = folder.start_coordinator("sweep.yaml", "out");
    second.wait_for("listening");
    assert_ne!(fs::read_to_string(&access).expect("it is there"), left, "the keys are the old ones");
    folder.start_worker(1).end().assert(0, &[]);
    second.end().assert(0, &[]);

    fs::write(&access, SMALL).expect("written");
    folder.start_coordinator("sweep.yaml", "out").end().assert(2, &["access.json", "remove it"]);
    assert_eq!(fs::read_to_string(&access).expect("it is there"), SMALL);
}

#[test]
fn a_damaged_access_file_is_named_and_not_repeated() {
    let folder = Folder::new();
    let keys = Keys::generate(["127.0.0.1".to_owned()]).expect("made");
    let access = Access {
        coordinator: "https://127.0.0.1:1".into(),
        sweep: "0".into(),
        release: RELEASE.into(),
        tls: Some(keys.client),
    };
    let whole = serde_json::to_string_pretty(&access).expect("written");
    for damaged in [&whole[..whole.len() - 60], &whole.replace("\"key\"", "\"kez\""), "rubbish", ""] {
        folder.write("access.json", damaged);
        let run = folder.start_worker(1).end();
        run.assert(2, &["access.json", "line ", "start the coordinator again"]);
        assert!(!run.stderr.contains("PRIVATE"), "{}", run.stderr);
    }
}

/// Nothing listens beyond loopback before it is said who may come in.
#[test]
fn listening_without_saying_who_may_come_in_is_refused() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut addresses = vec!["0.0.0.0:0".to_owned()];
    match own_address() {
        Some(address) => addresses.push(format!("{address}:0")),
        None => println!("NOT TESTED: this machine has no address but loopback"),
    }
    for address in addresses {
        let run = Process::spawn(coordinator(&folder, &["--listen", &address])).end();
        run.assert(2, &[&address, "--access-file", "--tls-ca", "--insecure"]);
        assert!(!run.stderr.contains("listening"), "{}", run.stderr);
    }
    assert!(!folder.path("out").exists(), "something was written");
}

#[test]
fn on_loopback_plain_text_is_enough() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut coordinator = Process::spawn(coordinator(&folder, &["--listen", "127.0.0.1:0"]));
    let url = url_of(&mut coordinator);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    Process::spawn(worker(&folder, &["--coordinator", &url])).end().assert(0, &[]);
    coordinator.end().assert(0, &[]);
}

#[test]
fn beyond_loopback_workers_come_in_by_the_access_file() {
    let Some(address) = own_address() else {
        println!("NOT TESTED: this machine has no address but loopback");
        return;
    };
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let (access, listen) = (text(folder.path("access.json")), format!("{address}:0"));
    let mut coordinator = Process::spawn(coordinator(&folder, &["--listen", &listen, "--access-file", &access]));
    let url = url_of(&mut coordinator);
    assert!(url.starts_with(&format!("https://{address}:")), "{url}");
    // In plain text not, unless it is said out loud; and even then not to this one.
    let plain = url.replace("https", "http");
    let run = Process::spawn(worker(&folder, &["--coordinator", &plain])).end();
    run.assert(2, &[&plain, "plain text", "--insecure", "--tls-ca"]);
    let run = Process::spawn(worker(&folder, &["--coordinator", &plain, "--insecure"])).end();
    run.assert(2, &[&plain, "speaks TLS", "--access-file"]);
    folder.start_worker(1).end().assert(0, &[]);
    coordinator.end().assert(0, &[]);
}

#[test]
fn workers_dial_what_is_advertised() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let access = text(folder.path("access.json"));
    let mut coordinator = Process::spawn(coordinator(&folder, &["--access-file", &access, "--advertise", "localhost"]));
    coordinator.wait_for("listening");
    let dialled = Access::read(access.as_ref()).expect("it is there").coordinator;
    assert!(dialled.starts_with("https://localhost:"), "{dialled}");
    folder.start_worker(1).end().assert(0, &[]);
    coordinator.end().assert(0, &[]);

    let unnamed = ["--advertise", "localhost"];
    Process::spawn(self::coordinator(&folder, &unnamed)).end().assert(2, &["--access-file"]);
    let nowhere = ["--access-file", &access, "--advertise", "0.0.0.0:7000"];
    Process::spawn(self::coordinator(&folder, &nowhere)).end().assert(2, &["--advertise", "name the host"]);
}

/// Every call there is, by someone who knows the release and the protocol. Gives whether any was answered.
async fn is_served(target: &Target) -> bool {
    let Ok(channel) = target.dial().await else { return false };
    let mut client = DispatchClient::new(channel);
    let hello =
        Hello { protocol: PROTOCOL, release: RELEASE.into(), name: "impostor".into(), threads: 1, ..Hello::default() };
    let hello = WorkerMessage { kind: Some(worker_message::Kind::Hello(hello)) };
    let attached = client.attach(tokio_stream::iter([hello])).await;
    let fetched = client.fetch_artifact(FetchArtifactRequest { sha256: String::new() }).await;
    // A coordinator that answers has no such artifact, and says so.
    attached.is_ok() || fetched.is_err_and(|status| status.code() == tonic::Code::NotFound)
}

/// With the certificate of another authority, with one of its own making, in plain text, and with none at all.
#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_gets_nothing() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut coordinator = folder.start_coordinator("sweep.yaml", "out");
    coordinator.wait_for("listening");
    let access = Access::read(&folder.path("access.json")).expect("it is there");
    let (url, Some(right)) = (access.coordinator, access.tls) else { panic!("no keys") };

    let other = Keys::generate([]).expect("made").client;
    let key = rcgen::KeyPair::generate().expect("made");
    let own = rcgen::CertificateParams::default().self_signed(&key).expect("made");
    for (certificate, key) in [(other.certificate, other.key), (own.pem(), key.serialize_pem())] {
        let forged = Credentials { ca: right.ca.clone(), certificate, key };
        let target = Target::new(&url, Some(&forged), false).expect("an address");
        assert!(!is_served(&target).await);
        let told = target.diagnose().await.expect("it is told why");
        assert!(matches!(told.kind, ConnectErrorKind::Refused { .. }), "{told}");
    }
    let plain = Target::new(&url.replace("https", "http"), None, false).expect("an address");
    assert!(!is_served(&plain).await);
    assert!(none_is_refused(&url, &right.ca).await);

    // It is the same calls that are answered for who has the keys.
    assert!(is_served(&Target::new(&url, Some(&right), false).expect("an address")).await);
    let worker = folder.start_worker(1);
    let ended = tokio::task::spawn_blocking(move || (coordinator.end(), worker.end()));
    let (coordinator, worker) = ended.await.expect("they ended");
    coordinator.assert(0, &["cells are complete"]);
    worker.assert(0, &[]);
}

/// Whether a client without a certificate, and right in all else, is hung up on before it heard anything.
async fn none_is_refused(url: &str, ca: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM")).expect("an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols.push(b"h2".to_vec());
    let address = url.strip_prefix("https://").expect("TLS");
    let tcp = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    match TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
        Err(_) => true,
        Ok(mut stream) => stream.read_u8().await.is_err(),
    }
}

fn logging(mut command: Command, level: &str) -> Command {
    command.env("TAUGRID_LOG", level);
    command
}

/// Each base64 line of a key would be one too many.
#[test]
fn keys_do_not_appear_in_logs() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let access = text(folder.path("access.json"));
    for level in ["debug", "trace"] {
        let options = ["--access-file", &access];
        let mut coordinator = Process::spawn(logging(coordinator(&folder, &options), level));
        coordinator.wait_for("listening");
        let keys = Access::read(access.as_ref()).expect("it is there").tls.expect("keys");
        let worker = Process::spawn(logging(worker(&folder, &options), level)).end();
        let coordinator = coordinator.end();
        let lines: Vec<&str> = keys.key.lines().filter(|line| !line.starts_with("-----")).collect();
        assert!(!lines.is_empty());
        for run in [coordinator, worker] {
            run.assert(0, &["DEBUG"]);
            let said = run.stdout + &run.stderr;
            assert!(!said.contains("PRIVATE KEY"), "at {level}");
            assert!(!lines.iter().any(|line| said.contains(line)), "a key at {level}");
        }
        fs::remove_dir_all(folder.path("out")).expect("it is there");
    }
}

/// Certificates of the user's own, as files.
struct Own {
    folder: Folder,
}

impl Own {
    fn new() -> Self {
        let folder = Folder::new();
        folder.write("sweep.yaml", SMALL);
        let keys = Keys::generate(["127.0.0.1".to_owned()]).expect("made");
        for (name, credentials) in [("server", &keys.server), ("client", &keys.client)] {
            folder.write(&format!("{name}.crt"), &credentials.certificate);
            folder.write(&format!("{name}.key"), &credentials.key);
            folder.write("ca.crt", &credentials.ca);
        }
        Self { folder }
    }

    fn options(&self, end: &str) -> [String; 6] {
        let file = |name: &str| text(self.folder.path(name));
        [
            "--tls-ca".into(),
            file("ca.crt"),
            "--tls-cert".into(),
            file(&format!("{end}.crt")),
            "--tls-key".into(),
            file(&format!("{end}.key")),
        ]
    }

    fn start(&self) -> (Process, String) {
        let mut coordinator = Process::spawn(coordinator(&self.folder, &self.options("server")));
        let url = url_of(&mut coordinator);
        (coordinator, url)
    }

    fn work(&self, url: &str, options: &[String]) -> rig::Run {
        let mut command = worker(&self.folder, &["--coordinator", url]);
        command.args(options);
        Process::spawn(command).end()
    }
}

#[test]
fn a_sweep_runs_on_certificates_of_ones_own() {
    let own = Own::new();
    let (coordinator, url) = own.start();
    let client = own.options("client");
    own.work(&url, &[]).assert(2, &[&url, "--tls-ca"]);
    own.work(&url, &client[..4]).assert(2, &["--tls-key"]);
    own.work(&url.replace("https", "http"), &[]).assert(2, &["speaks TLS"]);
    own.work(&url.replace("https", "http"), &client).assert(2, &["https://"]);
    // The right authority, but a certificate that is none for a client.
    own.work(&url, &own.options("server")).assert(2, &["refuses our certificate"]);
    // The right certificate, but a coordinator of another authority.
    let other = Own::new();
    let mut mixed = client.clone();
    mixed[1] = other.options("client")[1].clone();
    own.work(&url, &mixed).assert(2, &["not to be trusted"]);
    own.work(&url, &client).assert(0, &[]);
    coordinator.end().assert(0, &["cells are complete"]);
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let own = Own::new();
    let start = |options: &[String]| Process::spawn(coordinator(&own.folder, options)).end();
    let good = own.options("server");
    start(&good[..2]).assert(2, &["--tls-cert"]);
    start(&[&good[..], &["--insecure".to_owned()]].concat()).assert(2, &["--insecure"]);
    let mut wrong = good.clone();
    wrong[5] = text(own.folder.path("client.key"));
    start(&wrong).assert(2, &["--tls-key", "client.key", "key of the certificate"]);
    wrong[5] = text(own.folder.path("none.key"));
    start(&wrong).assert(2, &["--tls-key", "none.key"]);
    let mut wrong = good.clone();
    wrong[3] = text(own.folder.path("sweep.yaml"));
    start(&wrong).assert(2, &["--tls-cert", "sweep.yaml", "PEM"]);
    let mut wrong = good;
    wrong[1] = text(own.folder.path("server.key"));
    let run = start(&wrong);
    run.assert(2, &["--tls-ca", "server.key"]);
    assert!(!own.folder.path("out").exists(), "something was written");
}

/// TLS to a coordinator in plain text ends at once, too.
#[test]
fn a_worker_with_certificates_does_not_speak_plain_text() {
    let own = Own::new();
    let mut coordinator = Process::spawn(coordinator(&own.folder, &["--insecure"]));
    let url = url_of(&mut coordinator);
    let https = url.replace("http", "https");
    own.work(&https, &own.options("client")).assert(2, &[&https, "no coordinator that speaks TLS"]);
    own.work(&url, &[]).assert(0, &[]);
    coordinator.end().assert(0, &[]);
}
