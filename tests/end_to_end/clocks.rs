//! Clocks that are wrong, and clocks that jump: no result and no lease depends on what time it is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rig::{Folder, Process, binary};

use crate::SWEEP;

/// Debian's libfaketime, which shows a process another wall clock than there is.
fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|library| library.exists())
}

/// A coordinator whose clock goes years back and forth while it runs, and a worker that is a year ahead of it.
#[test]
fn a_clock_that_jumps_changes_nothing() {
    let Some(library) = faketime() else {
        println!("NOT TESTED: there is no libfaketime on this machine");
        return;
    };
    let folder = Folder::new();
    // Long enough for some parts on any machine.
    folder.write("sweep.yaml", SWEEP.replace("trials: 4000", "trials: 20000"));
    let clock = folder.write("clock", "+0");
    let with_clock = |program: &str| {
        let mut command = Command::new(binary(program));
        // The wall clock alone: the monotonic clock is the kernel's, and does not jump.
        command.env("LD_PRELOAD", &library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_NO_CACHE", "1");
        command
    };
    let (sweep, out, access) = (folder.path("sweep.yaml"), folder.path("out"), folder.path("access.json"));
    let mut coordinator = with_clock("taugrid-coordinator");
    coordinator.env("FAKETIME_TIMESTAMP_FILE", &clock);
    coordinator.arg(&sweep).arg("--out").arg(&out).arg("--access-file").arg(&access);
    let mut coordinator = Process::spawn(coordinator);
    coordinator.wait_for("listening");
    let worker = |offset: &str| {
        let mut command = with_clock("taugrid-worker");
        command.env("FAKETIME", offset).arg("--access-file").arg(&access).arg("--cache").arg(folder.path("cache"));
        Process::spawn(command)
    };
    let mut workers = vec![worker("+400d")];
    for offset in ["+1000d", "-3000d", "+5m"] {
        coordinator.wait_for("part is durable");
        folder.write("clock", offset);
        workers.push(worker("-400d"));
    }
    coordinator.end().assert(0, &[]);
    for worker in workers {
        // One that came when all was done finds nobody.
        drop(worker);
    }
    folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
    assert!(folder.dataset("out") == folder.dataset("undisturbed"));
}
