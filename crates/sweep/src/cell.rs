//! Cells and their keys: one point of the grid × one dynamics.

use std::borrow::Cow;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::spec::DynamicsSpec;

/// The stable name of a cell: a hash of its own physics (landscape, domain, dynamics, α, β, η, B), and of nothing else.
///
/// Neither its place in the grid nor the trials, the seed or `max_steps` enter, so a finished sweep can grow: cells
/// that were there keep their keys, and with them their rows. Shown as 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey(pub u64);

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for CellKey {
    type Err = ParseCellKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() == 16 && text.bytes().all(digits) {
            u64::from_str_radix(text, 16).map(CellKey).map_err(|_: ParseIntError| ParseCellKeyError)
        } else {
            Err(ParseCellKeyError)
        }
    }
}

impl Serialize for CellKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CellKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format!("{text:?}: {error}")))
    }
}

/// A text that is no [`CellKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cell key: 16 lower-case hex digits are expected")]
pub struct ParseCellKeyError;

/// One point of the grid under one dynamics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Derived from all the rest and from what all cells share.
    pub key: CellKey,
    /// The stepping rule.
    pub dynamics: DynamicsSpec,
    /// α, the surrogate of sharpness; > 0.
    pub alpha: f64,
    /// β, the surrogate of depth; > 0.
    pub beta: f64,
    /// η, the learning rate; > 0.
    pub eta: f64,
    /// B, the batch size; ≥ 1.
    pub batch_size: u64,
}

impl Cell {
    /// How long a step lasts, in time: η, and η/substeps for an SDE.
    pub fn step_length(&self) -> f64 {
        self.eta / f64::from(self.dynamics.substeps())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_and_read_as_sixteen_hex_digits() {
        let key = CellKey(0xab);
        assert_eq!(key.to_string(), "00000000000000ab");
        assert_eq!("00000000000000ab".parse(), Ok(key));
        for bad in ["", "ab", "00000000000000AB", "+0000000000000ab", "00000000000000ab0", "0000000000000ébb"] {
            assert_eq!(bad.parse::<CellKey>(), Err(ParseCellKeyError), "{bad}");
        }
    }
}
