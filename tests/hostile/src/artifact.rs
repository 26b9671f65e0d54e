//! An artifact, as a worker takes it from its coordinator or out of its cache: its hash says nothing of who made it.

use std::sync::LazyLock;

use taugrid_sweep::{Artifact, Physics};

/// A network small enough for an artifact of a kilobyte.
pub(crate) const NETWORK: &str = "\
name: network
seed: 3
landscape:
  kind: mlp
  hidden: 2
  activation: tanh
  weight_decay: 0.01
  data: {synthetic: {examples: 8, features: 2, classes: 2, seed: 1}}
  minimum: {train: {epochs: 20, learning_rate: 0.1, seed: 2}}
domain: {kind: sublevel, depth: 0.5}
dynamics: {kind: sgd}
grid: {eta: 0.1, batch_size: 2}
trials: 10
max_steps: 1000
";

/// And a regression on as few examples.
pub(crate) const REGRESSION: &str = "\
name: regression
seed: 3
landscape:
  kind: linear-regression
  data: {synthetic: {examples: 8, features: 2, classes: 2, seed: 1}}
domain: {kind: sublevel, depth: 0.5}
dynamics: {kind: sgd}
grid: {eta: 0.1, batch_size: 2}
trials: 10
max_steps: 1000
";

static PHYSICS: LazyLock<[Physics; 2]> =
    LazyLock::new(|| [NETWORK, REGRESSION].map(|text| super::seeds::sweep(text).physics()));

/// See the module: taken is what a landscape could be made of.
///
/// # Panics
/// If something is wrong with what reads it.
pub fn artifact(bytes: &[u8]) -> bool {
    let mut artifact = match Artifact::decode(bytes) {
        Ok(artifact) => artifact,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let mut taken = false;
    for physics in &*PHYSICS {
        // Whoever makes an artifact can have it say what it is to be of.
        artifact.landscape_id = physics.landscape_id();
        taken |= physics.landscape(Some(&artifact)).is_ok();
    }
    taken
}
