//! Dynamics: one step of SGD and of its models.
//!
//! | kind | step | paper |
//! | --- | --- | --- |
//! | [`sgd`] | θ ← θ − η ∇L_B(θ) | Eq. 1 |
//! | [`gaussian_sgd`] | θ ← θ − η ∇L(θ) + η √(C/B) · N(0, I) | Eq. 2; with C = I the proxy system, Eq. 4 |
//!
//! A step works on [`State`], which holds both x = θ − θ* and z = √α x, and must keep the two in step. What a
//! dynamics knows of the cell (α, β, η, B) it has turned into plain factors when it was made.

pub mod gaussian_sgd;
pub mod sgd;

use crate::landscape::Landscape;
use crate::rng::Stream;

/// Which noise a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dynamics {
    /// Minibatches drawn without replacement within a step (Eq. 1).
    Sgd,
    /// Gradient descent with Gaussian noise of a covariance (Eq. 2, and Eq. 4 discretised).
    GaussianSgd(Covariance),
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
    /// The same at θ*, wherever θ is.
    Frozen,
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

    /// Roughly how many multiplications a step takes: how often a long trial should look whether it must stop.
    fn work(&self, landscape: &L) -> u64;
}
