//! Why a network could not be made.

use std::fmt;

use super::hessian::MAX_DENSE;
use crate::curvature::symmetric::EigenError;

/// What is wrong with the parts given. Fragments that read on after "failed to build the network: ".
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MlpError {
    /// A shape without inputs, hidden units or classes.
    EmptyShape,
    /// The examples have another number of features than the network has inputs.
    Features {
        /// The network's inputs.
        inputs: usize,
        /// The examples' features.
        features: usize,
    },
    /// The examples have another number of classes than the network.
    Classes {
        /// The network's classes.
        network: usize,
        /// The examples' classes.
        examples: usize,
    },
    /// Weight decay that is negative or not finite.
    WeightDecay(f64),
    /// A tensor (or θ) of the wrong length.
    Length {
        /// Its name in PyTorch's state dictionary, or "theta".
        name: &'static str,
        /// The length that the shape calls for.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// A parameter of θ* that is NaN or infinite.
    NotFinite {
        /// Its index in θ.
        index: usize,
    },
    /// L(θ*) overflows, or is NaN.
    Loss(f64),
    /// A Hessian of so many parameters is not formed.
    TooManyForDense {
        /// d.
        parameters: usize,
    },
    /// The Hessian has no eigenvalues.
    Eigen(EigenError),
}

impl fmt::Display for MlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyShape => write!(f, "inputs, hidden units and classes must all be at least 1"),
            Self::Features { inputs, features } => {
                write!(f, "the network takes {inputs} inputs, but the examples have {features} features")
            }
            Self::Classes { network, examples } => {
                write!(f, "the network has {network} classes, but the examples have {examples}")
            }
            Self::WeightDecay(value) => write!(f, "weight decay must be finite and not negative, not {value}"),
            Self::Length { name, expected, found } => {
                write!(f, "{name} must hold {expected} numbers for this shape, but holds {found}")
            }
            Self::NotFinite { index } => write!(f, "parameter {index} of theta is not finite"),
            Self::Loss(value) => write!(f, "the loss at theta must be finite, not {value}"),
            Self::TooManyForDense { parameters } => {
                write!(f, "a Hessian of {parameters} parameters is not formed; at most {MAX_DENSE} can be")
            }
            Self::Eigen(error) => write!(f, "failed to find the Hessian's eigenvalues: {error}"),
        }
    }
}

impl std::error::Error for MlpError {}
