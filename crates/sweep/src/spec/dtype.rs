//! What the states of trials are kept in: f32, the default, or f64.

use serde::{Deserialize, Serialize};

use crate::error::Problems;
use crate::yaml::Node;

/// The type of a trial's state. Not part of a cell's key: it is not physics, but it decides bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// f32, with all sums and coefficients that the state does not need in f64. A cell of a quadratic that f32 does not
    /// resolve (η·αβ·λmin below 10⁻⁹) is kept in f64 all the same.
    #[default]
    F32,
    /// f64. On quadratics the normals have the resolution of f32 (24 bits, tails to 8.24 s.d.) all the same.
    F64,
}

impl Dtype {
    /// Its name in sweep files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// For serde.
    pub(crate) fn f64() -> Self {
        Self::F64
    }
}

/// The dtype at `node`.
pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<Dtype> {
    let both = [Dtype::F32, Dtype::F64];
    let word = node.word("dtype", &both.map(Dtype::as_str), &[], problems)?;
    both.into_iter().find(|dtype| dtype.as_str() == word)
}
