//! The same sweep gives the same bytes, whoever ran it.

use rig::Folder;

use crate::SWEEP;

#[test]
fn any_number_of_processes_and_threads_gives_the_same_dataset() {
    let folder = Folder::new();
    folder.write("sweep.yaml", SWEEP);
    folder.run("sweep.yaml", "alone", &["--threads", "1"]).assert(0, &[]);
    let alone = folder.dataset("alone");

    folder.run("sweep.yaml", "local", &["--threads", "4", "--local-workers", "3"]).assert(0, &[]);
    assert!(folder.dataset("local") == alone, "three local workers gave another dataset");

    for (workers, threads) in [(1, 2), (4, 1), (4, 2)] {
        let out = format!("{workers}x{threads}");
        let coordinator = folder.start_coordinator("sweep.yaml", &out);
        let workers: Vec<_> = (0..workers).map(|_| folder.start_worker(threads)).collect();
        coordinator.end().assert(0, &["cells are complete"]);
        for worker in workers {
            worker.end().assert(0, &[]);
        }
        assert!(folder.dataset(&out) == alone, "{out} gave another dataset");
    }
}

#[test]
fn compacting_again_changes_nothing() {
    let folder = Folder::new();
    folder.write("sweep.yaml", crate::SMALL);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    let before = folder.dataset("out");
    let out = folder.path("out");
    rig::Process::start("taugrid", ["compact".as_ref(), out.as_os_str()]).end().assert(0, &[]);
    assert!(folder.dataset("out") == before);
    rig::Process::start("taugrid", ["verify".as_ref(), out.as_os_str()]).end().assert(0, &[]);
}
