//! The exit codes of every taugrid program.

use std::process::ExitCode;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: done.
    Done = 0,
    /// 1: internal error; a bug or a broken machine.
    Internal = 1,
    /// 2: bad usage or a bad sweep file; the same command will fail again.
    Usage = 2,
    /// 3: interrupted; the same command resumes.
    Interrupted = 3,
    /// 4: the dataset is damaged, or belongs to another sweep.
    Dataset = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a program has to say when it does not end well: one message, and the code it exits with.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What went wrong, where, and what to do about it.
    pub message: String,
}

impl Failure {
    /// Bad usage or a bad sweep file.
    pub fn usage(message: impl ToString) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// An internal error.
    pub fn internal(message: impl ToString) -> Self {
        Self { exit: Exit::Internal, message: message.to_string() }
    }

    /// Interrupted: the same command resumes.
    pub fn interrupted(message: impl ToString) -> Self {
        Self { exit: Exit::Interrupted, message: message.to_string() }
    }

    /// A damaged dataset, or one of another sweep.
    pub fn dataset(message: impl ToString) -> Self {
        Self { exit: Exit::Dataset, message: message.to_string() }
    }
}

/// The end of every `main`: a failure is said on stderr, and the code to exit with given.
pub fn conclude(result: Result<Exit, Failure>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {}", failure.message);
            failure.exit.into()
        }
    }
}
