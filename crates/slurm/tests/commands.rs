//! Submitting, and keeping the number of workers, against a Slurm that does what a real one does not do on demand.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::time::Duration;

use taugrid_slurm::names::Names;
use taugrid_slurm::place::End;
use taugrid_slurm::policy::{Action, Bounds, Observation, Outcome, Policy, Tuning};
use taugrid_slurm::queue::TaskId;
use taugrid_slurm::record::Role;
use taugrid_slurm::refusal::{Kind, Trouble};
use taugrid_slurm::scaler::{Coordinator, Tick};
use taugrid_slurm::script;
use taugrid_slurm::state::By;
use taugrid_slurm::submission::SubmitError;

use rig::Rig;

#[tokio::test]
async fn a_sweep_is_submitted_once_however_often() {
    let rig = Rig::new(5);
    let first = rig.submit().await.unwrap();
    assert_eq!(first.coordinator.map(|(id, before)| (id.job, before)), Some((101, false)));
    assert_eq!((first.workers, first.before), (vec![(102, 5)], 0));
    let again = rig.submit().await.unwrap();
    assert_eq!(again.coordinator.map(|(id, before)| (id.job, before)), Some((101, true)));
    assert_eq!((again.workers, again.before), (vec![], 5));
    // Two have ended, of which one will run again.
    rig.set_state("102_1", "NODE_FAIL");
    rig.set_state("102_2", "REQUEUED");
    assert_eq!(rig.submit().await.unwrap().workers, [(103, 1)]);
    // The coordinator has: it comes back, its workers stay.
    rig.set_state("101", "TIMEOUT");
    let resumed = rig.submit().await.unwrap();
    assert_eq!(resumed.coordinator.map(|(id, before)| (id.job, before)), Some((104, false)));
    assert_eq!((resumed.workers, resumed.before), (vec![], 5));
    let record = rig.place.record().unwrap().unwrap();
    let jobs: Vec<_> = record.submissions.iter().map(|one| (one.job, one.role, one.tasks)).collect();
    let expected =
        [(101, Role::Coordinator, 1), (102, Role::Workers, 5), (103, Role::Workers, 1), (104, Role::Coordinator, 1)];
    assert_eq!(jobs, expected);
    assert!(rig.file("script-101").contains("exec taugrid slurm coordinate"));
    assert!(rig.file("script-103").contains("exec taugrid-worker --access-file"));
}

#[tokio::test]
async fn arrays_are_no_larger_than_the_cluster_has_them() {
    let rig = Rig::new(25);
    rig.write("max-array-size", "11");
    assert_eq!(rig.submit().await.unwrap().workers, [(102, 10), (103, 10), (104, 5)]);
    assert!(rig.calls().contains("--array=1-10") && rig.calls().contains("--array=1-5"));
}

/// A crash came between sbatch and the record, or the record is lost: the queue knows.
#[tokio::test]
async fn jobs_that_nobody_wrote_down_are_found_by_their_names() {
    let rig = Rig::new(3);
    rig.submit().await.unwrap();
    std::fs::remove_file(rig.place.out().join("provenance/slurm.json")).unwrap();
    let again = rig.submit().await.unwrap();
    assert_eq!((again.workers, again.before, again.coordinator.unwrap().1), (vec![], 3, true));
    let record = rig.place.record().unwrap().unwrap();
    let jobs: Vec<_> = record.submissions.iter().map(|one| (one.job, one.role, one.tasks)).collect();
    assert_eq!(jobs, [(101, Role::Coordinator, 1), (102, Role::Workers, 3)]);
}

/// The record has jobs that slurmctld forgot: they are submitted again.
#[tokio::test]
async fn jobs_that_slurm_forgot_are_submitted_again() {
    let rig = Rig::new(3);
    rig.submit().await.unwrap();
    rig.write("jobs", "");
    let again = rig.submit().await.unwrap();
    assert_eq!((again.workers, again.before, again.coordinator.unwrap().1), (vec![(104, 3)], 0, false));
}

#[tokio::test]
async fn where_the_queue_is_not_known_nothing_is_submitted() {
    for what in [
        "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        "echo 'slurm_load_jobs error: Socket timed out on send/recv operation' >&2; exit 1",
        "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
        "echo 'welcome to the cluster'; exit 0",
        "head -c 1000 /dev/urandom; exit 0",
        // Without the lock, or the next command of this test would wait as well.
        "exec 9>&-; exec sleep 600",
    ] {
        let rig = Rig::new(3);
        rig.on("squeue", what);
        let error = rig.submit().await.unwrap_err();
        assert!(matches!(&error, SubmitError::Slurm(trouble) if trouble.kind() == Kind::Passing), "{what}: {error}");
        assert!(!rig.calls().contains("sbatch"), "{what}");
        rig.on("squeue", "");
        assert_eq!(rig.submit().await.unwrap().workers, [(102, 3)], "{what}");
    }
}

#[tokio::test]
async fn a_mistake_leaves_nothing_behind() {
    let rig = Rig::new(3);
    // The coordinator gets in, the workers do not.
    rig.on(
        "sbatch",
        "if [[ $* == *--array* ]]; then echo 'sbatch: error: Batch job submission failed: Invalid qos specification' >&2; exit 1; fi",
    );
    let error = rig.submit().await.unwrap_err();
    assert!(matches!(&error, SubmitError::Slurm(trouble) if trouble.kind() == Kind::Mistake), "{error}");
    assert!(error.to_string().contains("Invalid qos"), "{error}");
    assert_eq!(rig.live(), 0);
}

#[tokio::test]
async fn what_a_limit_lets_in_is_kept() {
    let rig = Rig::new(25);
    rig.write("max-array-size", "11");
    rig.on(
        "sbatch",
        "if (($(wc -l <$here/jobs) > 15)); then echo 'sbatch: error: AssocMaxSubmitJobLimit
sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user'\\''s size and/or time limits)' >&2; exit 1; fi",
    );
    let submitted = rig.submit().await.unwrap();
    assert_eq!(submitted.workers, [(102, 10), (103, 10)]);
    assert_eq!(submitted.short.map(|trouble| trouble.kind()), Some(Kind::Limit));
    rig.on("sbatch", "");
    assert_eq!(rig.submit().await.unwrap().workers, [(104, 5)]);
}

/// sbatch says nothing, or that it timed out, and the job is there all the same.
#[tokio::test]
async fn a_job_of_which_sbatch_does_not_say_the_id_is_found() {
    for what in [
        "submit \"$@\"; echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1",
        "submit \"$@\"; echo 'Submitted batch job'; exit 0",
        "submit \"$@\"; exec 9>&-; exec sleep 600",
    ] {
        let rig = Rig::new(2);
        rig.on("sbatch", what);
        let submitted = rig.submit().await.unwrap();
        assert_eq!((submitted.coordinator.unwrap().0.job, submitted.workers.len()), (101, 1), "{what}");
        assert_eq!(rig.live(), 3, "{what}");
        assert_eq!(rig.submit().await.unwrap().before, 2, "{what}");
    }
}

#[tokio::test]
async fn what_a_site_prints_beside_the_id_is_overlooked() {
    let rig = Rig::new(2);
    rig.on("sbatch", "submit \"$@\"; echo 'Please mind the quota!'; echo \"$job;cluster7\"; exit 0");
    assert_eq!(rig.submit().await.unwrap().workers, [(102, 2)]);
}

#[tokio::test]
async fn slurm_that_is_not_there_is_named() {
    let mut rig = Rig::new(2);
    rig.slurm.folder = Some("/nowhere/at/all".into());
    let error = rig.submit().await.unwrap_err().to_string();
    assert!(error.contains("squeue cannot be run") && error.contains("machine of the cluster"), "{error}");
}

#[tokio::test]
async fn workers_that_end_are_replaced_whatever_the_state() {
    for state in ["PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "TIMEOUT", "FAILED", "COMPLETED", "CANCELLED"] {
        let rig = Rig::new(4);
        rig.submit().await.unwrap();
        rig.run_all();
        let mut scaler = rig.scaler();
        assert_eq!(scaler.tick().await, Tick::Going);
        assert_eq!(rig.live(), 5, "the coordinator and four workers");
        rig.set_state("102_1", state);
        rig.set_state("102_4", state);
        scaler.tick().await;
        assert_eq!(rig.live(), 5, "{state}");
        assert!(rig.place.record().unwrap().unwrap().has(103), "{state}");
        // What nobody has heard of is taken for a worker.
        rig.set_state("103_1", "BOILING");
        scaler.tick().await;
        assert_eq!(rig.live(), 5, "{state}");
    }
}

/// Looks twice at two workers of which one ended so, and gives the coordinator and the workers that are there then.
async fn live_after(rig: &Rig, state: &str, elapsed: &str) -> usize {
    rig.submit().await.unwrap();
    rig.run_all();
    let mut scaler = rig.scaler();
    scaler.tick().await;
    rig.set_state_after("102_1", state, elapsed);
    scaler.tick().await;
    scaler.tick().await;
    rig.live()
}

#[tokio::test]
async fn workers_that_fail_are_not_replaced_at_once() {
    for (state, elapsed) in
        [("FAILED", "0:05"), ("COMPLETED", "0:05"), ("CANCELLED", "0:05"), ("OUT_OF_MEMORY", "10:00")]
    {
        assert_eq!(live_after(&Rig::new(2), state, elapsed).await, 2, "{state}");
    }
}

/// For half an hour, with nobody else in the queue. What the accounting says makes no difference here: there is none.
#[tokio::test]
async fn workers_that_slurm_ends_at_once_are_told_from_those_that_crash_at_once() {
    for (state, most) in [("FAILED", 8), ("FAILED, preempted", 32), ("NODE_FAIL", 32)] {
        let rig = Rig::new(1);
        let workers = rig.order.names().workers;
        let mut policy = Policy::new(Bounds { min: 1, max: 1, threads: 1 }, Tuning::default());
        let work = rig::Busy.work().await.unwrap();
        let mut submitted = 0;
        for now in (0..1800).step_by(15).map(Duration::from_secs) {
            let queue = rig.slurm.queue(&[&workers]).await.unwrap();
            let actions = policy.step(now, &Observation { queue: Some(&queue), work: Some(work) });
            if actions.is_empty() {
                continue;
            }
            assert_eq!(actions, [Action::Submit(1)], "{state}");
            let job = rig.slurm.submit(&script::workers(&rig.order, "1"), &["--array=1-1".to_owned()]).await.unwrap();
            policy.heard(now, Outcome::Accepted { job, tasks: 1 });
            rig.set_state_after(&format!("{job}_1"), state, "0:05");
            submitted += 1;
        }
        assert!((most / 2..=most).contains(&submitted), "{state}: {submitted}");
    }
}

#[tokio::test]
async fn whose_scancel_it_was_is_asked_of_the_accounting_once() {
    for (accounts, live) in [
        ("102_1|CANCELLED by 1000|1000", 3),
        ("102_[1-2]|CANCELLED by 1000|1000", 3),
        ("102_1|CANCELLED by 0|1000", 2),
        // It lags behind.
        ("102_1|RUNNING|1000", 3),
    ] {
        let rig = Rig::new(2);
        rig.write("accounts", accounts);
        assert_eq!(live_after(&rig, "CANCELLED", "10:00").await, live, "{accounts}");
        assert_eq!(rig.calls().matches("sacct").count(), 1, "{accounts}");
    }
    let rig = Rig::new(1);
    rig.write(
        "accounts",
        "9|CANCELLED by 7|7\n9_3|CANCELLED by 0|7\n9_[4,6-8]|CANCELLED by 7|7\n8|CANCELLED|7\n\nmotd\n",
    );
    let tasks =
        [(9, None), (9, Some(3)), (9, Some(7)), (8, None), (8, Some(1))].map(|(job, task)| TaskId { job, task });
    let known = rig.slurm.cancellers(&tasks).await.unwrap();
    let by = tasks.map(|task| known.get(&task).copied());
    assert_eq!(by, [Some(By::Owner), Some(By::Other), Some(By::Owner), None, None]);
    assert!(rig.calls().contains("--jobs=9,8"), "{}", rig.calls());
}

#[tokio::test]
async fn a_refusal_is_waited_out_and_the_queue_asked_again() {
    let rig = Rig::new(4);
    rig.submit().await.unwrap();
    rig.run_all();
    let mut scaler = rig.scaler();
    rig.set_state("102_1", "PREEMPTED");
    rig.on("sbatch", "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1");
    for _ in 0..3 {
        scaler.tick().await;
    }
    // Of the submission, and one refusal.
    assert_eq!(rig.calls().matches("sbatch").count(), 3);
    assert_eq!(rig.live(), 4);
}

#[tokio::test]
async fn nothing_is_submitted_while_slurm_is_down() {
    let rig = Rig::new(4);
    rig.submit().await.unwrap();
    rig.run_all();
    let mut scaler = rig.scaler();
    scaler.tick().await;
    rig.write("jobs", "");
    for what in [
        "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        "echo '102_1|RUNNING'; exit 0",
        // A controller that was started again, and knows nothing yet.
        "exit 0",
    ] {
        rig.on("squeue", what);
        scaler.tick().await;
        assert_eq!(rig.calls().matches("sbatch").count(), 2, "{what}");
    }
}

#[tokio::test]
async fn at_the_end_those_that_wait_are_taken_back_and_those_that_run_may_leave() {
    let rig = Rig::new(4);
    rig.submit().await.unwrap();
    // One leaves as it was told; one has begun too late to be told anything.
    rig.set_state("102_1", "RUNNING");
    rig.set_state("102_2", "RUNNING");
    rig.on("scancel", "sed -i 's/^102_1|\\(.*\\)|RUNNING/102_1|\\1|COMPLETED/' $here/jobs");
    rig.place.mark_end(End::Over).unwrap();
    assert_eq!(rig.scaler().tick().await, Tick::Ended);
    let names = Names::of(rig.place.out());
    let queue = rig.slurm.queue(&[&names.workers]).await.unwrap();
    let states: Vec<_> = queue.iter().map(|task| task.state.word()).collect();
    assert_eq!(states, ["completed", "cancelled", "cancelled", "cancelled"]);
}

#[tokio::test]
async fn to_cancel_what_is_forgotten_is_no_failure() {
    let rig = Rig::new(1);
    rig.submit().await.unwrap();
    let id = TaskId { job: 7, task: None };
    rig.on("scancel", "echo 'scancel: error: Kill job error on job id 7: Invalid job id specified' >&2; exit 1");
    rig.slurm.cancel(&[id], true).await.unwrap();
    rig.on("scancel", "echo 'scancel: error: Kill job error on job id 7: Access/permission denied' >&2; exit 1");
    assert!(matches!(rig.slurm.cancel(&[id], true).await, Err(Trouble::Said { .. })));
}

#[tokio::test]
async fn two_that_keep_the_same_sweep_are_one() {
    let rig = Rig::new(4);
    rig.submit().await.unwrap();
    rig.run_all();
    let (mut first, mut second) = (rig.scaler(), rig.scaler());
    first.tick().await;
    rig.set_state("102_1", "PREEMPTED");
    second.tick().await;
    assert_eq!(rig.live(), 4, "it is not the second's to replace");
    drop(first);
    second.tick().await;
    assert_eq!(rig.live(), 5);
}

/// Another number of workers, said while the coordinator lives.
#[tokio::test]
async fn a_new_order_is_followed() {
    let mut rig = Rig::new(2);
    rig.submit().await.unwrap();
    rig.run_all();
    let mut scaler = rig.scaler();
    scaler.tick().await;
    rig.order.workers.max = 6;
    rig.submit().await.unwrap();
    scaler.tick().await;
    assert_eq!(rig.live(), 7);
    rig.order.workers.replace = false;
    rig.submit().await.unwrap();
    rig.set_state("102_1", "PREEMPTED");
    scaler.tick().await;
    assert_eq!(rig.live(), 6);
}

#[tokio::test]
async fn a_command_has_its_time_and_no_more() {
    let mut rig = Rig::new(2);
    rig.slurm.patience = Duration::from_millis(200);
    rig.on("scontrol", "exec 9>&-; exec sleep 600");
    assert_eq!(rig.slurm.largest_array().await, 1000, "Slurm's default");
    rig.on("scontrol", "echo garbage; exit 0");
    assert_eq!(rig.slurm.largest_array().await, 1000);
}
