//! Discrete Gaussian SGD with a constant covariance.
//!
//! Eq. 2: θ ← θ − η∇L(θ) + √(η/B) W with W ~ N(0, ηC), so that the noise of a step has the covariance η²C/B.

use super::{Covariance, State, Step};
use crate::landscape::Landscape;
use crate::landscape::quadratic::Quadratic;
use crate::scale::Scale;

/// Gradient descent with Gaussian noise, independent from coordinate to coordinate.
pub struct GaussianSgd {
    stretch: f64,
    /// ηβ√α: the step along −∇L of the base landscape.
    drift: f64,
    noise: Noise,
    /// Multiplications of one full gradient.
    work: u64,
}

enum Noise {
    /// s.d. of a step's noise in each coordinate.
    PerCoordinate(Vec<f64>),
    /// The same s.d. in all of them.
    Isotropic(f64),
}

impl GaussianSgd {
    /// On a quadratic, in the eigenbasis of its Hessian, where both covariances are diagonal.
    pub fn on_quadratic(
        quadratic: &Quadratic,
        covariance: Covariance,
        scale: Scale,
        eta: f64,
        batch_size: u64,
    ) -> Self {
        let noise = match covariance {
            Covariance::Hessian => Noise::PerCoordinate(
                quadratic
                    .eigenvalues()
                    .iter()
                    .map(|h| eta * (scale.hessian_factor() * h / batch_size as f64).sqrt())
                    .collect(),
            ),
            Covariance::Identity => Noise::Isotropic(eta / (batch_size as f64).sqrt()),
        };
        Self { noise, ..Self::isotropic(scale, eta, batch_size, quadratic.eigenvalues().len() as u64) }
    }

    /// On any landscape with C = I; `work` is the cost of its full gradient in multiplications.
    pub fn isotropic(scale: Scale, eta: f64, batch_size: u64, work: u64) -> Self {
        Self {
            stretch: scale.stretch(),
            drift: eta * scale.gradient_factor(),
            noise: Noise::Isotropic(eta / (batch_size as f64).sqrt()),
            work,
        }
    }
}

impl<L: Landscape> Step<L> for GaussianSgd {
    type Scratch = ();

    fn scratch(&self) {}

    fn step(&self, landscape: &L, state: &mut State<L>, (): &mut ()) {
        landscape.gradient(&state.z, &mut state.gradient, &mut state.workspace);
        let coordinates = state.x.iter_mut().zip(&mut state.z).zip(&state.gradient);
        match &self.noise {
            Noise::PerCoordinate(deviations) => {
                for (((x, z), g), s) in coordinates.zip(deviations) {
                    *x = *x - self.drift * g + s * state.stream.normal();
                    *z = self.stretch * *x;
                }
            }
            Noise::Isotropic(s) => {
                for ((x, z), g) in coordinates {
                    *x = *x - self.drift * g + s * state.stream.normal();
                    *z = self.stretch * *x;
                }
            }
        }
    }

    fn work(&self, _: &L) -> u64 {
        self.work
    }
}
