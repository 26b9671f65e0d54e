//! The matrix that the minimisation takes for the action's second derivative.
//!
//! With durations τ_k held and one Jacobian J for the whole path, ½ Σ τ_k |Δ_k/τ_k − J ȳ_k|² has the second derivative
//! of Σ (|Δ_k|²/τ_k + τ_k ȳ_kᵀ JᵀJ ȳ_k) / 2 but for a term that only its ends feel, where J is symmetric. In the
//! eigenbasis of JᵀJ that is one tridiagonal matrix a direction. On quadratics whose H and C commute it is exact.

use super::diffusion::Diffusion;
use super::weighted::{Scratch, Weighted};
use crate::curvature::symmetric::{Eigen, eigen};

/// Points of the path that JᵀJ is averaged over.
const SAMPLES: usize = 5;

/// The eigenbasis of a mean JᵀJ; the axes, if it has an entry that is not finite: any basis preconditions.
fn basis(mean: &[f64], n: usize) -> Eigen {
    eigen(mean, n).unwrap_or_else(|_| Eigen {
        values: mean.iter().step_by(n + 1).copied().collect(),
        vectors: (0..n * n).map(|k| f64::from(u8::from(k % (n + 1) == 0))).collect(),
    })
}

/// The eigenbasis of the mean JᵀJ, and the factors of a tridiagonal matrix for each of its directions.
pub(super) struct Preconditioner {
    basis: Eigen,
    /// Interior nodes.
    rows: usize,
    /// The off-diagonals, direction by direction; entry k couples rows k and k + 1.
    coupling: Vec<f64>,
    /// 1 over the pivots of elimination, direction by direction.
    inverse_pivots: Vec<f64>,
    /// The right side in the eigenbasis, direction by direction.
    rotated: Vec<f64>,
}

impl Preconditioner {
    /// From the mean of JᵀJ along the path through `nodes`.
    pub(super) fn new<D: Diffusion + ?Sized>(weighted: &Weighted<'_, D>, nodes: &[f64], scratch: &mut Scratch) -> Self {
        let n = weighted.dim();
        let last = nodes.len() / n - 1;
        let mut mean = vec![0.0; n * n];
        for s in 0..SAMPLES {
            let k = last * s / (SAMPLES - 1);
            let squared = weighted.squared_jacobian(&nodes[k * n..(k + 1) * n], scratch);
            for (mean, value) in mean.iter_mut().zip(&squared) {
                *mean += value / SAMPLES as f64;
            }
        }
        Self { basis: basis(&mean, n), rows: 0, coupling: vec![], inverse_pivots: vec![], rotated: vec![] }
    }

    /// The matrix for these durations.
    pub(super) fn factor(&mut self, durations: &[f64]) {
        let n = self.basis.values.len();
        self.rows = durations.len() - 1;
        self.coupling.resize(n * self.rows, 0.0);
        self.inverse_pivots.resize(n * self.rows, 0.0);
        self.rotated.resize(n * self.rows, 0.0);
        for (i, &value) in self.basis.values.iter().enumerate() {
            let quarter = value.max(0.0) / 4.0;
            let mut before = 0.0;
            for k in 0..self.rows {
                let (tau, next) = (durations[k], durations[k + 1]);
                let diagonal = 1.0 / tau + 1.0 / next + quarter * (tau + next);
                let inverse = 1.0 / (diagonal - before);
                let off = quarter * next - 1.0 / next;
                self.inverse_pivots[i * self.rows + k] = inverse;
                self.coupling[i * self.rows + k] = off;
                before = off * off * inverse;
            }
        }
    }

    /// The inverse of the matrix times `v`, the interior nodes' coordinates, in place.
    pub(super) fn solve(&mut self, v: &mut [f64]) {
        let (n, rows) = (self.basis.values.len(), self.rows);
        for (k, node) in v.chunks_exact(n).enumerate() {
            for (i, vector) in self.basis.vectors.chunks_exact(n).enumerate() {
                self.rotated[i * rows + k] = super::weighted::dot(vector, node);
            }
        }
        for i in 0..n {
            let off = &self.coupling[i * rows..(i + 1) * rows];
            let inverse = &self.inverse_pivots[i * rows..(i + 1) * rows];
            let z = &mut self.rotated[i * rows..(i + 1) * rows];
            for k in 1..rows {
                z[k] -= off[k - 1] * inverse[k - 1] * z[k - 1];
            }
            if let Some(last) = rows.checked_sub(1) {
                z[last] *= inverse[last];
            }
            for k in (0..rows.saturating_sub(1)).rev() {
                z[k] = (z[k] - off[k] * z[k + 1]) * inverse[k];
            }
        }
        v.fill(0.0);
        for (k, node) in v.chunks_exact_mut(n).enumerate() {
            for (i, vector) in self.basis.vectors.chunks_exact(n).enumerate() {
                let z = self.rotated[i * rows + k];
                for (v, q) in node.iter_mut().zip(vector) {
                    *v += z * q;
                }
            }
        }
    }

    /// ½ (JᵀJ)^(−½) times `v`, one point's coordinates: about the inverse of V's second derivative, for on quadratics
    /// whose H and C commute V = yᵀ |J| y.
    pub(super) fn solve_end(&self, v: &[f64]) -> Vec<f64> {
        let n = v.len();
        let largest = self.basis.values.iter().copied().fold(0.0, f64::max);
        let mut out = vec![0.0; n];
        for (&value, vector) in self.basis.values.iter().zip(self.basis.vectors.chunks_exact(n)) {
            let stiffness = value.max(1e-8 * largest).max(f64::MIN_POSITIVE).sqrt();
            let z = 0.5 * super::weighted::dot(vector, v) / stiffness;
            for (out, q) in out.iter_mut().zip(vector) {
                *out += z * q;
            }
        }
        out
    }
}
