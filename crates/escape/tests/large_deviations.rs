//! The exact mean exit times, for small noise, against the quasi-potentials that `action` finds: (η/B) log E[τ] → V0
//! (Theorem 1), in Freidlin and Wentzell's metric, and not in the paper's.

// A broken expectation should end the run, in what tests share as in them.
#![allow(clippy::expect_used)]

mod rig;

use rig::{HESSIAN, IDENTITY, ball, bowl, cell, double_well};
use taugrid_escape::action::boundary::ExitBoundary;
use taugrid_escape::action::diffusion::Closures;
use taugrid_escape::action::exit::{Search, quasipotential_to_boundary};
use taugrid_escape::action::metric::Metric;
use taugrid_escape::action::resolution::Resolution;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::landscape::Landscape;
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::landscape::well::Well;
use taugrid_escape::problem::{AnyLandscape, CellProblem};
use taugrid_escape::scale::Scale;

const ALPHA: f64 = 1.7;
const BETA: f64 = 0.6;

/// d log E[τ] / d(B/η) between V0·B/η of 200 and of 400.
fn slope(landscape: &AnyLandscape, domain: Domain, covariance: Covariance, v0: f64) -> f64 {
    let dynamics = Dynamics::Sde { covariance, substeps: 16 };
    let log = |inverse: f64| {
        let scale = Scale { alpha: ALPHA, beta: BETA };
        let eta = 3.0 / inverse;
        let problem = CellProblem { scale, batch_size: 3, ..cell(landscape.clone(), domain, dynamics, eta) };
        problem.exact().expect("one of the known cells").mean_exit_time.ln()
    };
    let (far, near) = (400.0 / v0, 200.0 / v0);
    (log(far) - log(near)) / (far - near)
}

/// V0 of L_αβ with this constant C, as `action` finds it; h are the eigenvalues of H*.
fn action<L: Landscape<Workspace = ()>>(
    landscape: &L,
    h: &[f64],
    domain: Domain,
    covariance: Covariance,
    metric: Metric,
) -> f64 {
    let variance = |h: &f64| if covariance == Covariance::Hessian { ALPHA * BETA * h } else { 1.0 };
    let stretch = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| ALPHA.sqrt() * x).collect() };
    let diffusion = Closures::new(
        h.iter().map(variance).collect(),
        |x: &[f64]| BETA * landscape.excess_loss(&stretch(x), &mut ()),
        |x: &[f64], out: &mut [f64]| {
            landscape.gradient(&stretch(x), out, &mut ());
            out.iter_mut().for_each(|g| *g *= BETA * ALPHA.sqrt());
        },
    );
    let boundary = match domain {
        Domain::Ball { radius, .. } => ExitBoundary::Ball { radius: radius / ALPHA.sqrt() },
        Domain::Sublevel { depth } => ExitBoundary::Level { depth: BETA * depth },
    };
    let (search, resolution) = (Search::default(), Resolution::default());
    let exit = quasipotential_to_boundary(&diffusion.expect("positive"), metric, boundary, &search, resolution);
    exit.expect("an exit").quasipotential.value
}

/// The slope is Freidlin and Wentzell's V0, and not the paper's, which is √C times as large, C being a multiple of I here.
///
/// Before the exponential stands (V0·B/η)^−`power`, to an error O(η/B): `power` = d/2 on the edge of a bowl, 0 over a saddle. It
/// takes power·ln 2/200 from the slope.
fn agree<L: Landscape<Workspace = ()>>(
    landscape: &L,
    any: &AnyLandscape,
    h: &[f64],
    domain: Domain,
    covariance: Covariance,
    (power, closed): (f64, f64),
) {
    let of = |metric| action(landscape, h, domain, covariance, metric);
    let (v0, paper) = (of(Metric::FreidlinWentzell), of(Metric::Paper));
    let slope = slope(any, domain, covariance, v0);
    let c = if covariance == HESSIAN { ALPHA * BETA * h[0] } else { 1.0 };
    println!(
        "d = {}, {domain:?}, {covariance:?}: closed {closed:.5}, action {v0:.5}, slope {slope:.5}, paper {paper:.5}",
        h.len()
    );
    assert!((v0 / closed - 1.0).abs() < 1e-3, "{v0} against {closed}");
    let expected = v0 * (1.0 - power * std::f64::consts::LN_2 / 200.0);
    assert!((slope / expected - 1.0).abs() < 3e-4, "{slope} against {expected}");
    assert!((paper / (v0 * c.sqrt()) - 1.0).abs() < 1e-3, "{paper} against {v0}·√{c}");
    if covariance == HESSIAN {
        assert!((slope / paper - 1.0).abs() > 0.3, "{slope} against the paper's {paper}");
    }
}

#[test]
fn bowls_are_left_at_the_rate_of_freidlin_and_wentzell() {
    for h in [vec![2.5], vec![2.5; 3]] {
        let (landscape, any) = (Quadratic::new(h.clone()).expect("positive"), bowl(&h));
        let (radius, depth, power) = (0.8, 0.5, 0.5 * h.len() as f64);
        // With the Hessian: r²/α, and 2ΔL/λmax with ΔL = βΔ and λmax = αβh.
        agree(&landscape, &any, &h, ball(radius), HESSIAN, (power, radius * radius / ALPHA));
        agree(&landscape, &any, &h, Domain::Sublevel { depth }, HESSIAN, (power, 2.0 * depth / (ALPHA * h[0])));
        // With the identity: 2ΔL (Lemma 3; Proposition 1 has ΔL), which is αβh r²/α on a ball.
        agree(&landscape, &any, &h, ball(radius), IDENTITY, (power, BETA * h[0] * radius * radius));
        agree(&landscape, &any, &h, Domain::Sublevel { depth }, IDENTITY, (power, 2.0 * BETA * depth));
    }
}

/// Over the saddle: 2βE/C.
#[test]
fn a_well_is_left_over_its_saddle() {
    let (barrier, half_width) = (0.4, 1.0);
    let landscape = Well::double(barrier, half_width, &[]).expect("positive");
    let (any, h) = (double_well(barrier, half_width, &[]), landscape.eigenvalues());
    for covariance in [HESSIAN, IDENTITY] {
        let c = if covariance == HESSIAN { ALPHA * BETA * h[0] } else { 1.0 };
        agree(&landscape, &any, &h, ball(1.5), covariance, (0.0, 2.0 * BETA * barrier / c));
    }
}
