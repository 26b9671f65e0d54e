//! What a coordinator is worth: a real one in a process of its own, and simulated workers over real gRPC on loopback. Their
//! shards take no work: what is measured is the orchestrator alone.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`suite`] | all measurements, in order: [`suite::run`] |
//! | [`measurement`] | one figure, as JSON or as a line of a table |
//! | `coordinator` | the coordinator's process, and what it takes of the machine |
//! | `worker` | a simulated worker |
//! | `crowd` | many of them |
//! | `recovery` | how long it takes after a kill |

mod coordinator;
mod crowd;
pub mod measurement;
mod recovery;
pub mod suite;
mod worker;

use std::io;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The program is not beside this one.
    #[error("{0} is not beside this program: build it too, with `cargo build --release --workspace`")]
    NoProgram(String),
    /// The coordinator said something else than what was expected.
    #[error("the coordinator ended or fell silent; the last that it said:\n{0}")]
    Coordinator(String),
    /// A file or a process.
    #[error("{0}: {1}")]
    Io(String, io::Error),
    /// A simulated worker could not go on.
    #[error("a simulated worker: {0}")]
    Worker(String),
}
