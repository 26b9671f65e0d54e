//! V0 on balls and level sets where it is known.

use super::super::boundary::ExitBoundary;
use super::super::error::ActionError;
use super::super::exit::{Exit, Search, quasipotential_to_boundary};
use super::super::resolution::Resolution;
use super::super::starts::Start;
use super::*;

const BALL: ExitBoundary = ExitBoundary::Ball { radius: 0.8 };
const LEVEL: ExitBoundary = ExitBoundary::Level { depth: 0.5 };

fn leave(diffusion: &impl Diffusion, metric: Metric, boundary: ExitBoundary, search: &Search) -> Exit {
    let found = quasipotential_to_boundary(diffusion, metric, boundary, search, Resolution::default());
    let found = found.expect("an exit");
    assert!(found.converged, "{} after {:?}", found.endpoint_residual, found.outcomes);
    found
}

/// From the axes, which are where exits of these are, and from random directions alone.
fn both_ways(diffusion: &impl Diffusion, metric: Metric, boundary: ExitBoundary, exact: f64, what: &str) {
    for axes in [true, false] {
        let found = leave(diffusion, metric, boundary, &Search { axes, ..Search::default() });
        assert_close(found.quasipotential.value, exact, 1e-5, &format!("{what}, {metric:?}, {boundary:?}, {axes}"));
    }
}

#[test]
fn quadratics_have_their_closed_forms() {
    for n in [2, 10] {
        let h = spectrum(n, 0.01);
        let like_h = quadratic(&h, &h);
        let plain = quadratic(&h, &vec![1.0; n]);
        let (r2, depth) = (0.64, 0.5);
        both_ways(&like_h, Metric::FreidlinWentzell, BALL, r2, "C = H: r²");
        both_ways(&like_h, Metric::FreidlinWentzell, LEVEL, 2.0 * depth, "C = H: 2ΔL/λmax");
        both_ways(&like_h, Metric::Paper, BALL, 0.1 * r2, "C = H: √λmin r²");
        both_ways(&like_h, Metric::Paper, LEVEL, 2.0 * depth, "C = H: 2ΔL/√λmax");
        for metric in BOTH {
            both_ways(&plain, metric, BALL, 0.01 * r2, "C = I: λmin r²");
            both_ways(&plain, metric, LEVEL, 2.0 * depth, "C = I: 2ΔL");
        }
    }
}

#[test]
fn the_sharpness_enters_with_its_own_power_in_each_metric() {
    let h = [4.0, 1.0];
    both_ways(&quadratic(&h, &h), Metric::FreidlinWentzell, LEVEL, 2.0 * 0.5 / 4.0, "2ΔL/λmax");
    both_ways(&quadratic(&h, &h), Metric::Paper, LEVEL, 2.0 * 0.5 / 2.0, "2ΔL/√λmax");
}

#[test]
fn where_h_and_c_do_not_commute_v0_is_an_eigenvalue() {
    // On the ball the least eigenvalue of Q in V = xᵀQx, times r²; on the level set that of Λ^(−½) R Q R Λ^(−½), 2Δ
    // times.
    for n in [2, 10] {
        let (h, c, mirror) = (spectrum(n, 0.01), spectrum(n, 0.1), mirror(n));
        for metric in BOTH {
            let q = exact_form(&h, &c, &mirror, metric);
            let least = |a: Vec<f64>| eigen(&a, n).expect("finite").values.into_iter().fold(f64::INFINITY, f64::min);
            let diffusion = rotated(&h, &c, &mirror);
            both_ways(&diffusion, metric, BALL, 0.64 * least(q.clone()), "ball");
            let column = |i: usize| -> Vec<f64> {
                let scaled: Vec<f64> = (0..n).map(|j| if i == j { 1.0 / h[i].sqrt() } else { 0.0 }).collect();
                reflect(&scaled, &mirror)
            };
            let columns: Vec<Vec<f64>> = (0..n).map(column).collect();
            let product = |u: &[f64], v: &[f64]| -> f64 { (0..n * n).map(|k| u[k / n] * q[k] * v[k % n]).sum() };
            let relative = (0..n * n).map(|k| product(&columns[k / n], &columns[k % n])).collect();
            both_ways(&diffusion, metric, LEVEL, 2.0 * 0.5 * least(relative), "level");
        }
    }
}

#[test]
fn from_a_curved_well_the_easiest_exit_is_found() {
    // With unit noise and D within the basin, V0 = 2 min over ∂D of L − L(θ*).
    let fw = Metric::FreidlinWentzell;
    let well = curved_double_well([1.0, 1.0], 3.0, 0.8);
    let around = (0..100_000).map(|i| f64::from(i) * std::f64::consts::TAU / 1e5);
    let least = around.map(|a| well.loss(&[0.5 * a.cos(), 0.5 * a.sin()])).fold(f64::INFINITY, f64::min);
    let found = leave(&well, fw, ExitBoundary::Ball { radius: 0.5 }, &Search::default());
    assert_close(found.quasipotential.value, 2.0 * least, 1e-5, "ball");
    assert!(found.spread > 0.0, "there is another exit, and it is seen");
    for depth in [0.1, 0.2, 0.3] {
        let found = leave(&well, fw, ExitBoundary::Level { depth }, &Search::default());
        assert_close(found.quasipotential.value, 2.0 * depth, 1e-4, "level");
    }
}

#[test]
fn beyond_the_saddle_the_exit_costs_the_saddle() {
    for (c, metric) in [(1.0, Metric::FreidlinWentzell), (4.0, Metric::FreidlinWentzell), (4.0, Metric::Paper)] {
        let exact = metric.weight(c) * 2.0 * 0.25;
        let line = leave(&double_well(c), metric, ExitBoundary::Ball { radius: 1.5 }, &Search::default());
        assert_close(line.quasipotential.value, exact, 5e-4, "1-D");
        assert!(line.quasipotential.path.end()[0] > 0.0);
        let well = curved_double_well([c, c], 3.0, 0.8);
        let found = leave(&well, metric, ExitBoundary::Ball { radius: 1.5 }, &Search::default());
        assert_close(found.quasipotential.value, exact, 5e-4, "2-D");
    }
}

#[test]
fn a_level_through_the_saddle_has_an_exit() {
    let at = ExitBoundary::Level { depth: 0.25 };
    let fw = Metric::FreidlinWentzell;
    let line = leave(&double_well(1.0), fw, at, &Search::default());
    assert_close(line.quasipotential.value, 0.5, 1e-4, "1-D");
    let found = leave(&curved_double_well([1.0, 1.0], 3.0, 0.8), fw, at, &Search::default());
    assert_close(found.quasipotential.value, 0.5, 1e-4, "2-D");
}

#[test]
fn the_exit_is_on_the_boundary_and_v_rises_straight_through_it() {
    let well = curved_double_well([0.4, 2.0], 3.0, 0.8);
    for metric in BOTH {
        let found = leave(&well, metric, ExitBoundary::Ball { radius: 0.5 }, &Search::default());
        let end = found.quasipotential.path.end();
        assert_close(end[0].hypot(end[1]), 0.5, 1e-9, "radius");
        let p = &found.quasipotential.gradient;
        let across = (p[0] * end[1] - p[1] * end[0]) / (0.5 * p[0].hypot(p[1]));
        // The endpoint's residual, 10⁻⁶ at most, is of the order of its square.
        assert!(across.abs() < 1e-2, "{metric:?}: {across}");
    }
}

#[test]
fn a_direction_of_the_callers_is_tried() {
    let h = [1.0, 0.25];
    let search = Search { axes: false, random: 0, directions: vec![vec![1.0, 0.0]], ..Search::default() };
    let found = leave(&quadratic(&h, &h), Metric::FreidlinWentzell, LEVEL, &search);
    assert_eq!(found.start, Start::Given(0));
    assert_eq!(found.outcomes.len(), 1);
    assert_close(found.quasipotential.value, 1.0, 1e-9, "2ΔL/λmax");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let well = curved_double_well([0.4, 2.0], 3.0, 0.8);
    let once = |seed| leave(&well, Metric::Paper, LEVEL, &Search { seed, axes: false, ..Search::default() });
    assert_eq!(once(7), once(7));
    assert_ne!(once(7).outcomes, once(8).outcomes);
}

#[test]
fn a_level_that_is_never_reached_is_an_error() {
    let slope = Closures::new(
        vec![1.0],
        |x: &[f64]| x[0] * x[0] / (1.0 + x[0] * x[0]),
        |x: &[f64], out: &mut [f64]| out[0] = 2.0 * x[0] / (1.0 + x[0] * x[0]).powi(2),
    )
    .expect("variances are positive");
    let level = ExitBoundary::Level { depth: 1.5 };
    let (search, metric) = (Search::default(), Metric::FreidlinWentzell);
    let found = quasipotential_to_boundary(&slope, metric, level, &search, Resolution::default());
    assert_eq!(found, Err(ActionError::Unreached));
    let bad = ExitBoundary::Ball { radius: 0.0 };
    let found = quasipotential_to_boundary(&slope, metric, bad, &search, Resolution::default());
    assert_eq!(found, Err(ActionError::NotPositive));
}
