//! Which changes of α, β, η and B leave a trial as it is: what L_αβ(θ) = β L(θ* + √α(θ − θ*)) implies exactly.
//!
//! With z = √α (θ − θ*) a step of length h with noise ν C^½ ζ is z ← z − hαβ ∇L(z) + √α ν C^½ ζ, and D is a domain of z that
//! knows neither α nor β, for `ball` (that follows α) and `sublevel` alike. So a trial, whatever L, is a function of the
//! numbers below and of the stream (docs/conventions.md, "Identities"):
//!
//! | dynamics | C | numbers | so k* stays the same under |
//! | --- | --- | --- | --- |
//! | `gaussian-sgd`, `levy-sgd` | H: αβH* | ηαβ, ηα√(β/B) | (α/s, sη); (sβ, η/s, B/s) |
//! | the same | I | ηαβ, η√(α/B) | (sα, β/s, sB); (α/s, sη, sB); (β/s, sη, s²B) |
//! | the same | sample, frozen: β²αC* | ηαβ, B | any that leaves ηαβ |
//! | `sgd` | | ηαβ, B | any that leaves ηαβ |
//! | `sde` of m substeps | H | ηαβ/m, ηα√(β/(mB)) | (sη, sB, sm); (α/s, sη); (sβ, sm) |
//! | the same | I | ηαβ/m, η√(α/(mB)) | (sη, sB, sm); (sα, β/s, sB) |
//!
//! The numbers are what the kernels compute with, so that the same seed gives the same trials: to the last bit where s is a
//! power of 4, and else but for roundings that decide a step.

// A broken expectation should end the run, in what tests share as in them.
#![allow(clippy::expect_used)]

mod rig;

use std::ops::ControlFlow;
use std::sync::Arc;

use rig::{BOTH, HESSIAN, IDENTITY, ball, bowl, cell, double_well, measure, quartic, records};
use taugrid_escape::data::Examples;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{Coordinates, Covariance, Dynamics};
use taugrid_escape::landscape::Curvature;
use taugrid_escape::landscape::mlp::{Activation, Loss, Mlp, Model, Shape};
use taugrid_escape::landscape::regression::{Design, LinearRegression};
use taugrid_escape::problem::{AnyLandscape, CellProblem, Dtype};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::scale::Scale;
use taugrid_escape::training::train;

const TRIALS: u64 = 200;
/// Trials that may end at another step where s is no power of 4: of 200.
const FLIPS: usize = 4;

/// By what α, β, η, B and the substeps are multiplied.
#[derive(Debug, Clone, Copy)]
struct Change {
    alpha: f64,
    beta: f64,
    eta: f64,
    batch_size: f64,
    substeps: f64,
}

const NONE: Change = Change { alpha: 1.0, beta: 1.0, eta: 1.0, batch_size: 1.0, substeps: 1.0 };

fn changed(problem: &CellProblem, change: Change) -> CellProblem {
    let whole = |x: f64| {
        assert!((x - x.round()).abs() < 1e-9, "{x} is no whole number");
        x.round()
    };
    let dynamics = match problem.dynamics {
        Dynamics::Sde { covariance, substeps } => {
            Dynamics::Sde { covariance, substeps: whole(f64::from(substeps) * change.substeps) as u32 }
        }
        other => other,
    };
    CellProblem {
        scale: Scale { alpha: problem.scale.alpha * change.alpha, beta: problem.scale.beta * change.beta },
        eta: problem.eta * change.eta,
        batch_size: whole(problem.batch_size as f64 * change.batch_size) as u64,
        dynamics,
        ..problem.clone()
    }
}

/// How many of the trials end at the same step as without the change, and how many there are.
fn same(problem: &CellProblem, change: Change) -> usize {
    let pairs = records(problem, TRIALS).into_iter().zip(records(&changed(problem, change), TRIALS));
    pairs.filter(|(a, b)| (a.steps, a.outcome) == (b.steps, b.outcome)).count()
}

/// Holds under `change` of s, for s = 4 to the last bit and for s = 3 and 2 but for roundings.
fn invariant(problem: &CellProblem, change: impl Fn(f64) -> Change) {
    let what = format!("{:?}, {:?}", problem.dynamics, problem.domain);
    let steps = records(problem, TRIALS).iter().map(|record| record.steps).sum::<u64>() / TRIALS;
    println!("{steps} steps: {what}, {:?}", problem.dtype);
    assert!((5..5000).contains(&steps), "{steps} steps: {what}");
    assert_eq!(same(problem, change(4.0)), TRIALS as usize, "{what}, {:?}", change(4.0));
    for s in [2.0, 3.0] {
        let same = same(problem, change(s));
        assert!(same + FLIPS >= TRIALS as usize, "{same} of {TRIALS}: {what}, {:?}", change(s));
    }
}

/// Does not hold: hardly a trial stays the same, so that what holds does so for a reason.
fn not_invariant(problem: &CellProblem, change: impl Fn(f64) -> Change) {
    let same = same(problem, change(4.0));
    assert!(same < TRIALS as usize / 2, "{same} of {TRIALS}: {:?}, {:?}", problem.dynamics, change(4.0));
}

/// A cell whose trials last some hundred steps where `radius` is about 1.5/√B.
fn start(landscape: AnyLandscape, domain: Domain, dynamics: Dynamics, batch_size: u64) -> CellProblem {
    let scale = Scale { alpha: 1.3, beta: 0.7 };
    CellProblem { scale, batch_size, max_steps: 20_000, ..cell(landscape, domain, dynamics, 0.3) }
}

/// Landscapes, each with both domains, of a size for this B: it is to be divided by all s or s² that occur.
fn cells(dynamics: Dynamics, batch_size: u64) -> Vec<CellProblem> {
    let square = 1.0 / batch_size as f64;
    let domains = [ball(1.4 * square.sqrt()), Domain::Sublevel { depth: 0.65 * square }];
    let double = double_well(0.3 * square, square.sqrt(), &[0.7]);
    let landscapes = [bowl(&[1.0]), bowl(&[1.0, 0.4, 0.6]), double, quartic(&[1.0], -0.3 / square)];
    let all = landscapes.into_iter().flat_map(|landscape| domains.map(|domain| (landscape.clone(), domain)));
    let mut problems: Vec<_> = all.map(|(landscape, domain)| start(landscape, domain, dynamics, batch_size)).collect();
    // And a quadratic in f64.
    problems.push(CellProblem { dtype: Dtype::F64, ..problems[2].clone() });
    problems
}

fn chains(covariance: Covariance) -> [Dynamics; 3] {
    let levy = |coordinates| Dynamics::LevySgd { covariance, stability: 1.6, coordinates };
    [Dynamics::GaussianSgd(covariance), levy(Coordinates::Isotropic), levy(Coordinates::Independent)]
}

#[test]
fn with_the_hessian_alpha_and_eta_are_one_axis_and_beta_goes_with_the_batch() {
    for dynamics in chains(HESSIAN) {
        for problem in cells(dynamics, 144) {
            invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, ..NONE });
            invariant(&problem, |s| Change { beta: s, eta: 1.0 / s, batch_size: 1.0 / s, ..NONE });
            not_invariant(&problem, |s| Change { beta: 1.0 / s, eta: s, ..NONE });
        }
    }
}

#[test]
fn with_the_identity_three_other_changes_leave_a_chain_as_it_is() {
    for dynamics in chains(IDENTITY) {
        for problem in cells(dynamics, 36) {
            invariant(&problem, |s| Change { alpha: s, beta: 1.0 / s, batch_size: s, ..NONE });
            invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, batch_size: s, ..NONE });
            invariant(&problem, |s| Change { beta: 1.0 / s, eta: s, batch_size: s * s, ..NONE });
            not_invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, ..NONE });
        }
    }
}

/// In time: with C = H, αβ·τ is a function of ηα/B alone, and with C = I of η/(βB). At the same λh the scheme is the same, too.
#[test]
fn of_an_sde_the_step_is_no_more_than_a_step() {
    for problem in cells(Dynamics::Sde { covariance: HESSIAN, substeps: 4 }, 36) {
        invariant(&problem, |s| Change { eta: s, batch_size: s, substeps: s, ..NONE });
        invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, ..NONE });
        invariant(&problem, |s| Change { beta: s, substeps: s, ..NONE });
        not_invariant(&problem, |s| Change { alpha: s, substeps: s, ..NONE });
    }
    for problem in cells(Dynamics::Sde { covariance: IDENTITY, substeps: 4 }, 36) {
        invariant(&problem, |s| Change { eta: s, batch_size: s, substeps: s, ..NONE });
        invariant(&problem, |s| Change { alpha: s, beta: 1.0 / s, batch_size: s, ..NONE });
        not_invariant(&problem, |s| Change { beta: s, substeps: s, ..NONE });
    }
}

/// On a fixed ball of a quadratic α and β enter as αβ alone, with either covariance.
#[test]
fn on_a_fixed_ball_of_a_quadratic_only_the_product_of_alpha_and_beta_counts() {
    let fixed = Domain::Ball { radius: 0.11, follows_alpha: false };
    for dynamics in BOTH.into_iter().flat_map(chains) {
        let problem = start(bowl(&[1.0, 0.4]), fixed, dynamics, 144);
        invariant(&problem, |s| Change { alpha: s, beta: 1.0 / s, ..NONE });
        not_invariant(&CellProblem { domain: ball(0.11), ..problem }, |s| Change { alpha: s, beta: 1.0 / s, ..NONE });
    }
}

fn regression() -> AnyLandscape {
    let mut stream = Stream::new(StreamKey::derive(4, 5), 6);
    let inputs = (0..200 * 3).map(|_| stream.normal()).collect();
    let labels = (0..200).map(|i| i % 3).collect();
    let examples = Examples::new(inputs, labels, 3, 3).expect("valid");
    let design = Design { target: None, intercept: true, weight_decay: 0.01 };
    AnyLandscape::Regression(Arc::new(LinearRegression::new(&examples, design).expect("it can be fitted")))
}

/// The covariance of real examples carries β²α: β, α and η are one axis.
#[test]
fn on_data_only_the_product_of_eta_alpha_and_beta_counts() {
    let sgd = [Dynamics::Sgd, Dynamics::GaussianSgd(Covariance::Sample), Dynamics::GaussianSgd(Covariance::Frozen)];
    let isotropic = Coordinates::Isotropic;
    let levy = Dynamics::LevySgd { covariance: Covariance::Sample, stability: 1.6, coordinates: isotropic };
    for dynamics in sgd.into_iter().chain([levy, Dynamics::Sde { covariance: Covariance::Frozen, substeps: 3 }]) {
        for domain in [ball(0.25), Domain::Sublevel { depth: 0.03 }] {
            let problem = start(regression(), domain, dynamics, 10);
            invariant(&problem, |s| Change { alpha: s, beta: 1.0 / s, ..NONE });
            invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, ..NONE });
            invariant(&problem, |s| Change { beta: s, eta: 1.0 / s, ..NONE });
            not_invariant(&problem, |s| Change { beta: s, ..NONE });
        }
    }
}

/// A small perceptron near its minimum.
fn perceptron() -> AnyLandscape {
    let shape = Shape { inputs: 2, hidden: 8, classes: 2 };
    let inputs: Vec<f64> = (0..80).map(|k| (f64::from(k) * 0.7).sin()).collect();
    let labels = inputs.chunks(2).map(|x| u32::from(x[0] * x[1] > 0.1)).collect();
    let examples = Arc::new(Examples::new(inputs, labels, 2, 2).expect("valid"));
    let model = Model::new(shape, Activation::Tanh, Loss::MeanSquared, 0.01, examples).expect("valid");
    let mut stream = Stream::new(StreamKey::derive(4, 5), 6);
    let theta = (0..model.dim()).map(|_| stream.normal()).collect();
    let trained = train(&model, theta, 3000, 0.3, &mut |_| ControlFlow::Continue(())).expect("converges");
    let curvature = Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0, noise: None };
    AnyLandscape::Mlp(Arc::new(Mlp::around(model, trained.theta, curvature).expect("finite")))
}

/// The same of the chains on perceptrons, which have code of their own in f32 and in f64.
#[test]
fn on_a_perceptron_the_same_numbers_count() {
    let landscape = perceptron();
    let problem = |dynamics, domain, batch_size, dtype| CellProblem {
        dtype,
        max_steps: 300,
        ..start(landscape.clone(), domain, dynamics, batch_size)
    };
    for dtype in [Dtype::F32, Dtype::F64] {
        let data =
            [Dynamics::Sgd, Dynamics::GaussianSgd(Covariance::Sample), Dynamics::GaussianSgd(Covariance::Frozen)];
        for dynamics in data.into_iter().chain([Dynamics::Sde { covariance: Covariance::Sample, substeps: 2 }]) {
            for domain in [ball(0.1), Domain::Sublevel { depth: 0.008 }] {
                let problem = problem(dynamics, domain, 4, dtype);
                invariant(&problem, |s| Change { beta: s, eta: 1.0 / s, ..NONE });
                invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, ..NONE });
                not_invariant(&problem, |s| Change { beta: s, ..NONE });
            }
        }
        for dynamics in [Dynamics::GaussianSgd(IDENTITY), Dynamics::Sde { covariance: IDENTITY, substeps: 2 }] {
            let problem = problem(dynamics, ball(0.6), 144, dtype);
            invariant(&problem, |s| Change { alpha: s, beta: 1.0 / s, batch_size: s, ..NONE });
            not_invariant(&problem, |s| Change { alpha: s, beta: 1.0 / s, ..NONE });
        }
    }
    for dynamics in [Dynamics::GaussianSgd(HESSIAN), Dynamics::Sde { covariance: HESSIAN, substeps: 2 }] {
        let problem = problem(dynamics, ball(0.18), 144, Dtype::F32);
        invariant(&problem, |s| Change { alpha: 1.0 / s, eta: s, ..NONE });
        not_invariant(&problem, |s| Change { beta: 1.0 / s, eta: s, ..NONE });
    }
}

/// H0: the order of the coordinates changes no law. 6000 trials each, of other streams in effect; |z| > 5.3 happens by chance
/// with probability 1.2e-7 a pair, 7e-7 in all.
#[test]
fn the_order_of_the_coordinates_does_not_matter() {
    for covariance in BOTH {
        for dynamics in [
            Dynamics::GaussianSgd(covariance),
            Dynamics::Sde { covariance, substeps: 4 },
            Dynamics::LevySgd { covariance, stability: 1.6, coordinates: Coordinates::Independent },
        ] {
            let [a, b] = [[1.0, 0.2, 0.5], [0.5, 1.0, 0.2]]
                .map(|h| measure(&start(bowl(&h), Domain::Sublevel { depth: 0.004 }, dynamics, 144), 6000));
            let z = (a.mean - b.mean) / a.error.hypot(b.error);
            println!("{dynamics:?}: {a:?}, {b:?}, z = {z:+.2}");
            assert!(z.abs() < 5.3, "{dynamics:?}: {a:?}, {b:?}, z = {z}");
        }
    }
}
