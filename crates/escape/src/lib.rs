//! The escape core: landscapes, domains, dynamics, and the time they take to leave a minimum.
//!
//! No I/O, no async, no clock. A trial's path is a pure function of (seed, cell, trial).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`rng`] | keyed streams of uniforms and normals |
//! | [`data`] | examples, synthetic or given |
//! | [`landscape`] | losses with a known minimum: quadratics, wells, linear regression, the MLP |
//! | [`curvature`] | eigenvalues, traces, Assumption 2 and C^½, from products or dense |
//! | [`training`] | θ* by full-batch gradient descent; minibatch SGD from any θ |
//! | [`sharpness`] | how sharp a loss is along a training run: λmax, Keskar's Metric 2.1 |
//! | [`scale`] | the grid's α and β: L ↦ L_αβ |
//! | [`domain`] | where a trial is still inside |
//! | [`dynamics`] | one step of SGD and of its models |
//! | [`simd`] | sixteen lanes on every instruction set: what the kernels are written in |
//! | [`walk`] | trials, from θ* to their exit |
//! | [`ensemble`] | many trials on all cores |
//! | [`action`] | large deviations: steepness, quasi-potential, the path of an escape |
//! | [`exact`] | mean exit times that are computed, not measured |

pub mod action;
pub mod curvature;
pub mod data;
pub mod domain;
pub mod dynamics;
mod elementary;
pub mod ensemble;
pub mod exact;
pub mod landscape;
pub mod problem;
pub mod rng;
pub mod scale;
pub mod sharpness;
pub mod simd;
pub mod training;
pub mod walk;
