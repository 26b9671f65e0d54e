use std::sync::Arc;

use proptest::prelude::*;
use taugrid_escape::walk::TrialRecord;

use super::*;
use crate::store::{Fault, FaultyStore, MemoryStore, StoreErrorKind};
use crate::testing::{SWEEP as TEXT, all_rows, all_same, cells, in_memory, other_physics, physics, resume, row, rows};

#[test]
fn a_folder_holds_what_the_design_says_and_opens_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cells = cells(4);
    let create = || Dataset::create_or_resume(folder.path(), TEXT, "test", &physics(), &cells, Demand::Fixed(100));
    let mut dataset = create().expect("new");
    let info = dataset.append(rows(&cells[..2], 0..100)).expect("appended");
    assert_eq!((info.rows, info.duplicates), (200, 0));
    let name = info.name.expect("a part");
    assert!(folder.path().join(&name).is_file(), "{name}");
    for file in ["sweep.yaml", "manifest.json"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    for dataset in [Dataset::open(folder.path()).expect("there"), create().expect("there")] {
        assert!(all_same(&all_rows(&dataset), &rows(&cells[..2], 0..100)));
        assert_eq!(dataset.missing().len(), 2);
        assert_eq!((dataset.manifest().name.as_str(), dataset.manifest().trials), ("test", 100));
    }
    assert!(all_same(&dataset.rows(cells[1].key).expect("sound"), &rows(&cells[1..2], 0..100)));
    assert!(dataset.rows(cells[3].key).expect("none yet").is_empty());
    assert!(dataset.rows(CellKey(1)).expect("unknown").is_empty());
    dataset.append(rows(&cells[2..], 0..100)).expect("appended");
    assert!(dataset.update_completeness().expect("written"));
    assert!(Dataset::open(folder.path()).expect("there").manifest().complete);
}

#[test]
fn what_is_no_dataset_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    for dir in [folder.path().to_path_buf(), folder.path().join("missing")] {
        assert!(matches!(Dataset::open(&dir), Err(DatasetError::NotADataset)));
        assert!(matches!(Dataset::verify(&dir), Err(DatasetError::NotADataset)));
    }
}

#[test]
fn folders_that_are_in_use_are_left_alone() {
    let cells = cells(1);
    for (name, bytes) in [("sweep.yaml", "name: mine"), ("trials/part-00000000-0123456789abcdef.parquet", "PAR1")] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        store.put(name, bytes.as_bytes()).expect("put");
        let error = resume(&store, &cells, 1).expect_err("in use");
        assert!(matches!(error, DatasetError::Occupied { .. }) && error.is_damaged_or_mismatched(), "{error}");
        assert_eq!(store.read(name).expect("there"), bytes.as_bytes());
        assert!(store.read(MANIFEST).is_err());
    }
    // The sweep's own file may be there already.
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    store.put("sweep.yaml", TEXT.as_bytes()).expect("put");
    resume(&store, &cells, 1).expect("the same sweep");
}

#[test]
fn another_physics_is_a_mismatch_with_its_differences() {
    let cells = cells(1);
    let (mut dataset, memory) = in_memory(&cells, 10);
    dataset.append(rows(&cells, 0..10)).expect("appended");
    let before = memory.files();
    let store: Arc<dyn Store> = memory.clone();
    let error = Dataset::create_or_resume_in(store, "seed: 8", "test", &other_physics(), &cells, Demand::Fixed(10))
        .expect_err("another seed");
    let DatasetError::Mismatch { differences } = &error else { panic!("{error}") };
    assert_eq!(*differences, ["seed: 7 there, 8 here"]);
    assert!(error.is_damaged_or_mismatched());
    assert_eq!(memory.files(), before);
}

#[test]
fn a_sweep_grows_in_place() {
    let cells = cells(3);
    let (mut dataset, memory) = in_memory(&cells[..2], 10);
    dataset.append(rows(&cells[..2], 0..10)).expect("appended");
    let error = dataset.append(vec![row(&cells[0], 10)]).expect_err("beyond");
    assert!(matches!(error, DatasetError::Beyond { trial: 10, trials: 10, .. }), "{error}");
    let error = dataset.append(vec![row(&cells[2], 0)]).expect_err("unknown");
    assert!(matches!(error, DatasetError::Row(_)), "{error}");

    let store: Arc<dyn Store> = memory;
    let mut dataset =
        Dataset::create_or_resume_in(store.clone(), "more", "test", &physics(), &cells, Demand::Fixed(20))
            .expect("the same physics");
    assert_eq!(store.read("sweep.yaml").expect("there"), b"more");
    let missing = dataset.missing();
    assert_eq!(missing[&cells[0].key], std::iter::once(10..20).collect());
    assert_eq!(missing[&cells[2].key], std::iter::once(0..20).collect());
    dataset.append(rows(&cells, 5..20)).expect("appended");
    // Back to the smaller one: nothing is lost, and it is complete.
    let dataset = resume(&store, &cells[..1], 10).expect("the same physics");
    assert!(dataset.manifest().complete && dataset.missing().is_empty());
    assert_eq!(all_rows(&dataset).len(), 20 + 20 + 15);
}

#[test]
fn a_row_is_stored_once_and_never_changes() {
    let cells = cells(3);
    let (mut dataset, memory) = in_memory(&cells, 1000);
    dataset.append(rows(&cells, 0..100)).expect("appended");
    let before = memory.files();
    let info = dataset.append(rows(&cells, 20..60)).expect("equal");
    assert_eq!((info.name, info.rows, info.duplicates), (None, 0, 120));
    assert_eq!(memory.files(), before);

    // Half new; and twice in one batch.
    let mut half = rows(&cells[..1], 90..110);
    half.extend(rows(&cells[..1], 95..105));
    let info = dataset.append(half).expect("equal");
    assert_eq!((info.rows, info.duplicates), (10, 20));

    let before = memory.files();
    let other = |row: Row| Row { record: TrialRecord { steps: row.record.steps + 1, ..row.record }, ..row };
    for wrong in
        [vec![row(&cells[0], 200), other(row(&cells[1], 50))], vec![row(&cells[0], 200), other(row(&cells[0], 200))]]
    {
        let error = dataset.append(wrong).expect_err("another result");
        let DatasetError::Conflict { stored, offered, .. } = &error else { panic!("{error}") };
        assert_eq!(stored.steps + 1, offered.steps);
        assert!(error.is_damaged_or_mismatched());
    }
    assert_eq!(memory.files(), before);
    assert_eq!(dataset.coverage()[&cells[0].key], std::iter::once(0..110).collect());
}

#[test]
fn a_full_disk_changes_nothing_and_can_be_tried_again() {
    let cells = cells(2);
    let (mut dataset, memory) = in_memory(&cells, 100);
    dataset.append(rows(&cells, 0..10)).expect("appended");
    dataset.store = Arc::new(FaultyStore::new(memory.clone(), Fault::Full(0)));
    let (before, coverage) = (memory.files(), dataset.coverage().clone());
    let error = dataset.append(rows(&cells, 10..20)).expect_err("full");
    assert!(error.is_full(), "{error}");
    assert_eq!((memory.files(), dataset.coverage()), (before, &coverage));
    dataset.append(rows(&cells, 10..20)).expect("room again");
    assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..20)));
}

#[test]
fn a_part_whose_writing_was_reported_as_failed_is_not_written_twice() {
    let cells = cells(2);
    let (mut dataset, memory) = in_memory(&cells, 100);
    dataset.store = Arc::new(FaultyStore::new(memory.clone(), Fault::Unheard(0)));
    let error = dataset.append(rows(&cells, 0..10)).expect_err("unheard");
    assert!(matches!(&error, DatasetError::Store(error) if matches!(error.kind, StoreErrorKind::Io(_))), "{error}");
    // The rows come again, in another company.
    let info = dataset.append(rows(&cells, 5..20)).expect("appended");
    assert_eq!((info.rows, info.duplicates), (20, 10));
    let report = Dataset::verify_in(memory).expect("a dataset");
    assert!(report.is_sound(), "{:?}", report.problems);
    assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..20)));
}

#[test]
fn part_numbers_go_on_after_a_restart() {
    let cells = cells(1);
    let (mut dataset, memory) = in_memory(&cells, 100);
    dataset.append(rows(&cells, 0..1)).expect("appended");
    let store: Arc<dyn Store> = memory;
    let mut dataset = resume(&store, &cells, 100).expect("there");
    let name = dataset.append(rows(&cells, 1..2)).expect("appended").name.expect("a part");
    assert!(name.starts_with("trials/part-00000001-"), "{name}");
}

#[test]
fn for_each_cell_sees_every_cell_once_in_order() {
    let cells = cells(30);
    let (mut dataset, _) = in_memory(&cells, 100_000);
    // More rows than are held at once, in three parts that interleave.
    for third in 0..3 {
        let rows = cells.iter().flat_map(|cell| (0..45_000).filter(|t| t % 3 == third).map(|t| row(cell, t))).collect();
        dataset.append(rows).expect("appended");
    }
    let mut seen = Vec::new();
    dataset
        .for_each_cell(|cell, rows| {
            assert!(rows.iter().enumerate().all(|(trial, found)| found.same(&row(cell, trial as u64))));
            seen.push((cell.key, rows.len()));
        })
        .expect("sound");
    let mut expected: Vec<_> = cells.iter().map(|cell| (cell.key, 45_000)).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_order_of_appends_with_repetitions_gives_the_rows(
        batches in proptest::collection::vec(proptest::collection::vec((0usize..4, 0u64..30), 0..40), 1..8)
    ) {
        let cells = cells(4);
        let (mut dataset, memory) = in_memory(&cells, 30);
        let mut all = std::collections::BTreeMap::new();
        for batch in batches {
            let rows: Vec<Row> = batch.iter().map(|(cell, trial)| row(&cells[*cell], *trial)).collect();
            all.extend(rows.iter().map(|row| (row.position(), *row)));
            dataset.append(rows).expect("equal or new");
        }
        let all: Vec<Row> = all.into_values().collect();
        prop_assert!(all_same(&all_rows(&dataset), &all));
        prop_assert_eq!(dataset.coverage(), &crate::coverage_of(&all));
        let store: Arc<dyn Store> = memory;
        let again = Dataset::open_in(store).expect("there");
        prop_assert!(all_same(&all_rows(&again), &all));
    }
}
