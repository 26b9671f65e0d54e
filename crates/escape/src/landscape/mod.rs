//! Landscapes: a loss L(θ) with a minimum θ*, seen from θ*.
//!
//! Everything here is in *base coordinates*: a point is the displacement z = θ − θ* ∈ R^d, before the grid's α and
//! β act on it. [`crate::scale::Scale`] turns L into L_αβ; a landscape never sees α, β, η or B.

pub mod mlp;
pub mod quadratic;
pub mod regression;
pub mod well;

use crate::curvature::NoiseVersusHessian;

/// A loss with a known minimum θ*.
///
/// Implementations are pure: the same z gives the same bits on every machine and thread, whatever the workspace
/// was used for before.
pub trait Landscape: Send + Sync {
    /// The buffers one thread needs to evaluate this landscape. Contents carry nothing from call to call.
    type Workspace: Send;

    /// A workspace for one thread.
    fn workspace(&self) -> Self::Workspace;

    /// d, the number of parameters.
    fn dim(&self) -> usize;

    /// L(θ* + z) − L(θ*), for z of length d. May be negative where θ* is not quite a minimum, and non-finite where
    /// the loss overflows.
    fn excess_loss(&self, z: &[f64], workspace: &mut Self::Workspace) -> f64;

    /// ∇L(θ* + z) into `out`, both of length d.
    fn gradient(&self, z: &[f64], out: &mut [f64], workspace: &mut Self::Workspace);

    /// What is known of the Hessian H* at θ*.
    fn curvature(&self) -> &Curvature;
}

/// A landscape that is a mean over N examples, L = (1/N) Σ ℓ_i, so that SGD can draw minibatches from it (Eq. 1).
pub trait ExampleLoss: Landscape {
    /// N.
    fn examples(&self) -> usize;

    /// ∇L_B(θ* + z) = (1/|B|) Σ_{i ∈ B} ∇ℓ_i(θ* + z) into `out`, summed in the order of `batch`.
    fn minibatch_gradient(&self, z: &[f64], batch: &[u32], out: &mut [f64], workspace: &mut Self::Workspace);
}

/// An [`ExampleLoss`] whose examples can be weighted, so that noise of their covariance can be made without forming it.
pub trait WeightedLoss: ExampleLoss {
    /// Σ_i w_i ∇ℓ_i(θ* + z) into `out`, with a weight of any sign for each example, in a fixed order of summation.
    fn weighted_gradient(&self, z: &[f64], weights: &[f64], out: &mut [f64], workspace: &mut Self::Workspace);

    /// nᵀCn with C = (1/N) Σ (∇ℓ_i − ∇L)(∇ℓ_i − ∇L)ᵀ at θ* + z: the variance of the examples' slopes along n.
    fn noise_along(&self, z: &[f64], direction: &[f64], workspace: &mut Self::Workspace) -> f64;
}

/// The Hessian H* and the gradient at θ*, as far as they are known; before the grid's α and β.
#[derive(Debug, Clone, PartialEq)]
pub struct Curvature {
    /// λmax(H*), the sharpness (Definition 3).
    pub lambda_max: f64,
    /// λmin(H*), where it can be had. Of a network it is an upper bound, near λmin as Lanczos' method converged.
    pub lambda_min: Option<f64>,
    /// tr H*, where it can be had. Of a network it is an estimate.
    pub trace: Option<f64>,
    /// ‖∇L(θ*)‖: how far θ* is from being a minimum.
    pub gradient_norm: f64,
    /// How far the covariance of the examples' gradients is from H* (Assumption 2), where there are examples. Of a network
    /// it is estimated.
    pub noise: Option<NoiseVersusHessian>,
}
