//! The diffusion in the coordinates y = a^½ x, in which the metric is the identity.
//!
//! There the drift is b(y) = −a^½ ∇L(a^(−½) y), the action ½ ∫ |ẏ − b|² dt, and b's Jacobian J = −a^½ H a^(−½) with H
//! the Hessian of L: symmetric only where a and H commute.

use super::diffusion::Diffusion;
use super::error::{ActionError, check_variances};
use super::metric::Metric;

/// A diffusion seen in y.
pub(super) struct Weighted<'a, D: ?Sized> {
    diffusion: &'a D,
    /// a^½.
    roots: Vec<f64>,
    /// The length in x of half a central difference of ∇L.
    step: f64,
}

/// Buffers of length n.
pub(super) struct Scratch {
    x: Vec<f64>,
    up: Vec<f64>,
    down: Vec<f64>,
    direction: Vec<f64>,
}

impl<'a, D: Diffusion + ?Sized> Weighted<'a, D> {
    /// `step` is the length in x of half a central difference of ∇L.
    pub(super) fn new(diffusion: &'a D, metric: Metric, step: f64) -> Result<Self, ActionError> {
        check_variances(diffusion.variances())?;
        let roots = diffusion.variances().iter().map(|&c| metric.weight(c).sqrt()).collect();
        Ok(Self { diffusion, roots, step })
    }

    pub(super) fn dim(&self) -> usize {
        self.roots.len()
    }

    pub(super) fn scratch(&self) -> Scratch {
        let zeros = || vec![0.0; self.dim()];
        Scratch { x: zeros(), up: zeros(), down: zeros(), direction: zeros() }
    }

    /// y of x; a row of points at once, too.
    pub(super) fn to_weighted(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(self.roots.iter().cycle()).map(|(x, root)| x * root).collect()
    }

    /// x of y. Also turns a gradient in x into one in y.
    pub(super) fn to_plain(&self, y: &[f64]) -> Vec<f64> {
        y.iter().zip(self.roots.iter().cycle()).map(|(y, root)| y / root).collect()
    }

    /// b(y).
    pub(super) fn drift(&self, y: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        for ((x, y), root) in scratch.x.iter_mut().zip(y).zip(&self.roots) {
            *x = y / root;
        }
        self.diffusion.gradient(&scratch.x, out);
        for (b, root) in out.iter_mut().zip(&self.roots) {
            *b *= -root;
        }
    }

    /// Jᵀ r at y: −a^(−½) H a^½ r.
    pub(super) fn jacobian_transposed(&self, y: &[f64], r: &[f64], out: &mut [f64], scratch: &mut Scratch) {
        for i in 0..self.dim() {
            scratch.x[i] = y[i] / self.roots[i];
            scratch.direction[i] = self.roots[i] * r[i];
        }
        self.hessian_product(out, scratch);
        for (g, root) in out.iter_mut().zip(&self.roots) {
            *g /= -root;
        }
    }

    /// JᵀJ at y, row by row.
    pub(super) fn squared_jacobian(&self, y: &[f64], scratch: &mut Scratch) -> Vec<f64> {
        let n = self.dim();
        let mut hessian = vec![0.0; n * n];
        for (j, column) in hessian.chunks_exact_mut(n).enumerate() {
            for ((x, y), root) in scratch.x.iter_mut().zip(y).zip(&self.roots) {
                *x = y / root;
            }
            scratch.direction.fill(0.0);
            scratch.direction[j] = 1.0;
            self.hessian_product(column, scratch);
        }
        let mut squared = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let rows = hessian[i * n..(i + 1) * n].iter().zip(&hessian[j * n..(j + 1) * n]);
                let sum: f64 = rows.zip(&self.roots).map(|((p, q), root)| p * q * root * root).sum();
                squared[i * n + j] = sum / (self.roots[i] * self.roots[j]);
                squared[j * n + i] = squared[i * n + j];
            }
        }
        squared
    }

    /// H at `scratch.x` times `scratch.direction`, by a central difference of the gradient; spoils both.
    fn hessian_product(&self, out: &mut [f64], scratch: &mut Scratch) {
        let length = norm(&scratch.direction);
        if length == 0.0 {
            out.fill(0.0);
            return;
        }
        let step = self.step / length;
        for (x, v) in scratch.x.iter_mut().zip(&scratch.direction) {
            *x += step * v;
        }
        self.diffusion.gradient(&scratch.x, &mut scratch.up);
        for (x, v) in scratch.x.iter_mut().zip(&scratch.direction) {
            *x -= 2.0 * step * v;
        }
        self.diffusion.gradient(&scratch.x, &mut scratch.down);
        for ((out, up), down) in out.iter_mut().zip(&scratch.up).zip(&scratch.down) {
            *out = (up - down) / (2.0 * step);
        }
    }
}

/// Σ u_i v_i.
pub(super) fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}

/// ‖v‖.
pub(super) fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}
