//! Extreme eigenvalues by Lanczos' method, from nothing but matrix-vector products.
//!
//! In exact arithmetic k steps from a start vector b give an orthonormal basis Q_k of span{b, Ab, …, A^(k−1)b} and the
//! tridiagonal T_k = Q_kᵀAQ_k, whose largest eigenvalue μ is the largest Rayleigh quotient in that space: μ ≤ λmax, and
//! it closes in on the largest *algebraic* eigenvalue, whatever lies at the negative end. With T_k s = μs, ‖s‖ = 1, the
//! Ritz vector Q_k s leaves the residual ‖AQ_k s − μQ_k s‖ = β_k|s_k|; so an eigenvalue of A lies within it of μ, and if
//! that one is λmax, at a distance of γ from the others, within residual²/γ even. That the eigenvalue found is the
//! largest rests on b having a part along its eigenvector, which a random b has with probability 1.
//!
//! The smallest eigenvalue of T_k stands to λmin as the largest to λmax, and further ones to those further in, so one
//! basis serves for all of them. Of an eigenvalue that is there several times one copy is found: the space spanned
//! has one vector of its eigenspace.
//!
//! Every new vector is made orthogonal to all earlier ones twice ("twice is enough", Parlett), which keeps the
//! statements above true in floating point. That stores k vectors of length d: 60 of 115,012 are 55 MB.

use std::fmt;

use super::symmetric::{Eigen, tridiagonal_eigen};
use super::tridiagonal::Tridiagonal;
use crate::landscape::mlp::lanes::{dot, norm};

/// An eigenvalue at one end of a symmetric matrix' spectrum, as far as it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtremeEigenvalue {
    /// μ. But for rounding never above λmax, if that is sought, and never below λmin.
    pub value: f64,
    /// Matrix-vector products taken.
    pub iterations: usize,
    /// ‖Ax − μx‖ for the unit Ritz vector x: an eigenvalue lies within it of μ. Compare with the tolerance to see
    /// whether the method converged or ran out of iterations.
    pub residual: f64,
}

/// The top of a symmetric matrix' spectrum, as far as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Descending.
    pub values: Vec<f64>,
    /// ‖Ax − μx‖ of each: an eigenvalue lies within it of that value.
    pub residuals: Vec<f64>,
    /// The unit Ritz vectors, row by row: row k, of length d, is that of `values[k]`.
    pub vectors: Vec<f64>,
    /// Matrix-vector products taken.
    pub iterations: usize,
}

/// Why no eigenvalue came out. Fragments that read on after "failed to find the eigenvalues: ".
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
) -> Result<ExtremeEigenvalue, EigenvalueError> {
    let mut krylov = Krylov::new(dim, start, max_iterations)?;
    loop {
        krylov.multiply(&mut apply)?;
        let found = krylov.largest();
        if found.residual <= tolerance * found.value.abs() || !krylov.extend(max_iterations) {
            return Ok(found);
        }
    }
}

/// The smallest algebraic eigenvalue, as [`largest_eigenvalue`] of −A: the residual is at most `tolerance`·|μ| if it
/// converged. Near 0 that may be out of reach: see [`extreme_eigenvalues`], which measures against λmax.
///
/// # Errors
/// As [`largest_eigenvalue`].
pub fn smallest_eigenvalue(
    dim: usize,
    mut apply: impl FnMut(&[f64], &mut [f64]),
    start: &[f64],
    tolerance: f64,
    max_iterations: usize,
) -> Result<ExtremeEigenvalue, EigenvalueError> {
    let negated = |v: &[f64], out: &mut [f64]| {
        apply(v, out);
        out.iter_mut().for_each(|x| *x = -*x);
    };
    let found = largest_eigenvalue(dim, negated, start, tolerance, max_iterations)?;
    Ok(ExtremeEigenvalue { value: -found.value, ..found })
}

/// How far [`extreme_eigenvalues`] goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// λmax is found when its residual is at most so many times |λmax|.
    pub tolerance: f64,
    /// Products for λmax, and for both together.
    pub max_iterations: usize,
    /// λmin is found when its residual is at most so many times |λmax|.
    pub smallest_tolerance: f64,
    /// Further products for λmin at most, as a share of those that λmax took.
    pub smallest_share: f64,
}

/// λmax exactly as [`largest_eigenvalue`] finds it, and λmin from the same basis, extended by a bounded number of
/// products: (λmax, λmin). `iterations` of the second counts the products of both.
///
/// λmin is often one of a dense bulk at the lower end, which Lanczos' method resolves slowly; what it has when it stops
/// is an upper bound of λmin.
///
/// # Errors
/// As [`largest_eigenvalue`].
pub fn extreme_eigenvalues(
    dim: usize,
    mut apply: impl FnMut(&[f64], &mut [f64]),
    start: &[f64],
    extent: Extent,
) -> Result<(ExtremeEigenvalue, ExtremeEigenvalue), EigenvalueError> {
    let mut krylov = Krylov::new(dim, start, extent.max_iterations)?;
    let largest = loop {
        krylov.multiply(&mut apply)?;
        let found = krylov.largest();
        if found.residual <= extent.tolerance * found.value.abs() || !krylov.extend(extent.max_iterations) {
            break found;
        }
    };
    let more = (largest.iterations as f64 * extent.smallest_share) as usize;
    let last = largest.iterations.saturating_add(more).min(extent.max_iterations);
    loop {
        let smallest = krylov.smallest();
        if smallest.residual <= extent.smallest_tolerance * largest.value.abs() || !krylov.extend(last) {
            return Ok((largest, smallest));
        }
        krylov.multiply(&mut apply)?;
    }
}

/// The `count` largest eigenvalues of a symmetric d × d matrix A, with their vectors.
///
/// Stops when all their residuals are at most `tolerance` times the largest |eigenvalue| of them, when the space spanned
/// is invariant under A, or after `max_iterations` products. There are fewer than `count` where the space spanned has
/// fewer dimensions, as for a matrix with few distinct eigenvalues.
///
/// # Errors
/// As [`largest_eigenvalue`].
pub fn top_eigenvalues(
    dim: usize,
    mut apply: impl FnMut(&[f64], &mut [f64]),
    start: &[f64],
    count: usize,
    tolerance: f64,
    max_iterations: usize,
) -> Result<Spectrum, EigenvalueError> {
    let mut krylov = Krylov::new(dim, start, max_iterations)?;
    let mut check = count;
    loop {
        krylov.multiply(&mut apply)?;
        let iterations = krylov.basis.len();
        let last = krylov.invariant() || iterations == max_iterations;
        // The whole spectrum of T costs about iterations³: it is taken at every so manieth product.
        if last || iterations >= check {
            check = iterations + 1 + iterations / 16;
            let eigen = krylov.eigen()?;
            let top = count.min(iterations);
            let residual = |k: usize| krylov.beta * eigen.vector(k)[iterations - 1].abs();
            let size = eigen.values[iterations - top..].iter().fold(0.0_f64, |size, x| size.max(x.abs()));
            let converged = top == count && (iterations - top..iterations).all(|k| residual(k) <= tolerance * size);
            if last || converged {
                return Ok(krylov.spectrum(&eigen, top));
            }
        }
        krylov.extend(max_iterations);
    }
}

/// Q_k and T_k, and the next direction.
struct Krylov {
    dim: usize,
    /// The rows of Q_kᵀ.
    basis: Vec<Vec<f64>>,
    tridiagonal: Tridiagonal,
    /// A times the last of them, made orthogonal to all.
    next: Vec<f64>,
    /// ‖next‖ = β_k.
    beta: f64,
}

impl Krylov {
    fn new(dim: usize, start: &[f64], max_iterations: usize) -> Result<Self, EigenvalueError> {
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
        Ok(Self {
            dim,
            basis: vec![start.iter().map(|x| x / length).collect()],
            tridiagonal: Tridiagonal::default(),
            next: vec![0.0; dim],
            beta: 0.0,
        })
    }

    /// Multiplies the last vector by A; T grows by a row.
    fn multiply(&mut self, apply: &mut impl FnMut(&[f64], &mut [f64])) -> Result<(), EigenvalueError> {
        let Self { basis, next, .. } = self;
        let iteration = basis.len();
        apply(&basis[iteration - 1], next);
        let alpha = dot(&basis[iteration - 1], next);
        if !alpha.is_finite() {
            return Err(EigenvalueError::NotFinite { iteration });
        }
        for _ in 0..2 {
            for q in &*basis {
                let part = dot(q, next);
                next.iter_mut().zip(q).for_each(|(x, q)| *x -= part * q);
            }
        }
        self.beta = norm(next);
        if !self.beta.is_finite() {
            return Err(EigenvalueError::NotFinite { iteration });
        }
        self.tridiagonal.diagonal.push(alpha);
        Ok(())
    }

    /// Whether what is left after orthogonalisation is rounding: the space is invariant under A.
    fn invariant(&self) -> bool {
        self.basis.len() == self.dim || self.beta <= 4.0 * f64::EPSILON * self.tridiagonal.size()
    }

    /// Takes the next direction into the basis, unless there is none, or the basis is that large already.
    fn extend(&mut self, max_iterations: usize) -> bool {
        if self.invariant() || self.basis.len() >= max_iterations {
            return false;
        }
        self.tridiagonal.off_diagonal.push(self.beta);
        self.basis.push(self.next.iter().map(|x| x / self.beta).collect());
        true
    }

    fn largest(&self) -> ExtremeEigenvalue {
        let value = self.tridiagonal.largest_eigenvalue();
        let residual = self.beta * self.tridiagonal.last_component(value);
        ExtremeEigenvalue { value, iterations: self.basis.len(), residual }
    }

    fn smallest(&self) -> ExtremeEigenvalue {
        // −T with the signs of every other coordinate changed: what is beside its diagonal is positive again.
        let diagonal = self.tridiagonal.diagonal.iter().map(|x| -x).collect();
        let negated = Tridiagonal { diagonal, off_diagonal: self.tridiagonal.off_diagonal.clone() };
        let value = negated.largest_eigenvalue();
        let residual = self.beta * negated.last_component(value);
        ExtremeEigenvalue { value: -value, iterations: self.basis.len(), residual }
    }

    /// The spectrum of T.
    fn eigen(&self) -> Result<Eigen, EigenvalueError> {
        let Tridiagonal { diagonal, off_diagonal } = &self.tridiagonal;
        tridiagonal_eigen(diagonal, off_diagonal).map_err(|_| EigenvalueError::NotFinite { iteration: diagonal.len() })
    }

    /// The `count` largest eigenvalues of T, whose spectrum is this, with their Ritz vectors.
    fn spectrum(&self, eigen: &Eigen, count: usize) -> Spectrum {
        let iterations = self.basis.len();
        let top = (iterations - count..iterations).rev();
        let mut vectors = vec![0.0; count * self.dim];
        for (k, out) in top.clone().zip(vectors.chunks_exact_mut(self.dim)) {
            for (s, q) in eigen.vector(k).iter().zip(&self.basis) {
                out.iter_mut().zip(q).for_each(|(x, q)| *x += s * q);
            }
        }
        Spectrum {
            values: top.clone().map(|k| eigen.values[k]).collect(),
            residuals: top.map(|k| self.beta * eigen.vector(k)[iterations - 1].abs()).collect(),
            vectors,
            iterations,
        }
    }
}

#[cfg(test)]
mod tests;
