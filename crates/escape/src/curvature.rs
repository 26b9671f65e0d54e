//! λmax by Lanczos' method, from nothing but matrix-vector products.
//!
//! In exact arithmetic k steps from a start vector b give an orthonormal basis Q_k of span{b, Ab, …, A^(k−1)b} and the
//! tridiagonal T_k = Q_kᵀAQ_k, whose largest eigenvalue μ is the largest Rayleigh quotient in that space: μ ≤ λmax, and
//! it closes in on the largest *algebraic* eigenvalue, whatever lies at the negative end. With T_k s = μs, ‖s‖ = 1, the
//! Ritz vector Q_k s leaves the residual ‖AQ_k s − μQ_k s‖ = β_k|s_k|; so an eigenvalue of A lies within it of μ, and if
//! that one is λmax, at a distance of γ from the others, within residual²/γ even. That the eigenvalue found is the
//! largest rests on b having a part along its eigenvector, which a random b has with probability 1.
//!
//! Every new vector is made orthogonal to all earlier ones twice ("twice is enough", Parlett), which keeps the
//! statements above true in floating point. That stores k vectors of length d: 60 of 115,012 are 55 MB.

use std::fmt;

use crate::landscape::mlp::lanes::{dot, norm};

/// The largest eigenvalue of a symmetric matrix, as far as it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LargestEigenvalue {
    /// μ, never above λmax but for rounding.
    pub value: f64,
    /// Matrix-vector products taken.
    pub iterations: usize,
    /// ‖Ax − μx‖ for the unit Ritz vector x: an eigenvalue lies within it of μ. Compare with `tolerance`·|μ| to see
    /// whether the method converged or ran out of iterations.
    pub residual: f64,
}

/// Why no eigenvalue came out. Fragments that read on after "failed to find the largest eigenvalue: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EigenvalueError {
    /// The start vector has another length than the matrix, or it is empty.
    Length {
        /// The matrix' dimension.
        expected: usize,
        /// The start vector's length.
        found: usize,
    },
    /// The start vector is zero, or not finite.
    Start,
    /// No iteration was allowed.
    NoIterations,
    /// A matrix-vector product was not finite.
    NotFinite {
        /// Which product, counted from 1.
        iteration: usize,
    },
}

impl fmt::Display for EigenvalueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => {
                write!(f, "the start vector must have the matrix' length of {expected}, at least 1, not {found}")
            }
            Self::Start => write!(f, "the start vector must be finite and not zero"),
            Self::NoIterations => write!(f, "at least one iteration is needed"),
            Self::NotFinite { iteration } => write!(f, "product {iteration} with the matrix is not finite"),
        }
    }
}

impl std::error::Error for EigenvalueError {}

/// The largest algebraic eigenvalue of a symmetric d × d matrix A, given by `apply(v, out)`: out ← Av.
///
/// Stops when the residual is at most `tolerance`·|μ| (1e-10, say), when the space spanned is invariant under A (then μ
/// is exact for it), or after `max_iterations` products. `start` need not be normalised; take it random.
///
/// # Errors
/// For a start vector that is empty, zero, not finite or of the wrong length, for no iterations, and when a product is
/// not finite.
pub fn largest_eigenvalue(
    dim: usize,
    mut apply: impl FnMut(&[f64], &mut [f64]),
    start: &[f64],
    tolerance: f64,
    max_iterations: usize,
) -> Result<LargestEigenvalue, EigenvalueError> {
    if start.len() != dim || dim == 0 {
        return Err(EigenvalueError::Length { expected: dim, found: start.len() });
    }
    if max_iterations == 0 {
        return Err(EigenvalueError::NoIterations);
    }
    let length = norm(start);
    if !(length.is_finite() && length > 0.0) {
        return Err(EigenvalueError::Start);
    }
    let mut basis: Vec<Vec<f64>> = vec![start.iter().map(|x| x / length).collect()];
    let mut tridiagonal = Tridiagonal::default();
    let mut next = vec![0.0; dim];
    loop {
        let iteration = basis.len();
        apply(&basis[iteration - 1], &mut next);
        let alpha = dot(&basis[iteration - 1], &next);
        if !alpha.is_finite() {
            return Err(EigenvalueError::NotFinite { iteration });
        }
        for _ in 0..2 {
            for q in &basis {
                let part = dot(q, &next);
                next.iter_mut().zip(q).for_each(|(x, q)| *x -= part * q);
            }
        }
        let beta = norm(&next);
        if !beta.is_finite() {
            return Err(EigenvalueError::NotFinite { iteration });
        }
        tridiagonal.diagonal.push(alpha);
        let value = tridiagonal.largest_eigenvalue();
        let residual = beta * tridiagonal.last_component(value);
        // What is left after orthogonalisation is rounding: the space is invariant.
        let invariant = iteration == dim || beta <= 4.0 * f64::EPSILON * tridiagonal.size();
        if invariant || residual <= tolerance * value.abs() || iteration == max_iterations {
            return Ok(LargestEigenvalue { value, iterations: iteration, residual });
        }
        tridiagonal.off_diagonal.push(beta);
        basis.push(next.iter().map(|x| x / beta).collect());
    }
}

/// A symmetric tridiagonal matrix with positive entries beside the diagonal.
#[derive(Debug, Default)]
struct Tridiagonal {
    /// α, k of them.
    diagonal: Vec<f64>,
    /// β, k − 1 of them.
    off_diagonal: Vec<f64>,
}

impl Tridiagonal {
    /// The largest absolute row sum: a bound on all |eigenvalues|.
    fn size(&self) -> f64 {
        (0..self.diagonal.len()).map(|i| self.diagonal[i].abs() + self.left(i) + self.right(i)).fold(0.0, f64::max)
    }

    fn left(&self, i: usize) -> f64 {
        if i == 0 { 0.0 } else { self.off_diagonal[i - 1] }
    }

    fn right(&self, i: usize) -> f64 {
        self.off_diagonal.get(i).copied().unwrap_or(0.0)
    }

    /// The pivots of T − x from the top: d_i = α_i − x − β²_{i−1}/d_{i−1}. There are as many positive ones as
    /// eigenvalues above x (Sturm).
    fn pivots(&self, x: f64) -> impl Iterator<Item = f64> {
        let mut previous = -1.0;
        self.diagonal.iter().enumerate().map(move |(i, alpha)| {
            let pivot = (alpha - x) - self.left(i) * (self.left(i) / previous);
            // A zero pivot stands for one just above: x then counts as no upper bound.
            previous = if pivot == 0.0 { f64::MIN_POSITIVE } else { pivot };
            previous
        })
    }

    /// The largest eigenvalue, by bisection down to neighbouring floats, as the upper end of the last bracket: at it,
    /// all computed pivots are negative.
    fn largest_eigenvalue(&self) -> f64 {
        let size = self.size();
        // Gershgorin: above the upper end there is no eigenvalue, also after rounding.
        let mut high = size + size * 1e-12 + f64::MIN_POSITIVE;
        // The largest eigenvalue is at least every diagonal entry.
        let mut low = self.diagonal.iter().copied().fold(-high, f64::max);
        if self.diagonal.len() == 1 {
            return low;
        }
        loop {
            let middle = low + 0.5 * (high - low);
            if middle <= low || middle >= high || high - low <= f64::EPSILON * 0.5 * size {
                return high;
            }
            if self.pivots(middle).all(|pivot| pivot < 0.0) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }

    /// |s_k|, the last component of the unit eigenvector to `value` as [`Self::largest_eigenvalue`] gives it.
    ///
    /// By twisted factorisation (Parlett & Dhillon 1997): the pivots from the top and those from the bottom meet at the
    /// row where they fit best, and the eigenvector is followed from there to both ends, always with, never against
    /// its decay. Its components all have one sign, as the top one of a matrix with positive β must.
    fn last_component(&self, value: f64) -> f64 {
        let k = self.diagonal.len();
        let down: Vec<f64> = self.pivots(value).collect();
        let mut up = vec![0.0; k];
        for i in (0..k).rev() {
            let below = if i + 1 == k { 0.0 } else { self.right(i) * (self.right(i) / up[i + 1]) };
            let pivot = (self.diagonal[i] - value) - below;
            up[i] = if pivot == 0.0 { -f64::MIN_POSITIVE } else { pivot };
        }
        let misfit = |i: usize| ((down[i] + up[i]) - (self.diagonal[i] - value)).abs();
        let twist = (0..k).min_by(|&a, &b| misfit(a).total_cmp(&misfit(b))).unwrap_or(0);
        let mut squares = 1.0;
        let mut component: f64 = 1.0;
        for i in (0..twist).rev() {
            component *= self.right(i) / down[i];
            squares += component * component;
        }
        component = 1.0;
        for (i, pivot) in up.iter().enumerate().skip(twist + 1) {
            component *= self.left(i) / pivot;
            squares += component * component;
        }
        component.abs() / squares.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A start vector without a pattern.
    fn start(dim: usize) -> Vec<f64> {
        let mut state = 1_u64;
        (0..dim)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
            })
            .collect()
    }

    fn of_diagonal(eigenvalues: &[f64], tolerance: f64, max_iterations: usize) -> LargestEigenvalue {
        let apply = |v: &[f64], out: &mut [f64]| {
            out.iter_mut().zip(v).zip(eigenvalues).for_each(|((out, v), h)| *out = h * v);
        };
        let dim = eigenvalues.len();
        largest_eigenvalue(dim, apply, &start(dim), tolerance, max_iterations).expect("finite")
    }

    #[test]
    fn the_largest_algebraic_eigenvalue_is_found_although_a_negative_one_is_larger_in_size() {
        let eigenvalues: Vec<f64> = (0..300).map(|i| 3.0 - 0.1 * f64::from(i)).collect();
        let found = of_diagonal(&eigenvalues, 1e-10, 300);
        println!("{found:?}");
        assert!((found.value - 3.0).abs() <= 1e-12, "{found:?}");
        assert!(found.residual <= 3e-10);
        assert!(found.iterations < 150, "{found:?}");
    }

    #[test]
    fn all_eigenvalues_may_be_negative() {
        let found = of_diagonal(&[-5.0, -1.5, -9.0, -2.0], 1e-12, 50);
        assert!((found.value + 1.5).abs() < 1e-13, "{found:?}");
    }

    #[test]
    fn the_residual_bounds_the_error_at_every_iteration() {
        // A long bulk and one outlier, as of a Hessian.
        let mut eigenvalues: Vec<f64> = (0..2000).map(|i| 1.0 / (1.0 + f64::from(i))).collect();
        eigenvalues[1000] = 1.3;
        for iterations in 1..40 {
            let found = of_diagonal(&eigenvalues, 0.0, iterations);
            let error = eigenvalues.iter().map(|h| (h - found.value).abs()).fold(f64::MAX, f64::min);
            assert!(error <= found.residual + 1e-14, "{iterations}: error {error}, {found:?}");
            assert!(found.value <= 1.3 + 1e-14);
        }
        assert!((of_diagonal(&eigenvalues, 1e-10, 100).value - 1.3).abs() < 1e-13);
    }

    #[test]
    fn one_dimension_and_invariant_spaces_end_early() {
        assert_eq!(of_diagonal(&[-7.25], 1e-10, 50), LargestEigenvalue { value: -7.25, iterations: 1, residual: 0.0 });
        let zero = of_diagonal(&[0.0; 5], 1e-10, 50);
        assert_eq!((zero.value, zero.iterations), (0.0, 1));
        let same = of_diagonal(&[2.5; 40], 1e-10, 50);
        assert!((same.value - 2.5).abs() < 1e-14 && same.iterations == 1, "{same:?}");
        // Three distinct eigenvalues: three iterations, even where no tolerance is granted.
        let mut three = vec![1.0; 30];
        three[3..9].fill(4.0);
        three[9..20].fill(-6.0);
        let found = of_diagonal(&three, 0.0, 50);
        assert!((found.value - 4.0).abs() < 1e-13 && found.iterations <= 4, "{found:?}");
        // Fewer dimensions than iterations.
        let few = of_diagonal(&[1.0, 2.0, 3.0], 0.0, 50);
        assert!((few.value - 3.0).abs() < 1e-13 && few.iterations == 3, "{few:?}");
    }

    #[test]
    fn the_discrete_laplacian_has_its_known_top_eigenvalue() {
        let n = 60;
        let apply = |v: &[f64], out: &mut [f64]| {
            for i in 0..n {
                let left = if i > 0 { v[i - 1] } else { 0.0 };
                let right = if i + 1 < n { v[i + 1] } else { 0.0 };
                out[i] = 2.0 * v[i] - left - right;
            }
        };
        let found = largest_eigenvalue(n, apply, &start(n), 1e-12, n).expect("finite");
        let angle = std::f64::consts::PI * n as f64 / (2.0 * (n as f64 + 1.0));
        let expected = 4.0 * angle.sin() * angle.sin();
        assert!((found.value - expected).abs() < 1e-12, "{found:?} against {expected}");
    }

    #[test]
    fn tiny_and_huge_matrices_are_no_harder() {
        for scale in [1e-140, 1e140] {
            let found = of_diagonal(&[scale, 2.0 * scale, -5.0 * scale], 1e-12, 50);
            assert!((found.value / scale - 2.0).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let identity = |v: &[f64], out: &mut [f64]| out.copy_from_slice(v);
        let refused = |dim, start: &[f64], iterations| {
            largest_eigenvalue(dim, identity, start, 1e-10, iterations).expect_err("must be refused")
        };
        assert_eq!(refused(0, &[], 5), EigenvalueError::Length { expected: 0, found: 0 });
        assert_eq!(refused(2, &[1.0], 5), EigenvalueError::Length { expected: 2, found: 1 });
        assert_eq!(refused(2, &[0.0, 0.0], 5), EigenvalueError::Start);
        assert_eq!(refused(1, &[f64::NAN], 5), EigenvalueError::Start);
        assert_eq!(refused(1, &[1.0], 0), EigenvalueError::NoIterations);
        let broken = |_: &[f64], out: &mut [f64]| out.fill(f64::NAN);
        let error = largest_eigenvalue(2, broken, &[1.0, 1.0], 1e-10, 5).expect_err("not finite");
        assert_eq!(error, EigenvalueError::NotFinite { iteration: 1 });
    }
}
