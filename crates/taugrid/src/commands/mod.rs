//! One file a command.

pub(crate) mod bench;
pub(crate) mod certificates;
pub(crate) mod compact;
pub(crate) mod control;
pub(crate) mod plan;
pub(crate) mod quasipotential;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod slurm;
pub(crate) mod train;
pub(crate) mod verify;

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use taugrid_process::exit::Failure;

/// Prints a result to stdout. A reader that has read enough (`| head`) is no error.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::internal(format!("stdout: {error}"))),
        _ => Ok(()),
    }
}
