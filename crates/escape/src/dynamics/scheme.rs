//! A cell's α, β, η and B, and what its dynamics makes of them: the factors of one step.
//!
//! θ ← θ − h ∇L_αβ(θ) + ν C^½ ζ, with h and ν of this table and ζ a vector of independent standard normals, or of
//! stable variates in their place.
//!
//! | dynamics | h | ν |
//! | --- | --- | --- |
//! | `gaussian-sgd` (Eq. 2) | η | η/√B |
//! | `sde` (Eq. 3) | η/m | √(η/B) √(η/m): the noise of a time h is √(η/B) (w_{t+h} − w_t) |
//! | `levy-sgd` | η | η/√B |

use super::{Coordinates, Covariance, Dynamics};
use crate::rng::Stability;

/// One step of gradient descent with noise of a covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheme {
    /// C.
    pub covariance: Covariance,
    /// h, the time that a step takes.
    pub length: f64,
    /// ν, what multiplies C^½ ζ.
    pub noise: f64,
    /// The law of ζ.
    pub tail: Tail,
    /// Whether the boundary is drawn in, for exits between steps.
    pub corrected: bool,
}

/// The law of a step's noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tail {
    /// Independent standard normals.
    Gaussian,
    /// An isotropic stable vector.
    Isotropic(Stability),
    /// Independent stable variates.
    Independent(Stability),
}

impl Dynamics {
    /// The step at learning rate η and batch size B; `None` for minibatches, and for a stability outside of (1, 2].
    pub fn scheme(self, eta: f64, batch_size: u64) -> Option<Scheme> {
        let per_example = eta / (batch_size as f64).sqrt();
        let gaussian =
            |covariance| Scheme { covariance, length: eta, noise: per_example, tail: Tail::Gaussian, corrected: false };
        match self {
            Self::Sgd => None,
            Self::GaussianSgd(covariance) => Some(gaussian(covariance)),
            Self::Sde { covariance, substeps } => {
                let substeps = f64::from(substeps);
                let (length, noise) = (eta / substeps, per_example / substeps.sqrt());
                Some(Scheme { length, noise, corrected: true, ..gaussian(covariance) })
            }
            // a = 2 is the Gaussian itself, not only in law.
            Self::LevySgd { covariance, stability: 2.0, .. } => Some(gaussian(covariance)),
            Self::LevySgd { covariance, stability, coordinates } => {
                let stability = Stability::new(stability).filter(|_| stability > 1.0)?;
                let tail = match coordinates {
                    Coordinates::Isotropic => Tail::Isotropic(stability),
                    Coordinates::Independent => Tail::Independent(stability),
                };
                Some(Scheme { tail, ..gaussian(covariance) })
            }
        }
    }
}
