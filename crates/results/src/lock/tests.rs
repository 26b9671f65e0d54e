use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::UpdateVersion;
use object_store::path::Path as ObjectPath;

use super::object::Register;
use super::record::Record;
use super::*;
use crate::store::testing::{objects, storage};
use crate::store::{MemoryStore, StoreErrorKind};

const TIMING: Timing =
    Timing { period: Duration::from_secs(3), valid: Duration::from_secs(7), takeover: Duration::from_secs(15) };

type Meanwhile = Box<dyn FnMut(Duration) + Send>;

/// A clock that goes on when somebody sleeps, and by hand.
#[derive(Default)]
struct ManualClock {
    now: Mutex<Duration>,
    /// What happens elsewhere while somebody sleeps.
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl std::fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ManualClock")
    }
}

impl ManualClock {
    fn go_on(&self, time: Duration) {
        *self.now.lock().expect("no panic") += time;
    }

    fn meanwhile(&self, act: impl FnMut(Duration) + Send + 'static) {
        *self.meanwhile.lock().expect("no panic") = Some(Box::new(act));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.now.lock().expect("no panic")
    }

    fn sleep(&self, time: Duration) {
        self.go_on(time);
        let now = self.now();
        if let Some(act) = self.meanwhile.lock().expect("no panic").as_mut() {
            act(now);
        }
    }
}

/// An object with conditional writes, shared by all who have a clone of it.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<SharedState>);

#[derive(Debug, Default)]
struct SharedState {
    value: Mutex<Option<(Vec<u8>, u64)>>,
    /// Whether requests fail.
    down: AtomicBool,
    /// Whether the answers to writes are lost.
    deaf: AtomicBool,
    /// Whether conditions are ignored.
    careless: AtomicBool,
}

impl Shared {
    fn fail(&self) -> Result<(), StoreError> {
        let failure = || StoreError::new(LOCK, StoreErrorKind::Io(std::io::Error::other("the store is down")));
        if self.0.down.load(Ordering::SeqCst) { Err(failure()) } else { Ok(()) }
    }

    fn boxed(&self) -> Box<dyn Register> {
        Box::new(self.clone())
    }
}

fn version(number: u64) -> UpdateVersion {
    UpdateVersion { e_tag: Some(number.to_string()), version: None }
}

impl Register for Shared {
    fn read(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>, StoreError> {
        self.fail()?;
        Ok(self.0.value.lock().expect("no panic").clone().map(|(bytes, number)| (bytes, version(number))))
    }

    fn write(&self, bytes: &[u8], expected: Option<&UpdateVersion>) -> Result<Option<UpdateVersion>, StoreError> {
        self.fail()?;
        let mut value = self.0.value.lock().expect("no panic");
        let known = value.as_ref().map(|(_, number)| version(*number));
        if known.as_ref() != expected && !self.0.careless.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let number = value.as_ref().map_or(0, |(_, number)| number + 1);
        *value = Some((bytes.to_vec(), number));
        // What a client makes of it that tries again and finds the version changed.
        Ok((!self.0.deaf.load(Ordering::SeqCst)).then(|| version(number)))
    }
}

fn take(shared: &dyn Fn() -> Box<dyn Register>, clock: &Arc<ManualClock>) -> Result<Holder, LockError> {
    let (seat, begun) = object::take(shared(), clock.as_ref(), TIMING)?;
    Ok(Holder::new(Box::new(seat), clock.clone(), TIMING, begun))
}

fn setting() -> (Shared, Arc<ManualClock>) {
    (Shared::default(), Arc::new(ManualClock::default()))
}

fn beat(holder: &Holder) {
    holder.renew(&mut holder.seat()).expect("held");
}

#[test]
fn a_second_one_is_refused_while_the_first_lives() {
    let (shared, clock) = setting();
    let first = Arc::new(take(&|| shared.boxed(), &clock).expect("free"));
    first.check().expect("held");
    clock.meanwhile({
        let (first, mut last) = (first.clone(), Duration::ZERO);
        move |now| {
            if now - last >= TIMING.period {
                last = now;
                beat(&first);
            }
        }
    });
    let error = take(&|| shared.boxed(), &clock).expect_err("the first lives");
    assert!(error.to_string().starts_with(&format!("in use by process {} on ", std::process::id())), "{error}");
    assert!(clock.now() <= 2 * TIMING.period, "{:?}", clock.now());
    first.check().expect("held");
}

#[test]
fn one_that_is_dead_is_taken_over_after_the_takeover_time_and_one_that_let_go_at_once() {
    let (shared, clock) = setting();
    let first = take(&|| shared.boxed(), &clock).expect("free");
    drop(first);
    let second = take(&|| shared.boxed(), &clock).expect("the first is dead");
    assert!((TIMING.takeover..TIMING.takeover + TIMING.period).contains(&clock.now()), "{:?}", clock.now());
    let before = clock.now();
    second.seat().release();
    let third = take(&|| shared.boxed(), &clock).expect("released");
    assert_eq!(clock.now(), before);
    // One that lets go while it is watched is not waited for to the end.
    clock.meanwhile({
        let third = Mutex::new(Some(third));
        move |_| {
            if let Some(third) = third.lock().expect("no panic").take() {
                third.seat().release();
            }
        }
    });
    take(&|| shared.boxed(), &clock).expect("released");
    assert!(clock.now() - before <= TIMING.period);
}

#[test]
fn a_holder_that_stood_still_writes_on_only_if_nobody_took_over() {
    let (shared, clock) = setting();
    let first = take(&|| shared.boxed(), &clock).expect("free");
    // As after a suspended night: nobody came.
    clock.go_on(Duration::from_secs(30_000));
    first.check().expect("renewed");
    let second = take(&|| shared.boxed(), &clock).expect("the first stands still");
    let lost = first.check().expect_err("taken over");
    let expected = format!("process {} on ", std::process::id());
    assert!(matches!(&lost, Lost::Taken { holder } if holder.starts_with(&expected)), "{lost}");
    assert_eq!(first.check(), Err(lost), "and it stays lost");
    second.check().expect("held");
    // What the loser does now changes nothing.
    first.seat().release();
    beat(&second);
}

/// Between the last renewal and the takeover there is no moment at which both may write.
#[test]
fn no_two_may_write_at_any_time() {
    let (shared, clock) = setting();
    let first = Arc::new(take(&|| shared.boxed(), &clock).expect("free"));
    let may_write = Arc::new(Mutex::new(Vec::new()));
    clock.meanwhile({
        // Without I/O: what it writes on by.
        let (first, may_write) = (first.clone(), may_write.clone());
        move |now| may_write.lock().expect("no panic").push((now, matches!(first.known(), Some(Ok(())))))
    });
    let second = take(&|| shared.boxed(), &clock).expect("the first stands still");
    let last = may_write.lock().expect("no panic").iter().filter(|(_, may)| *may).map(|(now, _)| *now).max();
    assert!(last.expect("at first it may") < TIMING.takeover - TIMING.period);
    second.check().expect("held");
}

#[test]
fn a_store_that_is_down_stops_writes_and_lets_them_go_on() {
    let (shared, clock) = setting();
    let holder = take(&|| shared.boxed(), &clock).expect("free");
    shared.0.down.store(true, Ordering::SeqCst);
    holder.check().expect("still valid");
    clock.go_on(TIMING.valid + Duration::from_millis(1));
    let lost = holder.check().expect_err("not sure any more");
    assert!(matches!(&lost, Lost::Unrenewed { why } if why.contains("the store is down")), "{lost}");
    shared.0.down.store(false, Ordering::SeqCst);
    holder.check().expect("nobody came in between");
}

#[test]
fn an_answer_that_is_lost_is_no_loss() {
    let (shared, clock) = setting();
    shared.0.deaf.store(true, Ordering::SeqCst);
    let holder = take(&|| shared.boxed(), &clock).expect("free");
    beat(&holder);
    shared.0.deaf.store(false, Ordering::SeqCst);
    beat(&holder);
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let (shared, clock) = setting();
    shared.0.careless.store(true, Ordering::SeqCst);
    assert!(matches!(take(&|| shared.boxed(), &clock), Err(LockError::Unconditional)));
}

#[test]
fn a_fence_stands_before_every_write() {
    let (shared, clock) = setting();
    let first = Arc::new(take(&|| shared.boxed(), &clock).expect("free"));
    let memory = Arc::new(MemoryStore::new());
    let fenced = FencedStore::new(memory.clone(), {
        let first = first.clone();
        move || first.check().map_err(|lost| lost.to_string())
    });
    fenced.put("trials/a", b"one").expect("held");
    let _second = take(&|| shared.boxed(), &clock).expect("the first stands still");
    let before = memory.files();
    let names = ["trials/a".to_owned()];
    for error in [
        fenced.put("trials/b", b"two").expect_err("lost"),
        fenced.replace("manifest.json", b"{}").expect_err("lost"),
        fenced.delete("trials/a").expect_err("lost"),
        fenced.delete_all(&names).expect_err("lost"),
        fenced.remove_leftovers(&[]).expect_err("lost"),
    ] {
        assert!(matches!(&error.kind, StoreErrorKind::Fenced(why) if why.contains("has taken over")), "{error}");
    }
    assert_eq!(memory.files(), before);
    assert_eq!(fenced.read("trials/a").expect("there"), b"one");
}

/// The same story on a real server.
#[test]
fn an_object_store_has_one_writer() {
    let server = buckets::Server::start();
    let clock = Arc::new(ManualClock::default());
    let register = || -> Box<dyn Register> { Box::new(Arc::new(storage(&server, "results/a"))) };
    let first = take(&register, &clock).expect("free");
    beat(&first);
    let second = take(&register, &clock).expect("the first is dead");
    assert!(clock.now() >= TIMING.takeover);
    assert!(matches!(first.renew(&mut first.seat()), Err(Lost::Taken { .. })));
    second.seat().release();
    let before = clock.now();
    let third = Arc::new(take(&register, &clock).expect("released"));
    assert_eq!(clock.now(), before);
    clock.meanwhile({
        let third = third.clone();
        move |_| beat(&third)
    });
    assert!(matches!(take(&register, &clock), Err(LockError::Held { .. })));
    // Another prefix is another dataset.
    let other: Arc<ObjectStorage> = Arc::new(
        ObjectStorage::new(objects(&server, buckets::SECRET), ObjectPath::from("results/b")).expect("threads"),
    );
    let lock = WriterLock::of_objects(other).expect("free");
    assert!(lock.is_held());
}

#[test]
fn a_folder_has_one_holder_who_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("results/new");
    let lock = WriterLock::of_folder(&inside).expect("free");
    let error = WriterLock::of_folder(&inside).expect_err("held");
    let text = error.to_string();
    assert!(text.starts_with(&format!("in use by process {} on ", std::process::id())), "{text}");
    lock.check().expect("held");
    drop(lock);
    assert!(fs::read(inside.join(LOCK)).expect("there").is_empty());
    WriterLock::of_folder(&inside).expect("free again");
}

#[test]
fn a_folder_that_cannot_be_made_is_no_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), b"").expect("written");
    let error = WriterLock::of_folder(&folder.path().join("file/results")).expect_err("a file is in the way");
    assert!(matches!(error, LockError::Store(_)), "{error}");
}

/// A record as another host would leave it on a shared file system, which keeps kernel locks to each host.
fn from_elsewhere() -> Record {
    let mut record = Record::new(TIMING);
    record.host = "another boot".to_owned();
    record.holder = "process 7 on elsewhere".to_owned();
    record
}

#[test]
fn a_holder_on_another_host_is_watched_and_one_that_was_killed_here_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(LOCK);
    let clock = Arc::new(ManualClock::default());
    // Killed on this host: the kernel has dropped its lock.
    fs::write(&path, Record::new(TIMING).to_bytes()).expect("written");
    drop(folder::take(folder.path(), clock.as_ref(), TIMING).expect("free"));
    assert_eq!(clock.now(), Duration::ZERO);
    // Alive elsewhere.
    let elsewhere = from_elsewhere();
    fs::write(&path, elsewhere.to_bytes()).expect("written");
    clock.meanwhile({
        let (path, mut record) = (path.clone(), elsewhere);
        move |_| {
            record = record.next();
            fs::write(&path, record.to_bytes()).expect("written");
        }
    });
    let error = folder::take(folder.path(), clock.as_ref(), TIMING).expect_err("it lives");
    assert!(error.to_string().contains("process 7 on elsewhere"), "{error}");
    // Dead elsewhere.
    clock.meanwhile(|_| {});
    let before = clock.now();
    folder::take(folder.path(), clock.as_ref(), TIMING).expect("dead");
    assert_eq!(clock.now() - before, 3 * TIMING.period);
}

#[test]
fn a_folder_taken_by_another_host_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(LOCK);
    let clock = Arc::new(ManualClock::default());
    let seat = folder::take(folder.path(), clock.as_ref(), TIMING).expect("free");
    let holder = Holder::new(Box::new(seat), clock.clone(), TIMING, clock.now());
    beat(&holder);
    fs::write(&path, from_elsewhere().to_bytes()).expect("written");
    holder.check().expect("not seen yet");
    clock.go_on(TIMING.valid + Duration::from_millis(1));
    let lost = holder.check().expect_err("taken over");
    assert_eq!(lost, Lost::Taken { holder: "process 7 on elsewhere".to_owned() });
    // It leaves the other's name alone.
    let before = fs::read(&path).expect("there");
    holder.seat().release();
    assert_eq!(fs::read(&path).expect("there"), before);
}
