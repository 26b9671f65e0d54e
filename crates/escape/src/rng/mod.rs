//! Keyed streams of random numbers: every trial has its own, a pure function of (seed, cell, trial).
//!
//! Only integer arithmetic, `+ − × ÷`, `sqrt` and fused multiply-adds are used, each of which IEEE 754 rounds in one
//! way only, so the same stream has the same bits on every machine.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`stream`](Stream) | one trial's words and f64 normals, by counter: Philox4x32-10 |
//! | [`lanes`](Lanes) | sixteen generators side by side, for the kernels: xoshiro128++ seeded through Philox |
//! | [`trial`](TrialStream) | the sixteen as one stream, where a trial has them to itself |
//! | `lane_normal` | their normals, at the resolution of f32 |
//! | [`lane_stable`](Stability) | their symmetric stable variates, for heavy tails |
//! | `normal`, `stable` | normals and stable variates at the resolution of f64 |

pub(crate) mod lane_normal;
pub(crate) mod lane_stable;
mod lanes;
mod normal;
pub mod philox;
mod stable;
mod stream;
mod trial;

pub use lane_normal::fill_normals;
pub use lane_stable::Stability;
pub(crate) use lanes::Generators;
pub use lanes::Lanes;
pub use stream::{Stream, StreamKey};
pub(crate) use trial::ROWS as TRIAL_ROWS;
pub use trial::TrialStream;

/// Counts up whenever a stream's numbers change for the same key; kept with every dataset, for rows of different
/// versions must not be mixed.
pub const VERSION: u32 = 2;
