//! Which method fits a quadratic cell.

use super::{chain_disc, chain_line, chain_radial, diffusion};

/// A quadratic cell in units of its domain: the domain is the unit ball, the start its centre, the coordinates
/// independent.
///
/// For a bowl with eigenvalues h_i, noise covariance C of eigenvalues C_i (h_i αβ for the Hessian's, 1 for the
/// proxies), learning rate η and batch size B, with unit_i = r_eff on a ball and √(2Δ/(α h_i)) on a sublevel set:
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Motion<'a> {
    /// y_i ← (1 − pull_i)·y_i + noise_i·ξ_i, ξ_i ~ N(0, 1): pull_i = η αβ h_i and noise_i = η √(C_i/B)/unit_i. Left at
    /// the first k ≥ 1 with ‖y_k‖ ≥ 1; the mean is in steps.
    Chain {
        /// What a step takes off each coordinate.
        pull: &'a [f64],
        /// The standard deviation of a step.
        noise: &'a [f64],
    },
    /// dy_i = −pull_i·y_i dt + noise_i·dw_i: pull_i = αβ h_i and noise_i = √(η C_i/B)/unit_i. Left at the first t with
    /// ‖y_t‖ ≥ 1; the mean is in units of time.
    Diffusion {
        /// The rate of relaxation of each coordinate.
        pull: &'a [f64],
        /// The root of each coordinate's variance gained in a unit of time.
        noise: &'a [f64],
    },
}

/// A mean exit time that was computed, not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact {
    /// The mean: in steps of a chain, in units of time of a diffusion.
    pub value: f64,
    /// How it was computed, in words for a report.
    pub method: &'static str,
}

/// The mean exit time of a quadratic cell, where it can be computed within about a second.
///
/// | cell | method | relative error |
/// | --- | --- | --- |
/// | chain, d = 1 | integral equation on Gauss–Legendre nodes | 10⁻¹² |
/// | chain, isotropic | radial integral equation | 10⁻¹¹ |
/// | chain, d = 2 | integral equation on the disc | 10⁻⁸, or 10⁻⁶ where noise₁·noise₂ < 10⁻³ |
/// | diffusion, d = 1 or isotropic | Andronov–Vitt–Pontryagin | 10⁻¹³ |
///
/// The error is relative whatever the size of the mean, up to 10³⁰⁰. A coordinate without noise stays at 0 and does not
/// count. `None` where no method fits: in two or more dimensions for an anisotropic diffusion, in three or more for an
/// anisotropic chain; where the noise of a step is so small that resolving it takes too much work (below about 10⁻³
/// of the radius, or 0.025 in the plane); where a parameter is negative or not a number, or the mean is not a finite
/// one.
///
/// ```
/// use taugrid_escape::exact::{Motion, mean_exit};
/// // h = 1, α = 2, sublevel set of depth ½, η = 0.1, B = 1.
/// let exact = mean_exit(Motion::Chain { pull: &[0.2], noise: &[0.2] });
/// assert!(exact.is_some_and(|exact| (exact.value - 559.874075).abs() < 1e-6));
/// ```
pub fn mean_exit(motion: Motion<'_>) -> Option<Exact> {
    let (Motion::Chain { pull, noise } | Motion::Diffusion { pull, noise }) = motion;
    let sound = |x: &f64| x.is_finite() && *x >= 0.0;
    if pull.len() != noise.len() || !pull.iter().chain(noise).all(sound) {
        return None;
    }
    let moving: Vec<(f64, f64)> = pull.iter().copied().zip(noise.iter().copied()).filter(|c| c.1 > 0.0).collect();
    let isotropic = moving.iter().all(|coordinate| *coordinate == moving[0]);
    if matches!(motion, Motion::Chain { .. }) && never(&moving) {
        return None;
    }
    let (value, method) = match (motion, moving.as_slice()) {
        (_, []) => return None,
        (Motion::Chain { .. }, &[(c, s)]) => (chain_line::symmetric(c, s, 1.0)?, "integral equation, 1-D"),
        (Motion::Chain { .. }, &[(c, s), ..]) if isotropic => {
            (chain_radial::isotropic(moving.len(), c, s, 1.0)?, "integral equation, radial")
        }
        (Motion::Chain { .. }, &[(c1, s1), (c2, s2)]) => {
            (chain_disc::anisotropic([c1, c2], [s1, s2], 1.0)?, "integral equation, 2-D")
        }
        (Motion::Diffusion { .. }, &[(a, b), ..]) if isotropic => {
            (diffusion::ball(moving.len(), a, b)?, "Andronov–Vitt–Pontryagin")
        }
        _ => return None,
    };
    Some(Exact { value, method })
}

/// Whether the mean of a chain is certain to overflow, which saves the work of finding out.
///
/// From 0 no coordinate's variance exceeds v = max s²/(2c − c²), so that no step is outside with more than
/// p = P(χ²_d ≥ 1/v) ≤ exp(−(1/v − d − d ln(1/(v d)))/2) (Chernoff), and P(k* ≤ 1/(2p)) ≤ ½: E k* ≥ 1/(4p).
fn never(moving: &[(f64, f64)]) -> bool {
    let variance = |&(c, s): &(f64, f64)| if c > 0.0 && c < 2.0 { s * s / (c * (2.0 - c)) } else { f64::INFINITY };
    let square = 1.0 / moving.iter().map(variance).fold(0.0, f64::max);
    let d = moving.len() as f64;
    square > d && 0.5 * (square - d - d * (square / d).ln()) > f64::MAX.ln() + 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(pull: &[f64], noise: &[f64]) -> Option<Exact> {
        mean_exit(Motion::Chain { pull, noise })
    }

    #[test]
    fn each_cell_gets_the_method_that_fits_it() {
        let method = |pull: &[f64], noise: &[f64]| chain(pull, noise).map(|exact| exact.method);
        assert_eq!(method(&[0.2], &[0.2]), Some("integral equation, 1-D"));
        assert_eq!(method(&[0.2; 2], &[0.2; 2]), Some("integral equation, radial"));
        assert_eq!(method(&[0.2; 7], &[0.2; 7]), Some("integral equation, radial"));
        assert_eq!(method(&[0.2, 0.1], &[0.2; 2]), Some("integral equation, 2-D"));
        assert_eq!(method(&[0.2; 2], &[0.2, 0.3]), Some("integral equation, 2-D"));
        assert_eq!(method(&[0.2, 0.2, 0.1], &[0.2; 3]), None);
        assert_eq!(method(&[0.2; 3], &[0.0, 0.2, 0.0]), Some("integral equation, 1-D"), "two stay where they are");
        let diffusion =
            |pull: &[f64], noise: &[f64]| mean_exit(Motion::Diffusion { pull, noise }).map(|exact| exact.method);
        assert_eq!(diffusion(&[0.2; 3], &[0.2; 3]), Some("Andronov–Vitt–Pontryagin"));
        assert_eq!(diffusion(&[0.2, 0.1], &[0.2; 2]), None);
    }

    #[test]
    fn what_has_no_mean_is_refused() {
        for (pull, noise) in [
            (&[][..], &[][..]),
            (&[0.1], &[0.0]),
            (&[0.1], &[0.1, 0.1]),
            (&[-0.1], &[0.1]),
            (&[0.1], &[-0.1]),
            (&[f64::NAN], &[0.1]),
            (&[0.1], &[f64::INFINITY]),
            (&[0.1], &[1e-200]),
        ] {
            assert_eq!(chain(pull, noise), None, "{pull:?} {noise:?}");
            assert_eq!(mean_exit(Motion::Diffusion { pull, noise }), None, "{pull:?} {noise:?}");
        }
    }

    #[test]
    fn a_mean_that_overflows_is_told_at_once_and_no_other() {
        assert!(never(&[(1e-3, 1e-3)]));
        assert!(!never(&[(1e-3, 1e-3), (2.0, 0.1)]));
        assert!(!never(&[(0.0, 1e-9)]));
        // Along a line of growing means, the last one computed is below what is refused unseen.
        for noise in (100..400).rev().map(|i| f64::from(i) * 1e-4) {
            let computed = chain_line::symmetric(0.1, noise, 1.0);
            assert!(computed.is_none() || !never(&[(0.1, noise)]), "s = {noise}: {computed:?}");
        }
    }
}
