//! The real coordinator and real workers in simulated network and time, under faults that are drawn from a seed: whatever
//! they are, the sweep ends, and its dataset is the undisturbed one to the byte.
//!
//! Each is a host of `turmoil`'s, all on one thread. Coordinator, workers, gRPC and HTTP/2 are those of the programs; the
//! dataset is one on disk. In the place of what the system does stand:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`mod@study`] | the sweep, and its dataset as it is undisturbed |
//! | [`mod@stage`] | one run: the hosts, the faults as their time comes, how it ended |
//! | [`mod@faults`] | what happens to whom and when, by the seed |
//! | [`mod@network`] | simulated TCP, that can be cut |
//! | [`mod@threads`] | the threads that walkers run on: simulated time passes with the steps that they make |
//! | [`mod@ear`] | the messages in what is sent on a connection |
//! | [`mod@witness`] | what was said, held against what was promised |
//!
//! What follows from the seed: the faults and when they strike, every message's latency, the order of the hosts, the length of
//! everything that is simulated. What does not: which of several things that are ready at the same moment is seen to first,
//! where tokio draws lots. So a seed that fails meets the same faults again, at the same moments, and may need some tries.

// A test, where a broken expectation should end it.
#![allow(clippy::expect_used)]

pub mod ear;
pub mod faults;
pub mod network;
pub mod stage;
pub mod study;
pub mod threads;
pub mod witness;

pub use faults::Manner;
pub use stage::{Story, run};
pub use study::Study;
