//! Large deviations: how much action an escape takes, and by which path it goes.
//!
//! A diffusion dX = −∇L(X) dt + √ε C^½ dw leaves the neighbourhood D of a minimum θ* after a time E\[τ\] with
//! ε log E\[τ\] → V0 as ε → 0 (Theorem 1 of the paper, ε = η/B). V0 is the least action of all paths from θ* to ∂D. Here
//! it is computed, with no law assumed.
//!
//! | question | answer |
//! | --- | --- |
//! | What does this path cost, run at this speed? | [`steepness::steepness`], Definition 4 |
//! | What does it cost at its best speed? | [`steepness::geometric_action`], Eq. 17 |
//! | What does it take to reach this point, and how? | [`quasipotential::quasipotential`], Definition 5 |
//! | The same past another saddle? | [`quasipotential::quasipotential_from`] a path over it |
//! | What does it take to leave D, and where? | [`exit::quasipotential_to_boundary`], V0 of Theorem 1 |
//! | Is this V a quasi-potential? | [`hamilton_jacobi::hamilton_jacobi`], Theorem 4 |
//!
//! # Conventions
//!
//! With b = −∇L, |v|²_a = vᵀ a v and the ½ in all of them, in [`metric::Metric::FreidlinWentzell`] and
//! [`metric::Metric::Paper`]:
//!
//! | | a = C⁻¹ | a = C^(−1/2) |
//! | --- | --- | --- |
//! | action of a path | ½ ∫ \|φ̇ − b\|²_a dt | the same (Definition 4, Eq. 14) |
//! | at its best speed, \|φ̇\|_a = \|b\|_a | ∫ (\|φ'\|_a \|b\|_a − ⟨φ', b⟩_a) ds | the same (Eqs. 17 and 19) |
//! | Hamilton–Jacobi | ½ ∇Vᵀ C ∇V − ∇L·∇V = 0 | ½ ∇Vᵀ C^½ ∇V − ∇L·∇V = 0 (Theorem 4) |
//! | C = I | V = 2 (L − L(θ*)) | the same (Lemma 3) |
//! | C = cI | V = 2 (L − L(θ*)) / c | V = 2 (L − L(θ*)) / √c |
//! | H and C commute | V = Σ h_i x_i² / c_i | V = Σ h_i x_i² / √c_i |
//! | C = H, so | V = ‖x‖² | V = Σ √h_i x_i² |
//! | C = H, ball of radius r | V0 = r² | V0 = √λmin r² |
//! | C = H, level set L − L(θ*) = ΔL | V0 = 2ΔL/λmax | V0 = 2ΔL/√λmax (Theorem 2 with A = 0) |
//! | any H and C | V = ½ xᵀ Σ⁻¹ x, HΣ + ΣH = C | the same with C^½ for C |
//!
//! Everything is a pure function of its arguments, without randomness but for the seed of a search, in f64 and in a fixed
//! order of summation; from addition to the square root alone, so that the bits are the same on every machine if the
//! caller's closures give the same.
//!
//! # The paper's factors and powers
//!
//! Its statements do not all fit together; what is computed here follows the definition that is named, and no other.
//!
//! - Eq. 3 has noise √ε C^½ dw, to which Freidlin & Wentzell's theorem 3.1 (Lemmas 1 and 2, so Theorem 1) gives an
//!   action with C⁻¹. Definition 4 has C^(−1/2). Theorem 4 and Theorem 2 follow from Definition 4.
//! - Lemma 3 and Theorem 1 give 2ΔL for C = I, and so says the text after Theorem 2; Proposition 1 has ΔL.
//! - Theorem 2 has 2ΔL/√λmax; its informal version in the introduction has half of it.
//! - The error in Lemma 4 is A √λmin (√κ − 1); its proof arrives (Eq. 30) at ½ T (K + M)² (√κ − 1)/√λmax, with the
//!   T at which the infimum is reached (Eqs. 37 and 38). It is reached at no finite T: the best path takes for ever to
//!   leave θ*. For quadratics with C = H the error is 0 on a level set and √λmin r² (1 − 1/√κ) on a ball.
//! - Eq. 22 has C^(−1/2) where the line after it has, rightly, C^½.
//!
//! # The method
//!
//! A geometric minimum action method (Heymann & Vanden-Eijnden, Commun. Pure Appl. Math. 61, 2008): T is gone, and the
//! path is a row of images. In the coordinates a^½ x the metric is the identity. Images move by L-BFGS, preconditioned
//! by the action's second derivative for one mean Hessian, and are kept spread along the path. A step takes about
//! four gradients an image, and a preconditioner 10 n; n² numbers are kept, so n is meant to be 100 at most: for a
//! perceptron, the coordinates of a subspace. Errors fall with the square of the number of images.
//!
//! # Example
//!
//! Leaving a ball of a quadratic with C = H:
//!
//! ```
//! use taugrid_escape::action::boundary::ExitBoundary;
//! use taugrid_escape::action::diffusion::Closures;
//! use taugrid_escape::action::exit::{Search, quasipotential_to_boundary};
//! use taugrid_escape::action::metric::Metric;
//! use taugrid_escape::action::resolution::Resolution;
//!
//! let h = [1.0, 0.25];
//! let bowl = Closures::new(
//!     h.to_vec(),
//!     |x: &[f64]| 0.5 * (h[0] * x[0] * x[0] + h[1] * x[1] * x[1]),
//!     |x: &[f64], out: &mut [f64]| {
//!         out[0] = h[0] * x[0];
//!         out[1] = h[1] * x[1];
//!     },
//! )?;
//! let ball = ExitBoundary::Ball { radius: 0.8 };
//! let (search, resolution) = (Search::default(), Resolution::default());
//! let exit = quasipotential_to_boundary(&bowl, Metric::FreidlinWentzell, ball, &search, resolution)?;
//! assert!(exit.converged && (exit.quasipotential.value - 0.64).abs() < 1e-6);
//! # Ok::<(), taugrid_escape::action::error::ActionError>(())
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`diffusion`], [`metric`], [`path`], [`boundary`] | what is given: L, ∇L and C; the power of C; a path; ∂D |
//! | [`steepness`] | the action of a given path |
//! | [`quasipotential`] | the least action to a point |
//! | [`exit`], [`starts`] | the least action to ∂D, and where the search begins |
//! | [`hamilton_jacobi`] | the equation that V solves |
//! | [`resolution`], [`error`] | how hard to try, and what can go wrong |
//! | `weighted`, `energy` | the coordinates in which a = I, and the action of a row of nodes there |
//! | `relax`, `lbfgs`, `memory` | a path with fixed ends to its least action |
//! | `precondition` | the second derivative it is preconditioned by |
//! | `descent` | the endpoint, along ∂D |

pub mod boundary;
mod descent;
pub mod diffusion;
mod energy;
pub mod error;
pub mod exit;
pub mod hamilton_jacobi;
mod lbfgs;
mod memory;
pub mod metric;
pub mod path;
mod precondition;
pub mod quasipotential;
mod relax;
pub mod resolution;
pub mod starts;
pub mod steepness;
#[cfg(test)]
mod tests;
mod weighted;
