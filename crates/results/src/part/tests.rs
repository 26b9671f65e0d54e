use std::sync::Arc;

use super::*;
use crate::CellTable;
use crate::coverage::START;
use crate::error::DatasetError;
use crate::store::{MemoryStore, Store};
use crate::testing::{all_same, cells, physics, row, rows};

fn encode(rows: &[crate::Row], table: &CellTable) -> Vec<u8> {
    let mut writer = PartWriter::new(table, &physics().sweep_id()).expect("a writer");
    writer.push(rows).expect("pushed");
    writer.finish().expect("finished").bytes
}

fn stored(bytes: &[u8]) -> (Arc<dyn Store>, PartName) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let name = PartName::appended(0, bytes);
    store.put(name.as_str(), bytes).expect("put");
    (store, name)
}

#[test]
fn a_part_says_what_it_holds_and_gives_any_stretch_of_it() {
    let cells = cells(5);
    let table = CellTable::new(cells.iter().copied());
    // More than one row group, with gaps.
    let mut rows = rows(&cells, 0..60_000);
    rows.retain(|row| row.record.trial % 1000 != 7);
    let (store, name) = stored(&encode(&rows, &table));
    let part = Part::open(&store, name, &physics().sweep_id()).expect("sound");
    assert_eq!(part.rows, rows.len() as u64);
    let n = rows.len() as u64;
    for range in [0..n, 0..1, n - 1..n, 5..5, 131_000..131_100, 0..131_072, 131_072..131_073, 100_000..n] {
        let found = part.read(&store, &table, range.clone()).expect("sound");
        assert!(all_same(&found, &rows[range.start as usize..range.end as usize]), "{range:?}");
    }
    let third = &rows[2].cell;
    let indices = part.indices(&((*third, 0)..(*third, u64::MAX)));
    assert_eq!(indices.end - indices.start, 60_000 - 60);
    assert_eq!(part.indices(&(START..(*third, 10))), 0..9);
}

#[test]
fn bytes_do_not_depend_on_how_rows_were_handed_over() {
    let cells = cells(3);
    let table = CellTable::new(cells.iter().copied());
    let rows = rows(&cells, 0..50_000);
    let whole = encode(&rows, &table);
    let mut writer = PartWriter::new(&table, &physics().sweep_id()).expect("a writer");
    for piece in rows.chunks(131_072) {
        writer.push(piece).expect("pushed");
    }
    assert!(writer.finish().expect("finished").bytes == whole);
}

#[test]
fn parts_of_other_sweeps_and_other_contents_are_refused() {
    let cells = cells(2);
    let table = CellTable::new(cells.iter().copied());
    let bytes = encode(&rows(&cells, 0..10), &table);
    let (store, name) = stored(&bytes);
    let error = Part::open(&store, name.clone(), "another").expect_err("of another sweep");
    assert!(error.to_string().contains("it is a part of sweep"), "{error}");
    // The same bytes under a name that is not theirs.
    let wrong = PartName::appended(0, b"other bytes");
    store.put(wrong.as_str(), &bytes).expect("put");
    let part = Part::open(&store, wrong, &physics().sweep_id()).expect("its footer is sound");
    let error = part.read(&store, &table, 0..1).expect_err("its bytes are not");
    assert!(error.to_string().contains("not the one in its name"), "{error}");
    // Cells that the table does not have.
    let part = Part::open(&store, name, &physics().sweep_id()).expect("sound");
    assert!(matches!(part.read(&store, &CellTable::default(), 0..1), Err(DatasetError::Damaged { .. })));
}

/// A footer is read before the hash of the whole is known: damage there must be an error or harmless, never a panic.
#[test]
fn no_flipped_bit_and_no_cut_makes_opening_panic_or_lie() {
    let cells = cells(3);
    let table = CellTable::new(cells.iter().copied());
    let rows = rows(&cells, 0..12);
    let bytes = encode(&rows, &table);
    let honest = crate::coverage::runs(&rows);
    let id = physics().sweep_id();
    let mut accepted = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            let name = PartName::appended(0, &bytes);
            store.put(name.as_str(), &flipped).expect("put");
            if let Ok(part) = Part::open(&store, name, &id) {
                accepted += 1;
                assert_eq!(part.runs, honest, "byte {at}, bit {bit}");
                assert!(part.read(&store, &table, 0..1).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
    // The pages are not looked at on opening.
    assert!(accepted > 0);
    for length in 0..bytes.len() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let name = PartName::appended(0, &bytes);
        store.put(name.as_str(), &bytes[..length]).expect("put");
        assert!(Part::open(&store, name, &id).is_err(), "cut at {length}");
    }
}

#[test]
fn what_the_footer_promises_is_held_against_the_rows() {
    let cells = cells(1);
    let table = CellTable::new(cells.iter().copied());
    let (store, name) = stored(&encode(&[row(&cells[0], 3), row(&cells[0], 4)], &table));
    let mut part = Part::open(&store, name, &physics().sweep_id()).expect("sound");
    part.runs[0].trials = 4..6;
    let error = part.read(&store, &table, 0..2).expect_err("another range");
    assert!(error.to_string().contains("not those that its footer says"), "{error}");
}
