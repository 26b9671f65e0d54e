//! What a worker says, after which it leaves: frames of [`WorkerMessage`]s.

use std::cell::LazyCell;
use std::sync::LazyLock;

use taugrid_coordinator::fuzzing::Coordinators;
use taugrid_sweep::Sweep;
use taugrid_wire::v1::WorkerMessage;

use crate::frames;
use crate::seeds::{precise, sweep};

thread_local! {
    static COORDINATORS: LazyCell<Option<Coordinators>> = LazyCell::new(|| Coordinators::new().ok());
}
static FOUND: LazyLock<Sweep> = LazyLock::new(|| sweep(&precise()));

/// See the module: taken is a worker that was not sent away.
///
/// # Panics
/// If something is wrong with what hears it.
pub fn worker_message(bytes: &[u8]) -> bool {
    let Some(messages) = frames::split::<WorkerMessage>(bytes) else { return false };
    let heard = COORDINATORS.with(|coordinators| coordinators.as_ref().map(|them| them.hear(&FOUND, messages)));
    let Some(Ok(heard)) = heard else { panic!("no coordinator: {heard:?}") };
    let status = heard.status;
    assert!(status.received + status.quarantined <= status.trials, "{status:?}");
    assert!(status.workers.is_empty() && status.leased == 0, "it has left: {status:?}");
    assert_eq!(heard.finished, status.received + status.quarantined == status.trials, "{status:?}");
    heard.wrong.is_none()
}
