use std::path::Path;

use taugrid_results::{Cell, CellKey, CellTable, Outcome, TrialRecord};
use taugrid_sweep::{Covariance, DynamicsSpec};
use taugrid_wire::rows::from_wire;

use super::*;

fn cell(key: u64) -> Cell {
    let dynamics = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
    Cell { key: CellKey(key), dynamics, alpha: 1.0, beta: 1.0, eta: 0.1, batch_size: 1 }
}

fn row(key: u64, trial: u64) -> Row {
    let record = TrialRecord { trial, outcome: Outcome::Exited, steps: 3, exit_loss: 0.5, exit_radius: 1.0 };
    Row { cell: CellKey(key), record }
}

fn cells() -> CellTable {
    CellTable::new([1, 2].map(cell))
}

fn grant(name: &'static str) -> Bytes {
    Bytes::from_static(name.as_bytes())
}

fn outbox(most_memory: usize, base: &Path) -> Outbox {
    Outbox::new(most_memory, Spill::new(base.to_owned(), true, 5))
}

fn seal(outbox: &mut Outbox, stream: u64) -> Sealed {
    outbox.seal("sweep", stream).expect("rows wait")
}

fn rows(outbox: &Outbox, sequence: u64) -> Vec<(u64, u64)> {
    let results = outbox.read(sequence).expect("readable").expect("not acknowledged");
    assert_eq!(results.sequence, sequence);
    let rows = from_wire(&results.rows.unwrap_or_default(), &cells()).expect("rows");
    rows.iter().map(|row| (row.cell.0, row.record.trial)).collect()
}

fn files(base: &Path) -> usize {
    let folders = fs::read_dir(base.join("sweep")).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).expect("a folder")).flatten();
    files.filter(|entry| entry.file_name() != "lock").count()
}

#[test]
fn rows_are_kept_until_they_are_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = outbox(1 << 20, folder.path());
    assert_eq!(outbox.seal("sweep", 1), None);
    outbox.add(vec![row(1, 0), row(2, 0)], &grant("a"), Some(1));
    let first = seal(&mut outbox, 1);
    outbox.add(vec![row(1, 1)], &grant("a"), Some(1));
    let second = seal(&mut outbox, 1);
    assert_eq!(outbox.unacknowledged(), [first.sequence, second.sequence]);
    assert_eq!(rows(&outbox, first.sequence), [(1, 0), (2, 0)]);
    outbox.acknowledge(first.sequence);
    assert_eq!(outbox.read(first.sequence).expect("no file"), None);
    assert_eq!(outbox.unacknowledged(), [second.sequence]);
    assert!(!outbox.is_empty());
    outbox.acknowledge(second.sequence);
    outbox.acknowledge(second.sequence);
    assert!(outbox.is_empty());
    assert_eq!(files(folder.path()), 0, "memory was enough");
}

#[test]
fn rows_have_a_grant_unless_their_lease_is_one_of_the_stream() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = outbox(1 << 20, folder.path());
    outbox.add(vec![row(1, 0)], &grant("this stream's"), Some(2));
    outbox.add(vec![row(1, 1)], &grant("an earlier one's"), Some(1));
    outbox.add(vec![row(2, 1)], &grant("nobody's"), None);
    let sealed = seal(&mut outbox, 2);
    assert_eq!(sealed.grants, [grant("an earlier one's"), grant("nobody's")]);
    // Once it is sent again it has them all.
    let again = outbox.read(sealed.sequence).expect("readable").expect("there").grants;
    assert_eq!(again, [grant("an earlier one's"), grant("nobody's"), grant("this stream's")]);
}

#[test]
fn a_message_has_a_bounded_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = outbox(usize::MAX, folder.path());
    let all: Vec<_> = (0..=ROWS_OF_A_MESSAGE as u64).map(|trial| row(1, trial)).collect();
    outbox.add(all[..100].to_vec(), &grant("a"), Some(1));
    outbox.add(all[100..].to_vec(), &grant("b"), Some(1));
    assert!(outbox.is_full());
    let [full, rest] = [seal(&mut outbox, 1), seal(&mut outbox, 1)].map(|sealed| {
        let results = outbox.read(sealed.sequence).expect("readable").expect("there");
        assert!(results.encoded_len() < taugrid_wire::MAX_MESSAGE_BYTES / 4);
        (rows(&outbox, sealed.sequence).len(), results.grants)
    });
    assert_eq!(full, (ROWS_OF_A_MESSAGE, vec![grant("a"), grant("b")]));
    assert_eq!(rest, (1, vec![grant("b")]));
    assert!(!outbox.is_waiting());
}

#[test]
fn beyond_its_memory_messages_go_to_files_until_they_are_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = outbox(0, folder.path());
    let sealed: Vec<_> = (0..3)
        .map(|trial| {
            outbox.add(vec![row(1, trial)], &grant("a"), None);
            seal(&mut outbox, 1).sequence
        })
        .collect();
    assert_eq!((files(folder.path()), outbox.is_stuck()), (3, false));
    for (trial, &sequence) in sealed.iter().enumerate() {
        assert_eq!(rows(&outbox, sequence), [(1, trial as u64)]);
        assert_eq!(outbox.read(sequence).expect("readable").expect("there").grants, [grant("a")]);
    }
    outbox.acknowledge(sealed[1]);
    assert_eq!(files(folder.path()), 2);
    outbox.forget();
    assert_eq!(files(folder.path()), 0);
    drop(outbox);
    assert!(!folder.path().join("sweep").exists(), "nothing is left behind");
}

#[test]
fn without_room_it_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = folder.path().join("spill");
    // No folder can be made below a file.
    fs::write(&base, b"").expect("written");
    let mut outbox = outbox(1, &base);
    outbox.add(vec![row(1, 0)], &grant("a"), None);
    let first = seal(&mut outbox, 1).sequence;
    assert!(outbox.is_stuck());
    assert_eq!(rows(&outbox, first), [(1, 0)]);
    outbox.acknowledge(first);
    assert!(!outbox.is_stuck(), "memory is free again");
    for trial in 1..3 {
        outbox.add(vec![row(1, trial)], &grant("a"), None);
        seal(&mut outbox, 1);
    }
    assert!(outbox.is_stuck());
    // Room on the disk helps as well.
    fs::remove_file(&base).expect("removed");
    outbox.add(vec![row(1, 3)], &grant("a"), None);
    seal(&mut outbox, 1);
    assert!(!outbox.is_stuck());
    assert_eq!(outbox.unacknowledged().into_iter().flat_map(|n| rows(&outbox, n)).count(), 3);
}

#[test]
fn what_is_left_is_the_next_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = outbox(1 << 20, folder.path());
    outbox.add(vec![row(2, 9)], &grant("a"), None);
    seal(&mut outbox, 1);
    outbox.bequeath("sweep").expect("written");
    drop(outbox);
    let mut heir = Outbox::new(1 << 20, Spill::new(folder.path().to_owned(), true, 6));
    for path in heir.spill().inherit("sweep").results {
        heir.inherit(path).expect("a message");
    }
    let [sequence] = heir.unacknowledged()[..] else { panic!("one message") };
    assert_eq!(rows(&heir, sequence), [(2, 9)]);
    assert_eq!(heir.read(sequence).expect("readable").expect("there").grants, [grant("a")]);
    heir.acknowledge(sequence);
    drop(heir);
    assert!(!folder.path().join("sweep").exists(), "nothing is left behind");
    let file = folder.path().join("none.results");
    fs::write(&file, b"\xff\xff").expect("written");
    assert!(Outbox::new(0, Spill::new(folder.path().to_owned(), true, 7)).inherit(file).is_err());
}
