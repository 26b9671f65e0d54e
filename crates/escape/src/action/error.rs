//! What the toolkit says when it cannot go on, and the checks behind it.

use std::fmt;

/// Why there is no action. Fragments that read on after "failed to find the action: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionError {
    /// C has no eigenvalue, or one that is not finite and positive.
    Variances,
    /// A point, a path or a list of durations has the wrong length.
    Length {
        /// What it should be.
        expected: usize,
        /// What it is.
        found: usize,
    },
    /// A path needs at least two images, a minimal one at least three.
    Images,
    /// A duration, a radius, a depth or a tolerance is not finite and positive.
    NotPositive,
    /// A coordinate, the loss or its gradient is not finite where it was needed.
    NotFinite,
    /// The endpoint is θ* itself.
    AtMinimum,
    /// No start's ray reaches the boundary.
    Unreached,
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variances => write!(f, "the variances must be at least one, all finite and positive"),
            Self::Length { expected, found } => write!(f, "a length must be {expected}, not {found}"),
            Self::Images => write!(f, "the path has too few images"),
            Self::NotPositive => write!(f, "a duration, radius, depth or tolerance is not finite and positive"),
            Self::NotFinite => write!(f, "a coordinate, the loss or its gradient is not finite"),
            Self::AtMinimum => write!(f, "the endpoint is the minimum itself"),
            Self::Unreached => write!(f, "no ray from the minimum reaches the boundary"),
        }
    }
}

impl std::error::Error for ActionError {}

/// That C is positive definite.
pub(super) fn check_variances(variances: &[f64]) -> Result<(), ActionError> {
    let fine = !variances.is_empty() && variances.iter().all(|&c| c.is_finite() && c > 0.0);
    if fine { Ok(()) } else { Err(ActionError::Variances) }
}

/// That a length is what it should be.
pub(super) fn check_length(expected: usize, found: usize) -> Result<(), ActionError> {
    if expected == found { Ok(()) } else { Err(ActionError::Length { expected, found }) }
}

/// That all of these are finite.
pub(super) fn check_finite(values: &[f64]) -> Result<(), ActionError> {
    if values.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(ActionError::NotFinite) }
}

/// That this is finite and positive.
pub(super) fn check_positive(value: f64) -> Result<(), ActionError> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(ActionError::NotPositive) }
}
