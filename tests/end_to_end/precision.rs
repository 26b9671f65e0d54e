//! Sweeps that stop by precision: the same trials however they were run, and growing into one another.

use rig::{Folder, Process};

use crate::SMALL;

/// [`SMALL`] to a precision. Its cells take a few hundred trials at 10 %.
fn to(relative: &str) -> String {
    SMALL.replace("trials: 50", &format!("precision: {{relative: {relative}, min: 64, max: 5000}}"))
}

#[test]
fn the_dataset_does_not_depend_on_how_it_was_run() {
    let folder = Folder::new();
    folder.write("sweep.yaml", to("0.05"));
    folder.run("sweep.yaml", "one", &["--threads", "1"]).assert(0, &[]);
    folder.run("sweep.yaml", "many", &["--threads", "4", "--local-workers", "3"]).assert(0, &[]);
    assert!(folder.dataset("one") == folder.dataset("many"));
    let mut run = folder.start_run("sweep.yaml", "killed", &["--threads", "2"]);
    run.wait_for("part is durable");
    run.kill();
    folder.run("sweep.yaml", "killed", &[]).assert(0, &[]);
    assert!(folder.dataset("one") == folder.dataset("killed"));
    for out in ["one", "killed"] {
        let run = Process::start("taugrid", ["verify".as_ref(), folder.path(out).as_os_str()]).end();
        assert!(run.assert(0, &[]).stdout.contains(", complete"), "{}", run.stdout);
    }
}

#[test]
fn precision_and_trials_grow_into_one_another() {
    let folder = Folder::new();
    let cells = |out: &str| folder.dataset(out)["cells.parquet"].clone();
    // Each beside what a fresh folder comes to.
    for (step, sweep) in [
        SMALL.to_owned(),
        to("0.2"),
        to("0.1"),
        to("0.2"),
        SMALL.to_owned(),
        to("0.1"),
        SMALL.replace("trials: 50", "trials: 700"),
    ]
    .iter()
    .enumerate()
    {
        folder.write("sweep.yaml", sweep);
        folder.run("sweep.yaml", "grown", &[]).assert(0, &[]);
        let fresh = format!("fresh-{step}");
        folder.run("sweep.yaml", &fresh, &[]).assert(0, &[]);
        assert!(cells("grown") == cells(&fresh), "step {step}");
        // Where it only grew there is nothing else, and so it is again once all that was ever run is asked for.
        let same = folder.dataset("grown") == folder.dataset(&fresh);
        assert_eq!(same, ![3, 4].contains(&step), "step {step}");
        Process::start("taugrid", ["verify".as_ref(), folder.path("grown").as_os_str()]).end().assert(0, &[]);
    }
}

#[test]
fn what_was_saved_is_said() {
    let folder = Folder::new();
    let sweep = folder.write("sweep.yaml", to("0.1"));
    let plan = Process::start("taugrid", ["plan".as_ref(), sweep.as_os_str()]).end();
    plan.assert(0, &[]);
    for words in ["small: 2 cells, at most 10,000 trials", "which takes 480 trials (9.6 % of that)"] {
        assert!(plan.stdout.contains(words), "{}", plan.stdout);
    }
    let run = folder.run("sweep.yaml", "out", &[]);
    let line =
        |text: &str| text.lines().find(|line| line.contains("a fixed count would have taken")).map(str::to_owned);
    let said = line(&run.assert(0, &[]).stdout).expect("it is said");
    let report = Process::start("taugrid", ["report".as_ref(), folder.path("out").as_os_str()]).end();
    assert_eq!(line(&report.assert(0, &[]).stdout), Some(said));
    folder.write("fixed.yaml", SMALL);
    assert_eq!(line(&folder.run("fixed.yaml", "fixed", &[]).assert(0, &[]).stdout), None);
}
