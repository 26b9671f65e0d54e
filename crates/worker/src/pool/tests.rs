use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use bytes::Bytes;
use taugrid_results::CellKey;

use super::*;
use crate::feed::testing::{ENDLESS, Scripted};
use crate::threads::RayonThreads;

const ALL: Showing = Showing { every: None, least_work: Duration::ZERO };

fn work(id: u64, trials: Range<u64>, script: &Arc<Scripted>) -> Work {
    let tenure = Arc::new(Tenure { id: TenureId(id), cell: CellKey(id), grant: Bytes::new() });
    let simulation: Arc<dyn Simulation> = Arc::clone(script) as _;
    Work { tenure, trials, simulation, from: Vec::new() }
}

fn pool(threads: usize, reports: mpsc::UnboundedSender<Report>) -> Pool {
    let threads = NonZeroUsize::new(threads).expect("some");
    Pool::new(Arc::new(RayonThreads::new(threads).expect("threads")), ALL, reports)
}

fn rows(report: Report) -> Vec<u64> {
    let Report::Rows(all) = report else { panic!("rows") };
    all.into_iter().flat_map(|ended| ended.rows).map(|row| row.record.trial).collect()
}

#[test]
fn a_pool_that_is_released_shows_what_it_had_and_falls_quiet() {
    let (reports, mut line) = mpsc::unbounded_channel();
    let pool = pool(2, reports);
    // As soon as trial 0 has ended, its walker has others in hand.
    let script = Arc::new(Scripted::new(2, |trial| if trial == 0 { 1 } else { ENDLESS }));
    pool.submit(work(1, 0..10, &script));
    assert_eq!(line.blocking_recv().map(rows), Some(vec![0]));
    pool.release_all();
    pool.release_all();
    let mut shown = BTreeSet::new();
    loop {
        match line.blocking_recv() {
            Some(Report::Checkpoints(checkpoints)) => shown.extend(checkpoints.iter().map(|one| one.trial)),
            Some(Report::Quiet) => break,
            _ => panic!("nothing else is to be told"),
        }
    }
    assert!(!shown.is_empty() && shown.len() <= 4, "{shown:?}: two walkers of two lanes");
    assert!(line.try_recv().is_err());
}

#[test]
fn a_pool_without_work_is_quiet_at_once() {
    let (reports, mut line) = mpsc::unbounded_channel();
    let pool = pool(1, reports);
    pool.release_all();
    assert!(matches!(line.blocking_recv(), Some(Report::Quiet)));
}

#[test]
fn a_pool_goes_on_after_a_panic() {
    let (reports, mut line) = mpsc::unbounded_channel();
    let pool = pool(1, reports);
    pool.submit(work(1, 0..4, &Arc::new(Scripted { panics: Some(2), ..Scripted::new(2, |_| 1) })));
    let mut failed = false;
    while !failed {
        match line.blocking_recv() {
            Some(Report::Failed { tenures, .. }) => failed = tenures == [TenureId(1)],
            Some(Report::Rows(_)) => {}
            _ => panic!("rows and then a failure"),
        }
    }
    pool.submit(work(2, 0..4, &Arc::new(Scripted::new(4, |_| 1))));
    assert_eq!(line.blocking_recv().map(rows).map(|rows| rows.len()), Some(4));
}

#[test]
fn a_pause_begins_nothing_and_ends() {
    let (reports, mut line) = mpsc::unbounded_channel();
    let pool = pool(1, reports);
    pool.pause();
    pool.submit(work(1, 0..4, &Arc::new(Scripted::new(4, |_| 1))));
    let recalled = pool.recall(TenureId(1), &Ranges::from(0..4), 1, true, Ticket(1));
    assert_eq!(recalled, Recalled { dropped: Ranges::from(3..4), pending: false });
    pool.resume();
    assert_eq!(line.blocking_recv().map(rows).map(|rows| rows.len()), Some(3));
    // The feed is gone with its last trial, or about to go; a lease of nobody's is recalled in vain.
    let recalled = pool.recall(TenureId(9), &Ranges::from(0..4), 1, true, Ticket(2));
    assert_eq!(recalled, Recalled { dropped: Ranges::new(), pending: false });
}
