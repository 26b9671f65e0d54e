//! The dense Hessian of a small network.

use rayon::prelude::*;

use super::model::Model;

/// The most parameters that a Hessian is formed for: 128 MiB of it.
pub const MAX_DENSE: usize = 4096;

impl Model {
    /// H(θ), d × d, row by row and exactly symmetric: column k is H(θ)e_k by [`hessian_vector`](Self::hessian_vector),
    /// and the mean of H and Hᵀ, which differ by rounding, is taken. `None` for more than [`MAX_DENSE`] parameters.
    ///
    /// Columns are spread over rayon's current pool; any pool gives the same bits. It costs d Hessian-vector products.
    ///
    /// # Panics
    /// Unless θ has length [`dim`](Self::dim).
    pub fn dense_hessian(&self, theta: &[f64]) -> Option<Vec<f64>> {
        let d = self.dim();
        assert_eq!(theta.len(), d, "a vector of another length than theta");
        if d > MAX_DENSE {
            return None;
        }
        let mut hessian = vec![0.0; d * d];
        hessian.par_chunks_exact_mut(d).enumerate().for_each_init(
            || (self.workspace(), vec![0.0; d]),
            |(workspace, unit), (k, column)| {
                unit[k] = 1.0;
                self.hessian_vector(theta, unit, column, workspace);
                unit[k] = 0.0;
            },
        );
        for i in 0..d {
            for j in 0..i {
                let mean = 0.5 * (hessian[i * d + j] + hessian[j * d + i]);
                hessian[i * d + j] = mean;
                hessian[j * d + i] = mean;
            }
        }
        Some(hessian)
    }
}
