//! Mean exit steps of an isotropic chain in d dimensions, from a ball.
//!
//! r = ‖y‖ is a chain of its own. From r it moves to a noncentral chi: with m = |1 − c|·r, z = m r'/s², ν = d/2 − 1,
//!
//! K(r, r') = (r'/s²) (r'/m)^ν exp(−(r'² + m²)/(2s²)) I_ν(z),
//!
//! in logarithms, since in a thousand dimensions every factor overflows. The nodes are those of a line: along the
//! radius the density is at least 1/√2 as wide as a step is along an axis; twice as many change the result by less than
//! 10⁻¹¹ (see the tests). The way out, Marcum's Q, is the integral of K beyond 1: all positive, and so of the same
//! relative accuracy.

use super::bessel::ScaledBessel;
use super::chain_line::{density_on, solve};
use super::elimination::State;
use super::legendre::panels;

/// Widths of a panel in standard deviations of a step along one axis.
const PANEL_WIDTH: f64 = 3.0;
/// Nodes at most: noise down to 8·10⁻⁴ of the radius, half a second.
const MOST_NODES: usize = 6_000;
/// Standard deviations beyond the bulk after which the way out is cut: e^{−50} of it is left out.
const TAIL: f64 = 10.0;
/// Widths of a panel of the way out in lengths of its decay.
const TAIL_WIDTH: f64 = 2.0;

/// E k* of y ← (1 − pull)·y + noise·ξ in R^d from 0, k* the first k ≥ 1 with ‖y_k‖ ≥ 1; in steps.
///
/// `None` where the noise is too small to be resolved (see [`MOST_NODES`]), or the mean not a finite number.
pub(super) fn isotropic(dim: usize, pull: f64, noise: f64, resolution: f64) -> Option<f64> {
    let factor = (1.0 - pull).abs();
    let d = dim as f64;
    let width = PANEL_WIDTH * noise / resolution;
    let rule = panels(0.0, 1.0, width / factor.max(1.0), MOST_NODES)?;
    let bessel = ScaledBessel::new(0.5 * d - 1.0);
    let constant = -(0.5 * d - 1.0) * std::f64::consts::LN_2 - noise.ln();
    let step = |r: f64| {
        // Everything in units of the noise.
        let m = factor * r / noise;
        let density = |to: f64| {
            let x = to / noise;
            let powers = if dim == 1 { 0.0 } else { (d - 1.0) * x.ln() };
            (powers + constant - 0.5 * (x - m) * (x - m) + bessel.ln(x * m)).exp()
        };
        let center = noise * (m * m + d - 1.0).sqrt();
        // Where the bulk is inside, the density falls off from the boundary by e or more in `length`; where it is
        // outside, it is passed in up to √d/2 + 5 panels.
        let inside = (1.0 - center).max(0.0);
        let length = noise / (1.0 + inside / noise);
        let reach = (TAIL * noise).min(0.5 * TAIL * TAIL * length) + (center - 1.0).max(0.0);
        let exit = panels(1.0, 1.0 + reach, TAIL_WIDTH * length / resolution, usize::MAX)
            .map_or(0.0, |rule| rule.iter().map(|(to, w)| w * density(to)).sum());
        State { exit, ..density_on(&rule, center, noise, density) }
    };
    solve(&rule, 0.0, step)
}

#[cfg(test)]
mod tests {
    use super::super::chain_line::symmetric;
    use super::super::gamma::ln_gamma;
    use super::*;

    #[test]
    fn twice_as_many_nodes_change_nothing() {
        let cells = [
            (2, 0.1, 0.1),
            (3, 0.02, 0.04),
            (10, 1.0, 0.15),
            (10, 1.0, 0.08),
            (1000, 1.0, 0.022),
            (10, 2.2, 0.1),
            (100, 0.1, 0.03),
            (1000, 0.1, 0.01),
            (1000, 0.1, 0.009),
            (1000, 1.0, 0.03),
            (1000, 0.01, 1.0),
            (5, 0.0, 0.02),
        ];
        for (dim, pull, noise) in cells {
            let [once, twice] = [1.0, 2.0].map(|resolution| isotropic(dim, pull, noise, resolution).expect("resolved"));
            let error = once / twice - 1.0;
            println!("{dim} {pull} {noise}: {once:e}, off by {error:.1e}");
            assert!(error.abs() < 1e-11, "d = {dim}, c = {pull}, s = {noise}: {once:e} against {twice:e}");
        }
    }

    #[test]
    fn one_dimension_is_the_line() {
        for (pull, noise) in [(0.2, 0.2), (0.02, 0.02), (1.0, 0.1), (2.5, 0.3), (0.1, 5.0), (0.0, 0.05)] {
            let (radial, line) = (isotropic(1, pull, noise, 1.0).expect("resolved"), symmetric(pull, noise, 1.0));
            let line = line.expect("resolved");
            assert!((radial / line - 1.0).abs() < 1e-12, "c = {pull}, s = {noise}: {radial:e} against {line:e}");
        }
    }

    #[test]
    fn independent_steps_leave_with_the_probability_of_one() {
        // c = 1, d even: P(‖y‖ ≥ 1) = e^{−x} Σ_{k<d/2} x^k/k! with x = 1/(2s²).
        for (dim, noise) in [(2, 0.1), (4, 0.1), (10, 0.12), (100, 0.06), (1000, 0.024), (1000, 0.04), (20, 2.0)] {
            let x: f64 = 0.5 / (noise * noise);
            let term = |k: usize| (k as f64 * x.ln() - x - ln_gamma(k as f64 + 1.0)).exp();
            let out: f64 = (0..dim / 2).map(term).sum();
            let steps = isotropic(dim, 1.0, noise, 1.0).expect("resolved");
            assert!((steps * out - 1.0).abs() < 1e-11, "d = {dim}, s = {noise}: {steps:e} against {:e}", 1.0 / out);
        }
    }

    #[test]
    fn noise_that_is_too_small_is_refused() {
        assert_eq!(isotropic(10, 0.1, 1e-5, 1.0), None);
    }
}
