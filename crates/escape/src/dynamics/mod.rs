//! Dynamics: one step of SGD and of its models.
//!
//! | kind | step | paper |
//! | --- | --- | --- |
//! | [`sgd`] | θ ← θ − η ∇L_B(θ) | Eq. 1 |
//! | [`gaussian_sgd`] | θ ← θ − η ∇L(θ) + η √(C/B) · N(0, I) | Eq. 2; with C = I the proxy system, Eq. 4 |
//! | [`Dynamics::Sde`] | dθ = −∇L dt + √(η/B) C^½ dw, in steps of η/substeps | Eq. 3 |
//! | [`Dynamics::LevySgd`] | as Gaussian SGD, with symmetric stable noise in the Gaussian's place | Table 1, Nguyen et al. 2019 |
//!
//! A step works on [`State`], which holds both x = θ − θ* and z = √α x, and must keep the two in step. What a
//! dynamics knows of the cell (α, β, η, B) it has turned into plain factors when it was made; see [`Scheme`].

pub mod example_noise;
pub mod gaussian_sgd;
pub mod rotated_levy;
mod scheme;
pub mod sgd;

pub use scheme::{Scheme, Tail};

use crate::landscape::Landscape;
use crate::rng::Stream;

/// Which noise a cell has, and in which steps it moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Dynamics {
    /// Minibatches drawn without replacement within a step (Eq. 1).
    Sgd,
    /// Gradient descent with Gaussian noise of a covariance (Eq. 2, and Eq. 4 discretised).
    GaussianSgd(Covariance),
    /// The stochastic differential equation (Eq. 3, and Eq. 4): on quadratics by its exact transition, on wells by a
    /// symmetric splitting around that, elsewhere by Euler and Maruyama's scheme. A *step* is a step of the scheme and lasts
    /// η/substeps. Exits are seen at steps alone, which would make them late by O(√step); the boundary
    /// is drawn in by as much (Gobet & Menozzi 2010).
    Sde {
        /// C.
        covariance: Covariance,
        /// Steps of the scheme in a time of η; ≥ 1.
        substeps: u32,
    },
    /// Gradient descent with symmetric stable noise: that of [`Dynamics::GaussianSgd`] with a stable variate, of
    /// characteristic function exp(−|u/√2|^a), in the place of each standard normal.
    LevySgd {
        /// C, which scales the noise as it does a Gaussian.
        covariance: Covariance,
        /// a, 1 < a ≤ 2. With a = 2 this *is* the Gaussian.
        stability: f64,
        /// How the noises of the coordinates hang together.
        coordinates: Coordinates,
    },
}

/// C, the covariance of the gradient noise of one example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covariance {
    /// C = H, the Hessian of L_αβ at θ* (Assumption 2).
    Hessian,
    /// C = I: the proxy systems.
    Identity,
    /// The covariance of the gradients of the examples at θ itself.
    Sample,
    /// The covariance of the gradients of the examples at θ*.
    Frozen,
}

/// What a stable law in many dimensions is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// C^½ times an isotropic stable vector: √A times Gaussians.
    Isotropic,
    /// C^½ times a vector of independent stable variates, one for each parameter.
    Independent,
}

impl Dynamics {
    /// How long one step lasts: η, and η/substeps for an SDE.
    pub fn step_length(self, eta: f64) -> f64 {
        match self {
            Self::Sde { substeps, .. } => eta / f64::from(substeps),
            Self::Sgd | Self::GaussianSgd(_) | Self::LevySgd { .. } => eta,
        }
    }
}

/// Where a trial is, with the buffers its steps need.
pub struct State<L: Landscape> {
    /// x = θ − θ*, of length d.
    pub x: Vec<f64>,
    /// z = √α x: the same point on the base landscape.
    pub z: Vec<f64>,
    /// The trial's random numbers.
    pub stream: Stream,
    pub(crate) gradient: Vec<f64>,
    pub(crate) workspace: L::Workspace,
}

impl<L: Landscape> State<L> {
    /// θ* itself, at the beginning of `stream`.
    pub(crate) fn at_minimum(landscape: &L, stream: Stream) -> Self {
        let zeros = vec![0.0; landscape.dim()];
        Self { x: zeros.clone(), z: zeros.clone(), stream, gradient: zeros, workspace: landscape.workspace() }
    }

    /// Back to θ*, for the trial of `stream`.
    pub(crate) fn restart(&mut self, stream: Stream) {
        self.x.fill(0.0);
        self.z.fill(0.0);
        self.stream = stream;
    }
}

/// One step of a dynamics on a landscape.
pub trait Step<L: Landscape>: Send + Sync {
    /// What one thread needs beside the state.
    type Scratch: Send;

    /// Scratch for one thread.
    fn scratch(&self) -> Self::Scratch;

    /// θ_k ↦ θ_{k+1}.
    fn step(&self, landscape: &L, state: &mut State<L>, scratch: &mut Self::Scratch);

    /// √(gᵀΣg), Σ being the covariance of a step's noise in x at the state as it is: its s.d. along g, times ‖g‖. Asked only
    /// where the boundary is drawn in; 0 for dynamics for which it never is.
    fn spread(&self, landscape: &L, state: &mut State<L>, direction: &[f64], scratch: &mut Self::Scratch) -> f64;

    /// Roughly how many multiplications a step takes: how often a long trial should look whether it must stop.
    fn work(&self, landscape: &L) -> u64;
}
