use std::sync::atomic::Ordering;

use buckets::{SECRET, Server};
use taugrid_sweep::Demand;

use super::testing::{objects, storage};
use super::*;
use crate::Dataset;
use crate::store::conformance::conforms;
use crate::testing::{SWEEP, all_rows, all_same, cells, in_memory, physics, rows};

#[test]
fn a_bucket_conforms() {
    let server = Server::start();
    conforms(&storage(&server, "results/a"));
    // Other prefixes see nothing of it, not even the bucket's own.
    conforms(&storage(&server, "results/ab"));
    conforms(&storage(&server, ""));
}

#[test]
fn objects_of_other_back_ends_conform() {
    let objects = Arc::new(object_store::memory::InMemory::new());
    conforms(&ObjectStorage::new(objects, Path::from("a/b")).expect("threads"));
}

#[test]
fn writes_survive_errors_that_pass_and_answers_that_are_lost() {
    let server = Server::start();
    let store = storage(&server, "a");
    for (index, fault) in [&server.faults.refuse, &server.faults.lose, &server.faults.lie].into_iter().enumerate() {
        fault.store(2, Ordering::SeqCst);
        let name = format!("trials/{index}");
        store.put(&name, b"one").expect("put in the end");
        assert_eq!(store.read(&name).expect("there"), b"one");
        assert_eq!(fault.swap(0, Ordering::SeqCst), 0, "no fault was met");
        // Another one is a conflict, with faults or without.
        fault.store(1, Ordering::SeqCst);
        assert!(store.put(&name, b"two").expect_err("there").is_already_exists());
        fault.store(0, Ordering::SeqCst);
        fault.store(1, Ordering::SeqCst);
        store.replace(&name, b"three").expect("replaced");
        assert_eq!(store.read(&name).expect("there"), b"three");
        fault.store(0, Ordering::SeqCst);
    }
}

#[test]
fn of_many_that_put_one_wins() {
    let server = Server::start();
    let stores: Vec<_> = (0..4).map(|_| storage(&server, "a")).collect();
    let won: Vec<bool> = std::thread::scope(|scope| {
        let put = |(index, store): (usize, &ObjectStorage)| store.put("manifest.json", &[index as u8]).is_ok();
        let threads: Vec<_> = stores.iter().enumerate().map(|one| scope.spawn(move || put(one))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    let winner = won.iter().position(|won| *won).expect("one") as u8;
    assert_eq!(stores[0].read("manifest.json").expect("there"), [winner]);
}

#[test]
fn it_can_be_used_and_dropped_on_any_thread() {
    let server = Server::start();
    let store = Arc::new(storage(&server, "a"));
    let runtime = server.runtime();
    runtime.block_on(async {
        store.put("a", b"within block_on").expect("put");
        let shared = store.clone();
        tokio::spawn(async move { shared.put("b", b"within a task").expect("put") }).await.expect("no panic");
        let shared = store.clone();
        let blocking = tokio::task::spawn_blocking(move || shared.put("c", b"where blocking is well").expect("put"));
        blocking.await.expect("no panic");
        let own = storage(&server, "b");
        drop(own);
    });
    let shared = store.clone();
    std::thread::spawn(move || shared.put("d", b"on a thread").expect("put")).join().expect("no panic");
    assert_eq!(store.list("").expect("listed"), ["a", "b", "c", "d"]);
}

#[test]
fn no_error_tells_a_secret() {
    let server = Server::start();
    let wrong = ObjectStorage::new(objects(&server, "another-secret-key"), Path::from("a")).expect("threads");
    let error = wrong.read("manifest.json").expect_err("not allowed");
    assert!(matches!(error.kind, StoreErrorKind::Unusable(_)), "{error}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("another-secret-key") && !text.contains(SECRET), "{text}");
    assert!(text.contains("access denied"), "{text}");
}

#[test]
fn a_bucket_that_is_not_there_is_said_to_be_none() {
    let server = Server::start();
    std::fs::remove_dir(server.folder()).expect("it was empty");
    let error = storage(&server, "a").list("trials/").expect_err("no bucket");
    assert!(matches!(error.kind, StoreErrorKind::Unusable(_)), "{error}");
}

#[test]
fn a_dataset_has_the_same_bytes_in_a_bucket_and_in_memory() {
    let server = Server::start();
    let store: Arc<dyn Store> = Arc::new(storage(&server, "results/a"));
    let cells = cells(3);
    let open = || Dataset::create_or_resume_in(store.clone(), SWEEP, "test", &physics(), &cells, Demand::Fixed(100));
    let mut dataset = open().expect("new");
    dataset.append(rows(&cells, 0..50)).expect("appended");
    let mut dataset = open().expect("there");
    dataset.append(rows(&cells, 50..100)).expect("appended");
    dataset.compact().expect("compacted");
    dataset.update_completeness().expect("written");
    let (mut other, memory) = in_memory(&cells, 100);
    other.append(rows(&cells, 0..100)).expect("appended");
    other.compact().expect("compacted");
    other.update_completeness().expect("written");
    for (name, bytes) in memory.files() {
        assert!(store.read(&name).expect("there") == bytes, "{name}");
    }
    assert_eq!(store.list("trials/").expect("listed").len(), 1);
    assert!(Dataset::verify_in(store.clone()).expect("a dataset").is_sound());
    assert!(all_same(&all_rows(&Dataset::open_in(store).expect("there")), &rows(&cells, 0..100)));
}
