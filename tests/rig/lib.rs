//! The rig of the end-to-end tests: real binaries, temporary folders, and waiting for what a process says.
//!
//! Nothing here sleeps to wait: a test waits for a line on a process's stderr, or for its end. Every process a test
//! starts is ended when the test lets go of it, by its pid.

// A rig of tests, where a broken expectation should end the test.
#![allow(clippy::expect_used)]

mod binaries;
mod process;
mod sweep;

pub use binaries::binary;
pub use process::{Process, Run};
pub use sweep::{Folder, dataset_bytes};
