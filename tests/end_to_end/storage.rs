//! Disks that fill up, folders that are taken, files that cannot be written.

use std::process::Command;

use rig::{Folder, Process, binary};

use crate::{SMALL, SWEEP};

/// A file system of one megabyte, in a mount namespace of its own, fills up in the middle of the sweep.
#[test]
fn a_full_disk_ends_the_run_in_order_and_loses_nothing() {
    let folder = Folder::new();
    // Rows of short trials fill a small disk quickly.
    let sweep = SWEEP.replace("eta: [0.1, 0.2]", "eta: [0.5, 0.9]").replace("trials: 4000", "trials: 40000");
    folder.write("sweep.yaml", &sweep);
    std::fs::create_dir(folder.path("disk")).expect("made");
    let script = r#"mount -t tmpfs -o size=1m tmpfs "$1/disk" || exit 77
"$0" run "$1/sweep.yaml" --out "$1/disk/out"; code=$?
ls "$1/disk/out/trials" | grep -c '\.tmp' >&2
cp -r "$1/disk/out" "$1/saved"; exit $code"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
    command.arg(binary("taugrid")).arg(folder.path(""));
    let run = Process::spawn(command).end();
    if run.code == Some(77) || run.stderr.contains("unshare failed") {
        println!("NOT TESTED: this machine grants no mounts: {}", run.stderr);
        return;
    }
    run.assert(3, &["no space", "run the same command again"]);
    assert!(run.stderr.lines().any(|line| line == "0"), "temporary files were left: {}", run.stderr);
    // What was durable is whole, and with room again the same command ends the sweep.
    folder.run("sweep.yaml", "saved", &[]).assert(0, &[]);
    folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
    assert!(folder.dataset("saved") == folder.dataset("undisturbed"));
}

#[test]
fn a_folder_has_one_coordinator() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let mut first = folder.start_coordinator("sweep.yaml", "out");
    first.wait_for("listening");
    folder.run("sweep.yaml", "out", &[]).assert(2, &["out", "in use"]);
    first.kill();
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
}

#[test]
fn an_output_that_cannot_be_made_is_refused() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.write("file", "");
    folder.run("sweep.yaml", "file", &[]).assert(2, &["this is a file"]);
}

#[test]
fn a_port_in_use_is_refused() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let (sweep, out) = (folder.path("sweep.yaml"), folder.path("out"));
    let listen = ["--insecure".as_ref(), "--listen".as_ref(), address.as_ref()];
    let words = [sweep.as_os_str(), "--out".as_ref(), out.as_os_str()].into_iter().chain(listen);
    Process::start("taugrid-coordinator", words).end().assert(2, &[&address, "in use", "port"]);
    assert!(!out.exists(), "something was written");
}
