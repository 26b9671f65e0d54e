//! Actions of paths that are known.

use super::super::error::ActionError;
use super::super::path::Path;
use super::super::steepness::{geometric_action, steepness, steepness_over};
use super::*;

/// φ(t) on [0, T] with m segments.
fn sampled(dim: usize, time: f64, segments: usize, path: impl Fn(f64) -> Vec<f64>) -> Path {
    let points = (0..=segments).flat_map(|k| path(time * k as f64 / segments as f64)).collect();
    Path::new(dim, points).expect("a path")
}

#[test]
fn the_best_path_up_a_quadratic_costs_what_the_closed_form_says() {
    // φ_i(t) = x_i e^{h_i (t − T)} has φ̇ = ∇L, so S_T = Σ a_i h_i x_i² (1 − e^{−2 h_i T}).
    let (h, c, x, time) = ([1.0, 0.3], [0.5, 2.0], [0.7, -0.4], 12.0);
    let path = sampled(2, time, 4000, |t| (0..2).map(|i| x[i] * (h[i] * (t - time)).exp()).collect());
    for metric in BOTH {
        let found = steepness(&quadratic(&h, &c), metric, &path, time).expect("an action");
        let parts = (0..2).map(|i| metric.weight(c[i]) * h[i] * x[i] * x[i] * (1.0 - (-2.0 * h[i] * time).exp()));
        assert_close(found, parts.sum(), 1e-5, "S_T");
        // And that is V but for what the path begins with, e^{−2hT}.
        let v: f64 = (0..2).map(|i| metric.weight(c[i]) * h[i] * x[i] * x[i]).sum();
        assert_close(found, v, 1e-3, "V");
    }
}

#[test]
fn the_midpoint_rule_is_of_second_order() {
    let well = curved_double_well([0.5, 2.0], 3.0, 0.8);
    let curve = |t: f64| vec![t.sin(), t * t - 0.3 * t];
    let action = |segments: usize, metric: Metric, geometric: bool| {
        let path = sampled(2, 1.5, segments, curve);
        let found =
            if geometric { geometric_action(&well, metric, &path) } else { steepness(&well, metric, &path, 1.5) };
        found.expect("an action")
    };
    for metric in BOTH {
        for geometric in [false, true] {
            let exact = (4.0 * action(20_000, metric, geometric) - action(10_000, metric, geometric)) / 3.0;
            let (coarse, fine) = (action(100, metric, geometric) - exact, action(200, metric, geometric) - exact);
            assert!((coarse / fine - 4.0).abs() < 0.05, "{metric:?}, {geometric}: {coarse} and {fine}");
        }
    }
}

#[test]
fn going_down_costs_nothing_and_up_again_twice_the_height() {
    let bowl = quadratic(&[1.0], &[1.0]);
    let down = sampled(1, 3.0, 2000, |t| vec![0.8 * (-t).exp()]);
    let up = sampled(1, 3.0, 2000, |t| vec![0.8 * (t - 3.0).exp()]);
    for metric in BOTH {
        assert!(steepness(&bowl, metric, &down, 3.0).expect("an action") < 1e-12);
        assert!(geometric_action(&bowl, metric, &down).expect("an action").abs() < 1e-12);
        let height = 2.0 * (bowl.loss(&[0.8]) - bowl.loss(&[0.8 * (-3f64).exp()]));
        assert_close(steepness(&bowl, metric, &up, 3.0).expect("an action"), height, 1e-6, "S_T");
        assert_close(geometric_action(&bowl, metric, &up).expect("an action"), height, 1e-12, "geometric");
    }
}

#[test]
fn the_geometric_action_is_the_least_over_all_speeds() {
    let well = curved_double_well([0.5, 2.0], 3.0, 0.8);
    let path = Path::straight(&[0.1, 0.2], &[0.9, -0.5], 200).expect("a path");
    for metric in BOTH {
        let least = geometric_action(&well, metric, &path).expect("an action");
        for time in [0.5, 1.0, 2.0, 4.0, 8.0] {
            assert!(steepness(&well, metric, &path, time).expect("an action") > least, "T = {time}");
        }
    }
}

#[test]
fn the_power_of_c_is_the_only_difference_between_the_metrics() {
    let path = Path::straight(&[0.0], &[0.9], 100).expect("a path");
    let action = |c: f64, metric| steepness(&double_well(c), metric, &path, 2.0).expect("an action");
    let plain = action(1.0, Metric::FreidlinWentzell);
    assert_close(action(1.0, Metric::Paper), plain, 1e-15, "C = 1");
    assert_close(action(4.0, Metric::FreidlinWentzell), plain / 4.0, 1e-14, "C = 4, C⁻¹");
    assert_close(action(4.0, Metric::Paper), plain / 2.0, 1e-14, "C = 4, C^(−1/2)");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let well = double_well(1.0);
    let (path, metric) = (Path::straight(&[0.0], &[1.0], 5).expect("a path"), Metric::FreidlinWentzell);
    for time in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(steepness(&well, metric, &path, time), Err(ActionError::NotPositive));
    }
    assert_eq!(steepness_over(&well, metric, &path, &[1.0]), Err(ActionError::Length { expected: 4, found: 1 }));
    let wide = Path::straight(&[0.0, 0.0], &[1.0, 1.0], 5).expect("a path");
    assert_eq!(geometric_action(&well, metric, &wide), Err(ActionError::Length { expected: 1, found: 2 }));
    assert_eq!(Path::new(1, vec![0.0]), Err(ActionError::Images));
    assert_eq!(Path::new(1, vec![0.0, f64::NAN]), Err(ActionError::NotFinite));
    let flat = |_: &[f64]| 0.0;
    for bad in [vec![], vec![0.0], vec![1.0, f64::NAN], vec![-1.0]] {
        assert!(Closures::new(bad, flat, |_: &[f64], _: &mut [f64]| ()).is_err());
    }
}
