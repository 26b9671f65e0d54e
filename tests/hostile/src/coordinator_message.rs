//! What a coordinator says: frames of [`CoordinatorMessage`]s. Whoever says it can compute hashes, and a fuzzer cannot: a
//! Welcome without the hash of its physics is given it, and so is a lease whose cell has the key 0.

use std::sync::LazyLock;

use taugrid_sweep::{DynamicsSpec, Physics};
use taugrid_wire::v1::{Cell, CoordinatorMessage, coordinator_message::Kind};
use taugrid_worker::fuzzing;

use crate::frames;
use crate::seeds::{SWEEP, sweep};

/// Physics of more bytes than this are not built: large landscapes may take long.
const MOST_PHYSICS: usize = 1 << 10;

static PHYSICS: LazyLock<Physics> = LazyLock::new(|| sweep(SWEEP).physics());

/// See the module: taken is what the worker found no fault with.
///
/// # Panics
/// If something is wrong with what hears it.
pub fn coordinator_message(bytes: &[u8]) -> bool {
    let Some(mut messages) = frames::split::<CoordinatorMessage>(bytes) else { return false };
    let mut physics = PHYSICS.clone();
    for message in &mut messages {
        match &mut message.kind {
            Some(Kind::Welcome(welcome)) => {
                if welcome.physics.len() > MOST_PHYSICS {
                    return false;
                }
                let Ok(read) = Physics::from_json(&welcome.physics) else { continue };
                if welcome.sweep.is_empty() {
                    welcome.sweep = read.sweep_id();
                }
                physics = read;
            }
            kind => complete_leases(kind, &physics),
        }
    }
    fuzzing::hear(&PHYSICS, messages).is_ok()
}

fn complete_leases(kind: &mut Option<Kind>, physics: &Physics) {
    match kind {
        Some(Kind::Lease(lease)) => lease.cell.iter_mut().for_each(|cell| complete(cell, physics)),
        Some(Kind::Batch(batch)) => batch.messages.iter_mut().for_each(|part| complete_leases(&mut part.kind, physics)),
        _ => {}
    }
}

fn complete(cell: &mut Cell, physics: &Physics) {
    if let (0, Ok(dynamics)) = (cell.key, DynamicsSpec::from_json(&cell.dynamics)) {
        cell.key = physics.cell(dynamics, cell.alpha, cell.beta, cell.eta, cell.batch_size).key.0;
    }
}
