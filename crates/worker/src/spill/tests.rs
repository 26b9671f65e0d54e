use super::*;

fn spill(base: &Path, keeps: bool, process: u64) -> Spill {
    Spill::new(base.to_owned(), keeps, process)
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

#[test]
fn nothing_is_made_before_the_first_file_and_nothing_left_after_the_last() {
    let base = tempfile::tempdir().expect("a folder");
    let mut spill = spill(base.path(), true, 1);
    assert!(entries(base.path()).is_empty());
    let path = spill.write("s", "a.results", b"rows", false).expect("written");
    assert_eq!(fs::read(&path).expect("there"), b"rows");
    assert_eq!(entries(path.parent().expect("a folder")).len(), 2, "the file and the lock, nothing temporary");
    remove(&path);
    remove(&path);
    drop(spill);
    assert!(entries(base.path()).is_empty());
}

#[test]
fn a_dead_workers_files_are_the_next_ones_of_the_same_sweep() {
    let base = tempfile::tempdir().expect("a folder");
    let mut first = spill(base.path(), true, 1);
    for name in ["2.results", "1.results", "1.checkpoints", "1.held"] {
        first.write("s", name, b"x", true).expect("written");
    }
    assert!(spill(base.path(), true, 2).inherit("s").results.is_empty(), "its owner lives");
    drop(first);
    assert!(spill(base.path(), true, 2).inherit("other").results.is_empty());
    let mut heir = spill(base.path(), true, 2);
    let inheritance = heir.inherit("s");
    assert_eq!(names(&inheritance.results), ["1.results", "2.results"]);
    let [(held, checkpoints)] = &inheritance.held[..] else { panic!("one lease") };
    assert_eq!(names(&[held.clone(), checkpoints.clone()]), ["1.held", "1.checkpoints"]);
    assert!(spill(base.path(), true, 3).inherit("s").results.is_empty(), "the heir lives");
    // What the heir does not remove stays for the one after.
    inheritance.results.iter().for_each(|path| remove(path));
    drop(heir);
    let mut last = spill(base.path(), true, 3);
    let inheritance = last.inherit("s");
    assert_eq!((inheritance.results.len(), inheritance.held.len()), (0, 1));
}

#[test]
fn where_nothing_is_kept_the_dead_are_tidied_up_after() {
    let base = tempfile::tempdir().expect("a folder");
    // As if killed: dropped by the kernel, the lock is free and the files are there.
    let mut killed = spill(base.path(), true, 1);
    killed.write("s", "1.results", b"x", false).expect("written");
    drop(killed);
    let mut living = spill(base.path(), false, 2);
    living.write("s", "1.results", b"x", false).expect("written");
    let mut next = spill(base.path(), false, 3);
    assert!(next.inherit("another").results.is_empty());
    assert_eq!(names(&entries(&base.path().join("s"))), [format!("{}0000000000000002", prefix())]);
    // Another host's worker may live where its lock does not tell.
    let elsewhere = base.path().join("s/elsewhere-0000000000000009");
    fs::create_dir(&elsewhere).expect("made");
    File::create(elsewhere.join(LOCK)).expect("made");
    next.inherit("another");
    assert!(elsewhere.exists());
    fs::remove_dir_all(elsewhere).expect("removed");
    drop(living);
    assert!(entries(base.path()).is_empty(), "and after themselves");
}

#[test]
fn a_file_that_cannot_be_written_is_not_there() {
    let base = tempfile::tempdir().expect("a folder");
    let mut spill = spill(base.path(), true, 1);
    let folder = spill.write("s", "1.results", b"x", false).expect("written").with_file_name("2.results");
    // Nothing can be renamed to where a folder is.
    fs::create_dir(&folder).expect("made");
    assert!(spill.write("s", "2.results", b"x", false).is_err());
    assert_eq!(entries(folder.parent().expect("a folder")).len(), 3, "nothing temporary is left");
}
