//! What the toolkit needs to know of a diffusion near a minimum.

use super::error::{ActionError, check_variances};

/// dX = −∇L(X) dt + √ε C^½ dw near a minimum θ*, in n dimensions (Eq. 3, with ε = η/B and a *constant* C).
///
/// Coordinates are x = θ − θ* in an orthonormal basis in which C is diagonal. Where the basis spans a subspace only, L
/// is the loss on that subspace and n its dimension. Implementations are pure: the same x gives the same bits.
pub trait Diffusion {
    /// L(θ* + x), up to a constant; x of length n.
    fn loss(&self, x: &[f64]) -> f64;

    /// ∇L(θ* + x) into `out`, both of length n. Second derivatives are taken from it by central differences. Where it
    /// jumps, as with ReLUs, see [`Resolution::difference`](super::resolution::Resolution::difference).
    fn gradient(&self, x: &[f64], out: &mut [f64]);

    /// The n eigenvalues of C, in the order of the coordinates: finite and positive. εC is in length²/time; with
    /// ε = η/B in time, C is a covariance of gradients.
    fn variances(&self) -> &[f64];

    /// n.
    fn dim(&self) -> usize {
        self.variances().len()
    }
}

/// A [`Diffusion`] made of two closures.
#[derive(Debug, Clone)]
pub struct Closures<L, G> {
    loss: L,
    gradient: G,
    variances: Vec<f64>,
}

impl<L: Fn(&[f64]) -> f64, G: Fn(&[f64], &mut [f64])> Closures<L, G> {
    /// The diffusion with these eigenvalues of C, this loss and this gradient.
    ///
    /// # Errors
    /// [`ActionError::Variances`] unless there is at least one variance and all are finite and positive.
    pub fn new(variances: Vec<f64>, loss: L, gradient: G) -> Result<Self, ActionError> {
        check_variances(&variances)?;
        Ok(Self { loss, gradient, variances })
    }
}

impl<L: Fn(&[f64]) -> f64, G: Fn(&[f64], &mut [f64])> Diffusion for Closures<L, G> {
    fn loss(&self, x: &[f64]) -> f64 {
        (self.loss)(x)
    }

    fn gradient(&self, x: &[f64], out: &mut [f64]) {
        (self.gradient)(x, out);
    }

    fn variances(&self) -> &[f64] {
        &self.variances
    }
}
