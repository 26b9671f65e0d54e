//! Mean exit steps of a chain on a line, from an interval.
//!
//! u(y) = 1 + ∫_D K(y, y') u(y') dy', K the normal density of a step, on panels of sixteen Gauss–Legendre nodes
//! (Nyström), solved by [`super::elimination`]. A panel spans four standard deviations of a step (fewer where the map
//! stretches): the integrand, a Gaussian times a u that is itself smoothed by one, is then integrated to rounding;
//! twice as many nodes change the result by less than 10⁻¹² (see the tests). The way out is given by erfc, so that
//! relative accuracy holds for any mean.

use super::elimination::{State, mean_steps};
use super::legendre::{Rule, panels};
use super::normal;

/// Widths of a panel in standard deviations of a step.
const PANEL_WIDTH: f64 = 4.0;
/// Nodes at most: noise down to about 4·10⁻⁴ of the half-width, a quarter of a second.
const MOST_NODES: usize = 10_000;

/// E k* of y ← (1 − pull)·y + noise·ξ from 0, k* the first k ≥ 1 with |y_k| ≥ 1; in steps.
///
/// `None` where the noise is too small to be resolved (see [`MOST_NODES`]), or the mean not a finite number.
pub(super) fn symmetric(pull: f64, noise: f64, resolution: f64) -> Option<f64> {
    let factor = 1.0 - pull;
    let width = PANEL_WIDTH * noise / factor.abs().max(1.0) / resolution;
    let rule = panels(0.0, 1.0, width, MOST_NODES)?;
    // |y| is a chain of its own: it moves to y' or to −y'.
    solve(&rule, 0.0, |y| {
        let center = (factor * y).abs();
        let density =
            |to: f64| (normal::density((to - center) / noise) + normal::density((to + center) / noise)) / noise;
        State { exit: normal::outside(1.0, center, noise), ..density_on(&rule, center, noise, density) }
    })
}

/// E k* of x ← map(x) + noise·ξ from `start`, k* the first k ≥ 1 with x_k ∉ (`low`, `high`); in steps.
///
/// `map` is smooth: it is the drift of a gradient step, x − η L'(x). `None` where the interval does not hold the start,
/// where the noise is too small to be resolved (below about 10⁻³ of the interval's half-width, times the steepest slope
/// of the map), or the mean not a finite number. To about 10⁻¹² of itself, whatever its size.
///
/// ```
/// use taugrid_escape::exact::mean_exit_steps_of_map;
/// let (eta, noise) = (0.1, 0.3);
/// // L(x) = (x² − 1)²/4, from the minimum at 1 to beyond the saddle at 0.
/// let steps = mean_exit_steps_of_map(|x| x - eta * (x * x * x - x), noise, 0.0, 3.0, 1.0);
/// assert!(steps.is_some_and(|steps| steps > 10.0));
/// ```
pub fn mean_exit_steps_of_map(map: impl Fn(f64) -> f64, noise: f64, low: f64, high: f64, start: f64) -> Option<f64> {
    of_map(map, noise, low, high, start, 1.0)
}

/// The same with `resolution` times as many nodes.
fn of_map(map: impl Fn(f64) -> f64, noise: f64, low: f64, high: f64, start: f64, resolution: f64) -> Option<f64> {
    let sound = low < start && start < high && (high - low).is_finite() && noise > 0.0 && noise.is_finite();
    if !sound {
        return None;
    }
    // Where the map stretches, u varies as fast as the map carries it through the noise.
    let probes = 2000;
    let at = |i: i32| map(low + (high - low) * f64::from(i) / f64::from(probes));
    let stretch = (0..probes)
        .map(|i| (at(i + 1) - at(i)).abs() * f64::from(probes) / (high - low))
        .filter(|slope| slope.is_finite())
        .fold(1.0, f64::max);
    // Eight panels at least, for the sake of the map.
    let width = (PANEL_WIDTH * noise / stretch).min((high - low) / 8.0) / resolution;
    let rule = panels(low, high, width, MOST_NODES)?;
    solve(&rule, start, |x| {
        let center = map(x);
        if !center.is_finite() {
            return State { exit: 1.0, ..State::default() };
        }
        let exit = normal::upper_tail((high - center) / noise) + normal::upper_tail((center - low) / noise);
        State { exit, ..density_on(&rule, center, noise, |to| normal::density((to - center) / noise) / noise) }
    })
}

/// The transitions to those nodes of the rule that a step reaches at all.
pub(super) fn density_on(rule: &Rule, center: f64, spread: f64, density: impl Fn(f64) -> f64) -> State {
    let reach = normal::REACH * spread;
    let first = rule.nodes.partition_point(|&to| to < center - reach);
    let last = rule.nodes.partition_point(|&to| to <= center + reach);
    let to = (first..last).map(|j| rule.weights[j] * density(rule.nodes[j])).collect();
    State { first, to, exit: 0.0 }
}

/// The mean from `start` of the chain on the nodes whose `step` from a point is given.
pub(super) fn solve(rule: &Rule, start: f64, step: impl Fn(f64) -> State) -> Option<f64> {
    let mean = mean_steps(rule.nodes.iter().map(|&x| step(x)).collect())?;
    last_step(&step(start), &mean)
}

/// The equation once more, from a state that need be no node: its probabilities add up to 1, as those of the nodes do.
pub(super) fn last_step(start: &State, mean: &[f64]) -> Option<f64> {
    let (mut total, mut steps) = (start.exit, 1.0);
    for (p, mean) in start.to.iter().zip(&mean[start.first..]) {
        total += p;
        steps += p * mean;
    }
    let steps = steps / total;
    steps.is_finite().then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_nodes_change_nothing() {
        let cells =
            [(0.1, 0.1), (0.02, 0.02), (0.005, 0.01), (0.5, 0.15), (1.0, 0.1), (1.9, 0.3), (2.5, 0.3), (3.0, 0.05)];
        for (pull, noise) in cells.into_iter().chain([(0.0, 0.01), (0.001, 0.003), (0.1, 5.0)]) {
            let [once, twice] = [1.0, 2.0].map(|resolution| symmetric(pull, noise, resolution).expect("resolved"));
            let error = once / twice - 1.0;
            println!("{pull} {noise}: {once:e}, off by {error:.1e}");
            assert!(error.abs() < 1e-12, "c = {pull}, s = {noise}: {once} against {twice}");
        }
    }

    #[test]
    fn sixty_digits_give_the_same() {
        // The same equation on 180 and 60 nodes of the half interval in 60-digit arithmetic, by Gauss's elimination.
        for (pull, noise, exact) in
            [(0.02, 0.02, 6.150_728_966_669_87e22), (0.15, 0.0075f64.sqrt() / 0.8, 1_057_575.747_451_124)]
        {
            let steps = symmetric(pull, noise, 1.0).expect("resolved");
            assert!((steps / exact - 1.0).abs() < 1e-12, "c = {pull}, s = {noise}: {steps:e} against {exact:e}");
        }
    }

    #[test]
    fn independent_steps_leave_with_the_probability_of_one() {
        // c = 1: y_k = s ξ_k.
        for noise in [0.03, 0.1, 0.5, 3.0] {
            let exact = 0.5 / normal::upper_tail(1.0 / noise);
            let steps = symmetric(1.0, noise, 1.0).expect("resolved");
            assert!((steps / exact - 1.0).abs() < 1e-12, "s = {noise}: {steps:e} against {exact:e}");
        }
    }

    #[test]
    fn a_map_that_is_the_bowl_s_gives_the_bowl_s_mean() {
        for (pull, noise) in [(0.2, 0.2), (0.05, 0.07), (1.4, 0.4), (0.02, 0.02)] {
            let bowl = symmetric(pull, noise, 1.0).expect("resolved");
            // The same in other units, about another centre.
            let map = |x: f64| 3.0 + (1.0 - pull) * (x - 3.0);
            let steps = mean_exit_steps_of_map(map, 2.0 * noise, 1.0, 5.0, 3.0).expect("resolved");
            assert!((steps / bowl - 1.0).abs() < 1e-12, "c = {pull}, s = {noise}: {steps:e} against {bowl:e}");
        }
    }

    #[test]
    fn a_double_well_is_resolved() {
        for (eta, noise, start) in [(0.1, 0.3, 1.0), (0.05, 0.05, 1.0), (0.6, 0.2, 0.3), (0.1, 0.12, 2.0)] {
            let map = |x: f64| x - eta * (x * x * x - x);
            let [once, twice] =
                [1.0, 2.0].map(|resolution| of_map(map, noise, -0.2, 3.0, start, resolution).expect("resolved"));
            println!("{eta} {noise} {start}: {once:e}, off by {:.1e}", once / twice - 1.0);
            assert!((once / twice - 1.0).abs() < 1e-12, "η = {eta}, s = {noise}: {once:e} against {twice:e}");
        }
    }

    #[test]
    fn a_map_that_throws_out_at_once_takes_one_step() {
        for out in [f64::NAN, f64::INFINITY, -1e9] {
            assert_eq!(mean_exit_steps_of_map(|_| out, 0.1, -1.0, 1.0, 0.0), Some(1.0), "{out}");
        }
    }

    #[test]
    fn what_cannot_be_resolved_or_makes_no_sense_is_refused() {
        assert_eq!(symmetric(0.1, 1e-9, 1.0), None);
        assert_eq!(symmetric(0.001, 0.001, 1.0), None, "the mean is e^1000");
        let of = |noise, low, high, start| mean_exit_steps_of_map(|x| x, noise, low, high, start);
        for (noise, low, high, start) in [
            (0.0, -1.0, 1.0, 0.0),
            (f64::NAN, -1.0, 1.0, 0.0),
            (0.1, -1.0, 1.0, 1.0),
            (0.1, 1.0, -1.0, 0.0),
            (1e-6, -1.0, 1.0, 0.0),
        ] {
            assert_eq!(of(noise, low, high, start), None, "{noise} {low} {high} {start}");
        }
    }
}
