//! Keyed streams of random numbers: every trial has its own, a pure function of (seed, cell, trial).
//!
//! Only integer arithmetic, `+ − × ÷` and `sqrt` are used, each of which IEEE 754 rounds in one way only, so the same
//! stream has the same bits on every machine.

mod normal;
pub mod philox;
mod stream;

pub use stream::{Stream, StreamKey};

/// Counts up whenever a stream's numbers change for the same key; kept with every dataset, for rows of different
/// versions must not be mixed.
pub const VERSION: u32 = 1;
