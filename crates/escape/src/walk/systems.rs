//! Tests of the dynamics beside Gaussian SGD on quadratics, against what is known of them in closed form.

use std::sync::Arc;

use super::tests::{run_all, run_on};
use super::{Outcome, TrialRecord};
use crate::data::Examples;
use crate::domain::Domain;
use crate::dynamics::{Coordinates, Covariance, Dynamics};
use crate::landscape::quadratic::Quadratic;
use crate::landscape::regression::{Design, LinearRegression};
use crate::landscape::well::Well;
use crate::problem::{AnyLandscape, CellProblem, Dtype, ProblemError};
use crate::rng::{Stream, StreamKey};
use crate::scale::Scale;
use crate::simd::Isa;

const HESSIAN: Covariance = Covariance::Hessian;
const IDENTITY: Covariance = Covariance::Identity;

pub(super) fn cell(landscape: AnyLandscape, domain: Domain, dynamics: Dynamics) -> CellProblem {
    CellProblem {
        landscape,
        domain,
        dynamics,
        scale: Scale { alpha: 1.5, beta: 0.8 },
        eta: 0.1,
        batch_size: 1,
        max_steps: 100_000,
        check_every: 1,
        dtype: Dtype::F64,
    }
}

pub(super) fn quadratic(eigenvalues: &[f64]) -> AnyLandscape {
    AnyLandscape::Quadratic(Arc::new(Quadratic::new(eigenvalues.to_vec()).expect("positive")))
}

pub(super) fn wells() -> [AnyLandscape; 2] {
    [Well::double(0.1, 0.5, &[0.7]), Well::quartic(&[1.0, 0.7], -0.5)]
        .map(|well| AnyLandscape::Well(Arc::new(well.expect("sound"))))
}

pub(super) fn regression() -> AnyLandscape {
    let mut stream = Stream::new(StreamKey::derive(4, 5), 6);
    let inputs = (0..200 * 3).map(|_| stream.normal()).collect();
    let labels = (0..200).map(|i| i % 3).collect();
    let examples = Examples::new(inputs, labels, 3, 3).expect("valid");
    let design = Design { target: None, intercept: true, weight_decay: 0.01 };
    AnyLandscape::Regression(Arc::new(LinearRegression::new(&examples, design).expect("it can be fitted")))
}

pub(super) fn levy(covariance: Covariance, stability: f64, coordinates: Coordinates) -> Dynamics {
    Dynamics::LevySgd { covariance, stability, coordinates }
}

const BALL: Domain = Domain::Ball { radius: 0.6, follows_alpha: true };
const SUBLEVEL: Domain = Domain::Sublevel { depth: 0.09 };

/// (mean, standard error) of the exit steps; no trial is censored.
fn mean(problem: &CellProblem, trials: u64) -> (f64, f64) {
    let steps: Vec<f64> = run_all(problem, 0..trials)
        .iter()
        .map(|record: &TrialRecord| {
            assert_ne!(record.outcome, Outcome::Censored, "{record:?}");
            record.steps as f64
        })
        .collect();
    let n = trials as f64;
    let mean = steps.iter().sum::<f64>() / n;
    (mean, (steps.iter().map(|steps| (steps - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt())
}

#[test]
fn every_instruction_set_gives_the_same_rows_of_every_system() {
    let [double, quartic] = wells();
    for landscape in [quadratic(&[1.0]), quadratic(&[1.0, 0.5, 0.2]), double, quartic, regression()] {
        for covariance in [HESSIAN, IDENTITY] {
            for dynamics in [
                Dynamics::GaussianSgd(covariance),
                Dynamics::Sde { covariance, substeps: 4 },
                levy(covariance, 1.5, Coordinates::Isotropic),
                levy(covariance, 1.5, Coordinates::Independent),
            ] {
                for domain in [BALL, SUBLEVEL] {
                    let problem = CellProblem { max_steps: 500, ..cell(landscape.clone(), domain, dynamics) };
                    let reference = run_on(Isa::Portable, &problem, 0..24);
                    assert_eq!(reference.len(), 24);
                    for isa in Isa::available() {
                        assert_eq!(run_on(isa, &problem, 0..24), reference, "{isa}, {dynamics:?}, {domain:?}");
                    }
                    let alone: Vec<_> = (0..24).map(|trial| run_all(&problem, trial..trial + 1)[0]).collect();
                    assert_eq!(alone, reference, "a lane carries something from trial to trial");
                }
            }
        }
    }
}

/// On a quartic with q = 0 the kernel of wells does what that of quadratics does.
#[test]
fn a_quartic_without_its_quartic_is_a_quadratic() {
    let flat = AnyLandscape::Well(Arc::new(Well::quartic(&[1.0, 0.5], 0.0).expect("sound")));
    for dynamics in [Dynamics::GaussianSgd(HESSIAN), Dynamics::Sde { covariance: IDENTITY, substeps: 3 }] {
        for domain in [BALL, SUBLEVEL] {
            let steps = |landscape| {
                let records = run_all(&cell(landscape, domain, dynamics), 0..200);
                records.iter().map(|record| record.steps).collect::<Vec<_>>()
            };
            let same = steps(flat.clone()).iter().zip(steps(quadratic(&[1.0, 0.5]))).filter(|(a, b)| **a == *b).count();
            // They round differently, and a rounding can decide a step.
            assert!(same >= 198, "{dynamics:?}, {domain:?}: {same} of 200");
        }
    }
}

#[test]
fn a_stability_of_two_is_the_gaussian_itself() {
    for coordinates in [Coordinates::Isotropic, Coordinates::Independent] {
        let gaussian = cell(quadratic(&[1.0, 0.3]), BALL, Dynamics::GaussianSgd(HESSIAN));
        let stable = cell(quadratic(&[1.0, 0.3]), BALL, levy(HESSIAN, 2.0, coordinates));
        assert_eq!(run_all(&gaussian, 0..50), run_all(&stable, 0..50));
    }
    for a in [1.0, 2.5, f64::NAN] {
        let problem = cell(quadratic(&[1.0]), BALL, levy(HESSIAN, a, Coordinates::Isotropic));
        assert!(matches!(problem.simulation(1, 2).err(), Some(ProblemError::Stability(_))), "{a}");
    }
}

/// Getoor (1961): a symmetric stable process of unit scale, E e^{iuX_t} = e^{−t|u|^a}, leaves (−r, r) from 0 after a mean
/// time r^a/Γ(1+a). A step of scale s adds s^a to the time. As the step shrinks the mean is recovered within 2 %.
///
/// H0: it is. n = 40,000 trials, whose standard error is below 0.4 %; the bias left by jumping in steps is below 1 %, and
/// what is beyond 2 % is 2.5 standard errors away from that at the least; the seed is fixed.
#[test]
fn a_levy_flight_leaves_an_interval_when_getoor_says() {
    for (a, gamma) in [(1.2, 1.101_802_490_879_713), (1.5, 1.329_340_388_179_137), (1.8, 1.676_490_787_645_463)] {
        let mut ratios = Vec::new();
        for step in [0.02, 0.005f64] {
            // s = noise/√2 is the scale of a step; a curvature of 10⁻⁹ pulls nowhere.
            let eta = step * std::f64::consts::SQRT_2;
            let domain = Domain::Ball { radius: 1.0, follows_alpha: false };
            let dynamics = levy(IDENTITY, a, Coordinates::Independent);
            let problem = CellProblem { eta, ..cell(quadratic(&[1e-9]), domain, dynamics) };
            let (steps, error) = mean(&problem, 40_000);
            let time = step.powf(a);
            let ratio = steps * time * gamma;
            println!("a = {a}, step {step}: {ratio:.4} ± {:.4} of Getoor's", error * time * gamma);
            ratios.push(ratio);
        }
        assert!((ratios[1] - 1.0).abs() < 0.02, "a = {a}: {ratios:?}");
    }
}

/// The bias of looking at steps alone is O(√step) without the correction, and nearly gone with it: in time, against the
/// exact mean of the SDE in one dimension (`sde-1d` of exact.json).
///
/// H0: as said. n = 60,000, standard errors of 0.4 %. Without the correction the scheme is Euler and Maruyama's own, whose
/// stationary variance is larger by ½λh of it: with an exponent of 5 that is −5 % in the mean at 8 steps.
#[test]
fn the_bias_of_steps_is_of_the_order_of_their_root_and_the_correction_takes_it_away() {
    let exact = 33.114_102_145_179_32;
    let domain = Domain::Sublevel { depth: 0.5 };
    let scale = Scale { alpha: 2.0, beta: 1.0 };
    let mut plain = Vec::new();
    for substeps in [8u32, 32, 128] {
        let time = 0.1 / f64::from(substeps);
        let dynamics = Dynamics::GaussianSgd(HESSIAN);
        let problem = CellProblem { scale, max_steps: u64::MAX, ..cell(quadratic(&[1.0]), domain, dynamics) };
        let corrected = CellProblem { dynamics: Dynamics::Sde { covariance: HESSIAN, substeps }, ..problem.clone() };
        let (steps, error) = mean(&corrected, 60_000);
        let ratio = steps * time / exact;
        println!("substeps {substeps}: corrected {ratio:.4} ± {:.4}", error * time / exact);
        assert!((ratio - 1.0).abs() < if substeps < 32 { 0.04 } else { 0.02 }, "{substeps}: {ratio}");
        // Without the correction the scheme is Gaussian SGD with steps of h and a noise of √(hη/B): that of a landscape
        // m times as flat (β/m, and C = H with it) at the learning rate η, for its step is η/m and its noise η √(β/m).
        let flatter = Scale { alpha: 2.0, beta: 1.0 / f64::from(substeps) };
        let (steps, _) = mean(&CellProblem { scale: flatter, ..problem }, 60_000);
        plain.push(steps * time / exact - 1.0);
    }
    println!("bias without: {plain:?}");
    for pair in plain.windows(2) {
        // A quarter of the step, half the bias.
        assert!((pair[0] / pair[1] - 2.0).abs() < 0.35, "{plain:?}");
    }
}

/// The noise of the examples of a regression: one step from θ* on `sample` and `frozen` has the same law, and the mean exit
/// step of real minibatches is that of Gaussian noise of their covariance, where B is large and the step small.
///
/// H0: sgd with B of N = 200 examples, whose covariance is (N − B)/(N − 1) of C/B, leaves like gaussian-sgd with C of
/// `sample`, at a batch size that has that factor in it. It does not have to exactly, for minibatches are no Gaussians:
/// what is asked is 5 %, at standard errors of 1 %.
#[test]
fn minibatches_of_a_regression_leave_like_their_gaussian() {
    let domain = Domain::Ball { radius: 0.12, follows_alpha: true };
    let (n, b) = (200.0, 10u64);
    let sgd = CellProblem { batch_size: b, ..cell(regression(), domain, Dynamics::Sgd) };
    let (minibatch, error) = mean(&sgd, 8000);
    // η/√B' with B' = B (N − 1)/(N − B) is no whole number: η and B together cannot, so the factor goes into the radius,
    // which in units of the noise is the same.
    let factor = ((n - b as f64) / (n - 1.0)).sqrt();
    let wider = Domain::Ball { radius: 0.12 / factor, follows_alpha: true };
    for covariance in [Covariance::Sample, Covariance::Frozen] {
        let gaussian = CellProblem { domain: wider, dynamics: Dynamics::GaussianSgd(covariance), ..sgd.clone() };
        let (steps, gaussian_error) = mean(&gaussian, 8000);
        println!("sgd {minibatch:.2} ± {error:.2}, {covariance:?} {steps:.2} ± {gaussian_error:.2}");
        assert!((steps / minibatch - 1.0).abs() < 0.05, "{covariance:?}: {steps} against {minibatch}");
    }
}

/// A rotation of H* changes no law, except of noise that is independent in each parameter.
#[test]
fn a_rotation_shows_only_in_independent_stable_noise() {
    let (cos, sin) = (0.6, 0.8);
    let turned = Quadratic::new(vec![1.0, 0.3]).and_then(|bowl| bowl.with_basis(vec![cos, sin, -sin, cos]));
    let turned = AnyLandscape::Quadratic(Arc::new(turned.expect("two dimensions")));
    let straight = quadratic(&[1.0, 0.3]);
    for dynamics in [
        Dynamics::GaussianSgd(HESSIAN),
        Dynamics::Sde { covariance: IDENTITY, substeps: 2 },
        levy(IDENTITY, 1.5, Coordinates::Isotropic),
    ] {
        let run = |landscape: &AnyLandscape| run_all(&cell(landscape.clone(), BALL, dynamics), 0..50);
        assert_eq!(run(&turned), run(&straight), "{dynamics:?}");
    }
    // H0: the plain path and the lanes have the same mean, without a turn. 4000 trials each; |z| > 5 has probability 6e-7.
    let unturned = Quadratic::new(vec![1.0, 0.3]).and_then(|bowl| bowl.with_basis(vec![1.0, 0.0, 0.0, 1.0]));
    let unturned = AnyLandscape::Quadratic(Arc::new(unturned.expect("two dimensions")));
    let dynamics = levy(HESSIAN, 1.5, Coordinates::Independent);
    let [(a, da), (b, db)] = [unturned, straight].map(|landscape| mean(&cell(landscape, BALL, dynamics), 4000));
    let z = (a - b) / da.hypot(db);
    println!("plain {a:.2} ± {da:.2}, lanes {b:.2} ± {db:.2}, z = {z:.2}");
    assert!(z.abs() < 5.0, "{a} ± {da} against {b} ± {db}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let of = |landscape, dynamics| cell(landscape, BALL, dynamics).simulation(1, 2).err();
    let [double, _] = wells();
    for landscape in [quadratic(&[1.0]), double] {
        for dynamics in
            [Dynamics::Sgd, Dynamics::GaussianSgd(Covariance::Sample), Dynamics::GaussianSgd(Covariance::Frozen)]
        {
            assert_eq!(of(landscape.clone(), dynamics), Some(ProblemError::NoExamples), "{dynamics:?}");
        }
    }
    let independent = levy(Covariance::Sample, 1.5, Coordinates::Independent);
    assert_eq!(of(regression(), independent), Some(ProblemError::IndependentOfExamples));
    let too_many = CellProblem { batch_size: 201, ..cell(regression(), BALL, Dynamics::Sgd) };
    assert!(matches!(
        too_many.simulation(1, 2).err(),
        Some(ProblemError::BatchSize { batch_size: 201, examples: 200 })
    ));
}
