use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::{LocalStore, MemoryStore};

const CELL: CellKey = CellKey(7);

fn at(trial: u64, steps: u64) -> TrialCheckpoint {
    TrialCheckpoint { cell: CELL, trial, steps, state: Bytes::from(vec![trial as u8; 3 + trial as usize]) }
}

fn ranges(trials: Range<u64>) -> Ranges {
    let mut ranges = Ranges::new();
    ranges.insert(trials);
    ranges
}

#[test]
fn the_furthest_state_counts_whoever_opens_the_store() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let checkpoints = Checkpoints::open(store.clone()).expect("empty");
    checkpoints.save(&[at(1, 10), at(2, 10)]).expect("saved");
    checkpoints.save(&[at(2, 30), at(9, 5)]).expect("saved");
    checkpoints.save(&[at(1, 4)]).expect("saved");
    for checkpoints in [checkpoints, Checkpoints::open(store.clone()).expect("opened")] {
        assert_eq!(checkpoints.within(CELL, &(0..5)), [(1, 4), (2, 5)]);
        assert_eq!(checkpoints.within(CellKey(8), &(0..5)), []);
        let mut loaded = checkpoints.load(CELL, &[1, 2, 3]).expect("loaded");
        loaded.sort_by_key(|one| one.trial);
        assert_eq!(loaded, [at(1, 10), at(2, 30)]);
    }
    // The third file was of no use from the beginning.
    assert_eq!(store.list("checkpoints/").expect("listed").len(), 2);
}

#[test]
fn files_go_with_the_last_trial_they_are_needed_for() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let checkpoints = Checkpoints::open(store.clone()).expect("empty");
    let files = || store.list("checkpoints/").expect("listed").len();
    checkpoints.save(&[at(1, 10), at(2, 10)]).expect("saved");
    checkpoints.save(&[at(1, 20)]).expect("saved");
    checkpoints.forget(CELL, &ranges(1..2));
    assert_eq!(files(), 1);
    checkpoints.save(&[at(2, 20)]).expect("saved");
    assert_eq!(files(), 1, "the first is superseded");
    checkpoints.forget(CELL, &ranges(0..100));
    assert_eq!(files(), 0);
}

#[test]
fn nothing_is_left_of_a_sweep_that_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::open(Arc::new(LocalStore::new(folder.path()))).expect("empty");
    checkpoints.save(&[at(1, 10)]).expect("saved");
    assert!(folder.path().join("checkpoints").is_dir());
    checkpoints.clear();
    assert!(!folder.path().join("checkpoints").exists());
    checkpoints.clear();
}

#[test]
fn a_damaged_file_is_passed_over() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    Checkpoints::open(store.clone()).expect("empty").save(&[at(1, 10)]).expect("saved");
    let file = store.list("checkpoints/").expect("listed").remove(0);
    let mut bytes = store.read(&file).expect("there");
    *bytes.last_mut().expect("bytes") ^= 1;
    store.replace(&file, &bytes).expect("damaged");
    let checkpoints = Checkpoints::open(store.clone()).expect("opened all the same");
    assert_eq!(checkpoints.within(CELL, &(0..100)), []);
}

#[test]
fn a_batch_comes_back_and_no_part_of_it_does() {
    let batch = [at(1, 10), at(2, 20), at(0, 0)];
    let bytes = encode_checkpoints(&batch);
    assert_eq!(decode_checkpoints(&bytes).expect("whole"), batch);
    for length in 0..bytes.len() {
        assert!(decode_checkpoints(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(decode_checkpoints(&[&bytes[..], &[0]].concat()), Err(CheckpointBatchError::Length));
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), with_head in any::<bool>()) {
        let bytes = if with_head { [b"tgck\x01".as_slice(), &bytes].concat() } else { bytes };
        if let Ok(batch) = decode_checkpoints(&bytes) {
            prop_assert_eq!(&encode_checkpoints(&batch)[..], &bytes[..]);
        }
    }
}
