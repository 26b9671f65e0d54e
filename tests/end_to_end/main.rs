//! The real binaries, end to end.

mod bad_input;
mod faults;
mod growth;
mod same_bytes;
mod storage;
mod versions;

/// A sweep of a few seconds in a debug build: long enough to be killed in its middle.
pub(crate) const SWEEP: &str = "\
name: middling
seed: 7
landscape: {kind: quadratic, eigenvalues: [1.0, 0.25]}
domain: {kind: sublevel, depth: 0.5}
dynamics:
  - {kind: gaussian-sgd, covariance: hessian}
  - {kind: gaussian-sgd, covariance: identity}
grid:
  alpha: [1, 2]
  eta: [0.1, 0.2]
  batch_size: [1]
trials: 4000
max_steps: 20_000
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
