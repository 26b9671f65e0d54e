//! Chains and SDEs of quadratic cells, as they are simulated, against their exact mean exit times: every factor of α, β, η
//! and B in drift, noise and domain.

// A broken expectation should end the run, in what tests share as in them.
#![allow(clippy::expect_used)]

mod rig;

use std::sync::Arc;

use proptest::prelude::*;
use rig::{BOTH, bowl, cell, measure};
use taugrid_escape::data::Examples;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::exact::{Motion, mean_exit};
use taugrid_escape::landscape::regression::{Design, LinearRegression};
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::scale::Scale;

const TRIALS: u64 = 10_000;

/// The radius, or the depth, that makes V0 = `exponent`·η/B, V0 being the quasi-potential of C = H or I: so that a trial
/// takes a time that is e^`exponent` at most, whatever the cell.
fn of_height(
    problem: CellProblem,
    exponent: f64,
    ball: Option<bool>,
    covariance: Covariance,
    h: &[f64],
) -> CellProblem {
    let (alpha, beta) = (problem.scale.alpha, problem.scale.beta);
    let v0 = exponent * problem.eta / problem.batch_size as f64;
    let (least, most) = (h.iter().copied().fold(f64::MAX, f64::min), h.iter().copied().fold(0.0, f64::max));
    let domain = match (ball, covariance) {
        // V = ‖x‖² for C = H, and αβ Σ h x² for C = I.
        (Some(follows_alpha), _) => {
            let square = if covariance == Covariance::Hessian { v0 } else { v0 / (alpha * beta * least) };
            let radius = square.sqrt() * if follows_alpha { alpha.sqrt() } else { 1.0 };
            Domain::Ball { radius, follows_alpha }
        }
        // 2βΔ/λmax for C = H, and 2βΔ for C = I.
        (None, Covariance::Hessian) => Domain::Sublevel { depth: 0.5 * v0 * alpha * most },
        (None, _) => Domain::Sublevel { depth: 0.5 * v0 / beta },
    };
    CellProblem { domain, ..problem }
}

fn factor() -> impl Strategy<Value = f64> {
    (0.5f64.ln()..3f64.ln()).prop_map(f64::exp)
}

/// α, β, B, what a step takes of the steepest coordinate, the exponent, and the domain.
type Drawn = (f64, f64, u64, f64, f64, Option<bool>, bool);

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        factor(),
        factor(),
        2u64..9,
        0.03..0.4f64,
        0.5..3.5f64,
        prop::sample::select(vec![None, Some(true), Some(false)]),
        any::<bool>(),
    )
}

fn assemble(h: &[f64], dynamics: impl Fn(Covariance) -> Dynamics, covariance: Covariance, drawn: Drawn) -> CellProblem {
    let (alpha, beta, batch_size, pull, exponent, ball, double) = drawn;
    let most = h.iter().copied().fold(0.0, f64::max);
    let problem = CellProblem {
        scale: Scale { alpha, beta },
        batch_size,
        dtype: if double { Dtype::F64 } else { Dtype::F32 },
        ..cell(bowl(h), Domain::Sublevel { depth: 1.0 }, dynamics(covariance), pull / (alpha * beta * most))
    };
    // Another cell for C = I, or it would be the same chain in units of its domain.
    let exponent = if covariance == Covariance::Hessian { exponent } else { 0.8 * exponent };
    of_height(problem, exponent, ball, covariance, h)
}

/// A chain within 4.5 standard errors.
fn chain(h: &[f64], drawn: Drawn) {
    for covariance in BOTH {
        let problem = assemble(h, Dynamics::GaussianSgd, covariance, drawn);
        let exact = problem.exact().expect("one of the known cells");
        let what = format!("d = {}, {covariance:?}, {:?}", h.len(), problem.domain);
        measure(&problem, TRIALS).assert_meets(exact.mean_exit_time, 4.5, 0.0, &what);
    }
}

/// An SDE within 4.5 standard errors and 2 % at sixteen steps in a time of η.
fn sde(h: &[f64], drawn: Drawn) {
    for covariance in BOTH {
        let problem = assemble(h, |covariance| Dynamics::Sde { covariance, substeps: 16 }, covariance, drawn);
        let Some(exact) = problem.exact() else { continue };
        let what = format!("sde, d = {}, {covariance:?}, {:?}", h.len(), problem.domain);
        measure(&problem, TRIALS).assert_meets(exact.mean_exit_time, 4.5, 0.02, &what);
    }
}

// H0, in all of these: the mean of the measured exit times is the exact one. n = 10,000 trials a cell. |z| > 4.5 happens by
// chance with probability 6.8e-6 a cell for a normal mean; the seed and the cells are fixed, so that what passes once passes always.
proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chains_on_a_line(h in factor(), drawn in drawn()) {
        chain(&[h], drawn);
    }

    #[test]
    fn isotropic_chains(d in prop::sample::select(vec![2usize, 5]), h in factor(), drawn in drawn()) {
        chain(&vec![h; d], drawn);
    }

    #[test]
    fn chains_in_the_plane(h in (factor(), 0.3..0.9f64), drawn in drawn()) {
        // The integral equation of a finer chain takes seconds.
        chain(&[h.0, h.0 * h.1], (drawn.0, drawn.1, drawn.2, drawn.3.max(0.2), drawn.4, drawn.5, drawn.6));
    }

    #[test]
    fn sdes_on_a_line(h in factor(), drawn in drawn()) {
        sde(&[h], drawn);
    }

    #[test]
    fn isotropic_sdes(d in prop::sample::select(vec![2usize, 5]), h in factor(), drawn in drawn()) {
        sde(&vec![h; d], drawn);
    }
}

/// In 50 dimensions the noise alone fills a ball of ‖y‖² = 50·η/2B: the exponent is above that.
#[test]
fn fifty_dimensions() {
    for (exponent, ball) in [(36.0, Some(true)), (35.0, None)] {
        let drawn = (1.7, 0.6, 3, 0.1, exponent, ball, false);
        chain(&[1.3; 50], drawn);
        sde(&[1.3; 50], drawn);
    }
}

/// Data with one input: C at θ*, which `frozen` keeps, is β²α (1/N) Σ r_i² x_i², from the definition. So its pull, its noise and
/// its domain are those of a cell whose exact mean is known.
#[test]
fn the_frozen_covariance_of_examples_on_a_line() {
    let (n, alpha, beta, eta, batch_size) = (12, 1.7, 0.6, 0.2, 3);
    let mut stream = Stream::new(StreamKey::derive(4, 5), 6);
    let inputs: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
    let per_example = 1.0 / n as f64;
    let h = per_example * inputs.iter().map(|x| x * x).sum::<f64>();
    let theta = per_example / h * inputs.iter().zip(&labels).map(|(x, y)| x * f64::from(*y)).sum::<f64>();
    let slopes = inputs.iter().zip(&labels).map(|(x, y)| (x * theta - f64::from(*y)) * x);
    let covariance = beta * beta * alpha * per_example * slopes.map(|slope| slope * slope).sum::<f64>();
    let examples = Examples::new(inputs, labels, 1, 3).expect("valid");
    let design = Design { target: None, intercept: false, weight_decay: 0.0 };
    let regression = LinearRegression::new(&examples, design).expect("it can be fitted");
    let landscape = AnyLandscape::Regression(Arc::new(regression));

    let (radius, depth, rate) = (0.3, 0.04, alpha * beta * h);
    let noise = (eta * covariance / f64::from(batch_size)).sqrt();
    for (domain, unit) in [
        (Domain::Ball { radius, follows_alpha: true }, radius / alpha.sqrt()),
        (Domain::Sublevel { depth }, (2.0 * depth / (alpha * h)).sqrt()),
    ] {
        let scale = Scale { alpha, beta };
        let at = |dynamics| CellProblem {
            scale,
            batch_size: u64::from(batch_size as u32),
            ..cell(landscape.clone(), domain, dynamics, eta)
        };
        let steps = mean_exit(Motion::Chain { pull: &[eta * rate], noise: &[eta.sqrt() * noise / unit] });
        let exact = eta * steps.expect("resolved").value;
        let chain = at(Dynamics::GaussianSgd(Covariance::Frozen));
        measure(&chain, TRIALS).assert_meets(exact, 4.5, 0.0, &format!("frozen, {domain:?}"));
        // Here the scheme is Euler and Maruyama's own, whose bias at λh = 0.006 and an exponent of 1 or 2 is below 1 %.
        let time = mean_exit(Motion::Diffusion { pull: &[rate], noise: &[noise / unit] });
        let sde = at(Dynamics::Sde { covariance: Covariance::Frozen, substeps: 32 });
        measure(&sde, 3000).assert_meets(time.expect("resolved").value, 4.5, 0.01, &format!("frozen sde, {domain:?}"));
    }
}
