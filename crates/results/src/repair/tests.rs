use std::sync::Arc;

use taugrid_sweep::Demand;

use crate::coverage::count;
use crate::journal::JOURNAL;
use crate::manifest::{MANIFEST, SWEEP};
use crate::store::{Fault, FaultyStore, MemoryStore, Store};
use crate::testing::{self, all_rows, all_same, cells, in_memory, other_physics, resume, rows};
use crate::{Dataset, DatasetError};

/// Two parts of 20 and 30 trials of two cells; also the name of the first.
fn two_parts() -> (Arc<MemoryStore>, String) {
    let cells = cells(2);
    let (mut dataset, memory) = in_memory(&cells, 50);
    let name = dataset.append(rows(&cells, 0..20)).expect("appended").name.expect("a part");
    dataset.append(rows(&cells, 20..50)).expect("appended");
    (memory, name)
}

/// What may happen to a file.
fn damages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let flipped = |at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x10;
        bytes
    };
    let length = bytes.len();
    let cuts = [0, 1, 11, length / 2, length - 9, length - 1];
    let flips = [0, length / 3, length / 2, length - 200, length - 6, length - 1];
    cuts.into_iter().map(|end| bytes[..end].to_vec()).chain(flips.into_iter().map(flipped)).collect()
}

fn set_aside(store: &dyn Store) -> Vec<String> {
    store.list("damaged/").expect("listed")
}

#[test]
fn a_damaged_part_is_set_aside_and_its_trials_are_missing() {
    let cells = cells(2);
    let (memory, name) = two_parts();
    let bytes = memory.read(&name).expect("there");
    for damaged in damages(&bytes) {
        let (memory, name) = two_parts();
        memory.replace(&name, &damaged).expect("damaged");
        let store: Arc<dyn Store> = memory.clone();
        let mut dataset = resume(&store, &cells, 50).expect("repaired");
        assert_eq!((count(dataset.coverage()), count(&dataset.missing())), (60, 40));
        let kept = set_aside(&*memory);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(memory.read(&kept[0]).expect("kept") == damaged);
        dataset.append(rows(&cells, 0..20)).expect("appended");
        assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..50)));
        dataset.compact().expect("compacted");
        assert!(Dataset::verify_in(store).expect("a dataset").is_sound());
    }
}

#[test]
fn damage_that_comes_later_is_found_by_the_compaction() {
    let cells = cells(2);
    let (memory, name) = two_parts();
    let store: Arc<dyn Store> = memory.clone();
    let mut dataset = resume(&store, &cells, 50).expect("sound");
    // What was hashed already is not read twice: an appended part is hashed for the first time.
    let late = dataset.append(Vec::new()).expect("nothing").name;
    assert_eq!(late, None);
    let mut grown = resume(&store, &cells, 60).expect("grown");
    let late = grown.append(rows(&cells, 50..60)).expect("appended").name.expect("a part");
    let bytes = memory.read(&late).expect("there");
    memory.replace(&late, &damages(&bytes)[8]).expect("damaged");
    let error = grown.compact().expect_err("damaged");
    assert!(matches!(&error, DatasetError::SetAside { files } if *files == [late.clone()]), "{error}");
    assert_eq!(count(&grown.missing()), 20);
    assert!(memory.read(&late).expect_err("moved").is_not_found());
    grown.append(rows(&cells, 50..60)).expect("appended");
    grown.compact().expect("compacted");
    assert!(all_same(&all_rows(&grown), &rows(&cells, 0..60)));
    assert!(memory.read(&name).expect_err("compacted").is_not_found());
}

#[test]
fn a_sound_part_of_another_sweep_is_no_damage() {
    let cells = cells(2);
    let other: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (text, physics) = (testing::SWEEP.replace("seed: 7", "seed: 8"), other_physics());
    let mut theirs =
        Dataset::create_or_resume_in(other.clone(), &text, "other", &physics, &cells, Demand::Fixed(9)).expect("new");
    let name = theirs.append(rows(&cells, 0..9)).expect("appended").name.expect("a part");
    let (memory, _) = two_parts();
    memory.put(&name, &other.read(&name).expect("there")).expect("put");
    let before = memory.files();
    let store: Arc<dyn Store> = memory.clone();
    let error = resume(&store, &cells, 50).expect_err("foreign");
    assert!(error.is_damaged_or_mismatched() && error.to_string().contains("a part of sweep"), "{error}");
    assert_eq!(memory.files(), before);
}

#[test]
fn a_damaged_manifest_is_made_anew_from_the_sweep_and_the_parts() {
    let cells = cells(2);
    let (memory, _) = two_parts();
    let manifest = memory.read(MANIFEST).expect("there");
    for damaged in [&manifest[..manifest.len() / 2], b"", b"{}"] {
        let (memory, _) = two_parts();
        memory.replace(MANIFEST, damaged).expect("damaged");
        let store: Arc<dyn Store> = memory.clone();
        // Fewer trials than there are rows of: those stay.
        let mut dataset = resume(&store, &cells, 30).expect("repaired");
        assert_eq!((count(dataset.coverage()), dataset.missing().len()), (100, 0));
        assert_eq!(set_aside(&*memory).len(), 1);
        dataset.compact().expect("compacted");
        let report = Dataset::verify_in(store).expect("a dataset");
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

#[test]
fn a_damaged_manifest_over_parts_of_another_sweep_stays_as_it_is() {
    let (memory, _) = two_parts();
    memory.replace(MANIFEST, b"{").expect("damaged");
    let before = memory.files();
    let store: Arc<dyn Store> = memory.clone();
    let cells = cells(2);
    let error = Dataset::create_or_resume_in(store, "seed: 8", "other", &other_physics(), &cells, Demand::Fixed(50))
        .expect_err("foreign");
    assert!(error.is_damaged_or_mismatched(), "{error}");
    assert_eq!(memory.files(), before);
}

#[test]
fn without_the_journal_of_a_compaction_no_row_is_lost_or_doubled() {
    let cells = cells(2);
    for kill in 0.. {
        let (memory, _) = two_parts();
        let faulty: Arc<FaultyStore> = Arc::new(FaultyStore::new(memory.clone(), Fault::Killed(kill)));
        let writer: Arc<dyn Store> = faulty;
        let done = resume(&writer, &cells, 50).and_then(|mut dataset| dataset.compact());
        let store: Arc<dyn Store> = memory.clone();
        if memory.read(JOURNAL).is_ok() {
            memory.replace(JOURNAL, b"{\"format\": 1, \"bef").expect("damaged");
        }
        let mut dataset = resume(&store, &cells, 50).expect("repaired");
        assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..50)), "killed before write {kill}");
        dataset.compact().expect("compacted");
        assert!(all_same(&all_rows(&dataset), &rows(&cells, 0..50)), "killed before write {kill}");
        if done.is_ok() {
            return;
        }
    }
}

#[test]
fn killed_at_any_write_a_repair_loses_nothing_that_is_sound() {
    let cells = cells(2);
    for kill in 0.. {
        let (memory, name) = two_parts();
        let bytes = memory.read(&name).expect("there");
        memory.replace(&name, &bytes[..bytes.len() / 2]).expect("damaged");
        memory.replace(SWEEP, b"also damaged").expect("damaged");
        memory.replace(MANIFEST, b"also damaged").expect("damaged");
        let killed: Arc<dyn Store> = Arc::new(FaultyStore::new(memory.clone(), Fault::Killed(kill)));
        let done = resume(&killed, &cells, 50).is_ok();
        let store: Arc<dyn Store> = memory.clone();
        let dataset = resume(&store, &cells, 50).expect("repaired");
        assert!(all_same(&all_rows(&dataset), &rows(&cells, 20..50)), "killed before write {kill}");
        assert_eq!(set_aside(&*memory).len(), 2);
        if done {
            return;
        }
    }
}
