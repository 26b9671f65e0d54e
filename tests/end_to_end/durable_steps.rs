//! A kill, or an error of the disk, at every system call that makes something durable: strace is told at which.

use std::process::Command;

use rig::{Folder, Process, Run, binary};

use crate::SMALL;

/// By these a file, a name or its removal becomes durable.
const STEPS: &str =
    "?mkdir,?mkdirat,?link,?linkat,?rename,?renameat,?renameat2,fsync,fdatasync,?unlink,?unlinkat,ftruncate";

/// `taugrid run` with something injected into the `at`-th step of any thread; none if this machine lets nobody trace.
fn run(folder: &Folder, out: &str, what: &str, at: usize) -> Option<Run> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={STEPS}"));
    command.arg("-e").arg(format!("inject={STEPS}:{what}:when={at}"));
    command.arg(binary("taugrid")).args(["run".as_ref(), folder.path("sweep.yaml").as_os_str()]);
    command.arg("--out").arg(folder.path(out)).args(["--threads", "1"]);
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        println!("NOT TESTED: there is no strace on this machine, or it may not trace");
        return None;
    }
    Some(Process::spawn(command).end())
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("sweep.yaml", SMALL);
    folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);
    folder
}

/// Runs with `what` at every step in turn; after each, the same command ends the sweep as if nothing had been.
fn at_every_step(what: &str, codes: &[Option<i32>]) {
    let folder = folder();
    let undisturbed = folder.dataset("undisturbed");
    // Beyond the last step nothing happens any more; some steps are no more than tidying up, and may fail.
    let (mut at, mut quiet) = (0, 0);
    while quiet < 3 {
        at += 1;
        let out = format!("out-{at}");
        let Some(disturbed) = run(&folder, &out, what, at) else { return };
        if disturbed.code == Some(0) {
            quiet += 1;
        } else {
            quiet = 0;
            assert!(codes.contains(&disturbed.code), "step {at}: {:?}\n{}", disturbed.code, disturbed.stderr);
            folder.run("sweep.yaml", &out, &[]).assert(0, &[]);
        }
        assert!(folder.dataset(&out) == undisturbed, "step {at}");
    }
    assert!(at > 20, "{at} steps are too few to be all");
}

#[test]
fn killed_at_every_durable_step_a_run_resumes_to_the_same_bytes() {
    at_every_step("signal=KILL", &[None, Some(137)]);
}

/// Each life of one and the same sweep comes a step further than the one before.
#[test]
fn killed_in_every_life_a_run_comes_to_the_same_bytes() {
    let folder = folder();
    for at in 1.. {
        match run(&folder, "out", "signal=KILL", at) {
            None => return,
            Some(run) if run.code == Some(0) => break,
            Some(_) => {}
        }
    }
    assert!(folder.dataset("out") == folder.dataset("undisturbed"));
}

#[test]
fn a_disk_that_is_full_at_any_step_loses_nothing() {
    at_every_step("error=ENOSPC", &[Some(3), Some(1), Some(2)]);
}

#[test]
fn a_disk_that_fails_at_any_step_loses_nothing() {
    at_every_step("error=EIO", &[Some(1), Some(2), Some(3)]);
}
