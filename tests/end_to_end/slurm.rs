//! `taugrid slurm` against a mock of Slurm's commands. On a real cluster: `tests/slurm/check`.

// A test, where a broken expectation should end it.
#![allow(clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rig::{Folder, Process, Run, binary};

use crate::{SMALL, SWEEP};

/// Runs `taugrid slurm WORDS` with the mock's commands first on the PATH.
fn slurm(folder: &Folder, words: &[&str]) -> Run {
    let mut command = Command::new(binary("taugrid"));
    let path = format!("{}:{}", folder.path("commands").display(), std::env::var("PATH").expect("a PATH"));
    command.arg("slurm").args(words).env("PATH", path).current_dir(folder.path(""));
    Process::spawn(command).end()
}

fn cluster() -> Folder {
    let folder = Folder::new();
    let mock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/slurm/tests/mock/slurm");
    fs::create_dir(folder.path("commands")).expect("made");
    for name in ["sbatch", "squeue", "scancel", "scontrol", "sacct"] {
        std::os::unix::fs::symlink(&mock, folder.path("commands").join(name)).expect("linked");
    }
    folder
}

#[test]
fn what_is_rendered_is_what_is_submitted() {
    let folder = cluster();
    folder.write("sweep.yaml", SMALL);
    let order = ["sweep.yaml", "--out", "out", "--workers", "3", "--partition", "spot", "--time", "2:00:00"];
    let more = ["--", "--constraint=zen4"];
    let words = |command| [&[command], &order[..], &more].concat();
    let rendered = slurm(&folder, &words("render"));
    rendered.assert(0, &[]);
    assert!(!folder.path("out").exists(), "something was written");
    let submitted = slurm(&folder, &words("submit"));
    submitted.assert(0, &["taugrid slurm status"]);
    assert_eq!(submitted.stdout, "coordinator: job 101\nworkers: 3 in job 102\n");
    let scripts = ["script-101", "script-102"].map(|name| fs::read_to_string(folder.path("commands").join(name)));
    let [coordinator, workers] = scripts.map(|script| script.expect("submitted"));
    assert_eq!(rendered.stdout, format!("{coordinator}\n{workers}"));
    assert!(workers.contains("#SBATCH --constraint=zen4\n"), "{workers}");
    let again = slurm(&folder, &words("submit"));
    assert_eq!(again.stdout, "coordinator: job 101, as before\nworkers: 3 as before\n");

    let status = slurm(&folder, &["status", "out"]);
    status.assert(0, &[]);
    for word in ["coordinator: job 101, waiting (Priority)", "workers: 3 waiting", "3 wait: Priority"] {
        assert!(status.stdout.contains(word), "{}", status.stdout);
    }
    let json = slurm(&folder, &["status", "out", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["workers"]["waiting"], &json["submissions"][1]["job"]), (&3.into(), &102.into()));

    slurm(&folder, &["cancel", "out"]).assert(0, &["resumes"]);
    let queue = fs::read_to_string(folder.path("commands/jobs")).expect("a queue");
    assert!(queue.lines().all(|line| line.contains("CANCELLED")), "{queue}");
    let status = slurm(&folder, &["status", "out"]).stdout;
    assert!(status.contains("was cancelled") && status.contains("3 cancelled"), "{status}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_submitted() {
    let folder = cluster();
    folder.write("sweep.yaml", SMALL);
    let base = ["submit", "sweep.yaml", "--out", "out", "--workers", "2"];
    let refused = |more: &[&str], words: &[&str]| {
        slurm(&folder, &[&base, more].concat()).assert(2, words);
        assert!(!folder.path("out").exists(), "something was written");
    };
    refused(&["--time", "soon"], &["--time soon", "HH:MM:SS"]);
    refused(&["--min-workers", "5"], &["--min-workers 5"]);
    refused(&["--", "--array=1-3"], &["--array=1-3", "leave it out"]);
    slurm(&folder, &["submit", "none.yaml", "--out", "out", "--workers", "2"]).assert(2, &["none.yaml"]);
    slurm(&folder, &["submit", "sweep.yaml", "--out", "out"]).assert(2, &["--workers"]);
    for command in ["status", "cancel", "autoscale"] {
        slurm(&folder, &[command, "out"]).assert(2, &["taugrid slurm submit"]);
    }
}

#[test]
fn slurm_s_own_words_are_passed_on_with_the_exit_code_that_fits() {
    let folder = cluster();
    folder.write("sweep.yaml", SMALL);
    let words = ["submit", "sweep.yaml", "--out", "out", "--workers", "2"];
    for (command, message, code) in [
        ("sbatch", "sbatch: error: Batch job submission failed: Invalid partition name specified", 2),
        ("sbatch", "sbatch: error: AssocMaxSubmitJobLimit", 3),
        ("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)", 3),
    ] {
        let on = folder.write(&format!("commands/on-{command}"), format!("echo '{message}' >&2; exit 1"));
        slurm(&folder, &words).assert(code, &[message]);
        fs::remove_file(on).expect("removed");
    }
    slurm(&folder, &words).assert(0, &[]);
}

/// `--coordinator here`, with a worker that is started as Slurm would start it.
#[test]
fn a_coordinator_in_the_terminal_runs_the_sweep_to_its_end() {
    let folder = cluster();
    folder.write("sweep.yaml", SWEEP);
    let mut command = Command::new(binary("taugrid"));
    let path = format!("{}:{}", folder.path("commands").display(), std::env::var("PATH").expect("a PATH"));
    let (sweep, out) = (folder.path("sweep.yaml"), folder.path("out"));
    command.args(["slurm", "submit"]).arg(sweep).arg("--out").arg(&out);
    command.args(["--workers", "2", "--coordinator", "here", "--listen", "127.0.0.1:0"]).env("PATH", path);
    let mut here = Process::spawn(command);
    here.wait_for("listening");
    let script = folder.path("commands/script-101");
    let mut worker = Command::new("bash");
    worker.arg(&script).env("SLURM_CPUS_PER_TASK", "1").env("XDG_CACHE_HOME", folder.path("cache"));
    worker.env("SLURMD_NODENAME", "n1").env("SLURM_ARRAY_JOB_ID", "101").env("SLURM_ARRAY_TASK_ID", "1");
    worker.env("SLURM_JOB_END_TIME", "99999999999");
    let worker = Process::spawn(worker);
    let here = here.end();
    assert_eq!(here.code, Some(0), "{}", here.stderr);
    worker.end().assert(0, &[]);
    // The other never got its turn, and is taken back; were it to come yet, it would leave at once.
    let queue = fs::read_to_string(folder.path("commands/jobs")).expect("a queue");
    assert!(queue.lines().all(|line| line.contains("CANCELLED")), "{queue}");
    Process::spawn({
        let mut late = Command::new("bash");
        late.arg(script);
        late
    })
    .end()
    .assert(0, &[]);
    folder.run("sweep.yaml", "plain", &[]).assert(0, &[]);
    assert!(folder.dataset("out") == folder.dataset("plain"));
}

/// A job that is asked to end while its coordinator works ends it in order.
#[test]
fn a_signal_goes_on_to_the_coordinator() {
    let folder = cluster();
    folder.write("sweep.yaml", SWEEP);
    let (sweep, out): (PathBuf, PathBuf) = (folder.path("sweep.yaml"), folder.path("out"));
    let words =
        ["slurm".into(), "coordinate".into(), sweep, "--out".into(), out, "--listen".into(), "127.0.0.1:0".into()];
    let mut job = Process::start("taugrid", words);
    job.wait_for("listening");
    job.signal("TERM");
    job.end().assert(3, &["interrupted; the same command resumes"]);
    assert!(!folder.path("out/provenance/access.json").exists());
}
