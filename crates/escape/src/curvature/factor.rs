//! The square root of a Hessian as a noise covariance: C = H (Assumption 2) for a dense H.

use super::symmetric::{EigenError, eigen};

/// C^½ = V√Λ₊ of a symmetric H = VΛVᵀ, where Λ₊ is Λ with its negative eigenvalues set to 0: a covariance has none, and
/// the Hessian of a network that is nearly, but not quite, at a minimum has some.
#[derive(Debug, Clone, PartialEq)]
pub struct HessianFactor {
    /// F, d × r, row by row: a row of r numbers for each parameter. Column k is √λ_k v_k, the largest eigenvalue first,
    /// so that Fξ with ξ ~ N(0, I_r) has the covariance FFᵀ = VΛ₊Vᵀ. Eigenvalues within rounding of 0, up to
    /// d·ε·max |λ|, have no column.
    pub factor: Vec<f64>,
    /// r, how many columns there are.
    pub rank: usize,
    /// Σ |λ| over the negative eigenvalues, over Σ |λ|: the share of H that was clipped away. 0 for H = 0.
    pub clipped_weight: f64,
    /// All of H's, ascending, as they were before the clipping.
    pub eigenvalues: Vec<f64>,
}

impl HessianFactor {
    /// The factor of the symmetric d × d `hessian`, of which only the lower triangle is read.
    ///
    /// # Errors
    /// As [`eigen`].
    pub fn of(hessian: &[f64], d: usize) -> Result<Self, EigenError> {
        let found = eigen(hessian, d)?;
        let size = found.values.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
        let rounding = d as f64 * f64::EPSILON * size;
        let kept: Vec<usize> = (0..d).rev().take_while(|&k| found.values[k] > rounding).collect();
        let roots: Vec<f64> = kept.iter().map(|&k| found.values[k].sqrt()).collect();
        let row = |j: usize| kept.iter().zip(&roots).map(move |(&k, root)| (k * d + j, root));
        let factor = (0..d).flat_map(row).map(|(at, root)| root * found.vectors[at]).collect();
        let sum = |of: fn(f64) -> f64| found.values.iter().fold(0.0, |sum, &value| sum + of(value));
        let (negative, all) = (sum(|value| (-value).max(0.0)), sum(f64::abs));
        let clipped_weight = if all > 0.0 { negative / all } else { 0.0 };
        Ok(Self { factor, rank: kept.len(), clipped_weight, eigenvalues: found.values })
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.eigenvalues.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::landscape::mlp::lanes::dot;

    #[test]
    fn the_factor_squares_to_the_matrix_without_its_negative_part() {
        // v₁ = (1, 1, 1, 1)/2 with 4, v₂ = (1, −1, 1, −1)/2 with −1, v₃ = (1, 1, −1, −1)/2 with 2, and 0.
        let vectors = [[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5], [0.5, 0.5, -0.5, -0.5]];
        let sum = |values: [f64; 3]| -> Vec<f64> {
            let entry = |i: usize, j: usize| values.iter().zip(&vectors).map(|(h, v)| h * v[i] * v[j]).sum();
            (0..16).map(|k| entry(k / 4, k % 4)).collect()
        };
        let found = HessianFactor::of(&sum([4.0, -1.0, 2.0]), 4).expect("finite");
        assert_eq!((found.rank, found.dim(), found.factor.len()), (2, 4, 8));
        assert!((found.clipped_weight - 1.0 / 7.0).abs() < 1e-15);
        for (value, expected) in found.eigenvalues.iter().zip([-1.0, 0.0, 2.0, 4.0]) {
            assert!((value - expected).abs() < 1e-14, "{:?}", found.eigenvalues);
        }
        let first: Vec<f64> = found.factor.iter().step_by(2).copied().collect();
        assert!((dot(&first, &first) - 4.0).abs() < 1e-14, "the largest first");
        for (k, expected) in sum([4.0, 0.0, 2.0]).into_iter().enumerate() {
            let square = dot(&found.factor[k / 4 * 2..][..2], &found.factor[k % 4 * 2..][..2]);
            assert!((square - expected).abs() < 1e-14, "{k}");
        }
    }

    #[test]
    fn nothing_is_clipped_of_a_bowl_and_nothing_left_of_a_summit() {
        let bowl = HessianFactor::of(&[3.0, 0.0, 0.0, 1.0], 2).expect("finite");
        assert_eq!((bowl.rank, bowl.clipped_weight), (2, 0.0));
        assert_eq!(bowl.factor, [3.0_f64.sqrt(), 0.0, 0.0, 1.0]);
        let across = HessianFactor::of(&[1.0, 0.0, 0.0, 3.0], 2).expect("finite");
        assert_eq!(across.factor, [0.0, 1.0, 3.0_f64.sqrt(), 0.0]);
        let summit = HessianFactor::of(&[-3.0, 0.0, 0.0, -1.0], 2).expect("finite");
        assert_eq!((summit.rank, summit.clipped_weight, summit.factor.len()), (0, 1.0, 0));
        let flat = HessianFactor::of(&[0.0; 4], 2).expect("finite");
        assert_eq!((flat.rank, flat.clipped_weight), (0, 0.0));
        assert!(HessianFactor::of(&[1.0], 2).is_err());
    }
}
