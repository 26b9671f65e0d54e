//! What comes from outside, put through what reads it, as the programs do: whatever the bytes, it is taken or refused.
//! Nothing panics, nothing overflows, nothing takes for ever, and no more memory is asked for than the bytes are worth.
//!
//! The fuzzer calls this (`fuzz/`, `just fuzz`), and so do the tests here, with the inputs in `fuzz/seeds`.
//!
//! | target | the bytes | what reads them |
//! | --- | --- | --- |
//! | [`mod@sweep_file`] | a sweep file, and the files it names | [`Sweep`](taugrid_sweep::Sweep), and what `taugrid plan` does with one |
//! | [`mod@worker_message`] | what a worker says | the coordinator: conversation, dispatcher, machine |
//! | [`mod@coordinator_message`] | what a coordinator says | the worker's desk |
//! | [`mod@artifact`] | an artifact | [`Artifact`](taugrid_sweep::Artifact), and the landscape made of it |
//! | [`mod@part`] | a Parquet file in `trials/` | [`Dataset`](taugrid_results::Dataset): open, verify, rows |
//! | [`mod@access_file`] | an access file | [`Access`](taugrid_process::access::Access), and what dials by it |
//! | [`mod@machine`] | events, in any order | [`Machine`](taugrid_coordinator::machine::Machine) |

pub mod access_file;
pub mod artifact;
pub mod coordinator_message;
mod frames;
pub mod machine;
pub mod part;
pub mod seeds;
pub mod sweep_file;
pub mod worker_message;

/// A target: it says whether the bytes were taken, and not refused.
pub type Target = fn(&[u8]) -> bool;

/// All targets, by name.
pub const TARGETS: [(&str, Target); 7] = [
    ("sweep_file", sweep_file::sweep_file),
    ("worker_message", worker_message::worker_message),
    ("coordinator_message", coordinator_message::coordinator_message),
    ("artifact", artifact::artifact),
    ("part", part::part),
    ("access_file", access_file::access_file),
    ("machine", machine::machine),
];
