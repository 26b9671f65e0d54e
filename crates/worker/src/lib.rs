//! The worker: leases in, rayon, exit times out.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`life`] | a worker from its first connection to the end of the sweep, over any number of broken streams |
//! | `session` | one connection |
//! | `outbox` | rows on their way: gathered into batches, kept until acknowledged |
//! | `feed` | the trials of one cell on their way to the walkers, lease after lease |
//! | `pool` | the rayon pool that runs leases; never called from an async task but to hand over a lease |
//! | `artifact` | θ* and the data: fetched once, cached by content |

pub mod life;

mod artifact;
mod feed;
mod outbox;
mod pool;
mod session;
mod setup;

pub use life::{Ending, Options, WorkerError, run};
pub use outbox::EncodeError;
