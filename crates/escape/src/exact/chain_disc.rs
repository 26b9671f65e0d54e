//! Mean exit steps of an anisotropic chain in the plane, from a disc.
//!
//! u(y) = 1 + ∫_D K(y, y') u(y') dy' on the quarter of the disc that its two mirrors leave, at points (sin θ, t cos θ).
//! An integrand smooth on the disc is periodic in θ, where equally spaced points are exact up to what the spacing
//! cannot resolve, and even in t ∈ (−1, 1), where Gauss–Legendre nodes are. x is the coordinate with the finer steps:
//! the columns of points, of equal x, then grow short where they need few. The way out is integrated over strips, erfc
//! for each: all positive.

use super::chain_line::last_step;
use super::elimination::{State, mean_steps};
use super::legendre::{gauss_legendre, panels};
use super::normal;

/// Distance of the points at the centre, in standard deviations of a step: good to 10⁻⁹ (see the tests).
const SPACING: f64 = 1.0;
/// The same where that takes too many points: good to 10⁻⁶.
const COARSE_SPACING: f64 = 1.25;
/// Points at most.
const MOST_NODES: usize = 2_000;
/// Widths of a panel of the way out, in standard deviations of a step.
const PANEL_WIDTH: f64 = 3.0;

/// A point of the quarter, and the area it stands for.
struct Node {
    x: f64,
    y: f64,
    weight: f64,
}

/// E k* of y_i ← (1 − pull_i)·y_i + noise_i·ξ_i in the plane from 0, k* the first k ≥ 1 with ‖y_k‖ ≥ 1; in steps.
///
/// `None` where that takes more than [`MOST_NODES`] points (noise₁·noise₂ below about 6·10⁻⁴), or the mean is not a
/// finite number.
pub(super) fn anisotropic(pull: [f64; 2], noise: [f64; 2], resolution: f64) -> Option<f64> {
    let mut axes = [0, 1].map(|i| {
        let factor = (1.0 - pull[i]).abs();
        (noise[i] / factor.max(1.0) / resolution, factor, noise[i])
    });
    if axes[0].0 > axes[1].0 {
        axes.swap(0, 1);
    }
    let factor = axes.map(|axis| axis.1);
    let noise = axes.map(|axis| axis.2);
    let points = |spacing: f64| quarter(axes.map(|axis| spacing * axis.0));
    let nodes = points(SPACING).or_else(|| points(COARSE_SPACING))?;
    let width = PANEL_WIDTH * noise[0].min(noise[1]) / resolution;
    let strips = panels(-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2, width, 50 * MOST_NODES)?;
    let strips: Vec<[f64; 3]> = strips.iter().map(|(theta, w)| [theta.sin(), theta.cos(), w * theta.cos()]).collect();
    let norm = 1.0 / noise[0];
    let step = |x: f64, y: f64| {
        let center = [factor[0] * x, factor[1] * y];
        // Through the strips' ends, and past them.
        let exit: f64 = strips
            .iter()
            .map(|&[x, height, w]| {
                let density = normal::density((x - center[0]) * norm) * norm * w;
                if density == 0.0 { 0.0 } else { density * normal::outside(height, center[1], noise[1]) }
            })
            .sum();
        let folded = |to: f64, i: usize| {
            let (s, m) = (noise[i], center[i]);
            (normal::density((to - m) / s) + normal::density((to + m) / s)) / s
        };
        // The points stand in columns of equal x.
        let (mut column, mut along) = (f64::NAN, 0.0);
        let to = nodes
            .iter()
            .map(|node| {
                if node.x != column {
                    (column, along) = (node.x, folded(node.x, 0));
                }
                node.weight * along * folded(node.y, 1)
            })
            .collect();
        State { first: 0, to, exit: exit + normal::outside(1.0, center[0], noise[0]) }
    };
    let mean = mean_steps(nodes.iter().map(|node| step(node.x, node.y)).collect())?;
    last_step(&step(0.0, 0.0), &mean)
}

/// The points, at most `spacing` apart at the centre.
fn quarter(spacing: [f64; 2]) -> Option<Vec<Node>> {
    let columns = (std::f64::consts::FRAC_PI_2 / spacing[0]).ceil() + 3.0;
    let rows = |height: f64| (std::f64::consts::FRAC_PI_2 * height / spacing[1]).ceil() + 3.0;
    let angle = |i: usize| (i as f64 + 0.5) / columns * std::f64::consts::FRAC_PI_2;
    let most = MOST_NODES as f64;
    if columns > most || (0..columns as usize).map(|i| rows(angle(i).cos())).sum::<f64>() > most {
        return None;
    }
    let mut nodes = Vec::new();
    for i in 0..columns as usize {
        let (x, height) = angle(i).sin_cos();
        let rows = rows(height) as usize;
        let rule = gauss_legendre(2 * rows);
        let width = height * height * std::f64::consts::FRAC_PI_2 / columns;
        nodes.extend(rule.iter().skip(rows).map(|(t, w)| Node { x, y: t * height, weight: w * width }));
    }
    Some(nodes)
}

#[cfg(test)]
mod tests {
    use super::super::chain_radial::isotropic;
    use super::*;

    #[test]
    fn twice_as_many_points_a_side_change_less_than_the_accuracy_claimed() {
        let cells = [
            ([0.3, 0.075], [0.3, 0.075]),
            ([0.1, 0.1], [0.12, 0.08]),
            ([0.5, 0.1], [0.2, 0.1]),
            ([1.0, 0.1], [0.2, 0.1]),
            ([1.9, 0.1], [0.2, 0.2]),
            ([2.4, 0.1], [0.3, 0.2]),
            ([0.1, 0.01], [0.6, 0.1]),
            ([0.0, 0.0], [0.1, 0.3]),
            ([1.0, 0.005], [0.1, 0.06]),
        ];
        for (pull, noise) in cells {
            let [once, twice] = [1.0, 2.0].map(|resolution| anisotropic(pull, noise, resolution).expect("resolved"));
            let error = once / twice - 1.0;
            println!("{pull:?} {noise:?}: {once:e}, off by {error:.1e}");
            assert!(error.abs() < 1e-8, "{pull:?}, {noise:?}: {once} against {twice}");
        }
    }

    #[test]
    fn the_coarser_spacing_has_the_accuracy_claimed() {
        // Without drift the boundary layer weighs most.
        for (pull, noise) in [([0.0; 2], [0.05, 0.06]), ([0.02, 0.01], [0.06, 0.05]), ([1.0, 0.005], [0.1, 0.05])] {
            let [coarse, fine] = [SPACING / COARSE_SPACING, 1.2]
                .map(|resolution| anisotropic(pull, noise, resolution).expect("resolved"));
            let error = coarse / fine - 1.0;
            println!("{pull:?} {noise:?}: {fine:e}, coarse off by {error:.1e}");
            assert!(error.abs() < 1e-6, "{pull:?}, {noise:?}: {coarse} against {fine}");
        }
    }

    #[test]
    fn where_all_directions_are_equal_it_is_the_radial_chain() {
        for (pull, noise) in [(0.1, 0.1), (0.0, 0.2), (0.5, 0.3), (2.2, 0.2), (0.1, 3.0)] {
            let plane = anisotropic([pull; 2], [noise; 2], 1.0).expect("resolved");
            let radial = isotropic(2, pull, noise, 1.0).expect("resolved");
            let error = plane / radial - 1.0;
            println!("{pull} {noise}: {plane:e}, off by {error:.1e}");
            assert!(error.abs() < 1e-8, "c = {pull}, s = {noise}: {plane} against {radial}");
        }
    }

    #[test]
    fn one_coordinate_that_hardly_moves_leaves_the_line() {
        // The second coordinate has a standard deviation of 0.04/√(2 − 1): it moves the boundary by about half its
        // variance.
        let line = super::super::chain_line::symmetric(0.2, 0.3, 1.0).expect("resolved");
        let plane = anisotropic([0.2, 1.0], [0.3, 0.04], 1.0).expect("resolved");
        assert!(plane < line && plane > 0.98 * line, "{plane} against {line}");
    }

    #[test]
    fn independent_steps_leave_with_the_probability_of_one() {
        // c = 1, and equal noise: P(‖y‖ ≥ 1) = e^{−1/(2s²)}.
        for noise in [0.1, 0.2, 1.0, 10.0f64] {
            let exact = (0.5 / (noise * noise)).exp();
            let plane = anisotropic([1.0; 2], [noise; 2], 1.0).expect("resolved");
            assert!((plane / exact - 1.0).abs() < 1e-8, "s = {noise}: {plane} against {exact}");
        }
    }

    #[test]
    fn what_takes_too_many_points_is_refused() {
        for noise in [[0.02, 0.02], [1e-300, 1.0], [1e-4, 0.5]] {
            assert_eq!(anisotropic([0.1, 0.2], noise, 1.0), None);
        }
    }
}
