//! Discrete Gaussian SGD with C = I on any landscape: the proxy system of Eq. 4.
//!
//! Eq. 2: θ ← θ − η∇L(θ) + √(η/B) W with W ~ N(0, ηC), so that the noise of a step has the covariance η²C/B. On
//! quadratics, where C = H is diagonal too, the lanes of [`walk`](crate::walk) do the same; with the covariance of the
//! examples' gradients, its chains.

use super::{State, Step};
use crate::landscape::Landscape;
use crate::scale::Scale;

/// Gradient descent with Gaussian noise that is the same in all coordinates, and independent.
pub struct GaussianSgd {
    stretch: f64,
    /// ηβ√α: the step along −∇L of the base landscape.
    drift: f64,
    /// s.d. of a step's noise in each coordinate.
    noise: f64,
    /// Multiplications of one full gradient.
    work: u64,
}

impl GaussianSgd {
    /// With C = I; `work` is the cost of the full gradient in multiplications.
    pub fn isotropic(scale: Scale, eta: f64, batch_size: u64, work: u64) -> Self {
        Self {
            stretch: scale.stretch(),
            drift: eta * scale.gradient_factor(),
            noise: eta / (batch_size as f64).sqrt(),
            work,
        }
    }
}

impl<L: Landscape> Step<L> for GaussianSgd {
    type Scratch = ();

    fn scratch(&self) {}

    fn step(&self, landscape: &L, state: &mut State<L>, (): &mut ()) {
        landscape.gradient(&state.z, &mut state.gradient, &mut state.workspace);
        for ((x, z), g) in state.x.iter_mut().zip(&mut state.z).zip(&state.gradient) {
            *x = *x - self.drift * g + self.noise * state.stream.normal();
            *z = self.stretch * *x;
        }
    }

    fn work(&self, _: &L) -> u64 {
        self.work
    }
}
