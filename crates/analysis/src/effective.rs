//! From a cell and its trials to its row of `cells.parquet`: effective values, validity, predictions, estimates.
//!
//! The grid's α and β are surrogates; what a law of escape speaks of are the values of the transformed landscape
//! L_αβ(θ) = β·L(θ* + √α(θ − θ*)) in the cell's own domain D:
//!
//! | value | formula |
//! | --- | --- |
//! | λmax, λmin, tr H | αβ × those of H* |
//! | ‖∇L_αβ(θ*)‖ | β√α·‖∇L(θ*)‖ |
//! | ΔL, `sublevel {depth: Δ}` | β·Δ |
//! | ΔL, `ball {radius: r}`, quadratic | ½·αβ·λmin(H*)·ρ², ρ the ball's radius: r/√α, or r if it does not follow α |
//! | unstable | η·λmax > 2: noise-free descent on a quadratic moves away from θ* |
//!
//! **Predictions** are exponents: what ln E\[ν\] tends to, up to lower orders, as η/B → 0.
//!
//! | noise | Freidlin–Wentzell, (B/η)·V₀ | the paper |
//! | --- | --- | --- |
//! | C = H, quadratic, ball | V₀ = ρ² | (B/η)·2ΔL·λmax^(−1/2) (Theorems 2, 3) |
//! | C = H, quadratic, sublevel | V₀ = 2ΔL/λmax | the same |
//! | C = I | V₀ = 2ΔL (Lemma 3) | (B/η)·ΔL (Proposition 1) |
//! | minibatches (Eq. 1) | no closed form | as C = H, which Assumption 2 takes it for |
//!
//! V₀ = min over ∂D of the quasi-potential V of dθ = −∇L dt + √(η/B)·C^½ dw. For C = H on a quadratic the stationary
//! covariance is (η/2B)·I, whence V(θ) = ‖θ − θ*‖²; for C = I, V = 2(L − L(θ*)). Where the paper's exponent differs from
//! the other one, it is printed as the paper prints it: to compare is what the sweep is for.

use taugrid_escape::landscape::Curvature;
use taugrid_results::{CellSummary, Row};
use taugrid_sweep::{Cell, Covariance, DomainSpec, DynamicsSpec};

use crate::estimate::estimate;

/// The effective values of one cell, before any trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effective {
    /// λmax of the Hessian of L_αβ at θ*.
    pub lambda_max: f64,
    /// λmin of it, where known.
    pub lambda_min: Option<f64>,
    /// Its trace, where known.
    pub trace: Option<f64>,
    /// ΔL = min over ∂D of L_αβ − L_αβ(θ*), where known.
    pub depth: Option<f64>,
    /// ‖∇L_αβ(θ*)‖.
    pub gradient_norm: f64,
    /// Whether η·λmax > 2.
    pub unstable: bool,
    /// (B/η)·V₀ with the quasi-potential of Freidlin and Wentzell, where it has a closed form.
    pub exponent_freidlin_wentzell: Option<f64>,
    /// The exponent as the paper prints it.
    pub exponent_paper: Option<f64>,
}

/// The effective values of `cell` on a landscape with this `curvature` at θ* (of H*, before α and β), `quadratic` if it
/// is one.
pub fn effective(cell: &Cell, domain: DomainSpec, quadratic: bool, curvature: &Curvature) -> Effective {
    let hessian_scale = cell.alpha * cell.beta;
    let lambda_max = hessian_scale * curvature.lambda_max;
    let lambda_min = curvature.lambda_min.map(|lambda| hessian_scale * lambda);
    let depth = depth(cell, domain, if quadratic { lambda_min } else { None });
    let inverse_temperature = cell.batch_size as f64 / cell.eta;

    // A heavy tail has no quasi-potential: its exits are single jumps, and their times a power of the noise.
    let gaussian = cell.dynamics.stability().is_none_or(|stability| stability == 2.0);
    let quasipotential = match (cell.dynamics.noise(), domain) {
        _ if !gaussian => None,
        (Some(Covariance::Identity), _) => depth.map(|depth| 2.0 * depth),
        (Some(Covariance::Hessian), _) if !quadratic => None,
        (Some(Covariance::Hessian), DomainSpec::Ball { radius, follows_alpha }) => {
            Some(ball_radius(cell, radius, follows_alpha).powi(2))
        }
        (Some(Covariance::Hessian), DomainSpec::Sublevel { .. }) => depth.map(|depth| 2.0 * depth / lambda_max),
        (None | Some(Covariance::Sample | Covariance::Frozen), _) => None,
    };
    let paper = match cell.dynamics.noise() {
        _ if !gaussian => None,
        None | Some(Covariance::Hessian | Covariance::Sample | Covariance::Frozen) => {
            depth.map(|depth| 2.0 * depth / lambda_max.sqrt())
        }
        Some(Covariance::Identity) => depth,
    };

    Effective {
        lambda_max,
        lambda_min,
        trace: curvature.trace.map(|trace| hessian_scale * trace),
        depth,
        gradient_norm: cell.beta * cell.alpha.sqrt() * curvature.gradient_norm,
        unstable: cell.eta * lambda_max > 2.0,
        exponent_freidlin_wentzell: quasipotential.map(|v| inverse_temperature * v),
        exponent_paper: paper.map(|v| inverse_temperature * v),
    }
}

/// ΔL; `lambda_min` is that of L_αβ if it is quadratic and known.
fn depth(cell: &Cell, domain: DomainSpec, lambda_min: Option<f64>) -> Option<f64> {
    match domain {
        DomainSpec::Sublevel { depth, .. } => Some(cell.beta * depth),
        DomainSpec::Ball { radius, follows_alpha } => {
            lambda_min.map(|lambda| 0.5 * lambda * ball_radius(cell, radius, follows_alpha).powi(2))
        }
    }
}

/// ρ, the radius of the ball in the cell's own coordinates.
fn ball_radius(cell: &Cell, radius: f64, follows_alpha: bool) -> f64 {
    if follows_alpha { radius / cell.alpha.sqrt() } else { radius }
}

/// The row of `cells.parquet` of a cell that was simulated directly, from its trials in any order.
///
/// `domain` and `curvature` are the sweep's, before α and β; `quadratic` says whether the landscape is one. Rows of
/// other cells are passed over. `drift` is known here only for a quadratic, whose gradient at θ* is exactly 0.
pub fn summarize<'a>(
    cell: Cell,
    domain: DomainSpec,
    quadratic: bool,
    curvature: &Curvature,
    rows: impl IntoIterator<Item = &'a Row>,
) -> CellSummary {
    let effective = effective(&cell, domain, quadratic, curvature);
    let trials = estimate(rows.into_iter().filter(|row| row.cell == cell.key).map(|row| &row.record));
    let in_time = |steps: Option<f64>| steps.map(|steps| steps * cell.step_length());
    CellSummary {
        cell,
        lambda_max: effective.lambda_max,
        lambda_min: effective.lambda_min,
        trace: effective.trace,
        depth: effective.depth,
        estimator: "direct".to_owned(),
        trials: trials.trials,
        exits: trials.exits,
        censored: trials.censored,
        diverged: trials.diverged,
        mean_exit_steps: trials.mean,
        mean_exit_time: in_time(trials.mean),
        lower: in_time(trials.lower),
        upper: in_time(trials.upper),
        std: in_time(trials.std),
        median: in_time(trials.median),
        total_steps: trials.total_steps,
        gradient_norm: effective.gradient_norm,
        drift: quadratic.then_some(false),
        unstable: effective.unstable,
        ks_p: trials.ks_p,
        exponent_freidlin_wentzell: effective.exponent_freidlin_wentzell,
        exponent_paper: effective.exponent_paper,
    }
}

#[cfg(test)]
mod tests {
    use taugrid_escape::walk::{Outcome, TrialRecord};
    use taugrid_sweep::CellKey;

    use super::*;

    const HESSIAN: DynamicsSpec = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
    const IDENTITY: DynamicsSpec = DynamicsSpec::GaussianSgd { covariance: Covariance::Identity };
    const SUBLEVEL: DomainSpec = DomainSpec::Sublevel { depth: 0.5, check_every: 1 };

    /// α = 4, β = 3, η = 0.1, B = 2.
    fn cell(dynamics: DynamicsSpec) -> Cell {
        Cell { key: CellKey(7), dynamics, alpha: 4.0, beta: 3.0, eta: 0.1, batch_size: 2 }
    }

    /// λmax = 2, λmin = ½, tr = 3, ‖∇L(θ*)‖ = 0.01.
    fn curvature() -> Curvature {
        Curvature { lambda_max: 2.0, lambda_min: Some(0.5), trace: Some(3.0), gradient_norm: 0.01, noise: None }
    }

    fn ball(follows_alpha: bool) -> DomainSpec {
        DomainSpec::Ball { radius: 0.8, follows_alpha }
    }

    fn on_quadratic(dynamics: DynamicsSpec, domain: DomainSpec) -> Effective {
        effective(&cell(dynamics), domain, true, &curvature())
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

    #[test]
    fn the_gradient_scales_with_beta_root_alpha() {
        assert_close(on_quadratic(HESSIAN, SUBLEVEL).gradient_norm, 0.06);
    }

    #[test]
    fn a_sublevel_set_is_beta_delta_deep_on_any_landscape() {
        assert_close(on_quadratic(HESSIAN, SUBLEVEL).depth, 1.5);
        assert_close(effective(&cell(DynamicsSpec::Sgd), SUBLEVEL, false, &curvature()).depth, 1.5);
    }

    #[test]
    fn a_ball_that_follows_alpha_has_a_depth_without_alpha() {
        // ½·β·λmin·r²
        assert_close(on_quadratic(HESSIAN, ball(true)).depth, 0.5 * 3.0 * 0.5 * 0.64);
    }

    #[test]
    fn a_ball_that_stays_gets_deeper_with_alpha() {
        // ½·αβ·λmin·r²
        assert_close(on_quadratic(HESSIAN, ball(false)).depth, 0.5 * 12.0 * 0.5 * 0.64);
    }

    #[test]
    fn the_depth_of_a_ball_is_unknown_elsewhere() {
        let unknown = Curvature { lambda_min: None, ..curvature() };
        assert_eq!(effective(&cell(HESSIAN), ball(true), true, &unknown).depth, None);
        assert_eq!(effective(&cell(HESSIAN), ball(true), false, &curvature()).depth, None);
    }

    #[test]
    fn unstable_above_two() {
        let at = |eta| effective(&Cell { eta, ..cell(HESSIAN) }, SUBLEVEL, true, &curvature()).unstable;
        assert!(!at(2.0 / 24.0));
        assert!(at(2.001 / 24.0));
    }

    #[test]
    fn the_quasipotential_of_hessian_noise_is_the_squared_distance() {
        // B/η = 20
        assert_close(on_quadratic(HESSIAN, ball(true)).exponent_freidlin_wentzell, 20.0 * 0.64 / 4.0);
        assert_close(on_quadratic(HESSIAN, ball(false)).exponent_freidlin_wentzell, 20.0 * 0.64);
        // 2ΔL/λmax: the nearest point of the boundary lies in the sharpest direction
        assert_close(on_quadratic(HESSIAN, SUBLEVEL).exponent_freidlin_wentzell, 20.0 * 2.0 * 1.5 / 24.0);
    }

    #[test]
    fn the_quasipotential_of_identity_noise_is_twice_the_depth() {
        assert_close(on_quadratic(IDENTITY, SUBLEVEL).exponent_freidlin_wentzell, 20.0 * 3.0);
        assert_close(on_quadratic(IDENTITY, ball(true)).exponent_freidlin_wentzell, 20.0 * 2.0 * 0.48);
    }

    #[test]
    fn the_paper_has_one_over_root_lambda_and_no_two_for_the_proxy() {
        assert_close(on_quadratic(HESSIAN, SUBLEVEL).exponent_paper, 20.0 * 2.0 * 1.5 / 24.0_f64.sqrt());
        assert_close(on_quadratic(DynamicsSpec::Sgd, SUBLEVEL).exponent_paper, 20.0 * 2.0 * 1.5 / 24.0_f64.sqrt());
        assert_close(on_quadratic(IDENTITY, SUBLEVEL).exponent_paper, 20.0 * 1.5);
    }

    #[test]
    fn no_closed_form_no_exponent() {
        let mlp = |dynamics, domain| effective(&cell(dynamics), domain, false, &curvature());
        assert_eq!(mlp(DynamicsSpec::Sgd, SUBLEVEL).exponent_freidlin_wentzell, None);
        assert_eq!(mlp(HESSIAN, SUBLEVEL).exponent_freidlin_wentzell, None);
        assert_eq!(mlp(DynamicsSpec::Sgd, ball(true)).exponent_paper, None);
        assert_eq!(on_quadratic(DynamicsSpec::Sgd, ball(true)).exponent_freidlin_wentzell, None);
    }

    #[test]
    fn a_summary_has_times_in_units_of_time() {
        let row = |cell, trial, steps| Row {
            cell: CellKey(cell),
            record: TrialRecord { trial, outcome: Outcome::Exited, steps, exit_loss: 2.0, exit_radius: 1.0 },
        };
        let rows = [row(7, 0, 10), row(7, 1, 20), row(8, 0, 1000), row(7, 2, 30)];
        let summary = summarize(cell(HESSIAN), SUBLEVEL, true, &curvature(), &rows);
        assert_eq!((summary.trials, summary.exits, summary.total_steps), (3, 3, 60));
        assert_eq!(summary.mean_exit_steps, Some(20.0));
        assert_close(summary.mean_exit_time, 2.0);
        assert_close(summary.median, 2.0);
        assert_close(summary.std, 1.0);
        // 2ΣT/χ²(6 degrees), see `estimate`
        assert!((summary.lower.unwrap() - 12.0 / 14.449_375_3).abs() < 1e-6);
        assert_eq!((summary.drift, summary.unstable), (Some(false), true));
        let mlp = summarize(cell(DynamicsSpec::Sgd), SUBLEVEL, false, &curvature(), &rows);
        assert_eq!(mlp.drift, None);
    }
}
