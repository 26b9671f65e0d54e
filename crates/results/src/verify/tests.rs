use std::sync::Arc;

use super::*;
use crate::part::{PREFIX, PartName};
use crate::store::MemoryStore;
use crate::testing::{cells, in_memory, other_physics, rows};

fn sample() -> (Arc<MemoryStore>, Vec<String>) {
    let cells = cells(3);
    let (mut dataset, memory) = in_memory(&cells, 20);
    let names = [0..10, 10..15]
        .into_iter()
        .map(|trials| dataset.append(rows(&cells, trials)).expect("appended").name.expect("a part"))
        .collect();
    (memory, names)
}

fn verify(memory: &Arc<MemoryStore>) -> VerifyReport {
    Dataset::verify_in(memory.clone()).expect("a dataset")
}

#[test]
fn a_sound_dataset_has_no_problems_and_says_what_is_missing() {
    let (memory, _) = sample();
    let report = verify(&memory);
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.parts, report.rows, report.cells), (2, 45, 3));
    assert!(!report.is_complete());
    assert!(report.missing.values().all(|ranges| *ranges == std::iter::once(15..20).collect()));
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_part_is_found_and_the_part_named() {
    let (memory, names) = sample();
    let name = &names[1];
    let bytes = memory.read(name).expect("there");
    let check = |damaged: &[u8], what: &str| {
        memory.replace(name, damaged).expect("damaged");
        let report = verify(&memory);
        assert!(!report.is_sound(), "{what}");
        assert!(report.problems.iter().all(|problem| problem.contains(name.as_str())), "{what}: {:?}", report.problems);
        assert_eq!(report.rows, 30, "{what}");
    };
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        check(&flipped, &format!("bit {} of byte {at}", at % 8));
    }
    for length in (0..bytes.len()).step_by(97) {
        check(&bytes[..length], &format!("cut to {length} bytes"));
    }
    let longer = [&bytes[..], b"PAR1"].concat();
    check(&longer, "longer");
    memory.replace(name, &bytes).expect("restored");
    assert!(verify(&memory).is_sound());
}

#[test]
fn a_row_that_is_there_twice_is_found() {
    let (memory, names) = sample();
    let bytes = memory.read(&names[0]).expect("there");
    let copy = PartName::appended(7, &bytes);
    memory.put(copy.as_str(), &bytes).expect("put");
    let report = verify(&memory);
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].contains("in another part too") && report.problems[0].contains(PREFIX));
    // Readers drop the repetition, and a compaction takes it away.
    let mut dataset = Dataset::open_in(memory.clone()).expect("there");
    assert_eq!(crate::testing::all_rows(&dataset).len(), 45);
    dataset.compact().expect("compacted");
    assert!(verify(&memory).is_sound());
}

#[test]
fn files_that_do_not_belong_are_named() {
    let (memory, names) = sample();
    memory.put("trials/part-copy.parquet", b"").expect("put");
    assert!(verify(&memory).problems[0].starts_with("trials/part-copy.parquet"));
    memory.delete("trials/part-copy.parquet").expect("deleted");

    // A part of another sweep with the very same cells.
    let other = Arc::new(MemoryStore::new());
    let cells = cells(3);
    let store: Arc<dyn Store> = other.clone();
    let mut dataset =
        Dataset::create_or_resume_in(store, "", "other", &other_physics(), &cells, taugrid_sweep::Demand::Fixed(20))
            .expect("a new dataset");
    let name = dataset.append(rows(&cells, 15..20)).expect("appended").name.expect("a part");
    memory.put(&name, &other.read(&name).expect("there")).expect("put");
    let report = verify(&memory);
    assert!(report.problems.len() == 1 && report.problems[0].contains("it is a part of sweep"), "{report:?}");
    assert!(report.problems[0].starts_with(&name) && !names.contains(&name));
}

#[test]
fn damage_elsewhere_is_named_too() {
    let (memory, _) = sample();
    let manifest = memory.read(MANIFEST).expect("there");
    let text = String::from_utf8(manifest.clone()).expect("text");
    for (from, to) in [
        ("\"trials\": 20", "\"trials\": 2"),
        ("\"alpha\": 1.0", "\"alpha\": 1.5"),
        ("\"seed\": 7", "\"seed\": 9"),
        ("\"complete\": false", "\"complete\": true"),
        ("{", ""),
    ] {
        assert!(text.contains(from), "{from}");
        memory.replace(MANIFEST, text.replace(from, to).as_bytes()).expect("damaged");
        assert!(!verify(&memory).is_sound(), "{from} -> {to}");
    }
    memory.replace(MANIFEST, text.replace("\"format\": 1", "\"format\": 2").as_bytes()).expect("newer");
    assert!(matches!(Dataset::verify_in(memory.clone()), Err(DatasetError::Format { .. })));
    memory.replace(MANIFEST, &manifest).expect("restored");

    memory.delete("sweep.yaml").expect("deleted");
    assert!(verify(&memory).problems[0].starts_with("sweep.yaml"));
    memory.put("sweep.yaml", b"").expect("put");
    memory.put("cells.parquet", b"PAR1 but not really").expect("put");
    assert!(verify(&memory).problems[0].starts_with("cells.parquet"));
    memory.delete("cells.parquet").expect("deleted");
    memory.put("compaction.json", b"{").expect("put");
    assert!(verify(&memory).problems[0].starts_with("compaction.json"));
}
