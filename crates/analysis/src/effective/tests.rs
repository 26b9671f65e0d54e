use taugrid_escape::walk::{Outcome, TrialRecord};
use taugrid_sweep::{CellKey, Coordinates, DynamicsSpec, Sweep};

use super::*;

const HESSIAN: DynamicsSpec = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
const IDENTITY: DynamicsSpec = DynamicsSpec::GaussianSgd { covariance: Covariance::Identity };
const SUBLEVEL: &str = "{kind: sublevel, depth: 0.5}";
const BALL: &str = "{kind: ball, radius: 0.8}";
const FIXED_BALL: &str = "{kind: ball, radius: 0.8, follows_alpha: false}";
const BOWL: &str = "{kind: quadratic, eigenvalues: [2.0, 0.5, 0.5]}";

/// α = 4, β = 3, η = 0.1, B = 2.
fn cell(dynamics: DynamicsSpec) -> Cell {
    Cell { key: CellKey(7), dynamics, alpha: 4.0, beta: 3.0, eta: 0.1, batch_size: 2 }
}

fn facts(landscape: &str, domain: &str) -> Facts {
    let text = format!(
        "name: x\nseed: 1\nlandscape: {landscape}\ndomain: {domain}\n\
         dynamics: {{kind: gaussian-sgd, covariance: identity}}\ngrid: {{eta: 0.1, batch_size: 1}}\ntrials: 1\n\
         max_steps: 10\n"
    );
    let sweep = Sweep::parse(&text, std::path::Path::new("sweep.yaml")).expect("a sweep");
    let physics = sweep.physics();
    let artifact = sweep.prepare(&mut |_| std::ops::ControlFlow::Continue(())).expect("prepared");
    let landscape = physics.landscape(artifact.as_ref()).expect("a landscape");
    Facts::new(&physics, &landscape)
}

fn on_quadratic(dynamics: DynamicsSpec, domain: &str) -> Effective {
    facts(BOWL, domain).effective(&cell(dynamics))
}

/// A perceptron that has not been trained to its minimum.
fn on_network(domain: &str) -> Facts {
    let landscape = "{kind: mlp, data: {synthetic: {examples: 60, features: 2, classes: 2, seed: 1}}, hidden: 4, \
                     minimum: {train: {epochs: 30, learning_rate: 0.3, seed: 1}}}";
    facts(landscape, domain)
}

#[track_caller]
fn assert_close(a: impl Into<Option<f64>>, b: f64) {
    let a = a.into().expect("a value");
    assert!((a - b).abs() <= 1e-13 * b.abs(), "{a} is not {b}");
}

#[test]
fn the_hessian_scales_with_alpha_times_beta() {
    let values = on_quadratic(HESSIAN, SUBLEVEL);
    assert_close(values.lambda_max, 24.0);
    assert_close(values.lambda_min, 6.0);
    assert_close(values.trace, 36.0);
}

/// H* of standardized features has 1 on its diagonal, the intercept's among them.
#[test]
fn a_regression_is_a_quadratic_that_knows_its_noise() {
    let regression = "{kind: linear-regression, data: {synthetic: {examples: 60, features: 2, classes: 2, seed: 1}, \
                      standardize: true}}";
    let values = facts(regression, BALL).effective(&cell(HESSIAN));
    assert!((values.trace.expect("known") - 12.0 * 3.0).abs() < 1e-12);
    let lambda_min = values.lambda_min.expect("known");
    assert!(lambda_min > 0.0 && lambda_min <= 12.0 && values.lambda_max >= 12.0);
    assert_close(values.depth, 0.5 * lambda_min * 0.16);
    assert_close(values.exponent_freidlin_wentzell, 20.0 * 0.16);
    assert!(values.noise_trace.is_some() && values.noise_alignment.is_some_and(|cosine| cosine > 0.0 && cosine < 1.0));
    assert!(values.noise_distance.is_some());
}

#[test]
fn the_gradient_scales_with_beta_root_alpha() {
    assert_eq!(on_quadratic(HESSIAN, SUBLEVEL).gradient_norm, 0.0);
    let network = on_network(SUBLEVEL);
    let found = network.effective(&cell(DynamicsSpec::Sgd)).gradient_norm;
    assert_close(found, 3.0 * 2.0 * network.landscape.curvature().gradient_norm);
    assert!(found > 0.0);
}

#[test]
fn a_sublevel_set_is_beta_delta_deep_on_any_landscape() {
    assert_close(on_quadratic(HESSIAN, SUBLEVEL).depth, 1.5);
    assert_close(on_network(SUBLEVEL).effective(&cell(DynamicsSpec::Sgd)).depth, 1.5);
}

#[test]
fn a_ball_that_follows_alpha_has_a_depth_without_alpha() {
    // ½·β·λmin·r²
    assert_close(on_quadratic(HESSIAN, BALL).depth, 0.5 * 3.0 * 0.5 * 0.64);
}

#[test]
fn a_ball_that_stays_gets_deeper_with_alpha() {
    // ½·αβ·λmin·r²
    assert_close(on_quadratic(HESSIAN, FIXED_BALL).depth, 0.5 * 12.0 * 0.5 * 0.64);
}

/// On the sphere of a double well: L at both ends of the first axis and of the second is known.
#[test]
fn the_depth_of_a_ball_of_a_well_is_searched_for() {
    let well =
        facts("{kind: double-well, barrier: 0.25, half_width: 1.0, transverse: [0.3]}", "{kind: ball, radius: 0.9}");
    let found = well.effective(&cell(IDENTITY));
    assert!(found.depth_method.expect("a method").contains("starts converged"));
    // Across: ½·0.3·0.81 = 0.1215; along: 0.25 (0.01 − 1)² = 0.245.
    assert!((found.depth.expect("a depth") / (3.0 * 0.1215) - 1.0).abs() < 1e-6, "{:?}", found.depth);
    assert!((found.quasipotential.expect("V0") / (3.0 * 0.243) - 1.0).abs() < 2e-3, "{:?}", found.quasipotential);
}

#[test]
fn the_depth_of_a_ball_of_a_network_is_searched_for_and_descent_followed() {
    let network = on_network(BALL);
    let found = network.effective(&cell(DynamicsSpec::Sgd));
    assert!(found.depth.expect("a depth").is_finite());
    assert!(found.noise_distance.expect("C and H are known") > 0.0);
    // θ* is far from a minimum: the flow goes on, and in time leaves a ball that is small enough.
    assert_eq!(network.drifts(&cell(DynamicsSpec::Sgd), Some(1e-6)), Some(false));
    assert_eq!(network.drifts(&cell(DynamicsSpec::Sgd), None), None);
    assert_eq!(facts(BOWL, BALL).drifts(&cell(HESSIAN), None), Some(false));
    let close = on_network("{kind: ball, radius: 0.001}");
    assert_eq!(close.drifts(&cell(DynamicsSpec::Sgd), Some(1e3)), Some(true));
}

#[test]
fn unstable_above_two() {
    let facts = facts(BOWL, SUBLEVEL);
    let at = |eta| facts.effective(&Cell { eta, ..cell(HESSIAN) }).unstable;
    assert!(!at(2.0 / 24.0));
    assert!(at(2.001 / 24.0));
}

#[test]
fn the_quasipotential_of_hessian_noise_is_the_squared_distance() {
    // B/η = 20
    assert_close(on_quadratic(HESSIAN, BALL).exponent_freidlin_wentzell, 20.0 * 0.64 / 4.0);
    assert_close(on_quadratic(HESSIAN, FIXED_BALL).exponent_freidlin_wentzell, 20.0 * 0.64);
    // 2ΔL/λmax: the nearest point of the boundary lies in the sharpest direction
    assert_close(on_quadratic(HESSIAN, SUBLEVEL).exponent_freidlin_wentzell, 20.0 * 2.0 * 1.5 / 24.0);
}

#[test]
fn the_quasipotential_of_identity_noise_is_twice_the_depth() {
    assert_close(on_quadratic(IDENTITY, SUBLEVEL).exponent_freidlin_wentzell, 20.0 * 3.0);
    assert_close(on_quadratic(IDENTITY, BALL).exponent_freidlin_wentzell, 20.0 * 2.0 * 0.48);
}

#[test]
fn the_paper_has_one_over_root_lambda_and_no_two_for_the_proxy() {
    assert_close(on_quadratic(HESSIAN, SUBLEVEL).exponent_paper, 20.0 * 2.0 * 1.5 / 24.0_f64.sqrt());
    assert_close(on_quadratic(DynamicsSpec::Sgd, SUBLEVEL).exponent_paper, 20.0 * 2.0 * 1.5 / 24.0_f64.sqrt());
    assert_close(on_quadratic(IDENTITY, SUBLEVEL).exponent_paper, 20.0 * 1.5);
}

#[test]
fn what_is_not_known_is_not_predicted() {
    let network = on_network(SUBLEVEL);
    assert_eq!(network.effective(&cell(DynamicsSpec::Sgd)).exponent_freidlin_wentzell, None);
    assert_eq!(network.effective(&cell(HESSIAN)).exponent_freidlin_wentzell, None);
    assert_eq!(on_quadratic(DynamicsSpec::Sgd, BALL).exponent_freidlin_wentzell, None);
    let levy = |stability| {
        let coordinates = Coordinates::Isotropic;
        on_quadratic(DynamicsSpec::LevySgd { covariance: Covariance::Hessian, stability, coordinates }, BALL)
    };
    assert_eq!((levy(1.5).exponent_freidlin_wentzell, levy(1.5).exponent_paper), (None, None));
    assert_close(levy(2.0).exponent_freidlin_wentzell, 20.0 * 0.64 / 4.0);
}

#[test]
fn a_summary_of_an_sde_has_steps_that_are_parts_of_eta() {
    let sde = DynamicsSpec::Sde { covariance: Covariance::Hessian, substeps: 4 };
    let record = TrialRecord { trial: 0, outcome: Outcome::Exited, steps: 40, exit_loss: 2.0, exit_radius: 1.0 };
    let summary = facts(BOWL, SUBLEVEL).summarize(cell(sde), &[Row { cell: CellKey(7), record }]);
    assert_close(summary.mean_exit_time, 1.0);
}

#[test]
fn a_summary_has_times_in_units_of_time() {
    let row = |cell, trial, steps| Row {
        cell: CellKey(cell),
        record: TrialRecord { trial, outcome: Outcome::Exited, steps, exit_loss: 2.0, exit_radius: 1.0 },
    };
    let rows = [row(7, 0, 10), row(7, 1, 20), row(8, 0, 1000), row(7, 2, 30)];
    let summary = facts(BOWL, SUBLEVEL).summarize(cell(HESSIAN), &rows);
    assert_eq!((summary.trials, summary.exits, summary.total_steps), (3, 3, 60));
    assert_eq!(summary.mean_exit_steps, Some(20.0));
    assert_close(summary.mean_exit_time, 2.0);
    assert_close(summary.median, 2.0);
    assert_close(summary.std, 1.0);
    // 2ΣT/χ²(6 degrees), see `estimate`
    assert!((summary.lower.unwrap() - 12.0 / 14.449_375_3).abs() < 1e-6);
    assert_eq!((summary.drift, summary.effective.unstable), (Some(false), true));
}
