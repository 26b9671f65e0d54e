//! Double wells and quartics, as they are simulated, against their exact mean exit times, and over a saddle in two
//! dimensions against Eyring and Kramers.
//!
//! H0, in all of these: the mean of the measured exit times is the exact one, of an SDE at steps so small (λh ≤ 0.004) that
//! the bias of its scheme does not show. |z| > 4.5 happens by chance with probability 6.8e-6 a cell for a normal mean; the
//! seed is fixed, so that what passes once passes always.

// A broken expectation should end the run, in what tests share as in them.
#![allow(clippy::expect_used)]

mod rig;

use rig::{BOTH, HESSIAN, IDENTITY, ball, cell, double_well, measure, quartic};
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Covariance, Dynamics};
use taugrid_escape::exact::{eyring_kramers, mean_exit_steps_of_map, mean_exit_time_in_potential};
use taugrid_escape::landscape::well::Term;
use taugrid_escape::problem::{AnyLandscape, CellProblem};
use taugrid_escape::scale::Scale;

const TRIALS: u64 = 10_000;
const WELL: Term = Term { h: 1.6, b: -2.4, q: 0.8 };
const QUARTIC: Term = Term { h: 1.0, b: 0.0, q: -0.5 };

/// E = 0.2 and w = 1: WELL, whose saddle is at 1.
fn well() -> AnyLandscape {
    double_well(0.2, 1.0, &[])
}

/// Saddles at ±√2, of height ½.
fn arch() -> AnyLandscape {
    quartic(&[1.0], -0.5)
}

/// α, β, B that are not 1, and η.
fn scaled(landscape: AnyLandscape, domain: Domain, dynamics: Dynamics, eta: f64, batch_size: u64) -> CellProblem {
    let scale = Scale { alpha: 1.7, beta: 0.6 };
    CellProblem { scale, batch_size, ..cell(landscape, domain, dynamics, eta) }
}

/// Balls that end before a saddle and beyond it, by landscape.
fn balls() -> Vec<(AnyLandscape, Term, f64)> {
    vec![
        (well(), WELL, 0.8),
        // The inner side lies at 1.3, beyond the saddle at 1, and the outer one high up.
        (well(), WELL, 1.3),
        (arch(), QUARTIC, 1.2),
        (arch(), QUARTIC, 1.9),
    ]
}

/// √(ηC/B), C being constant: αβh, or 1.
fn noise(problem: &CellProblem, covariance: Covariance, term: Term) -> f64 {
    let c = if covariance == HESSIAN { problem.scale.alpha * problem.scale.beta * term.h } else { 1.0 };
    (problem.eta * c / problem.batch_size as f64).sqrt()
}

/// The formulas are written out here, once more than in `CellProblem::exact`.
#[test]
fn chains_leave_balls_of_wells_when_the_integral_equation_says() {
    for (landscape, term, radius) in balls() {
        for covariance in BOTH {
            for (eta, batch_size) in [(0.5, 2), (0.4, 3), (0.3, 3)] {
                let problem =
                    scaled(landscape.clone(), ball(radius), Dynamics::GaussianSgd(covariance), eta, batch_size);
                let Scale { alpha, beta } = problem.scale;
                let map = |x: f64| x - eta * beta * alpha.sqrt() * term.slope(alpha.sqrt() * x);
                let spread = eta.sqrt() * noise(&problem, covariance, term);
                let end = radius / alpha.sqrt();
                let exact = eta * mean_exit_steps_of_map(map, spread, -end, end, 0.0).expect("resolved");
                let own = problem.exact().expect("a well on a line").mean_exit_time;
                assert!((own / exact - 1.0).abs() < 1e-10, "{own} against {exact}");
                let what = format!("{term:?}, r = {radius}, {covariance:?}, η = {eta}, B = {batch_size}");
                measure(&problem, TRIALS).assert_meets(exact, 4.5, 0.0, &what);
            }
        }
    }
}

#[test]
fn sdes_leave_balls_of_wells_when_andronov_vitt_and_pontryagin_say() {
    for (landscape, term, radius) in balls() {
        for covariance in BOTH {
            for (eta, batch_size, substeps) in [(0.5, 2, 200), (0.2, 1, 80)] {
                let dynamics = Dynamics::Sde { covariance, substeps };
                let problem = scaled(landscape.clone(), ball(radius), dynamics, eta, batch_size);
                let Scale { alpha, beta } = problem.scale;
                let loss = |x: f64| beta * term.loss(alpha.sqrt() * x);
                let spread = noise(&problem, covariance, term);
                let end = radius / alpha.sqrt();
                let exact = mean_exit_time_in_potential(loss, spread, -end, end, 0.0).expect("resolved");
                let own = problem.exact().expect("a well on a line").mean_exit_time;
                assert!((own / exact - 1.0).abs() < 1e-10, "{own} against {exact}");
                let what = format!("{term:?}, r = {radius}, {covariance:?}, η = {eta}, B = {batch_size}");
                measure(&problem, TRIALS).assert_meets(exact, 4.5, 0.0, &what);
            }
        }
    }
}

/// Of a double well Δ = 0.15 ends before the saddle, where D has another component about the other minimum, which an SDE
/// does not reach; Δ = 0.3 holds both minima. Of the quartic Δ = 0.4 ends before the saddles.
#[test]
fn sublevel_sets_of_wells_end_where_they_say() {
    for (landscape, depth, chain) in [(well(), 0.15, false), (well(), 0.3, true), (arch(), 0.4, false)] {
        for covariance in BOTH {
            let domain = Domain::Sublevel { depth };
            let sde = scaled(landscape.clone(), domain, Dynamics::Sde { covariance, substeps: 160 }, 0.4, 2);
            let exact = sde.exact().expect("a well on a line");
            let what = format!("Δ = {depth}, {covariance:?}");
            measure(&sde, TRIALS).assert_meets(exact.mean_exit_time, 4.5, 0.0, &format!("sde, {what}"));
            let gaussian = CellProblem { dynamics: Dynamics::GaussianSgd(covariance), ..sde };
            assert_eq!(gaussian.exact().is_some(), chain, "{what}: a chain can jump from one component to another");
            if let Some(exact) = gaussian.exact() {
                measure(&gaussian, TRIALS).assert_meets(exact.mean_exit_time, 4.5, 0.0, &what);
            }
        }
    }
}

/// The bias of an SDE's scheme on wells is of the order of its step: a quarter of the step leaves a quarter of it.
///
/// H0: as said. n = 40,000, standard errors of 0.5 %; the biases are 9.1 % and 2.6 %, and what is asked of the second is 4
/// standard errors away; the seed is fixed.
#[test]
fn the_bias_of_the_scheme_is_of_the_order_of_its_step() {
    let bias = |substeps| {
        let problem = scaled(arch(), ball(1.9), Dynamics::Sde { covariance: HESSIAN, substeps }, 0.5, 2);
        let exact = problem.exact().expect("a well on a line").mean_exit_time;
        measure(&problem, 40_000).mean / exact - 1.0
    };
    let [coarse, fine] = [8, 32].map(bias);
    println!("8 substeps {coarse:+.4}, 32 substeps {fine:+.4}");
    assert!(coarse < 0.15 && fine < 0.5 * coarse, "{coarse}, {fine}");
}

/// A double well in the plane, left over its saddle by a ball that ends well beyond it. The coordinates do not touch each
/// other, and the ball is so large that the transverse one does not matter: the mean is that of the line. As the noise
/// shrinks both approach Eyring and Kramers', from above, with an error O(ε).
#[test]
fn over_a_saddle_in_the_plane_the_ratio_to_eyring_and_kramers_tends_to_one() {
    let (barrier, w, k, radius) = (0.2, 1.0, 6.0, 1.8);
    let h = 8.0 * barrier / (w * w);
    let scale = Scale { alpha: 1.7, beta: 0.6 };
    let hessian = scale.alpha * scale.beta;
    let (minimum, saddle) = ([hessian * h, hessian * k], [-0.5 * hessian * h, hessian * k]);
    let cells = |epsilon: f64| {
        // B = 2, so that ε = η/2; C = I. λh is 0.004 along the first coordinate.
        let eta = 2.0 * epsilon;
        let dynamics = Dynamics::Sde { covariance: IDENTITY, substeps: (400.0 * eta) as u32 };
        let plane = double_well(barrier, w, &[k]);
        let plane = CellProblem { scale, batch_size: 2, ..cell(plane, ball(radius), dynamics, eta) };
        let line = CellProblem { landscape: double_well(barrier, w, &[]), ..plane.clone() };
        let law = eyring_kramers(&minimum, &saddle, scale.beta * barrier, epsilon).expect("a saddle");
        (plane, line.exact().expect("a well on a line").mean_exit_time, law)
    };
    for epsilon in [0.12, 0.08, 0.06] {
        let (plane, exact, law) = cells(epsilon);
        let found = measure(&plane, 4000);
        found.assert_meets(exact, 4.5, 0.0, &format!("the plane against the line, ε = {epsilon}"));
        println!("ε = {epsilon}: {:.4} ± {:.4} of Eyring and Kramers'", found.mean / law, found.error / law);
    }
    let errors = [0.06, 0.03, 0.015, 0.0075].map(|epsilon| {
        let (_, exact, law) = cells(epsilon);
        exact / law - 1.0
    });
    println!("the line against Eyring and Kramers: {errors:.4?}");
    for pair in errors.windows(2) {
        assert!(pair[1] > 0.0 && pair[1] < 0.7 * pair[0], "{errors:?}");
    }
    assert!(errors[3] < 0.02, "{errors:?}");
}
