//! V at points where it is known.

use super::super::error::ActionError;
use super::super::path::Path;
use super::super::quasipotential::{Quasipotential, quasipotential, quasipotential_from};
use super::super::resolution::Resolution;
use super::super::steepness::{geometric_action, steepness_over};
use super::*;

fn to(diffusion: &impl Diffusion, metric: Metric, point: &[f64]) -> Quasipotential {
    let found = quasipotential(diffusion, metric, point, Resolution::default()).expect("a path");
    assert!(found.converged, "{found:?}");
    found
}

#[test]
fn on_quadratics_v_is_the_sum_of_its_directions() {
    let x = [0.7, -0.9];
    for h in [[1.0, 0.25], [0.01, 1.0]] {
        for c in [h, [1.0, 1.0], [0.3, 2.0]] {
            for metric in BOTH {
                let exact = (0..2).map(|i| metric.weight(c[i]) * h[i] * x[i] * x[i]).sum();
                let found = to(&quadratic(&h, &c), metric, &x);
                assert_close(found.value, exact, 1e-6, &format!("{h:?}, {c:?}, {metric:?}"));
                for i in 0..2 {
                    let slope = 2.0 * metric.weight(c[i]) * h[i] * x[i];
                    assert_close(found.gradient[i], slope, 1e-3, &format!("{h:?}, {c:?}, {metric:?}: ∇V {i}"));
                }
            }
        }
    }
}

#[test]
fn where_c_is_the_hessian_v_is_the_distance_squared() {
    let x = [0.6, 0.8, -0.5];
    let h = [2.0, 0.5, 0.1];
    let found = to(&quadratic(&h, &h), Metric::FreidlinWentzell, &x);
    assert_close(found.value, 0.36 + 0.64 + 0.25, 1e-6, "V");
    let found = to(&quadratic(&h, &h), Metric::Paper, &x);
    let exact = h.iter().zip(&x).map(|(h, x)| h.sqrt() * x * x).sum();
    assert_close(found.value, exact, 1e-6, "V of the paper's metric");
}

#[test]
fn where_h_and_c_do_not_commute_v_solves_lyapunovs_equation() {
    for n in [2, 10, 50] {
        let (h, c, mirror) = (spectrum(n, 0.01), spectrum(n, 0.1), mirror(n));
        let x: Vec<f64> = (0..n).map(|i| 0.3 * (i as f64).cos()).collect();
        for metric in BOTH {
            let exact = form(&exact_form(&h, &c, &mirror, metric), &x);
            let found = to(&rotated(&h, &c, &mirror), metric, &x);
            assert_close(found.value, exact, 2e-5, &format!("n = {n}, {metric:?}"));
        }
    }
}

#[test]
fn in_ten_dimensions() {
    let h = spectrum(10, 0.01);
    let x = vec![0.3; 10];
    let found = to(&quadratic(&h, &h), Metric::FreidlinWentzell, &x);
    assert_close(found.value, 0.9, 1e-6, "C = H");
    let found = to(&quadratic(&h, &[1.0; 10]), Metric::FreidlinWentzell, &x);
    assert_close(found.value, 0.09 * h.iter().sum::<f64>(), 1e-6, "C = I");
}

#[test]
fn over_a_saddle_only_the_way_up_costs() {
    for c in [1.0, 0.3] {
        for metric in BOTH {
            let exact = metric.weight(c) * 2.0 * 0.25;
            // Half-way up; at the saddle; beyond it; in the other minimum.
            let half_way = metric.weight(c) * 2.0 * double_well(c).loss(&[0.5]);
            assert_close(to(&double_well(c), metric, &[0.5]).value, half_way, 1e-5, "inside");
            for end in [1.0, 1.3, 1.7, 2.0] {
                assert_close(to(&double_well(c), metric, &[end]).value, exact, 5e-4, &format!("c = {c}, to {end}"));
            }
            for end in [[1.0, -0.8], [2.0, 0.0]] {
                let found = to(&curved_double_well([c, c], 3.0, 0.8), metric, &end);
                assert_close(found.value, exact, 3e-4, &format!("c = {c}, to {end:?}"));
            }
        }
    }
}

#[test]
fn in_curved_valleys_with_unit_noise_v_is_twice_the_height() {
    let fw = Metric::FreidlinWentzell;
    for (k, s) in [(0.1, 2.0), (1.0, 0.8), (30.0, 2.0), (100.0, 0.8)] {
        let well = curved_double_well([1.0, 1.0], k, s);
        for x in [[0.3, -0.5], [-0.4, 1.0], [0.6, -0.8 * s]] {
            assert_close(to(&well, fw, &x).value, 2.0 * well.loss(&x), 1e-4, &format!("{k}, {s}, {x:?}"));
        }
    }
}

#[test]
fn where_the_hessian_vanishes_v_is_twice_the_height_as_well() {
    let quartic = Closures::new(
        vec![1.0, 1.0],
        |x: &[f64]| x[0].powi(4) + x[1].powi(4) + x[0] * x[0] * x[1] * x[1],
        |x: &[f64], out: &mut [f64]| {
            out[0] = 4.0 * x[0].powi(3) + 2.0 * x[0] * x[1] * x[1];
            out[1] = 4.0 * x[1].powi(3) + 2.0 * x[1] * x[0] * x[0];
        },
    )
    .expect("variances are positive");
    for x in [[0.7, 0.3], [1e-4, 3e-4]] {
        let found = to(&quartic, Metric::FreidlinWentzell, &x);
        assert_close(found.value, 2.0 * quartic.loss(&x), 1e-4, &format!("{x:?}"));
    }
}

#[test]
fn over_kinks_longer_differences_reach_what_can_be_reached() {
    // A bowl with 30 kinks, ∇L jumping at each: convex, so that V is twice the height with unit noise.
    let kinks: Vec<[f64; 4]> =
        (0..30).map(|k| [0, 1, 2, 3].map(|i| f64::from(7 * k * k + 13 * i * k + 5 * i).sin())).collect();
    let reach = |w: &[f64; 4], x: &[f64]| w[0] * x[0] + w[1] * x[1] + w[2] * x[2] - w[3].abs() - 0.01;
    let other = kinks.clone();
    let land = Closures::new(
        vec![1.0; 3],
        move |x: &[f64]| {
            let bowl = 0.25 * x.iter().map(|x| x * x).sum::<f64>();
            bowl + kinks.iter().map(|w| reach(w, x).max(0.0)).sum::<f64>() / 30.0
        },
        move |x: &[f64], out: &mut [f64]| {
            out.iter_mut().zip(x).for_each(|(g, x)| *g = 0.5 * x);
            for w in other.iter().filter(|w| reach(w, x) > 0.0) {
                out.iter_mut().zip(w).for_each(|(g, w)| *g += w / 30.0);
            }
        },
    )
    .expect("variances are positive");
    let rough = Resolution { difference: 0.03, tolerance: 1e-3, max_iterations: 300, ..Resolution::default() };
    for x in [[0.5, 0.3, -0.9], [0.1, -1.2, 0.4], [-1.0, 0.7, 0.3]] {
        let found = quasipotential(&land, Metric::FreidlinWentzell, &x, rough).expect("a path");
        assert!(found.converged, "{}", found.residual);
        assert_close(found.value, 2.0 * land.loss(&x), 3e-3, &format!("{x:?}"));
    }
}

#[test]
fn units_do_not_matter() {
    for (length, scale) in [(1e-6, 1e-8), (1e6, 1e8), (1e-6, 1e8)] {
        let (h, c) = ([scale, 0.1 * scale], [0.5 * scale, 2.0 * scale]);
        let found = to(&quadratic(&h, &c), Metric::FreidlinWentzell, &[length, 2.0 * length]);
        assert_close(found.value, (2.0 + 0.2) * length * length, 1e-6, &format!("{length}, {scale}"));
    }
}

#[test]
fn the_error_falls_with_the_square_of_the_number_of_images_and_is_estimated() {
    let well = curved_double_well([1.0, 1.0], 3.0, 0.8);
    let x = [1.0, -0.8];
    let error = |images: usize| {
        let resolution = Resolution { images, ..Resolution::default() };
        let found = quasipotential(&well, Metric::FreidlinWentzell, &x, resolution).expect("a path");
        let error = found.value / 0.5 - 1.0;
        assert!((found.discretisation / error.abs() - 1.0).abs() < 0.5, "{images}: {error}, {}", found.discretisation);
        error
    };
    let ratio = error(101) / error(201);
    assert!((3.0..5.0).contains(&ratio), "{ratio}");
}

#[test]
fn the_path_costs_what_v_says() {
    let well = curved_double_well([0.4, 2.0], 3.0, 0.8);
    for metric in BOTH {
        let found = to(&well, metric, &[0.5, -0.3]);
        assert_close(geometric_action(&well, metric, &found.path).expect("an action"), found.value, 1e-9, "geometric");
        let run = steepness_over(&well, metric, &found.path, &found.durations).expect("an action");
        assert_close(run, found.value, 1e-9, "in time");
        // And no path near it costs less: a bulge to either side is dearer.
        for bulge in [-0.05, 0.05] {
            let last = (found.path.images() - 1) as f64;
            let points = found.path.points().enumerate().flat_map(|(k, x)| {
                let s = k as f64 / last;
                [x[0] + bulge * s * (1.0 - s), x[1] + bulge * s * (1.0 - s)]
            });
            let other = Path::new(2, points.collect()).expect("a path");
            assert!(geometric_action(&well, metric, &other).expect("an action") > found.value, "{metric:?}, {bulge}");
        }
    }
}

#[test]
fn the_path_to_begin_with_decides_between_passes() {
    // Two wells with a hill on the ridge u = 0 between them, passes of different height to both sides of it. All is even
    // in u, so the passes are the minima of L along the ridge.
    let bump = |u: f64, y: f64| (0.4 * (-20.0 * y * y).exp() + 0.1 * y) * (-20.0 * u * u).exp();
    let loss = move |u: f64, y: f64| 0.25 * (u * u - 1.0).powi(2) + 0.5 * y * y + bump(u, y);
    let land = Closures::new(
        vec![1.0, 1.0],
        move |x: &[f64]| loss(x[0] - 1.0, x[1]),
        move |x: &[f64], out: &mut [f64]| {
            let (u, y) = (x[0] - 1.0, x[1]);
            out[0] = u * (u * u - 1.0) - 40.0 * u * bump(u, y);
            out[1] = y + (-16.0 * y * (-20.0 * y * y).exp() + 0.1) * (-20.0 * u * u).exp();
        },
    )
    .expect("variances are positive");
    for side in [-1.0, 1.0] {
        let pass = (0..10_000).map(|i| loss(0.0, side * f64::from(i) * 1e-4)).fold(f64::INFINITY, f64::min);
        let path = Path::new(2, vec![0.0, 0.0, 1.0, 0.5 * side, 2.0, 0.0]).expect("a path");
        let found = quasipotential_from(&land, Metric::FreidlinWentzell, &path, Resolution::default()).expect("a path");
        assert!(found.converged);
        assert_close(found.value, 2.0 * pass, 5e-4, &format!("{side}"));
    }
}

#[test]
fn what_did_not_converge_says_so() {
    let well = curved_double_well([1.0, 1.0], 30.0, 2.0);
    let hasty = Resolution { max_iterations: 3, ..Resolution::default() };
    let found = quasipotential(&well, Metric::FreidlinWentzell, &[0.5, -0.3], hasty).expect("a path");
    assert!(!found.converged && found.residual > hasty.tolerance, "{}", found.residual);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (well, metric, resolution) = (double_well(1.0), Metric::FreidlinWentzell, Resolution::default());
    assert_eq!(quasipotential(&well, metric, &[0.0], resolution), Err(ActionError::AtMinimum));
    assert_eq!(quasipotential(&well, metric, &[f64::NAN], resolution), Err(ActionError::NotFinite));
    let length = ActionError::Length { expected: 1, found: 2 };
    assert_eq!(quasipotential(&well, metric, &[1.0, 1.0], resolution), Err(length));
    let few = Resolution { images: 4, ..resolution };
    assert_eq!(quasipotential(&well, metric, &[1.0], few), Err(ActionError::Images));
    let lax = Resolution { tolerance: 0.0, ..resolution };
    assert_eq!(quasipotential(&well, metric, &[1.0], lax), Err(ActionError::NotPositive));
    let broken = Closures::new(vec![1.0], |_: &[f64]| 0.0, |_: &[f64], out: &mut [f64]| out[0] = f64::NAN);
    let broken = broken.expect("variances are positive");
    assert_eq!(quasipotential(&broken, metric, &[1.0], resolution), Err(ActionError::NotFinite));
}
