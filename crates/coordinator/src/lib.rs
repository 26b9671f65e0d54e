//! The coordinator: a pure state machine that leases shards, and the gRPC shell around it.
//!
//! | module | what it is | touches |
//! | --- | --- | --- |
//! | [`machine`] | the pure state machine | nothing |
//! | [`directory`] | a sweep's output folder: lock, dataset, artifact, summary | disk |
//! | [`mod@serve`] | the shell that runs a sweep to its end | network, clock |
//! | [`command`] | the program: its command line, and what it does from its start to its end | all of it |
//! | [`observe`] | what is read of it without keys: metrics, probes, a scaler's questions | network, clock |
//! | [`afterwards`] | a coordinator whose sweep is complete, and that stays to say so | network |
//!
//! Inside the shell, three parties talk by messages: the *service* holds the workers' streams, the *dispatcher* alone
//! drives the machine and carries out its effects, and the *writer*, a task that leaves the disk to threads for that, makes rows durable.

pub mod afterwards;
pub mod command;
pub mod directory;
#[doc(hidden)]
pub mod fuzzing;
pub mod machine;
pub mod observe;
pub mod serve;

mod acks;
mod control;
mod conversation;
mod counts;
mod decisions;
mod dispatcher;
mod grants;
mod outgoing;
mod provenance;
mod roll;
mod service;
mod writer;

pub use counts::Counts;
pub use directory::SweepDirectory;
pub use serve::{Ending, Progress, ServeError, SetAside, serve};
