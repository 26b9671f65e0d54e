//! V0 = min over ∂D of the quasi-potential, of the base landscape; and how α and β change it.
//!
//! With x = z/√α and time in units of 1/(αβ), a path of L_αβ under the covariance γC is one of L under C, and its action
//! with the weight a = C^(−p) is βγ^(−p) times as large: p = 1 for Freidlin and Wentzell's action, ½ for the paper's.
//!
//! | C | γ | V0 by Freidlin and Wentzell | by the paper's action |
//! | --- | --- | --- | --- |
//! | `hessian` | αβ | V0*/α | √(β/α) V0* |
//! | `identity` | 1 | βV0* | βV0* |
//! | `frozen` | β²α | V0*/(αβ) | V0*/√α |
//!
//! V0* is that of the base landscape: on a bowl in closed form, else by a geometric minimum action method.

use taugrid_escape::action::boundary::ExitBoundary;
use taugrid_escape::action::diffusion::Closures;
use taugrid_escape::action::error::ActionError;
use taugrid_escape::action::exit::{Search, quasipotential_to_boundary};
use taugrid_escape::action::metric::Metric;
use taugrid_escape::action::resolution::Resolution;
use taugrid_escape::curvature::symmetric::eigen;
use taugrid_escape::landscape::Landscape;
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::landscape::regression::LinearRegression;
use taugrid_escape::landscape::well::Well;
use taugrid_sweep::{BuiltLandscape, Covariance};

/// V0 of the base landscape.
#[derive(Debug, Clone, PartialEq)]
pub struct Easiest {
    /// V0*.
    pub value: f64,
    /// How it was found.
    pub method: String,
}

impl Easiest {
    fn exactly(value: f64) -> Self {
        Self { value, method: "closed form".to_owned() }
    }
}

/// What multiplies V0* for a cell.
pub fn scale(metric: Metric, covariance: Covariance, alpha: f64, beta: f64) -> f64 {
    let gamma = match covariance {
        Covariance::Hessian => alpha * beta,
        Covariance::Identity => 1.0,
        Covariance::Sample | Covariance::Frozen => beta * beta * alpha,
    };
    beta * metric.weight(gamma)
}

/// V0* on a landscape that is not trained; `None` where there is no closed form and no method of few dimensions.
pub fn easiest(
    landscape: &BuiltLandscape,
    covariance: Covariance,
    metric: Metric,
    boundary: ExitBoundary,
) -> Option<Easiest> {
    match (landscape, covariance) {
        (BuiltLandscape::Quadratic(bowl), Covariance::Hessian | Covariance::Identity) => {
            Some(on_bowl(bowl, covariance, metric, boundary))
        }
        (BuiltLandscape::Regression(data), Covariance::Hessian | Covariance::Identity) => {
            Some(on_bowl(data.bowl(), covariance, metric, boundary))
        }
        (BuiltLandscape::Regression(data), Covariance::Frozen) => on_regression(data, metric, boundary),
        (BuiltLandscape::Well(well), Covariance::Hessian | Covariance::Identity) => {
            on_well(well, covariance, metric, boundary)
        }
        // Where C = I the quasi-potential is 2(L − L(θ*)) as far as the basin of θ* reaches.
        (BuiltLandscape::Mlp(_), Covariance::Identity) => match boundary {
            ExitBoundary::Level { depth } => Some(Easiest::exactly(2.0 * depth)),
            ExitBoundary::Ball { .. } => None,
        },
        _ => None,
    }
}

/// V(z) = Σ a_i h_i z_i², with a_i the weight of C's eigenvalue.
fn on_bowl(bowl: &Quadratic, covariance: Covariance, metric: Metric, boundary: ExitBoundary) -> Easiest {
    let weights = bowl.eigenvalues().iter().map(|&h| match covariance {
        Covariance::Hessian => (h, metric.weight(h)),
        _ => (h, metric.weight(1.0)),
    });
    Easiest::exactly(match boundary {
        ExitBoundary::Ball { radius } => weights.map(|(h, a)| a * h).fold(f64::INFINITY, f64::min) * radius * radius,
        ExitBoundary::Level { depth } => 2.0 * depth * weights.map(|(_, a)| a).fold(f64::INFINITY, f64::min),
    })
}

/// V(z) = ½ zᵀΣ⁻¹z with HΣ + ΣH = M, the mobility M = C for Freidlin and Wentzell's action and C^½ for the paper's: in the
/// eigenbasis of H, Σ_ij = M_ij/(h_i + h_j).
fn on_regression(data: &LinearRegression, metric: Metric, boundary: ExitBoundary) -> Option<Easiest> {
    let h = data.bowl().eigenvalues();
    let d = h.len();
    let noise = eigen(&data.noise_covariance(&vec![0.0; d]), d).ok()?;
    let mobility = |i: usize, j: usize| -> f64 {
        let modes = noise.values.iter().zip(noise.vectors.chunks_exact(d));
        modes.map(|(c, v)| metric.mobility(c.max(0.0)) * v[i] * v[j]).sum()
    };
    let factor = |i: usize| match boundary {
        ExitBoundary::Ball { .. } => 1.0,
        ExitBoundary::Level { .. } => h[i].sqrt(),
    };
    let entries = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
    let spread: Vec<f64> = entries.map(|(i, j)| factor(i) * factor(j) * mobility(i, j) / (h[i] + h[j])).collect();
    let widest = *eigen(&spread, d).ok()?.values.last()?;
    Some(Easiest::exactly(match boundary {
        ExitBoundary::Ball { radius } => radius * radius / (2.0 * widest),
        ExitBoundary::Level { depth } => depth / widest,
    }))
}

fn on_well(well: &Well, covariance: Covariance, metric: Metric, boundary: ExitBoundary) -> Option<Easiest> {
    let variances = match covariance {
        Covariance::Hessian => well.eigenvalues(),
        _ => vec![1.0; well.dim()],
    };
    let loss = |z: &[f64]| well.excess_loss(z, &mut ());
    let gradient = |z: &[f64], out: &mut [f64]| well.gradient(z, out, &mut ());
    let diffusion = Closures::new(variances, loss, gradient).ok()?;
    by_action(&diffusion, metric, boundary, &Search::default(), Resolution::default()).ok()
}

/// By a geometric minimum action method.
///
/// # Errors
/// If there is no path to the boundary, or the gradient is not finite.
pub fn by_action<D: taugrid_escape::action::diffusion::Diffusion>(
    diffusion: &D,
    metric: Metric,
    boundary: ExitBoundary,
    search: &Search,
    resolution: Resolution,
) -> Result<Easiest, ActionError> {
    let exit = quasipotential_to_boundary(diffusion, metric, boundary, search, resolution)?;
    let converged = if exit.converged { "" } else { ", not converged" };
    let method = format!("minimum action, {} images{converged}", resolution.images);
    Ok(Easiest { value: exit.quasipotential.value, method })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use taugrid_escape::data::Examples;
    use taugrid_escape::landscape::regression::Design;

    use super::*;

    #[track_caller]
    fn assert_close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn alpha_and_beta_scale_it_as_the_transformed_landscape_says() {
        let (alpha, beta) = (4.0, 3.0);
        let bowl = Quadratic::new(vec![2.0, 0.5]).expect("positive");
        let scaled = Quadratic::new(vec![2.0 * 12.0, 0.5 * 12.0]).expect("positive");
        for metric in [Metric::FreidlinWentzell, Metric::Paper] {
            for covariance in [Covariance::Hessian, Covariance::Identity] {
                for (base, cell) in [
                    (ExitBoundary::Ball { radius: 0.8 }, ExitBoundary::Ball { radius: 0.4 }),
                    (ExitBoundary::Level { depth: 0.5 }, ExitBoundary::Level { depth: 1.5 }),
                ] {
                    let of = |bowl: &Quadratic, boundary| on_bowl(bowl, covariance, metric, boundary).value;
                    assert_close(scale(metric, covariance, alpha, beta) * of(&bowl, base), of(&scaled, cell));
                }
            }
        }
    }

    /// Where the residuals are independent of the inputs C is proportional to H, and V that of C = H.
    #[test]
    fn the_lyapunov_equation_agrees_with_the_closed_forms() {
        let mut state = 1u64;
        let mut number = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        // Each input with both residuals: (x, y) and (x, −y) with classes 0 and 2 around 1, an intercept to take it up.
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            let x = [number(), 0.3 * number()];
            for sign in [-1.0, 1.0] {
                for label in [0, 2] {
                    inputs.extend(x.map(|x| sign * x));
                    labels.push(label);
                }
            }
        }
        let examples = Examples::new(inputs, labels, 2, 3).expect("valid");
        let data = LinearRegression::new(&examples, Design { target: None, intercept: true, weight_decay: 0.0 });
        let data = data.expect("it can be fitted");
        // The residuals are ±1 whatever the inputs, so that C = H.
        for metric in [Metric::FreidlinWentzell, Metric::Paper] {
            for boundary in [ExitBoundary::Ball { radius: 0.7 }, ExitBoundary::Level { depth: 0.2 }] {
                let frozen = on_regression(&data, metric, boundary).expect("a closed form");
                assert_close(frozen.value, on_bowl(data.bowl(), Covariance::Hessian, metric, boundary).value);
            }
        }
    }

    #[test]
    fn a_double_well_is_left_over_its_saddle() {
        let well = BuiltLandscape::Well(Arc::new(Well::double(0.25, 1.0, &[2.0]).expect("positive")));
        for boundary in [ExitBoundary::Ball { radius: 1.4 }, ExitBoundary::Level { depth: 0.25 }] {
            let found = easiest(&well, Covariance::Identity, Metric::FreidlinWentzell, boundary).expect("a path");
            assert!((found.value / 0.5 - 1.0).abs() < 2e-3, "{boundary:?}: {found:?}");
        }
    }
}
