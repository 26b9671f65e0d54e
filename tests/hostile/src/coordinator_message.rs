//! What a coordinator says: frames of [`CoordinatorMessage`]s. Whoever says it can compute hashes, and a fuzzer cannot: a
//! Welcome without the hash of its physics is given it, and so is a lease whose cell has the key 0.

use std::sync::LazyLock;

use taugrid_sweep::{DynamicsSpec, Physics};
use taugrid_wire::v1::{Cells, CoordinatorMessage, coordinator_message::Kind};
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
        Some(Kind::Leases(leases)) => leases.cells.iter_mut().for_each(|cells| complete(cells, physics)),
        Some(Kind::Batch(batch)) => batch.messages.iter_mut().for_each(|part| complete_leases(&mut part.kind, physics)),
        _ => {}
    }
}

fn complete(cells: &mut Cells, physics: &Physics) {
    let Cells { keys, dynamics, alphas, betas, etas, batch_sizes, all_dynamics } = cells;
    let points = dynamics.iter().zip(alphas).zip(betas).zip(etas).zip(batch_sizes);
    for (key, ((((dynamics, alpha), beta), eta), batch_size)) in keys.iter_mut().zip(points) {
        let dynamics = all_dynamics.get(*dynamics as usize).map(|json| DynamicsSpec::from_json(json));
        if let (0, Some(Ok(dynamics))) = (*key, dynamics) {
            *key = physics.cell(dynamics, *alpha, *beta, *eta, *batch_size).key.0;
        }
    }
}
