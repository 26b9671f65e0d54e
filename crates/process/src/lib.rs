//! What every taugrid program does at its start and at its end, and at the door between one and another.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`exit`] | exit codes |
//! | [`limits`] | how many files and connections a program may have open |
//! | [`signals`] | SIGINT and SIGTERM ask a program to stop in order |
//! | [`access`] | the access file: how a coordinator is found, and what lets in |
//! | [`tls`], [`pem`] | the keys of both ends: made for a sweep, or the user's own |
//! | [`listen`] | the coordinator's end: whom to let in |
//! | [`connect`] | the other end: where to dial |
//! | [`transport`] | what carries the bytes between them |
//! | [`usage`] | what a process takes of its machine |

pub mod access;
pub mod connect;
pub mod exit;
pub mod host;
pub mod http2;
pub mod limits;
pub mod listen;
pub mod pem;
pub mod signals;
pub mod tls;
pub mod transport;
pub mod usage;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Logs to stderr: warnings, or what the environment variable `TAUGRID_LOG` asks for (`info`, `debug`,
/// `taugrid_coordinator=debug`).
pub fn start_logging() {
    let filter = EnvFilter::try_from_env("TAUGRID_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
