//! What every store must do.

use std::sync::Arc;

use super::{Fault, FaultyStore, LocalStore, MemoryStore, Store, StoreErrorKind};

pub(super) fn conforms(store: &dyn Store) {
    // Nothing is there.
    assert!(store.list("").expect("an empty store").is_empty());
    assert!(store.list("trials/part-").expect("no such folder").is_empty());
    for name in ["a", "trials/a"] {
        assert!(store.read(name).expect_err("nothing").is_not_found());
        assert!(store.size(name).expect_err("nothing").is_not_found());
        assert!(store.read_range(name, 0..1).expect_err("nothing").is_not_found());
        assert!(store.delete(name).expect_err("nothing").is_not_found());
    }

    // What was put is there, and is not put again.
    store.put("trials/part-1", b"one").expect("put");
    let error = store.put("trials/part-1", b"other").expect_err("there already");
    assert!(error.is_already_exists(), "{error}");
    assert_eq!(error.to_string(), "trials/part-1: it exists already");
    assert_eq!(store.read("trials/part-1").expect("there"), b"one");
    assert_eq!(store.size("trials/part-1").expect("there"), 3);

    // Parts of it.
    assert_eq!(store.read_range("trials/part-1", 1..3).expect("there"), b"ne");
    assert_eq!(store.read_range("trials/part-1", 1..1).expect("there"), b"");
    for beyond in [1..4, 4..5, 0..u64::MAX] {
        let error = store.read_range("trials/part-1", beyond).expect_err("beyond its end");
        assert!(matches!(error.kind, StoreErrorKind::Io(_)), "{error}");
    }

    // Its end, and how long it is.
    assert_eq!(store.read_end("trials/part-1", 2).expect("there"), (b"ne".to_vec(), 3));
    assert_eq!(store.read_end("trials/part-1", 99).expect("there"), (b"one".to_vec(), 3));
    assert!(store.read_end("trials/part-2", 2).expect_err("nothing").is_not_found());

    // Replacing makes or changes; an empty file is a file.
    store.replace("manifest.json", b"").expect("made");
    assert_eq!(store.read("manifest.json").expect("there"), b"");
    assert_eq!(store.read_end("manifest.json", 9).expect("there"), (Vec::new(), 0));
    store.replace("manifest.json", b"{}").expect("replaced");
    assert_eq!(store.read("manifest.json").expect("there"), b"{}");

    // Lists are sorted, and stay in their folder.
    store.put("trials/part-0", b"zero").expect("put");
    store.put("trials/other", b"").expect("put");
    store.put("trials/part-deep/part-2", b"").expect("put");
    assert_eq!(store.list("trials/part-").expect("listed"), ["trials/part-0", "trials/part-1"]);
    assert_eq!(store.list("trials/").expect("listed"), ["trials/other", "trials/part-0", "trials/part-1"]);
    assert_eq!(store.list("").expect("listed"), ["manifest.json"]);
    assert_eq!(store.list("mani").expect("listed"), ["manifest.json"]);

    // Names stay inside.
    for bad in ["../a", "/a", "trials/../a", ""] {
        let error = store.put(bad, b"").expect_err("not a name");
        assert!(matches!(error.kind, StoreErrorKind::Name), "{error}");
    }

    // What was deleted is gone, and can be put again; nothing else changed.
    store.remove_leftovers(&["trials"]).expect("nothing to do");
    store.delete("trials/part-1").expect("deleted");
    assert!(store.delete("trials/part-1").expect_err("gone").is_not_found());
    assert_eq!(store.list("trials/part-").expect("listed"), ["trials/part-0"]);
    store.put("trials/part-1", b"again").expect("put");
    assert_eq!(store.read("trials/part-1").expect("there"), b"again");
    assert_eq!(store.read("trials/part-0").expect("there"), b"zero");

    // Many at once, of which some are not there.
    let names = ["trials/part-0", "trials/part-1", "trials/part-9"].map(String::from);
    for _ in 0..2 {
        store.delete_all(&names).expect("deleted");
        assert_eq!(store.list("trials/").expect("listed"), ["trials/other"]);
    }
    store.delete_all(&[]).expect("nothing to do");
    assert!(store.concurrency() > 0);
}

#[test]
fn a_folder_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    conforms(&LocalStore::new(folder.path()));
    // One that is yet to be made, too.
    conforms(&LocalStore::new(folder.path().join("results/new")));
}

#[test]
fn memory_conforms() {
    conforms(&MemoryStore::new());
}

#[test]
fn a_faulty_store_without_faults_conforms() {
    conforms(&FaultyStore::new(Arc::new(MemoryStore::new()), Fault::None));
}
