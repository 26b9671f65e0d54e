//! What every taugrid program does at its start and at its end.

pub mod access;
pub mod exit;
pub mod signals;

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
