//! The worker: leases in, rayon, exit times out.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`life`] | a worker from its first connection to the end of the sweep, over any number of broken streams |
//! | [`command`] | the program: its command line |
//! | `options`, `error`, [`duration`] | what it is started with, why it could not go on, lengths of time |
//! | [`slurm`] | what Slurm says of the job it runs in |
//! | `seek` | where the coordinator is |
//! | `session` | one connection: carries messages between the coordinator and the desk |
//! | `desk` | what the worker holds, what has come in, what is to be said; it outlives the streams |
//! | `holdings` | the leases: their trials that are left, their numbers from stream to stream |
//! | `outbox`, `spill` | rows on their way: gathered into batches, kept until acknowledged, in memory and in files |
//! | `line` | what is to be said, in order |
//! | `feed` | the trials of one cell on their way to the walkers, lease after lease |
//! | `pool` | the walkers that run leases; never called from an async task but to hand over a lease |
//! | `threads` | what walkers run on: rayon's threads, and a clock |
//! | `artifact`, `setup` | θ* and the data: fetched once, cached by content; the sweep's physics and cells |

pub mod command;
pub mod duration;
#[doc(hidden)]
pub mod fuzzing;
pub mod life;
pub mod slurm;

mod artifact;
mod desk;
mod error;
mod feed;
mod holdings;
mod line;
mod options;
mod outbox;
mod pool;
mod seek;
mod session;
mod setup;
mod spill;
mod threads;

pub use life::{Ending, Options, WorkerError, run, run_on};
pub use threads::Threads;
