//! Lemma 5, in exact numbers: the mean exit time of the discrete chain (Eq. 2) against that of the SDE (Eq. 3).
//!
//! For a quadratic with C = H and a ball of radius r in x let κ = B αβh r² (which is 2BΔL, with ΔL = ½αβh r² the depth of
//! that ball). At its edge a step's noise has the s.d. σ = η√(αβh/B), and the drift is −ηαβh r = −√κ σ: so in units of its
//! own noise the chain near the edge is a walk of drift −√κ, whatever η. Two things set it apart from the SDE.
//!
//! 1. It steps over the edge and back unseen: its rate of exits is ν_S(2√κ) of that of the path in continuous time, with
//!    ν_S(x) = (2/x²) exp(−2 Σ_{n≥1} Φ(−x√n/2)/n) (Siegmund, *Sequential Analysis*, 1985, ch. VIII and X;
//!    1 − 0.5826 x + O(x²) for small x, which is Gobet and Menozzi's constant).
//! 2. Its stationary variance is larger by 1/(1 − ηαβh/2), so that the exponent B r²/η is less by κ/2.
//!
//! | limit | E[ν]/E[τ] → |
//! | --- | --- |
//! | η → 0, B fixed (*joint* scaling: the noise η/B vanishes with η) | e^{−κ/2}/ν_S(2√κ): 1.8928 for κ = 1 |
//! | η → 0, η/B fixed, so that the SDE stays as it is and κ ∝ η | 1, as 1 + O(√κ), by Gobet and Menozzi's constant |
//!
//! Lemma 5, E[ν] − E[τ] = O(√η), is of the second kind; Theorem 3, to prove which it is used, takes the limit of the first.
//! There E[ν] − E[τ] grows as E[τ] does; (η/B) log E[ν] has the limit of (η/B) log E[τ] all the same, for the ratio is bounded.

// A broken expectation should end the run, in what tests share as in them.
#![allow(clippy::expect_used)]

mod rig;

use rig::{HESSIAN, ball, bowl, cell};
use taugrid_escape::domain::{Domain, GOBET_MENOZZI};
use taugrid_escape::dynamics::Dynamics;
use taugrid_escape::problem::CellProblem;
use taugrid_escape::scale::Scale;

/// E[ν]/E[τ], exactly.
fn ratio(h: &[f64], domain: Domain, scale: Scale, eta: f64, batch_size: u64) -> f64 {
    let of = |dynamics| {
        let problem = CellProblem { scale, batch_size, ..cell(bowl(h), domain, dynamics, eta) };
        problem.exact().expect("one of the known cells").mean_exit_time
    };
    of(Dynamics::GaussianSgd(HESSIAN)) / of(Dynamics::Sde { covariance: HESSIAN, substeps: 1 })
}

/// ν_S(x).
fn siegmund(x: f64) -> f64 {
    // Φ(−z) = ½ erfc(z/√2), by statrs, which is no part of what is tested.
    let lower = |z: f64| 0.5 * statrs::function::erf::erfc(z * std::f64::consts::FRAC_1_SQRT_2);
    let sum: f64 = (1..100_000).map(|n| lower(0.5 * x * f64::from(n).sqrt()) / f64::from(n)).sum();
    2.0 / (x * x) * (-2.0 * sum).exp()
}

fn limit(kappa: f64) -> f64 {
    (-0.5 * kappa).exp() / siegmund(2.0 * kappa.sqrt())
}

/// κ = 1: what a chain with B = 1 in a sublevel set of depth ½ has, whatever α and h.
#[test]
fn in_joint_scaling_the_discrete_mean_stays_apart_from_that_of_the_sde() {
    let scale = Scale { alpha: 1.7, beta: 1.0 };
    let domain = Domain::Sublevel { depth: 0.5 };
    for d in [1, 3] {
        let ratios = [0.05, 0.02, 0.01, 0.005].map(|eta| ratio(&vec![1.0; d], domain, scale, eta, 1));
        println!("d = {d}, κ = 1: {ratios:.4?} → {:.4}", limit(1.0));
        let last = ratios[3];
        assert!((last / limit(1.0) - 1.0).abs() < 0.01, "{ratios:?} against {}", limit(1.0));
        // Towards it, with an error O(η).
        let errors = ratios.map(|ratio| (ratio - limit(1.0)).abs());
        assert!(errors.windows(2).all(|pair| pair[1] < 0.7 * pair[0]), "{errors:?}");
    }
}

/// By each of its factors: B, β, h and r.
#[test]
fn the_limit_is_a_function_of_the_batch_size_times_the_depth() {
    for (alpha, beta, h, radius, batch_size) in [
        (1.0, 0.5, 1.0, 1.0, 1),
        (2.0, 1.0, 0.5, 1.0, 1),
        (1.0, 1.0, 1.0, 1.0, 2),
        (1.3, 0.5, 2.0, 1.0, 3),
        (1.0, 1.0, 1.0, 0.5, 5),
    ] {
        // αβh r_eff² B, of which α drops out, for the ball follows it. The exponent is 100 in all of them.
        let kappa = batch_size as f64 * beta * h * radius * radius;
        let eta = 0.01 * batch_size as f64 * radius * radius / alpha;
        let found = ratio(&[h], ball(radius), Scale { alpha, beta }, eta, batch_size);
        println!("κ = {kappa}: {found:.4} → {:.4}", limit(kappa));
        assert!((found / limit(kappa) - 1.0).abs() < 0.015, "κ = {kappa}: {found} against {}", limit(kappa));
    }
}

/// With η/B, and so the SDE, fixed, ν/τ − 1 vanishes as √η, and the rate is that of a boundary that lies 0.5826 s.d. of a step
/// further out: 0.5826 (σ/r) d ln τ/d ln r.
///
/// η → η/s, B → B/s is β → β/s and a clock s times as slow ("Identities"), which is how it is done here, B being a whole number.
#[test]
fn where_the_noise_is_fixed_the_ratio_tends_to_one_at_gobet_and_menozzi_s_rate() {
    let (noise, batch_size) = (0.05, 1);
    let tau = |radius: f64| {
        let dynamics = Dynamics::Sde { covariance: HESSIAN, substeps: 1 };
        cell(bowl(&[1.0]), ball(radius), dynamics, noise).exact().expect("on a line").mean_exit_time
    };
    let elasticity = (tau(1.0001) / tau(0.9999)).ln() / (1.0001f64 / 0.9999).ln();
    // σ/r = √κ η/(B r²).
    let expected = GOBET_MENOZZI * noise * elasticity;
    let rates = [0.2, 0.05, 0.0125, 0.003_125].map(|beta: f64| {
        let found = ratio(&[1.0], ball(1.0), Scale { alpha: 1.0, beta }, noise, batch_size);
        let rate = found.ln() / beta.sqrt();
        println!("κ = {beta}: ratio {found:.4}, ln/√κ {rate:.4} → {expected:.4}");
        rate
    });
    // The error of the rate is O(√κ): halved from each to the next, and so extrapolated away.
    let extrapolated = 2.0 * rates[3] - rates[2];
    assert!((extrapolated / expected - 1.0).abs() < 2e-3, "{rates:?} → {extrapolated} against {expected}");
}
