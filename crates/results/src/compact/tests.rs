use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::journal::JOURNAL;
use crate::rows::Row;
use crate::store::{Fault, FaultyStore, MemoryStore, Store};
use crate::testing::{all_rows, all_same, cells, in_memory, resume, row, rows};

/// Several stretches and files from few rows.
const SMALL: Shape = Shape { stretch: 16, stretches: 3 };

fn parts(memory: &MemoryStore) -> BTreeMap<String, Vec<u8>> {
    memory.files().into_iter().filter(|(name, _)| name.starts_with("trials/")).collect()
}

fn copy(memory: &MemoryStore) -> Arc<MemoryStore> {
    let copy = MemoryStore::new();
    for (name, bytes) in memory.files() {
        copy.put(&name, &bytes).expect("put");
    }
    Arc::new(copy)
}

#[test]
fn the_rows_stay_and_a_second_time_changes_nothing() {
    let cells = cells(5);
    let (mut dataset, memory) = in_memory(&cells, 40);
    for trials in [0..7, 30..40, 7..30] {
        dataset.append(rows(&cells, trials)).expect("appended");
    }
    let report = dataset.compact_as(&SMALL).expect("compacted");
    assert_eq!((report.rows, report.parts_before, report.parts_after, report.changed), (200, 3, 5, true));
    assert!(parts(&memory).keys().all(|name| name.starts_with("trials/part-compact-")));
    assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..40)));
    assert!(memory.read(JOURNAL).is_err());
    let verified = Dataset::verify_in(memory.clone()).expect("a dataset");
    assert!(verified.is_sound() && verified.is_complete(), "{:?}", verified.problems);

    let before = memory.files();
    let store = Arc::new(FaultyStore::new(memory.clone(), Fault::None));
    dataset.store = store.clone();
    assert!(!dataset.compact_as(&SMALL).expect("compacted").changed);
    assert_eq!((memory.files(), store.writes()), (before, 0));
}

#[test]
fn an_empty_dataset_and_the_real_sizes() {
    let cells = cells(3);
    let (mut dataset, memory) = in_memory(&cells, 100);
    let report = dataset.compact().expect("nothing to do");
    assert_eq!((report.rows, report.changed), (0, false));
    dataset.append(rows(&cells, 0..50)).expect("appended");
    dataset.append(rows(&cells, 50..100)).expect("appended");
    assert_eq!(dataset.compact().expect("compacted").parts_after, 1);
    assert_eq!(parts(&memory).len(), 1);
    // What is added later is compacted with the rest, and only what changed is written anew.
    let store: Arc<dyn Store> = memory.clone();
    let mut dataset = resume(&store, &cells, 120).expect("there");
    let info = dataset.append(rows(&cells, 100..120)).expect("appended");
    assert!(info.name.expect("a part").starts_with("trials/part-00000000-"));
    dataset.compact().expect("compacted");
    assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..120)));
}

#[test]
fn a_damaged_part_is_set_aside_and_never_copied() {
    let cells = cells(2);
    let (mut dataset, memory) = in_memory(&cells, 40);
    dataset.append(rows(&cells, 0..20)).expect("appended");
    let name = dataset.append(rows(&cells, 20..40)).expect("appended").name.expect("a part");
    let mut bytes = memory.read(&name).expect("there");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 4;
    memory.replace(&name, &bytes).expect("damaged");
    let error = dataset.compact().expect_err("damaged");
    assert!(matches!(&error, DatasetError::SetAside { files } if *files == [name.clone()]), "{error}");
    assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..20)));
    let kept = memory.list("damaged/").expect("listed");
    assert!(kept.len() == 1 && memory.read(&kept[0]).expect("kept") == bytes, "{kept:?}");
}

/// A dataset of two compacted parts, one of which will stay as it is, and three appended ones.
fn before_the_kill() -> (Arc<MemoryStore>, Vec<Row>) {
    let cells = cells(4);
    let (mut dataset, memory) = in_memory(&cells, 60);
    let sorted = CellOrder::of(&cells);
    dataset.append(rows(&sorted.0[..2], 0..40)).expect("appended");
    dataset.compact_as(&SMALL).expect("compacted");
    for trials in [0..20, 20..31, 40..41] {
        dataset.append(rows(&sorted.0[2..], trials)).expect("appended");
    }
    let all = all_rows(&dataset);
    (memory, all)
}

struct CellOrder(Vec<taugrid_sweep::Cell>);

impl CellOrder {
    fn of(cells: &[taugrid_sweep::Cell]) -> Self {
        let mut cells = cells.to_vec();
        cells.sort_by_key(|cell| cell.key);
        Self(cells)
    }
}

#[test]
fn killed_at_any_write_it_loses_and_doubles_nothing() {
    let cells = cells(4);
    let (memory, all) = before_the_kill();
    // How it ends undisturbed, and how many writes that takes.
    let undisturbed = copy(&memory);
    let store = Arc::new(FaultyStore::new(undisturbed.clone(), Fault::None));
    let mut dataset = Dataset::open_in(store.clone()).expect("there");
    dataset.compact_as(&SMALL).expect("compacted");
    let writes = store.writes();
    assert!(writes >= 8, "{writes} writes: the journal twice, new parts, old parts, the journal");
    assert!(parts(&undisturbed).keys().any(|name| memory.read(name).is_ok()), "one part stays as it was");

    for at in 0..writes {
        for fault in [Fault::Killed(at), Fault::Full(at), Fault::Unheard(at)] {
            let memory = copy(&memory);
            let mut dataset = Dataset::open_in(Arc::new(FaultyStore::new(memory.clone(), fault))).expect("there");
            dataset.compact_as(&SMALL).expect_err("it fails");
            let failed_alive = !matches!(fault, Fault::Killed(_));
            drop(dataset);

            // Whoever only reads sees all rows, once.
            let reader = Dataset::open_in(memory.clone()).expect("there");
            assert!(all_same(&all_rows(&reader), &all), "{fault:?}");
            assert_eq!(reader.coverage(), &crate::coverage_of(&all));
            let report = Dataset::verify_in(memory.clone()).expect("a dataset");
            assert!(report.is_sound(), "{fault:?}: {:?}", report.problems);
            if failed_alive {
                assert!(report.leftovers.is_empty(), "{fault:?}: {:?}", report.leftovers);
            }

            // Whoever writes next clears up; a new row is not taken for rubble; and it ends in the very same bytes.
            let store: Arc<dyn Store> = memory.clone();
            let mut writer = resume(&store, &cells, 60).expect("there");
            assert!(memory.read(JOURNAL).is_err(), "{fault:?}");
            assert!(all_same(&all_rows(&writer), &all), "{fault:?}");
            writer.compact_as(&SMALL).expect("compacted");
            assert_eq!(parts(&memory), parts(&undisturbed), "{fault:?}");
            writer.append(vec![row(&cells[0], 59)]).expect("appended");
            assert_eq!(all_rows(&Dataset::open_in(memory).expect("there")).len(), all.len() + 1);
        }
    }
}

#[test]
fn rows_appended_after_a_failed_compaction_are_kept() {
    let cells = cells(4);
    let (memory, all) = before_the_kill();
    for at in 0..12 {
        for fault in [Fault::Full(at), Fault::Unheard(at)] {
            let memory = copy(&memory);
            let mut dataset = Dataset::open_in(Arc::new(FaultyStore::new(memory.clone(), fault))).expect("there");
            if dataset.compact_as(&SMALL).is_ok() {
                continue;
            }
            dataset.append(vec![row(&cells[0], 58), row(&cells[3], 59)]).expect("the disk has room again");
            let again = Dataset::open_in(memory.clone()).expect("there");
            assert_eq!(all_rows(&again).len(), all.len() + 2, "{fault:?}");
            let report = Dataset::verify_in(memory).expect("a dataset");
            assert!(report.is_sound() && report.rows == all.len() as u64 + 2, "{fault:?}: {:?}", report.problems);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_same_rows_give_the_same_bytes_however_they_came(
        (order, cuts, again) in (0usize..200).prop_flat_map(|n| (
            Just((0..n).collect::<Vec<_>>()).prop_shuffle(),
            proptest::collection::vec(1usize..60, 1..10),
            proptest::collection::vec(0..n.max(1), 0..30),
        ))
    ) {
        let cells = cells(5);
        let all: Vec<Row> = order.iter().map(|index| row(&cells[index % 5], (index / 5) as u64)).collect();
        let (mut shuffled, memory) = in_memory(&cells, 40);
        let mut rest = &all[..];
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().expect("a cycle")).min(rest.len()));
            let mut now = now.to_vec();
            now.extend(again.iter().filter_map(|index| all.get(*index)).take(5));
            shuffled.append(now).expect("equal or new");
            rest = later;
        }
        shuffled.compact_as(&SMALL).expect("compacted");

        let (mut sorted, reference) = in_memory(&cells, 40);
        sorted.append(all).expect("new");
        sorted.compact_as(&SMALL).expect("compacted");
        prop_assert_eq!(parts(&memory), parts(&reference));
    }
}
