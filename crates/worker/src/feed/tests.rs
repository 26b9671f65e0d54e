use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

use bytes::Bytes;
use taugrid_escape::walk::Checkpoint;

use super::testing::{ENDLESS, Scripted};
use super::*;
use crate::holdings::Tenure;
use crate::threads::RayonThreads;

const CELL: CellKey = CellKey(7);
const ALL: Showing = Showing { every: None, least_work: Duration::ZERO };

fn work(id: u64, trials: Range<u64>, script: &Arc<Scripted>) -> Work {
    let tenure = Arc::new(Tenure { id: TenureId(id), cell: CELL, grant: Bytes::from(format!("grant {id}")) });
    let simulation: Arc<dyn Simulation> = Arc::clone(script) as _;
    Work { tenure, trials, simulation, from: Vec::new() }
}

fn feed(work: Work, showing: Showing) -> Feed {
    Feed::new(work, showing, Arc::default())
}

fn ranges(ranges: &[Range<u64>]) -> Ranges {
    ranges.iter().cloned().collect()
}

/// The trials of rows, lease by lease.
fn ended(report: Report) -> Vec<(u64, u64)> {
    let Report::Rows(all) = report else { panic!("rows") };
    let of = |ended: crate::pool::Ended| ended.rows.into_iter().map(move |row| (ended.tenure.id.0, row.record.trial));
    all.into_iter().flat_map(of).collect()
}

/// Walks on this thread.
fn walk(feed: &Feed, reports: &mpsc::UnboundedSender<Report>) {
    feed.walk(reports, &RayonThreads::new(NonZeroUsize::MIN).expect("a thread"));
}

/// Runs `act` while a walker is at it, from when the walker has trials in hand. It must see to it that they end.
fn while_walking(feed: &Feed, act: impl FnOnce(&mut mpsc::UnboundedReceiver<Report>)) -> Vec<Report> {
    let (reports, mut line) = mpsc::unbounded_channel();
    thread::scope(|scope| {
        scope.spawn(|| walk(feed, &reports));
        while feed.lock().in_hand_count() == 0 {
            thread::yield_now();
        }
        act(&mut line);
    });
    std::iter::from_fn(|| line.try_recv().ok()).collect()
}

#[test]
fn leases_of_a_cell_follow_one_another() {
    let script = Arc::new(Scripted::new(16, |_| 1));
    let feed = feed(work(1, 0..20, &script), ALL);
    assert!(feed.serves(&work(2, 50..60, &script)));
    feed.add(work(2, 50..60, &script));
    assert_eq!(feed.enlist(4), 2, "30 trials fill two walkers of 16 lanes");
    assert_eq!(feed.retire(), Retirement::Refused);
    let (reports, mut line) = mpsc::unbounded_channel();
    walk(&feed, &reports);
    let mut trials: Vec<_> = std::iter::from_fn(|| line.try_recv().ok()).flat_map(ended).collect();
    trials.sort_unstable();
    assert_eq!(trials, (0..20).map(|trial| (1, trial)).chain((50..60).map(|trial| (2, trial))).collect::<Vec<_>>());
    assert!(!feed.holds(TenureId(1)) && !feed.holds(TenureId(2)));
    assert_eq!([feed.retire(), feed.retire()], [Retirement::OneOfMany, Retirement::Last]);
}

#[test]
fn trials_that_are_open_are_not_run_twice_in_one_feed() {
    let script = Arc::new(Scripted::new(16, |_| 1));
    let feed = feed(work(1, 0..20, &script), ALL);
    assert!(!feed.serves(&work(2, 19..30, &script)));
    // What was dropped may come again.
    feed.give_up(TenureId(1), &Ranges::from(10..20));
    assert!(feed.serves(&work(2, 19..30, &script)) && !feed.serves(&work(2, 9..30, &script)));
}

#[test]
fn a_paused_feed_begins_nothing_and_goes_on_when_it_may() {
    let script = Arc::new(Scripted::new(4, |_| 1));
    let paused = Arc::new(AtomicBool::new(true));
    let feed = Feed::new(work(1, 0..20, &script), ALL, Arc::clone(&paused));
    assert_eq!(feed.enlist(1), 0);
    paused.store(false, Ordering::Relaxed);
    assert_eq!(feed.enlist(1), 1);
    paused.store(true, Ordering::Relaxed);
    let (reports, mut line) = mpsc::unbounded_channel();
    walk(&feed, &reports);
    assert!(line.try_recv().is_err(), "none was begun");
    assert_eq!(feed.retire(), Retirement::OneOfMany, "trials wait");
    assert!(!feed.is_over());
    paused.store(false, Ordering::Relaxed);
    assert_eq!(feed.enlist(1), 1);
    walk(&feed, &reports);
    assert_eq!(std::iter::from_fn(|| line.try_recv().ok()).flat_map(ended).count(), 20);
    assert_eq!(feed.retire(), Retirement::Last);
}

#[test]
fn a_recall_takes_what_waits_from_the_end_and_then_what_is_in_hand() {
    let script = Arc::new(Scripted::new(4, |_| ENDLESS));
    let feed = feed(work(1, 0..10, &script), ALL);
    let id = TenureId(1);
    let left = Ranges::from(0..10);
    let rest = while_walking(&feed, |line| {
        assert_eq!(
            feed.recall(id, &left, 2, true, Ticket(1)),
            Recalled { dropped: Ranges::from(8..10), pending: false }
        );
        assert_eq!(
            feed.recall(id, &left, 9, false, Ticket(2)),
            Recalled { dropped: Ranges::from(4..8), pending: false }
        );
        assert_eq!(feed.recall(id, &left, 1, true, Ticket(3)), Recalled { dropped: Ranges::new(), pending: true });
        let Some(Report::Released { ticket, trials, checkpoints }) = line.blocking_recv() else { panic!("an answer") };
        assert_eq!((ticket, trials), (Ticket(3), Ranges::from(3..4)));
        let [shown] = &checkpoints[..] else { panic!("one state") };
        assert!(shown.cell == CELL && shown.trial == 3 && shown.steps > 0);
        assert_eq!(shown.state, shown.steps.to_le_bytes().to_vec());
        // Nothing is asked twice at once, but what is gone is gone.
        assert!(feed.recall(id, &left, 9, true, Ticket(4)).pending);
        let Some(Report::Released { trials, .. }) = line.blocking_recv() else { panic!("an answer") };
        assert_eq!(trials, Ranges::from(0..3));
    });
    assert!(rest.is_empty() && !feed.holds(id));
    let nobody = feed.recall(id, &left, 9, true, Ticket(5));
    assert_eq!(nobody, Recalled { dropped: Ranges::new(), pending: false });
}

#[test]
fn what_is_given_up_goes_quietly() {
    let script = Arc::new(Scripted::new(4, |trial| if trial == 0 { ENDLESS } else { 1 }));
    let feed = feed(work(1, 0..10, &script), ALL);
    let rest = while_walking(&feed, |_| feed.give_up(TenureId(1), &ranges(&[0..1, 11..12])));
    let mut trials: Vec<_> = rest.into_iter().flat_map(ended).map(|(_, trial)| trial).collect();
    trials.sort_unstable();
    assert_eq!(trials, (1..10).collect::<Vec<_>>());
}

#[test]
fn everything_is_released_at_once_with_where_it_was() {
    let script = Arc::new(Scripted::new(4, |_| ENDLESS));
    let feed = feed(work(1, 0..10, &script), ALL);
    let mut rest = while_walking(&feed, |_| feed.release_all());
    let Some(Report::Checkpoints(checkpoints)) = rest.pop() else { panic!("checkpoints") };
    assert_eq!(checkpoints.iter().map(|one| one.trial).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(rest.is_empty());
}

#[test]
fn little_work_is_not_worth_showing() {
    let script = Arc::new(Scripted::new(4, |_| ENDLESS));
    let showing = Showing { every: None, least_work: Duration::from_secs(3600) };
    let feed = feed(work(1, 0..10, &script), showing);
    assert!(while_walking(&feed, |_| feed.release_all()).is_empty());
}

#[test]
fn trials_in_hand_for_long_are_shown_and_again() {
    let script = Arc::new(Scripted::new(2, |trial| if trial == 2 { 1 } else { ENDLESS }));
    let every = Duration::from_millis(2);
    let showing = Showing { every: Some(every), least_work: Duration::ZERO };
    let feed = feed(work(1, 0..2, &script), showing);
    let began = std::time::Instant::now();
    while_walking(&feed, |line| {
        let mut steps = [0; 2];
        for time in 1..4 {
            let mut shown = 0;
            while shown < 2 {
                let Some(Report::Checkpoints(checkpoints)) = line.blocking_recv() else { panic!("checkpoints") };
                for one in checkpoints {
                    assert!(one.steps > steps[one.trial as usize], "an old state again");
                    steps[one.trial as usize] = one.steps;
                    shown += 1;
                }
            }
            assert!(began.elapsed() >= time * every, "too early");
        }
        feed.release_all();
    });
}

#[test]
fn a_trial_goes_on_from_its_checkpoint_and_only_steps_taken_here_are_paid_for() {
    let script = Arc::new(Scripted::new(1, |_| 1000));
    let mut resumed = work(1, 5..6, &script);
    resumed.from = vec![Checkpoint { trial: 5, steps: 999, state: Vec::new() }];
    let feed = feed(resumed, ALL);
    feed.add(work(2, 6..7, &script));
    let (reports, mut line) = mpsc::unbounded_channel();
    walk(&feed, &reports);
    let mut busy = [Duration::ZERO; 2];
    for report in std::iter::from_fn(|| line.try_recv().ok()) {
        let Report::Rows(all) = report else { panic!("rows") };
        for ended in all {
            assert!(ended.rows.iter().all(|row| row.record.steps == 1000));
            busy[ended.tenure.id.0 as usize - 1] += ended.busy;
        }
    }
    assert!(busy[0] > Duration::ZERO && busy[0] * 20 < busy[1], "{busy:?}");
}

#[test]
fn a_kernel_that_panics_costs_the_leases_in_its_hands_and_no_others() {
    let script = Arc::new(Scripted { panics: Some(6), ..Scripted::new(4, |trial| if trial < 4 { 1 } else { 3 }) });
    let feed = feed(work(1, 0..4, &script), ALL);
    feed.add(work(2, 4..6, &script));
    feed.add(work(3, 6..40, &script));
    feed.add(work(4, 40..44, &script));
    let (reports, mut line) = mpsc::unbounded_channel();
    walk(&feed, &reports);
    let mut seen: Vec<_> = std::iter::from_fn(|| line.try_recv().ok()).collect();
    let Some(Report::Failed { tenures, detail }) = seen.pop() else { panic!("a failure") };
    assert!(tenures.len() == 2 && tenures.contains(&TenureId(2)) && tenures.contains(&TenureId(3)), "{tenures:?}");
    assert_eq!(detail, "the kernel panicked: trial 6 is bad");
    // The first lease's rows came; the others' trials are dropped, and the feed goes on with the last.
    assert_eq!(seen.into_iter().flat_map(ended).collect::<Vec<_>>(), [(1, 0), (1, 1), (1, 2), (1, 3)]);
    assert!(!feed.holds(TenureId(2)) && !feed.holds(TenureId(3)));
    walk(&feed, &reports);
    assert_eq!(std::iter::from_fn(|| line.try_recv().ok()).flat_map(ended).count(), 4);
}

#[test]
fn a_recall_is_answered_though_the_walker_dies() {
    let script = Arc::new(Scripted { panics: Some(1), ..Scripted::new(4, |_| ENDLESS) });
    let feed = feed(work(1, 0..4, &script), ALL);
    let hand = feed.lock().enter();
    assert!(feed.lock().take(hand).is_some());
    assert!(feed.recall(TenureId(1), &Ranges::from(0..4), 9, true, Ticket(1)).pending);
    let (lost, answered) = feed.lock().leave(hand);
    assert_eq!(lost, [TenureId(1)]);
    assert_eq!(answered.iter().map(|request| request.ticket).collect::<Vec<_>>(), [Ticket(1)]);
}

#[test]
fn a_kernel_that_cannot_even_begin_costs_what_waits_first() {
    struct Unable;
    impl Simulation for Unable {
        fn lanes(&self) -> usize {
            1
        }
        fn walker(&self) -> Box<dyn taugrid_escape::walk::Walker + '_> {
            panic!("no walker")
        }
        fn check(&self, _: &Checkpoint) -> Result<(), taugrid_escape::walk::CheckpointError> {
            Ok(())
        }
        fn checkpoint_bytes(&self) -> usize {
            0
        }
    }
    let script = Arc::new(Scripted::new(1, |_| 1));
    let first = Work { simulation: Arc::new(Unable), ..work(1, 0..4, &script) };
    let feed = feed(first, ALL);
    feed.add(work(2, 4..6, &script));
    let (reports, mut line) = mpsc::unbounded_channel();
    for id in [1, 2] {
        walk(&feed, &reports);
        let Ok(Report::Failed { tenures, detail }) = line.try_recv() else { panic!("a failure") };
        assert_eq!((tenures, &*detail), (vec![TenureId(id)], "the kernel panicked: no walker"));
    }
    assert_eq!(feed.lock().waiting_count(), 0);
}
