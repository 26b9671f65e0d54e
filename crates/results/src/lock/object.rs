//! A seat in an object store: one object, written only under a condition, so that of two who want it one gets it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use object_store::{Error, PutMode, PutOptions, UpdateVersion};

use super::clock::Clock;
use super::record::Record;
use super::seat::{Renewal, Seat};
use super::{LOCK, LockError, Timing};
use crate::store::{ObjectStorage, StoreError, StoreErrorKind};

/// A request that takes longer has failed: the heart beats in between.
const PATIENCE: Duration = Duration::from_secs(5);

/// A value that is changed only by those who know its version.
pub(super) trait Register: Debug + Send + Sync {
    fn read(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>, StoreError>;

    /// Writes, if the version is still `expected` (none: if nothing is there). None if it is not.
    fn write(&self, bytes: &[u8], expected: Option<&UpdateVersion>) -> Result<Option<UpdateVersion>, StoreError>;
}

impl Register for Arc<ObjectStorage> {
    fn read(&self) -> Result<Option<(Vec<u8>, UpdateVersion)>, StoreError> {
        let (objects, path) = self.object(LOCK)?;
        self.wait(
            LOCK,
            within_patience(async move {
                match objects.get_opts(&path, object_store::GetOptions::default()).await {
                    Ok(found) => {
                        let version =
                            UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
                        Ok(Some((found.bytes().await?.into(), version)))
                    }
                    Err(Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }),
        )
    }

    fn write(&self, bytes: &[u8], expected: Option<&UpdateVersion>) -> Result<Option<UpdateVersion>, StoreError> {
        let (objects, path) = self.object(LOCK)?;
        let payload = bytes.to_vec().into();
        let mode = expected.cloned().map_or(PutMode::Create, PutMode::Update);
        self.wait(
            LOCK,
            within_patience(async move {
                match objects.put_opts(&path, payload, PutOptions { mode, ..PutOptions::default() }).await {
                    Ok(written) => Ok(Some(written.into())),
                    Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }),
        )
    }
}

async fn within_patience<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Generic { store: "lock", source: "no answer in time".into() };
    tokio::time::timeout(PATIENCE, request).await.map_err(late)?
}

#[derive(Debug)]
pub(super) struct ObjectSeat {
    register: Box<dyn Register>,
    record: Record,
    version: UpdateVersion,
}

/// Takes the object; also when the renewal by which it is held was begun.
pub(super) fn take(
    register: Box<dyn Register>,
    clock: &dyn Clock,
    timing: Timing,
) -> Result<(ObjectSeat, Duration), LockError> {
    let record = Record::new(timing);
    loop {
        let expected = match register.read()? {
            None => None,
            Some((bytes, version)) => Some(watch(register.as_ref(), &bytes, version, clock, timing)?),
        };
        let written = register.write(&record.to_bytes(), expected.as_ref())?;
        // Ours, if an earlier try of the same request arrived.
        let Some(first) = written.map_or_else(|| ours(register.as_ref(), &record), |version| Ok(Some(version)))? else {
            continue;
        };
        let mut seat = ObjectSeat { register, record, version: first.clone() };
        let begun = clock.now();
        seat.renew().map_err(|renewal| match renewal {
            Renewal::Taken(holder) => LockError::Held { holder },
            Renewal::Failed(error) => error.into(),
        })?;
        // Writes that must fail: some stores take no notice of conditions.
        let bytes = seat.record.to_bytes();
        for wrong in [None, Some(&first)] {
            if seat.register.write(&bytes, wrong)?.is_some() {
                return Err(LockError::Unconditional);
            }
        }
        return Ok((seat, begun));
    }
}

/// The version that may be replaced: released, or without a sign of life for the whole takeover time by this host's clock.
fn watch(
    register: &dyn Register,
    first: &[u8],
    mut version: UpdateVersion,
    clock: &dyn Clock,
    timing: Timing,
) -> Result<UpdateVersion, LockError> {
    let named = Record::parse(first);
    if named.as_ref().is_some_and(|named| named.released) {
        return Ok(version);
    }
    let takeover = named.as_ref().map_or(timing.takeover, |named| named.takeover().max(timing.takeover));
    let since = clock.now();
    while clock.now().saturating_sub(since) < takeover {
        clock.sleep(timing.period / 2);
        let Some((bytes, now)) = register.read()? else { continue };
        let found = Record::parse(&bytes);
        if found.as_ref().is_some_and(|found| found.released) {
            return Ok(now);
        }
        if bytes != first {
            let holder = found.or(named).map_or("another process".to_owned(), |named| named.holder);
            return Err(LockError::Held { holder });
        }
        version = now;
    }
    Ok(version)
}

/// The version of the lock if it is this very record.
fn ours(register: &dyn Register, record: &Record) -> Result<Option<UpdateVersion>, StoreError> {
    let found = register.read()?;
    Ok(found.filter(|(bytes, _)| Record::parse(bytes).as_ref() == Some(record)).map(|(_, version)| version))
}

impl Seat for ObjectSeat {
    fn renew(&mut self) -> Result<(), Renewal> {
        let next = self.record.next();
        let written = match self.register.write(&next.to_bytes(), Some(&self.version))? {
            Some(version) => version,
            // Either another one's, or ours by a try whose answer was lost, of this renewal or the last one.
            None => match self.register.read()? {
                Some((bytes, version)) => match Record::parse(&bytes) {
                    Some(found) if found == next => version,
                    Some(found) if found.is_same_life(&self.record) => {
                        let written = self.register.write(&next.to_bytes(), Some(&version))?;
                        let changed = || StoreError::new(LOCK, StoreErrorKind::Io(std::io::Error::other("it changed")));
                        written.ok_or_else(changed)?
                    }
                    found => {
                        let holder = found.map_or("another process".to_owned(), |found| found.holder);
                        return Err(Renewal::Taken(holder));
                    }
                },
                None => return Err(Renewal::Taken("whoever removed the lock".to_owned())),
            },
        };
        (self.record, self.version) = (next, written);
        Ok(())
    }

    fn release(&mut self) {
        // If it does not arrive, the next one waits for the takeover time.
        let _ = self.register.write(&self.record.release().to_bytes(), Some(&self.version));
    }
}
