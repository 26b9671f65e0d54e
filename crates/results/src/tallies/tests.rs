use std::sync::Arc;

use proptest::prelude::*;
use taugrid_escape::walk::Outcome;
use taugrid_sweep::Demand;

use super::*;
use crate::coverage::count;
use crate::store::{MemoryStore, Store};
use crate::testing::{cells, in_memory, resume, resume_for, row, rows};

/// The rows of [`row`] have a spread of 0.7 means: this takes 208 to 272 of them.
const PRECISION: Precision = Precision { relative: 0.1, confidence: 0.95, min: 100, max: 1000 };

/// How many trials the cell of `row` needs, by the rule as it is written: point by point, each time from the first trial.
fn needed(precision: Precision, record: impl Fn(u64) -> TrialRecord) -> (u64, bool) {
    let mut point = precision.first();
    loop {
        let mut tally = Tally::default();
        (0..point).for_each(|trial| tally.add(&record(trial)));
        match (precision.is_reached(&tally), precision.next(point)) {
            (true, _) => return (point, true),
            (false, None) => return (point, false),
            (false, Some(next)) => point = next,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decisions_do_not_depend_on_the_order_the_rows_come_in(
        order in Just((0..1200u64).collect::<Vec<_>>()).prop_shuffle(),
        again in prop::collection::vec(0..1200u64, 0..200),
        pause in 1..300usize,
        which in 0..6usize,
        relative in 0.02..0.2,
    ) {
        let (cell, precision) = (cells(6)[which], Precision { relative, ..PRECISION });
        let record = |trial| row(&cell, trial).record;
        let (limit, reached) = needed(precision, record);
        let mut tallies = CellTallies::new(precision);
        let mut last = Decision::GoOn;
        let mut seen = std::collections::BTreeSet::new();
        for (count, &trial) in order.iter().chain(&again).enumerate() {
            let is_new = seen.insert(trial) && trial < precision.max;
            prop_assert_eq!(tallies.add(&record(trial)), is_new);
            if count % pause == 0 {
                last = tallies.decide();
                // Never more than what it comes to in the end: nothing is leased in vain.
                prop_assert!(tallies.limit() <= limit);
                let all = (0..tallies.limit()).all(|trial| seen.contains(&trial));
                prop_assert_eq!(last == Decision::GoOn, !all);
            }
        }
        prop_assert!(last == Decision::GoOn || tallies.limit() == limit);
        prop_assert_eq!(tallies.decide(), Decision::Done { reached });
        prop_assert_eq!(tallies.limit(), limit);
        let mut whole = Tally::default();
        (0..limit).for_each(|trial| whole.add(&record(trial)));
        prop_assert_eq!(*tallies.tally(), whole);
    }
}

#[test]
fn a_cell_without_exits_goes_on_to_the_last_point() {
    let mut tallies = CellTallies::new(PRECISION);
    for trial in 0..PRECISION.max {
        assert_eq!(tallies.decide(), Decision::GoOn);
        let (outcome, steps) = (Outcome::Censored, 50);
        tallies.add(&TrialRecord { trial, outcome, steps, exit_loss: 0.0, exit_radius: 0.0 });
    }
    assert_eq!((tallies.decide(), tallies.limit()), (Decision::Done { reached: false }, PRECISION.max));
}

/// Runs what is missing until nothing is, as a coordinator would, in many small parts; how many rows that took.
fn run(dataset: &mut Dataset) -> u64 {
    let mut rows_run = 0;
    loop {
        dataset.decide().expect("sound");
        let missing = dataset.missing();
        if missing.is_empty() {
            assert!(dataset.update_completeness().expect("written"));
            return rows_run;
        }
        rows_run += count(&missing);
        for (key, ranges) in &missing {
            let cell = *dataset.cells().get(*key).expect("listed");
            for range in ranges.iter() {
                dataset.append(rows(&[cell], range.clone())).expect("appended");
            }
        }
    }
}

fn needs(dataset: &Dataset, cells: &[taugrid_sweep::Cell]) -> Vec<u64> {
    cells.iter().map(|cell| dataset.manifest().needed(cell.key).expect("in the sweep")).collect()
}

#[test]
fn a_sweep_to_a_precision_has_the_trials_that_the_rule_says_and_no_others() {
    let cells = cells(4);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut dataset = resume_for(&store, &cells, Demand::Precision(PRECISION)).expect("new");
    run(&mut dataset);
    let expected: Vec<u64> = cells.iter().map(|cell| needed(PRECISION, |trial| row(cell, trial).record).0).collect();
    assert_eq!(needs(&dataset, &cells), expected);
    assert!(
        expected.iter().any(|&n| n != expected[0]) && expected.iter().all(|&n| 100 < n && n < 1000),
        "{expected:?}"
    );
    assert_eq!(count(dataset.coverage()), expected.iter().sum::<u64>());
    let report = Dataset::verify_in(store.clone()).expect("a dataset");
    assert!(report.is_sound() && report.is_complete(), "{report:?}");
    // Opened again, nothing is to do.
    let mut again = resume_for(&store, &cells, Demand::Precision(PRECISION)).expect("there");
    assert_eq!((run(&mut again), needs(&again, &cells)), (0, expected));
}

#[test]
fn what_an_interrupted_sweep_needs_is_found_in_its_rows() {
    let cells = cells(2);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut dataset = resume_for(&store, &cells, Demand::Precision(PRECISION)).expect("new");
    // All of the first point and part of the next; of the other cell trials of the second point, and not all of the first.
    dataset.append(rows(&cells[..1], 0..110)).expect("appended");
    dataset.append(rows(&cells[1..], 50..128)).expect("appended");
    let report = Dataset::verify_in(store.clone()).expect("a dataset");
    assert!(report.is_sound());
    assert_eq!(report.missing[&cells[0].key], std::iter::once(110..128).collect());
    assert_eq!(report.missing[&cells[1].key], std::iter::once(0..50).collect());
    let tallies = dataset.decide().expect("sound");
    assert_eq!(dataset.missing(), report.missing);
    assert_eq!((tallies[&cells[0].key].limit(), tallies[&cells[0].key].tally().trials), (128, 110));
    assert_eq!((tallies[&cells[1].key].limit(), tallies[&cells[1].key].tally().trials), (100, 50));
    assert!(!dataset.update_completeness().expect("written"));

    let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut fresh = resume_for(&whole, &cells, Demand::Precision(PRECISION)).expect("new");
    run(&mut fresh);
    fresh.compact().expect("compacted");
    run(&mut dataset);
    dataset.compact().expect("compacted");
    for name in whole.list("trials/").expect("listed").into_iter().chain([crate::manifest::MANIFEST.to_owned()]) {
        assert!(store.read(&name).expect("there") == whole.read(&name).expect("there"), "{name}");
    }
}

#[test]
fn another_demand_runs_only_what_is_new_and_keeps_what_was() {
    let cells = cells(3);
    let (mut dataset, memory) = in_memory(&cells, 150);
    dataset.append(rows(&cells, 0..150)).expect("appended");
    let store: Arc<dyn Store> = memory;
    let become_to = |demand| resume_for(&store, &cells, demand).expect("the same physics");
    let held = |dataset: &Dataset| count(dataset.coverage());

    // From a number to a precision: what is there counts.
    let mut dataset = become_to(Demand::Precision(PRECISION));
    assert!(!dataset.manifest().complete);
    let ran = run(&mut dataset);
    let expected: Vec<u64> = cells.iter().map(|cell| needed(PRECISION, |trial| row(cell, trial).record).0).collect();
    assert_eq!((ran, needs(&dataset, &cells)), (expected.iter().map(|n| n - 150).sum(), expected.clone()));
    // Looser: nothing is run, and fewer trials count.
    let loose = Precision { relative: 0.2, min: 64, ..PRECISION };
    let mut dataset = become_to(Demand::Precision(loose));
    assert_eq!(run(&mut dataset), 0);
    assert!(needs(&dataset, &cells).iter().zip(&expected).all(|(loose, strict)| loose < strict));
    assert_eq!(held(&dataset), expected.iter().sum::<u64>());
    // Tighter: the rest.
    let tight = Precision { relative: 0.07, ..PRECISION };
    let mut dataset = become_to(Demand::Precision(tight));
    assert!(run(&mut dataset) > 0);
    let tightest = needs(&dataset, &cells);
    // To a number again, below and above what is there.
    assert!(become_to(Demand::Fixed(150)).manifest().complete);
    let dataset = become_to(Demand::Fixed(1200));
    assert_eq!(count(&dataset.missing()), 3 * 1200 - tightest.iter().sum::<u64>());
    assert_eq!(needs(&dataset, &cells), [1200; 3]);
    assert!(Dataset::verify_in(store.clone()).expect("a dataset").is_sound());
}

#[test]
fn a_complete_dataset_whose_manifest_says_another_number_is_damaged() {
    let cells = cells(2);
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn Store> = memory.clone();
    let mut dataset = resume_for(&store, &cells, Demand::Precision(PRECISION)).expect("new");
    run(&mut dataset);
    let said = needs(&dataset, &cells)[0];
    let text = String::from_utf8(memory.read("manifest.json").expect("there")).expect("text");
    let wrong = text.replacen(&format!("\"needed\": {said}"), "\"needed\": 128", 1);
    assert_ne!(wrong, text);
    memory.replace("manifest.json", wrong.as_bytes()).expect("damaged");
    let report = Dataset::verify_in(store.clone()).expect("a dataset");
    assert!(report.problems[0].contains("needs 128 trials, and by its rows it is"), "{report:?}");
    let wrong = text.replace("\"relative\": 0.1", "\"relative\": 7.5");
    memory.replace("manifest.json", wrong.as_bytes()).expect("damaged");
    let report = Dataset::verify_in(store).expect("a dataset");
    assert!(report.problems[0].contains("its precision: relative: 7.5 is out of bounds"), "{report:?}");
}

#[test]
fn without_a_precision_there_is_nothing_to_decide() {
    let cells = cells(2);
    let (mut dataset, memory) = in_memory(&cells, 10);
    dataset.append(rows(&cells, 0..5)).expect("appended");
    let before = memory.files();
    assert!(dataset.decide().expect("nothing to read").is_empty());
    assert_eq!(memory.files(), before);
    // And its manifest is that of older releases.
    let text = String::from_utf8(memory.read("manifest.json").expect("there")).expect("text");
    assert!(!text.contains("precision") && !text.contains("needed"), "{text}");
    let store: Arc<dyn Store> = memory;
    assert_eq!(count(&resume(&store, &cells, 10).expect("there").missing()), 10);
}
