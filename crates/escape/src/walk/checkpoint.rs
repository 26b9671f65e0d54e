//! Trials under way, as bytes: another walker, on whatever thread, machine or instruction set, goes on with the very same
//! path.
//!
//! A state is all that the path depends on from there: the coordinates as the walker keeps them, the generator, and what
//! is remembered between steps. Its first byte says which walker's it is, and in which version.

use std::fmt;

/// A trial under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which trial of its cell.
    pub trial: u64,
    /// Steps made, fewer than `max_steps`.
    pub steps: u64,
    /// Where it is, in the walker's own terms.
    pub state: Vec<u8>,
}

/// A trial to be walked: from θ*, or from where another walker left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which trial of its cell.
    pub trial: u64,
    /// Where it goes on, if it has been begun. One that its simulation refuses ([`check`](super::Simulation::check)) is
    /// begun anew, and comes out the same.
    pub from: Option<Checkpoint>,
}

impl From<u64> for Start {
    fn from(trial: u64) -> Self {
        Self { trial, from: None }
    }
}

/// Why a walker cannot go on from a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointError {
    /// It is of another kind of walk, or of another version of this one.
    Kind,
    /// It has more bytes, or fewer, than a state of this cell.
    Size,
    /// It says that so many steps have been made.
    Steps(u64),
    /// A number in it cannot be.
    Value,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("the checkpoint is of another kind or version of walk"),
            Self::Size => f.write_str("the checkpoint has not the size of a state of this cell"),
            Self::Steps(steps) => write!(f, "the checkpoint is at {steps} steps, which the cell does not allow"),
            Self::Value => f.write_str("a number in the checkpoint cannot be"),
        }
    }
}

impl std::error::Error for CheckpointError {}

/// No trial makes as many steps.
const MOST_STEPS: u64 = 1 << 61;

/// That a trial can be at so many steps.
pub(crate) fn check_steps(steps: u64, max_steps: u64) -> Result<(), CheckpointError> {
    if steps < max_steps.min(MOST_STEPS) { Ok(()) } else { Err(CheckpointError::Steps(steps)) }
}

/// Writes a state.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Of a walker's kind.
    pub(crate) fn new(kind: u8, bytes: usize) -> Self {
        let mut writer = Self(Vec::with_capacity(bytes));
        writer.0.push(kind);
        writer
    }

    pub(crate) fn put<T: Word>(&mut self, value: T) {
        value.put(&mut self.0);
    }

    pub(crate) fn put_all<T: Word>(&mut self, values: impl IntoIterator<Item = T>) {
        values.into_iter().for_each(|value| self.put(value));
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a state.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Of a walker's kind.
    pub(crate) fn new(kind: u8, state: &'a [u8]) -> Result<Self, CheckpointError> {
        match state.split_first() {
            Some((first, rest)) if *first == kind => Ok(Self(rest)),
            _ => Err(CheckpointError::Kind),
        }
    }

    pub(crate) fn take<T: Word>(&mut self) -> Result<T, CheckpointError> {
        T::take(&mut self.0).ok_or(CheckpointError::Size)
    }

    /// Fills `values`, of which none may be infinite or NaN: a state that is not finite has left every domain.
    pub(crate) fn take_finite<T: Word + Into<f64>>(&mut self, values: &mut [T]) -> Result<(), CheckpointError> {
        for value in values {
            *value = self.take()?;
            if !Into::<f64>::into(*value).is_finite() {
                return Err(CheckpointError::Value);
            }
        }
        Ok(())
    }

    pub(crate) fn end(self) -> Result<(), CheckpointError> {
        if self.0.is_empty() { Ok(()) } else { Err(CheckpointError::Size) }
    }
}

/// A number of a fixed size.
pub(crate) trait Word: Copy {
    fn put(self, to: &mut Vec<u8>);
    fn take(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! words {
    ($($word:ty)*) => {$(
        impl Word for $word {
            fn put(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                let (word, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*word))
            }
        }
    )*};
}

words!(u8 u32 u64 f32 f64);
