//! The real binaries, end to end.

mod bad_input;
mod bench;
mod buckets;
mod chaos;
mod clocks;
mod durable_steps;
mod faults;
mod growth;
mod observe;
mod precision;
mod regression;
mod repair;
mod same_bytes;
mod security;
mod slurm;
mod storage;
mod training;
mod versions;

/// A sweep of a few seconds of one core: long enough to be killed in its middle.
pub(crate) const SWEEP: &str = "\
name: middling
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.7}
dynamics:
  - {kind: gaussian-sgd, covariance: hessian}
  - {kind: gaussian-sgd, covariance: identity}
grid:
  alpha: [1, 2]
  eta: [0.1, 0.2]
  batch_size: [1]
trials: 4000
max_steps: 200_000
";

/// A sweep of a moment.
pub(crate) const SMALL: &str = "\
name: small
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0]}
domain: {kind: sublevel, depth: 0.5}
dynamics: {kind: gaussian-sgd, covariance: hessian}
grid: {alpha: [2], eta: [0.1, 0.2], batch_size: [1]}
trials: 50
max_steps: 100_000
";

/// A sweep whose θ* takes for ever.
pub(crate) const LONG_TRAINING: &str = "\
name: training
seed: 1
landscape:
  kind: mlp
  data: {synthetic: {examples: 500, features: 5, classes: 3, seed: 1}}
  hidden: 10
  minimum: {train: {epochs: 1_000_000, learning_rate: 0.01, seed: 1}}
domain: {kind: ball, radius: 0.1}
dynamics: {kind: sgd}
grid: {eta: [0.1], batch_size: [2]}
trials: 3
max_steps: 10
";
