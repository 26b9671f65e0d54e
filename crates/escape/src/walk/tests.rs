//! Whole walks: how trials end, on every instruction set, in f32 and f64.

mod correction;
mod gaussian;

use super::*;
use crate::data::Examples;
use crate::domain::Domain;
use crate::dynamics::{Coordinates, Covariance, Dynamics};
use crate::ensemble::RangeQueue;
use crate::landscape::mlp::chain::Chain;
use crate::landscape::mlp::{Activation, Loss, Mlp, Model, Shape};
use crate::landscape::quadratic::Quadratic;
use crate::landscape::{Curvature, Landscape};
use crate::problem::{AnyLandscape, CellProblem, Dtype};
use crate::scale::Scale;
use crate::simd::Isa;
use crate::training::train;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

fn problem(eta: f64, radius: f64, max_steps: u64) -> CellProblem {
    CellProblem {
        landscape: AnyLandscape::Quadratic(Arc::new(Quadratic::new(vec![1.0, 0.5]).expect("positive"))),
        domain: Domain::Ball { radius, follows_alpha: true },
        dynamics: Dynamics::GaussianSgd(Covariance::Hessian),
        scale: Scale { alpha: 2.0, beta: 3.0 },
        eta,
        batch_size: 1,
        max_steps,
        check_every: 1,
        dtype: Dtype::F32,
    }
}

/// The records of these trials, one after the other through one walker with all its lanes, in the order of the trials.
pub(super) fn run_all(problem: &CellProblem, trials: std::ops::Range<u64>) -> Vec<TrialRecord> {
    run_on(Isa::current(), problem, trials)
}

/// The same on this instruction set.
pub(super) fn run_on(isa: Isa, problem: &CellProblem, trials: std::ops::Range<u64>) -> Vec<TrialRecord> {
    let simulation = problem.simulation_on(isa, 1, 2).expect("it can be simulated");
    let (mut walker, queue, mut records) = (simulation.walker(), RangeQueue::new(trials), Vec::new());
    while !walker.advance(&queue, &mut records).idle {}
    records.sort_by_key(|record| record.trial);
    records
}

fn run(problem: &CellProblem, trial: u64) -> TrialRecord {
    run_all(problem, trial..trial + 1)[0]
}

#[test]
fn a_trial_that_stays_inside_is_censored_at_the_last_step() {
    let record = run(&problem(0.01, 100.0, 70_000), 0);
    assert_eq!((record.outcome, record.steps, record.exit_step()), (Outcome::Censored, 70_000, None));
    assert!(record.exit_radius < 100.0);
}

#[test]
fn a_trial_that_leaves_is_just_outside_and_was_inside_before() {
    let record = run(&problem(0.05, 1.0, 1_000_000), 3);
    assert_eq!(record.outcome, Outcome::Exited);
    assert!(record.exit_radius >= 1.0 / 2f64.sqrt());
    let before = run(&problem(0.05, 1.0, record.steps - 1), 3);
    assert_eq!((before.outcome, before.steps), (Outcome::Censored, record.steps - 1));
}

/// ηλ far above 2: every step multiplies θ, until it overflows in a domain that holds every finite point.
#[test]
fn what_overflows_has_left_and_is_told_apart() {
    let record = run(&problem(100.0, f64::MAX, 1_000_000), 0);
    assert_eq!(record.outcome, Outcome::Diverged);
    assert_eq!(record.exit_step(), Some(record.steps));
    assert!(record.steps < 1000 && !record.exit_radius.is_finite());
}

#[test]
fn a_walker_carries_nothing_from_trial_to_trial() {
    let problem = problem(0.1, 1.0, 1_000_000);
    let together = run_all(&problem, 0..100);
    let alone: Vec<_> = (0..100).map(|trial| run(&problem, trial)).collect();
    assert_eq!(together, alone);
}

/// A quadratic in d dimensions whose trials last some hundred steps, one in five of them more than `max_steps`.
fn bowl(d: usize, domain: Domain, covariance: Covariance, dtype: Dtype) -> CellProblem {
    let eigenvalues = (0..d).map(|k| 1.0 / (1.0 + k as f64)).collect();
    CellProblem {
        landscape: AnyLandscape::Quadratic(Arc::new(Quadratic::new(eigenvalues).expect("positive"))),
        domain,
        dynamics: Dynamics::GaussianSgd(covariance),
        eta: 0.1,
        dtype,
        ..problem(0.1, 1.0, 301)
    }
}

#[test]
fn every_instruction_set_gives_the_same_rows_on_quadratics() {
    let domains = [Domain::Ball { radius: 0.9, follows_alpha: true }, Domain::Sublevel { depth: 0.6 }];
    for (d, domain) in [1, 2, 3, 10].into_iter().flat_map(|d| domains.map(|domain| (d, domain))) {
        for covariance in [Covariance::Hessian, Covariance::Identity] {
            for dtype in [Dtype::F32, Dtype::F64] {
                let problem = bowl(d, domain, covariance, dtype);
                let reference = run_on(Isa::Portable, &problem, 0..40);
                assert_eq!(reference.len(), 40);
                for isa in Isa::available() {
                    assert_eq!(run_on(isa, &problem, 0..40), reference, "{isa}, d = {d}, {domain:?}, {dtype:?}");
                }
            }
        }
    }
}

/// In one dimension a pair of normals makes two steps: an odd `max_steps` ends between the two.
#[test]
fn trials_end_at_an_odd_step_as_well_as_at_an_even_one() {
    for max_steps in [1, 2, 301, 302] {
        let all = Domain::Ball { radius: 100.0, follows_alpha: false };
        let problem = CellProblem { max_steps, ..bowl(1, all, Covariance::Hessian, Dtype::F32) };
        let records = run_all(&problem, 0..40);
        assert!(records.iter().all(|r| (r.outcome, r.steps) == (Outcome::Censored, max_steps)), "{max_steps}");
    }
    let problem = bowl(1, Domain::Ball { radius: 0.3, follows_alpha: false }, Covariance::Hessian, Dtype::F32);
    let steps: Vec<_> = run_all(&problem, 0..200).iter().filter_map(TrialRecord::exit_step).collect();
    let odd = steps.iter().filter(|&steps| steps % 2 == 1).count();
    assert!(steps.len() > 190 && (60..140).contains(&odd), "{odd} of {} exits at an odd step", steps.len());
}

/// Two states of a trial one after the other, the second outside: what is said of it is true in f64 to the last bit.
#[test]
fn a_row_of_f32_holds_what_the_domain_says_of_its_state() {
    for d in [1, 3] {
        let problem = bowl(d, Domain::Sublevel { depth: 0.6 }, Covariance::Hessian, Dtype::F32);
        for record in run_all(&problem, 0..100) {
            let outside = record.exit_loss >= 3.0 * 0.6;
            assert_eq!(outside, record.outcome == Outcome::Exited, "{record:?}");
        }
    }
}

/// f32 cannot resolve steps of 10⁻¹¹ of a coordinate's spread: such a cell is kept in f64 whatever was asked for.
#[test]
fn what_f32_does_not_resolve_is_kept_in_f64() {
    let domain = Domain::Ball { radius: 1.0, follows_alpha: true };
    let slow = |dtype| CellProblem { eta: 1e-10, ..bowl(2, domain, Covariance::Hessian, dtype) };
    assert_eq!(run_all(&slow(Dtype::F32), 0..5), run_all(&slow(Dtype::F64), 0..5));
    let fast = |dtype| bowl(2, domain, Covariance::Hessian, dtype);
    assert_ne!(run_all(&fast(Dtype::F32), 0..5), run_all(&fast(Dtype::F64), 0..5));
}

const LOSSES: [Loss; 2] = [Loss::MeanSquared, Loss::CrossEntropy];

/// A small network at its minimum, trained once for each loss.
fn trained(loss: Loss) -> Arc<Mlp> {
    static MLPS: [OnceLock<Arc<Mlp>>; 2] = [const { OnceLock::new() }; 2];
    let make = || {
        let shape = Shape { inputs: 3, hidden: 21, classes: 4 };
        let inputs = (0..240).map(|k| (f64::from(k) * 0.7).sin()).collect::<Vec<_>>();
        let labels = inputs.chunks(3).map(|x| ((x[0] + 1.0) * 1.9) as u32).collect();
        let examples = Arc::new(Examples::new(inputs, labels, 3, 4).expect("valid"));
        let mut state = 0.0;
        let theta = shape.initial_parameters(|| {
            state = (state + 0.618_033_988_749_895) % 1.0;
            state
        });
        let model = Model::new(shape, Activation::Tanh, loss, 0.001, examples).expect("valid");
        let trained = train(&model, theta, 4000, 0.4, &mut |_| ControlFlow::Continue(())).expect("converges");
        let curvature = Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0, noise: None };
        Arc::new(Mlp::around(model, trained.theta, curvature).expect("finite"))
    };
    Arc::clone(MLPS[usize::from(loss == Loss::CrossEntropy)].get_or_init(make))
}

/// A cell on it.
pub(super) fn network(dynamics: Dynamics, domain: Domain, dtype: Dtype) -> CellProblem {
    network_with(Loss::MeanSquared, dynamics, domain, dtype)
}

/// The same with this loss.
fn network_with(loss: Loss, dynamics: Dynamics, domain: Domain, dtype: Dtype) -> CellProblem {
    CellProblem {
        landscape: AnyLandscape::Mlp(trained(loss)),
        domain,
        dynamics,
        scale: Scale { alpha: 1.5, beta: 0.8 },
        batch_size: 5,
        dtype,
        ..problem(0.2, 1.0, 5000)
    }
}

#[test]
fn every_instruction_set_gives_the_same_rows_on_networks() {
    let ball = Domain::Ball { radius: 0.3, follows_alpha: true };
    let every = [Covariance::Sample, Covariance::Frozen, Covariance::Identity, Covariance::Hessian];
    let sdes = every.map(|covariance| Dynamics::Sde { covariance, substeps: 3 });
    let levy = |covariance, coordinates| Dynamics::LevySgd { covariance, stability: 1.5, coordinates };
    let flights = every.map(|covariance| levy(covariance, Coordinates::Isotropic));
    let all = [Dynamics::Sgd, levy(Covariance::Identity, Coordinates::Independent)];
    for dynamics in all.into_iter().chain(every.map(Dynamics::GaussianSgd)).chain(sdes).chain(flights) {
        let cases = LOSSES.into_iter().flat_map(|loss| [ball, Domain::Sublevel { depth: 1e-3 }].map(|d| (loss, d)));
        for (loss, domain) in cases {
            let problem = network_with(loss, dynamics, domain, Dtype::F32);
            let reference = run_on(Isa::Portable, &problem, 0..6);
            assert!(reference.iter().any(|record| record.outcome == Outcome::Exited), "{reference:?}");
            for isa in Isa::available() {
                assert_eq!(run_on(isa, &problem, 0..6), reference, "{isa}, {loss:?}, {dynamics:?}, {domain:?}");
            }
            let alone: Vec<_> = (0..6).map(|trial| run(&problem, trial)).collect();
            assert_eq!(alone, reference, "a chain carries something from trial to trial");
        }
    }
}

/// A network that is too large for four of its chains to be walked side by side, around untrained parameters.
fn wide() -> Arc<Mlp> {
    static WIDE: OnceLock<Arc<Mlp>> = OnceLock::new();
    Arc::clone(WIDE.get_or_init(|| {
        let small = trained(Loss::MeanSquared);
        let shape = Shape { hidden: 260, ..small.model().shape() };
        let mut state = 0.0;
        let theta = shape.initial_parameters(|| {
            state = (state + 0.618_033_988_749_895) % 1.0;
            state
        });
        let examples = Arc::clone(small.model().examples());
        let model = Model::new(shape, Activation::Relu, Loss::MeanSquared, 0.0, examples).expect("valid");
        let curvature = Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0, noise: None };
        Arc::new(Mlp::around(model, theta, curvature).expect("finite"))
    }))
}

/// Minibatch SGD on it, and on a small one.
pub(super) fn wide_and_small(domain: Domain) -> [CellProblem; 2] {
    let small = network(Dynamics::Sgd, domain, Dtype::F32);
    [CellProblem { landscape: AnyLandscape::Mlp(wide()), ..small.clone() }, small]
}

#[test]
fn small_networks_are_walked_by_fours_and_wide_ones_alone_to_the_same_rows_everywhere() {
    for (domain, max_steps) in [
        (Domain::Ball { radius: 0.3, follows_alpha: true }, 5000),
        (Domain::Ball { radius: 5.0, follows_alpha: true }, 41),
        (Domain::Sublevel { depth: 1e-3 }, 100),
    ] {
        for (cell, lanes) in wide_and_small(domain).into_iter().zip([1, 4]) {
            for batch_size in [1, 5] {
                let problem = CellProblem { batch_size, max_steps, ..cell.clone() };
                let simulation = problem.simulation(1, 2).expect("it can be simulated");
                assert_eq!((simulation.lanes(), problem.lanes()), (lanes, lanes));
                let reference = run_on(Isa::Portable, &problem, 0..11);
                assert_eq!(reference.len(), 11);
                for isa in Isa::available() {
                    assert_eq!(run_on(isa, &problem, 0..11), reference, "{isa}, {lanes} lanes, {domain:?}");
                }
                let alone: Vec<_> = (0..11).map(|trial| run(&problem, trial)).collect();
                assert_eq!(alone, reference, "a trial depends on others");
            }
        }
    }
}

/// H0: f32 and f64 have the same mean exit step. 400 trials each, of seven cells; z beyond 5.3 happens by chance with
/// probability 1.2e-7 each, 9e-7 in all.
#[test]
fn chains_leave_when_the_reference_does() {
    leave_when_the_reference_does(Loss::MeanSquared, Dynamics::Sgd, 0.3);
    leave_when_the_reference_does(Loss::MeanSquared, Dynamics::GaussianSgd(Covariance::Identity), 5.0);
    leave_when_the_reference_does(Loss::MeanSquared, Dynamics::GaussianSgd(Covariance::Frozen), 0.1);
    leave_when_the_reference_does(
        Loss::MeanSquared,
        Dynamics::Sde { covariance: Covariance::Sample, substeps: 2 },
        0.1,
    );
    leave_when_the_reference_does(Loss::CrossEntropy, Dynamics::Sgd, 0.3);
    for coordinates in [Coordinates::Isotropic, Coordinates::Independent] {
        let levy = Dynamics::LevySgd { covariance: Covariance::Identity, stability: 1.6, coordinates };
        leave_when_the_reference_does(Loss::MeanSquared, levy, 12.0);
    }
}

fn leave_when_the_reference_does(loss: Loss, dynamics: Dynamics, radius: f64) {
    let means = [Dtype::F32, Dtype::F64].map(|dtype| {
        let problem = network_with(loss, dynamics, Domain::Ball { radius, follows_alpha: true }, dtype);
        let steps: Vec<f64> = run_all(&problem, 0..400).iter().map(|record| record.steps as f64).collect();
        let mean = steps.iter().sum::<f64>() / 400.0;
        (mean, steps.iter().map(|steps| (steps - mean).powi(2)).sum::<f64>() / 400.0 / 399.0)
    });
    let z = (means[0].0 - means[1].0) / (means[0].1 + means[1].1).sqrt();
    println!("{loss:?} {dynamics:?} {means:?}");
    assert!(z.abs() < 5.3 && means[0].0 > 2.0, "{loss:?} {dynamics:?} {means:?}: z = {z}");
}

#[test]
fn a_sublevel_set_can_be_tested_at_every_so_manieth_step() {
    for dtype in [Dtype::F32, Dtype::F64] {
        let always = network(Dynamics::Sgd, Domain::Sublevel { depth: 1e-3 }, dtype);
        let seldom = CellProblem { check_every: 7, ..always.clone() };
        for (always, seldom) in run_all(&always, 0..20).iter().zip(run_all(&seldom, 0..20)) {
            assert!(seldom.steps % 7 == 0 && seldom.steps >= always.steps, "{always:?}, {seldom:?}");
        }
    }
}

/// The bound is of every θ within the radius: tried along the gradient, where the loss rises fastest, and elsewhere.
#[test]
fn the_loss_within_the_safe_radius_is_below_the_bound() {
    LOSSES.into_iter().for_each(loss_is_below_the_bound);
}

fn loss_is_below_the_bound(loss: Loss) {
    let problem = network_with(loss, Dynamics::Sgd, Domain::Sublevel { depth: 1e-2 }, Dtype::F32);
    let AnyLandscape::Mlp(mlp) = &problem.landscape else { panic!("a network") };
    let mut workspace = mlp.workspace();
    let mut gradient = vec![0.0; mlp.dim()];
    mlp.gradient(&vec![0.0; mlp.dim()], &mut gradient, &mut workspace);
    for excess in [1e-4, 1e-2, 1.0, 100.0] {
        let radius = mlp.safe_radius(excess);
        assert!(radius > 0.0);
        for k in 0..40 {
            let direction: Vec<f64> = if k == 0 {
                gradient.clone()
            } else {
                (0..mlp.dim()).map(|i| ((i * i + 31 * k) as f64 * 0.37).sin()).collect()
            };
            let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            let z: Vec<f64> = direction.iter().map(|x| x * radius / norm).collect();
            assert!(mlp.excess_loss(&z, &mut workspace) < excess, "{loss:?}, {excess}, direction {k}");
        }
    }
}

/// To f32's resolution of the loss.
#[test]
fn a_row_of_a_chain_has_the_loss_that_the_reference_computes() {
    LOSSES.into_iter().for_each(row_has_the_loss_of_the_reference);
}

fn row_has_the_loss_of_the_reference(loss: Loss) {
    let problem = network_with(loss, Dynamics::Sgd, Domain::Ball { radius: 0.3, follows_alpha: true }, Dtype::F32);
    let AnyLandscape::Mlp(mlp) = &problem.landscape else { panic!("a network") };
    let mut workspace = mlp.workspace();
    let mut z = vec![0.0; mlp.dim()];
    for isa in Isa::available() {
        let mut chain = Chain::new(mlp.network(), isa);
        assert_eq!(chain.excess_loss(), 0.0);
        for size in [1e-3, 0.1, 10.0] {
            z.iter_mut().enumerate().for_each(|(i, z)| *z = size * (i as f64 * 0.37).sin());
            chain.read_displacement(&z);
            chain.write_displacement(&mut z);
            let (found, expected) = (chain.excess_loss(), mlp.excess_loss(&z, &mut workspace));
            let tolerance = 2e-6 * (mlp.loss_at_minimum() + expected.abs());
            assert!((found - expected).abs() < tolerance, "{loss:?}, {isa}, {size}: {found} against {expected}");
        }
    }
}
