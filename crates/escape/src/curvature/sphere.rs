//! ΔL on a ball for landscapes without a closed form: the least L on the sphere ‖z‖ = r.
//!
//! From each start, descent along the projected gradient P∇L = ∇L − ⟨∇L, z⟩z/r², back to the sphere after each step,
//! with the step lengths of Barzilai and Borwein (IMA J. Numer. Anal. 8, 1988), their two forms in turn, and the
//! non-monotone condition of Grippo, Lampariello and Lucidi (1986): L falls below the largest of the last eight values.
//! On a quadratic this finds the eigenvector of λmin, so that ΔL = ½λmin r².
//!
//! What is found is L at a point of the sphere, hence never below ΔL; that no other point has less, no method of this
//! kind can tell. Several starts that agree are the evidence there is.

use std::fmt;

use crate::landscape::mlp::lanes::{dot, norm};

/// How long to search from each start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// A start has converged when ‖P∇L‖ is at most so many times the largest ‖∇L‖ met. The error of L is of the order
    /// of its square.
    pub tolerance: f64,
    /// Evaluations of L and ∇L for each start.
    pub max_evaluations: usize,
}

/// The least L found on the sphere.
#[derive(Debug, Clone, PartialEq)]
pub struct Depth {
    /// L there: ΔL, or above it.
    pub value: f64,
    /// Where, of length d and r.
    pub argmin: Vec<f64>,
    /// Starts searched from.
    pub starts: usize,
    /// How many of them converged.
    pub converged: usize,
    /// Evaluations of L and ∇L in all.
    pub evaluations: usize,
}

/// Why there is no depth. Fragments that read on after "failed to find the depth: ".
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum DepthError {
    /// No start, or no evaluation, was allowed.
    Nothing,
    /// The radius is not finite and positive.
    Radius(f64),
    /// A start of another length than the sphere's dimension, zero, or not finite.
    Start {
        /// Which, counted from 0.
        index: usize,
    },
    /// L or ∇L is not finite at any start.
    NotFinite,
}

impl fmt::Display for DepthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "at least one start and one evaluation are needed"),
            Self::Radius(radius) => write!(f, "the radius must be finite and positive, not {radius}"),
            Self::Start { index } => write!(f, "start {index} is no direction of the space"),
            Self::NotFinite => write!(f, "the loss or its gradient is not finite at any start"),
        }
    }
}

impl std::error::Error for DepthError {}

/// The least L on ‖z‖ = `radius`, z ∈ R^d, searched from the directions `starts`. `loss_and_gradient(z, out)` gives
/// L(z) and writes ∇L(z). A point where either is not finite is not entered; a start there is passed over.
///
/// Takes at most `search.max_evaluations` evaluations for each start. The same bits each time, if the landscape's are.
///
/// # Errors
/// If there is nothing to search with, a start is no direction, or L is finite at none.
pub fn depth_on_sphere(
    dim: usize,
    mut loss_and_gradient: impl FnMut(&[f64], &mut [f64]) -> f64,
    radius: f64,
    starts: &[Vec<f64>],
    search: Search,
) -> Result<Depth, DepthError> {
    if starts.is_empty() || dim == 0 || search.max_evaluations == 0 {
        return Err(DepthError::Nothing);
    }
    if !(radius.is_finite() && radius > 0.0) {
        return Err(DepthError::Radius(radius));
    }
    let mut best: Option<(f64, Vec<f64>)> = None;
    let (mut converged, mut evaluations) = (0, 0);
    for (index, start) in starts.iter().enumerate() {
        let length = norm(start);
        if start.len() != dim || !(length.is_finite() && length > 0.0) {
            return Err(DepthError::Start { index });
        }
        let mut descent = Descent {
            evaluate: |z: &[f64], gradient: &mut [f64]| {
                evaluations += 1;
                let loss = loss_and_gradient(z, gradient);
                if best.as_ref().is_none_or(|(least, _)| loss < *least) && loss.is_finite() {
                    best = Some((loss, z.to_vec()));
                }
                loss
            },
            radius,
            left: search.max_evaluations,
        };
        let at: Vec<f64> = start.iter().map(|x| x / length * radius).collect();
        if dim == 1 {
            // A sphere of two points.
            let opposite = vec![-at[0]];
            let known = [at, opposite].map(|z| descent.visit(z).is_some());
            converged += usize::from(known == [true; 2]);
        } else {
            converged += usize::from(descent.run(at, search.tolerance));
        }
    }
    let (value, argmin) = best.ok_or(DepthError::NotFinite)?;
    Ok(Depth { value, argmin, starts: starts.len(), converged, evaluations })
}

/// A point of the sphere, and what L does there.
struct Place {
    z: Vec<f64>,
    loss: f64,
    /// ‖∇L‖.
    steepness: f64,
    /// P∇L.
    tangent: Vec<f64>,
}

/// The search from one start.
struct Descent<F> {
    evaluate: F,
    radius: f64,
    /// Evaluations left.
    left: usize,
}

/// L must fall below the largest of so many last values.
const MEMORY: usize = 8;
/// By at least this share of what the slope promises (Armijo).
const SUFFICIENT: f64 = 1e-4;

impl<F: FnMut(&[f64], &mut [f64]) -> f64> Descent<F> {
    /// L and P∇L at z; `None` if they are not finite or no evaluation is left.
    fn visit(&mut self, z: Vec<f64>) -> Option<Place> {
        self.left = self.left.checked_sub(1)?;
        let mut tangent = vec![0.0; z.len()];
        let loss = (self.evaluate)(&z, &mut tangent);
        let steepness = norm(&tangent);
        if !(loss.is_finite() && steepness.is_finite()) {
            return None;
        }
        // Twice, so that what is left along z is rounding of P∇L rather than of ∇L.
        for _ in 0..2 {
            let along = dot(&tangent, &z) / dot(&z, &z);
            tangent.iter_mut().zip(&z).for_each(|(t, z)| *t -= along * z);
        }
        Some(Place { z, loss, steepness, tangent })
    }

    /// Whether it converged.
    fn run(&mut self, start: Vec<f64>, tolerance: f64) -> bool {
        let Some(mut here) = self.visit(start) else { return false };
        let mut steepest = here.steepness;
        let mut last = vec![here.loss];
        let mut slope = norm(&here.tangent);
        let mut step = 0.1 * self.radius / slope;
        for turn in 0.. {
            steepest = steepest.max(here.steepness);
            if slope <= tolerance * steepest {
                return true;
            }
            // A radian at most.
            step = step.min(self.radius / slope);
            let ceiling = last.iter().copied().fold(f64::MIN, f64::max);
            let there = loop {
                if self.left == 0 || step * slope <= f64::EPSILON * self.radius {
                    return false;
                }
                let moved: Vec<f64> = here.z.iter().zip(&here.tangent).map(|(z, t)| z - step * t).collect();
                let stretch = self.radius / norm(&moved);
                let there = self.visit(moved.into_iter().map(|z| z * stretch).collect());
                match there {
                    Some(there) if there.loss <= ceiling - SUFFICIENT * step * slope * slope => break there,
                    _ => step *= 0.25,
                }
            };
            let (mut moved_square, mut bend, mut turned_square) = (0.0, 0.0, 0.0);
            for ((z, t), (y, u)) in here.z.iter().zip(&here.tangent).zip(there.z.iter().zip(&there.tangent)) {
                let (moved, turned) = (y - z, u - t);
                moved_square += moved * moved;
                bend += moved * turned;
                turned_square += turned * turned;
            }
            if last.len() == MEMORY {
                last.remove(0);
            }
            last.push(there.loss);
            here = there;
            slope = norm(&here.tangent);
            step = match (bend > 0.0, turn % 2 == 0) {
                (true, true) => moved_square / bend,
                (true, false) => bend / turned_square,
                // L bends downwards along this step: as far as a step may go.
                (false, _) => f64::INFINITY,
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, StreamKey};

    const SEARCH: Search = Search { tolerance: 1e-7, max_evaluations: 2000 };

    fn starts(dim: usize, count: usize) -> Vec<Vec<f64>> {
        let mut stream = Stream::new(StreamKey::derive(21, 22), 0);
        (0..count).map(|_| (0..dim).map(|_| stream.normal()).collect()).collect()
    }

    fn quadratic(eigenvalues: &[f64]) -> impl FnMut(&[f64], &mut [f64]) -> f64 + '_ {
        move |z, out| {
            out.iter_mut().zip(z).zip(eigenvalues).for_each(|((g, z), h)| *g = h * z);
            0.5 * dot(out, z)
        }
    }

    #[test]
    fn on_a_quadratic_it_is_half_lambda_min_r_squared() {
        let ill: Vec<f64> = (0..100).map(|k| 10.0_f64.powf(-3.0 * f64::from(k) / 99.0)).collect();
        let saddle: Vec<f64> = (0..60).map(|k| f64::from(k) * 0.1 - 1.0).collect();
        for (eigenvalues, radius) in [(ill, 0.3), (saddle, 5.0), (vec![2.0, 0.5], 1e-6), (vec![7.0; 10], 1.0)] {
            let dim = eigenvalues.len();
            let found = depth_on_sphere(dim, quadratic(&eigenvalues), radius, &starts(dim, 3), SEARCH).expect("finite");
            let expected = 0.5 * eigenvalues.iter().copied().fold(f64::MAX, f64::min) * radius * radius;
            assert!((found.value - expected).abs() < 1e-9 * expected.abs(), "{expected}: {:?}", found.value);
            assert_eq!((found.starts, found.converged), (3, 3), "{} evaluations", found.evaluations);
            assert!((norm(&found.argmin) - radius).abs() < 1e-14 * radius);
            assert_eq!(found.value, quadratic(&eigenvalues)(&found.argmin, &mut vec![0.0; dim]));
        }
    }

    /// L = x²(1 − x)²/4 + y²/2 + xy³: two wells, and two ways down from the middle.
    fn wells(z: &[f64], out: &mut [f64]) -> f64 {
        let (x, y) = (z[0], z[1]);
        out[0] = 0.5 * x * (1.0 - x) * (1.0 - 2.0 * x) + y * y * y;
        out[1] = y + 3.0 * x * y * y;
        0.25 * x * x * (1.0 - x) * (1.0 - x) + 0.5 * y * y + x * y * y * y
    }

    #[test]
    fn between_two_wells_it_is_the_least_of_a_scan() {
        for radius in [0.2, 0.5, 0.8, 1.3, 2.0] {
            let scan = (0..1_000_000).map(|k| {
                let angle = std::f64::consts::TAU * f64::from(k) / 1e6;
                wells(&[radius * angle.cos(), radius * angle.sin()], &mut [0.0; 2])
            });
            let expected = scan.fold(f64::MAX, f64::min);
            let found = depth_on_sphere(2, wells, radius, &starts(2, 8), SEARCH).expect("finite");
            assert!((found.value - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{radius}: {found:?}, {expected}");
            assert_eq!(found.converged, 8, "{found:?}");
        }
    }

    #[test]
    fn the_work_is_bounded_and_the_bits_are_the_same_each_time() {
        let eigenvalues: Vec<f64> = (0..100).map(|k| 10.0_f64.powf(-6.0 * f64::from(k) / 99.0)).collect();
        for max_evaluations in [1, 2, 17, 60] {
            let search = Search { tolerance: 0.0, max_evaluations };
            let mut count = 0;
            let mut inner = quadratic(&eigenvalues);
            let mut counted = |z: &[f64], out: &mut [f64]| {
                count += 1;
                inner(z, out)
            };
            let found = depth_on_sphere(100, &mut counted, 1.0, &starts(100, 2), search).expect("finite");
            let again = depth_on_sphere(100, quadratic(&eigenvalues), 1.0, &starts(100, 2), search).expect("finite");
            assert_eq!(found, again);
            assert_eq!((found.converged, found.evaluations), (0, count));
            assert!(count <= 2 * max_evaluations && found.value >= 0.5e-6);
        }
    }

    #[test]
    fn a_line_has_a_sphere_of_two_points() {
        let tilted = |z: &[f64], out: &mut [f64]| {
            out[0] = 2.0 * z[0] + 1.0;
            z[0] * z[0] + z[0]
        };
        let found = depth_on_sphere(1, tilted, 0.5, &[vec![3.0]], SEARCH).expect("finite");
        assert_eq!((found.value, found.argmin, found.converged), (-0.25, vec![-0.5], 1));
    }

    #[test]
    fn where_the_loss_is_not_finite_is_not_entered() {
        // Finite on the half x > 0 alone; least at its edge, short of which the search stops.
        let half = |z: &[f64], out: &mut [f64]| {
            out.copy_from_slice(&[1.0, 0.0]);
            if z[0] > 0.0 { z[0] } else { f64::NAN }
        };
        let found = depth_on_sphere(2, half, 1.0, &[vec![1.0, 1.0], vec![-1.0, 0.0]], SEARCH).expect("one start");
        assert!(found.value > 0.0 && found.value < 1e-6 && found.converged == 0, "{found:?}");
        let nowhere = depth_on_sphere(2, half, 1.0, &[vec![-1.0, 0.0]], SEARCH);
        assert_eq!(nowhere, Err(DepthError::NotFinite));
    }

    #[test]
    fn what_cannot_be_searched_is_refused() {
        let bowl = [1.0, 1.0];
        let refused = |radius, starts: &[Vec<f64>]| {
            depth_on_sphere(2, quadratic(&bowl), radius, starts, SEARCH).expect_err("must be refused")
        };
        assert_eq!(refused(1.0, &[]), DepthError::Nothing);
        assert_eq!(refused(0.0, &[vec![1.0, 0.0]]), DepthError::Radius(0.0));
        assert_eq!(refused(1.0, &[vec![1.0, 0.0], vec![0.0, 0.0]]), DepthError::Start { index: 1 });
        assert_eq!(refused(1.0, &[vec![1.0]]), DepthError::Start { index: 0 });
    }
}
