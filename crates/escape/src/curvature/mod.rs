//! The curvature of a landscape, from matrix-vector products or from a dense matrix.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`symmetric`] | all eigenvalues and eigenvectors of a dense symmetric matrix |
//! | [`lanczos`] | λmax, λmin and the top of the spectrum from products with vectors alone |
//! | [`trace`] | tr A by Hutchinson's estimator |
//! | [`assumption`] | Assumption 2, C = H, as numbers |
//! | [`factor`] | C^½ for C = H |
//! | [`sphere`] | ΔL: the least loss on a sphere |
//! | `tridiagonal` | the matrix that Lanczos' method makes, and its largest eigenvalue |
//!
//! All of it is f64, with +, −, ×, ÷ and √ only and every sum in one order: the same bits on every machine.

pub mod assumption;
pub mod factor;
pub mod lanczos;
pub mod sphere;
pub mod symmetric;
pub mod trace;
mod tridiagonal;

pub use assumption::{NoiseVersusHessian, noise_versus_hessian};
pub use factor::HessianFactor;
pub use lanczos::{
    EigenvalueError, Extent, ExtremeEigenvalue, Spectrum, extreme_eigenvalues, largest_eigenvalue, smallest_eigenvalue,
    top_eigenvalues,
};
pub use sphere::{Depth, depth_on_sphere};
pub use symmetric::{Eigen, EigenError, eigen};
pub use trace::{Estimate, ProbeError};
