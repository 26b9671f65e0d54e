//! Stable noise that is independent in each *parameter*, on a quadratic whose eigenvectors are not the coordinate axes.
//!
//! The state is kept in the eigenbasis V of H, where θ ← θ − h∇L + ν C^½ ζ is x_k ← (1 − hλ_k) x_k + ν √c_k (Vᵀζ)_k. A
//! Gaussian ζ, or an isotropic one, has the law of Vᵀζ, so that no rotation shows; independent stable variates do not.

use super::gaussian_sgd::variate;
use super::{Scheme, State, Step, Tail};
use crate::landscape::quadratic::Quadratic;
use crate::scale::Scale;

/// Gradient descent with independent stable noise under a rotation.
pub struct RotatedLevy {
    stretch: f64,
    /// hαβ: what multiplies h_k.
    pull: f64,
    /// ν √c_k.
    noise: Vec<f64>,
    tail: Tail,
    /// Row k is the eigenvector of eigenvalue k.
    basis: Vec<f64>,
}

impl RotatedLevy {
    /// `variances` are c_k, the eigenvalues of C; `basis` holds an eigenvector in each row.
    pub fn new(scale: Scale, scheme: Scheme, variances: &[f64], basis: &[f64]) -> Self {
        Self {
            stretch: scale.stretch(),
            pull: scheme.length * scale.hessian_factor(),
            noise: variances.iter().map(|c| scheme.noise * c.sqrt()).collect(),
            tail: scheme.tail,
            basis: basis.to_vec(),
        }
    }
}

impl Step<Quadratic> for RotatedLevy {
    type Scratch = Vec<f64>;

    fn scratch(&self) -> Vec<f64> {
        vec![0.0; self.noise.len()]
    }

    fn step(&self, landscape: &Quadratic, state: &mut State<Quadratic>, zeta: &mut Vec<f64>) {
        zeta.iter_mut().for_each(|zeta| *zeta = variate(self.tail, &mut state.stream));
        let rows = self.basis.chunks_exact(zeta.len()).zip(&self.noise).zip(landscape.eigenvalues());
        for ((x, z), ((row, noise), h)) in state.x.iter_mut().zip(&mut state.z).zip(rows) {
            let along: f64 = row.iter().zip(&*zeta).map(|(v, zeta)| v * zeta).sum();
            *x += noise * along - self.pull * h * *x;
            *z = self.stretch * *x;
        }
    }

    fn spread(&self, _: &Quadratic, _: &mut State<Quadratic>, _: &[f64], _: &mut Vec<f64>) -> f64 {
        // Jumps cross a boundary by far: no boundary is drawn in for them.
        0.0
    }

    fn work(&self, _: &Quadratic) -> u64 {
        (self.basis.len() + self.noise.len()) as u64
    }
}
