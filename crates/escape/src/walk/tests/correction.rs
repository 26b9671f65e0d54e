//! The boundary correction against brute force, and whole walks with it.

use super::gaussian::{examples_gradients, place};
use super::*;
use crate::domain::GOBET_MENOZZI as OVERSHOOT;
use crate::dynamics::Tail;
use crate::landscape::mlp::chain::Factor;
use crate::rng::StreamKey;
use crate::walk::chain::{ChainNoise, ChainWalk};
use crate::walk::correction::Correction;
use crate::walk::gaussian::{ChainCovariance, Gaussian};

fn corrected(covariance: ChainCovariance, size: f64) -> Gaussian {
    Gaussian { covariance, size, tail: Tail::Gaussian, corrected: true }
}

/// F of three columns.
fn factor(mlp: &Mlp) -> (Arc<Factor>, Vec<f64>) {
    let values: Vec<f64> = (0..mlp.dim() * 3).map(|k| f64::from((0.2 * (k as f64 * 0.77).cos()) as f32)).collect();
    (Arc::new(Factor::new(mlp.model().shape(), 3, &values).expect("fits")), values)
}

fn covariances(mlp: &Mlp) -> [ChainCovariance; 4] {
    let factor = ChainCovariance::Factor { factor: factor(mlp).0, variance: 2.5 };
    [ChainCovariance::Isotropic, ChainCovariance::Sample, ChainCovariance::Frozen, factor]
}

/// nᵀCn in the coordinates of θ, from the definitions of C.
fn variance(mlp: &Mlp, scale: Scale, covariance: &ChainCovariance, z: &[f64], n: &[f64]) -> f64 {
    let along = |x: &[f64]| x.iter().zip(n).map(|(x, n)| x * n).sum::<f64>();
    let of_examples = |z: &[f64]| {
        let slopes: Vec<f64> = examples_gradients(mlp, scale, z).iter().map(|g| along(g)).collect();
        let mean = slopes.iter().sum::<f64>() / slopes.len() as f64;
        slopes.iter().map(|slope| (slope - mean).powi(2)).sum::<f64>() / slopes.len() as f64
    };
    match covariance {
        ChainCovariance::Isotropic => n.iter().map(|n| n * n).sum(),
        ChainCovariance::Sample => of_examples(z),
        ChainCovariance::Frozen => of_examples(&vec![0.0; z.len()]),
        ChainCovariance::Factor { variance, .. } => {
            let values = factor(mlp).1;
            let column = |j: usize| values.iter().skip(j).step_by(3).copied().collect::<Vec<_>>();
            variance * (0..3).map(|j| along(&column(j)).powi(2)).sum::<f64>()
        }
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn the_boundary_comes_nearer_by_a_part_of_the_noise_along_the_normal() {
    let (mlp, scale, z) = place();
    let mut chain = Chain::new(mlp.network(), Isa::current());
    chain.read_displacement(&z);
    let mut workspace = mlp.workspace();
    let excess = mlp.excess_loss(&z, &mut workspace);
    let mut gradient = vec![0.0; mlp.dim()];
    mlp.gradient(&z, &mut gradient, &mut workspace);
    let unit = |x: &[f64]| x.iter().map(|y| y / norm(x)).collect::<Vec<_>>();
    for covariance in covariances(&mlp) {
        let noise = corrected(covariance.clone(), 0.03);
        // All in the coordinates of θ.
        let radius =
            norm(&z) / scale.alpha.sqrt() + OVERSHOOT * 0.03 * variance(&mlp, scale, &covariance, &z, &unit(&z)).sqrt();
        let slope = scale.beta * scale.alpha.sqrt() * norm(&gradient);
        let depth = scale.beta * excess
            + slope * OVERSHOOT * 0.03 * variance(&mlp, scale, &covariance, &z, &unit(&gradient)).sqrt();
        for (factor, left) in [(1.0 - 1e-9, true), (1.0 + 1e-9, false)] {
            let ball = factor * radius * scale.alpha.sqrt();
            let square = norm(&z).powi(2);
            let mut correction = Correction::new(&noise, &mlp, scale);
            assert_eq!(correction.leaves_ball(&chain, square, ball), left, "{covariance:?} at {factor}, a ball");
            let mut correction = Correction::new(&noise, &mlp, scale);
            let depth = factor * depth / scale.beta;
            assert_eq!(correction.leaves_sublevel(&chain, excess, depth), left, "{covariance:?} at {factor}");
        }
    }
}

/// After the first look, it is computed where twice the last one would reach the boundary, and not before.
#[test]
fn the_correction_is_computed_near_the_boundary_alone() {
    let (mlp, scale, z) = place();
    let mut chain = Chain::new(mlp.network(), Isa::current());
    chain.read_displacement(&z);
    let noise = corrected(ChainCovariance::Isotropic, 0.03);
    let mut correction = Correction::new(&noise, &mlp, scale);
    let reach = OVERSHOOT * 0.03 * scale.alpha.sqrt();
    let radius = norm(&z);
    let mut look = |square: f64, radius: f64| correction.leaves_ball(&chain, square, radius);
    assert!(!look(radius * radius, radius + 3.0 * reach));
    // A claim of another ‖z‖ tells whether it is believed, or the correction computed.
    assert!(!look(0.0, 2.001 * reach));
    assert!(!look(0.0, 1.999 * reach));
    assert!(look(0.0, 0.999 * reach));
    // A bowl's ‖∇L‖ doubles where its loss is four times as large.
    let mut sublevel = Correction::new(&noise, &mlp, scale);
    let excess = mlp.excess_loss(&z, &mut mlp.workspace());
    let mut gradient = vec![0.0; mlp.dim()];
    mlp.gradient(&z, &mut gradient, &mut mlp.workspace());
    let reach = reach * norm(&gradient);
    assert!(!sublevel.leaves_sublevel(&chain, excess, excess + 5.0 * reach));
    chain.read_displacement(&vec![f64::NAN; mlp.dim()]);
    // Here all that is computed has left.
    assert!(!sublevel.leaves_sublevel(&chain, 4.0 * excess, 4.0 * excess + 4.001 * reach));
    assert!(sublevel.leaves_sublevel(&chain, 4.0 * excess, 4.0 * excess + 3.999 * reach));
}

fn walk(noise: Gaussian, domain: Domain, isa: Isa) -> ChainWalk {
    let (landscape, scale, _) = place();
    ChainWalk {
        landscape,
        noise: ChainNoise::Gaussian(noise),
        scale,
        step: 0.05,
        boundary: domain.boundary(scale),
        check_every: 1,
        max_steps: 300,
        key: StreamKey::derive(1, 2),
        isa,
    }
}

fn records(walk: &ChainWalk, trials: std::ops::Range<u64>) -> Vec<TrialRecord> {
    let (mut walker, queue, mut records) = (walk.walker(), RangeQueue::new(trials), Vec::new());
    while !walker.advance(&queue, &mut records).idle {}
    records.sort_by_key(|record| record.trial);
    records
}

#[test]
fn where_the_noise_is_isotropic_the_corrected_ball_is_a_smaller_ball() {
    let (radius, size) = (0.5, 0.006);
    let ball = |radius| Domain::Ball { radius, follows_alpha: false };
    let corrected = corrected(ChainCovariance::Isotropic, size);
    let plain = Gaussian { corrected: false, ..corrected.clone() };
    let found = records(&walk(corrected, ball(radius), Isa::current()), 0..20);
    assert_eq!(found, records(&walk(plain, ball(radius - OVERSHOOT * size), Isa::current()), 0..20));
    assert!(found.iter().any(|record| record.outcome == Outcome::Exited), "{found:?}");
}

#[test]
fn corrected_walks_are_the_same_on_every_instruction_set_and_end_earlier() {
    let (mlp, ..) = place();
    for covariance in covariances(&mlp) {
        // So that trials last for some ten steps, on either domain.
        let size = match covariance {
            ChainCovariance::Isotropic => 0.007,
            ChainCovariance::Factor { .. } => 0.04,
            _ => 0.3,
        };
        for domain in [Domain::Ball { radius: 0.7, follows_alpha: true }, Domain::Sublevel { depth: 5e-3 }] {
            let noise = corrected(covariance.clone(), size);
            let expected = records(&walk(noise.clone(), domain, Isa::Portable), 0..5);
            for isa in Isa::available() {
                let walk = walk(noise.clone(), domain, isa);
                assert_eq!(records(&walk, 0..5), expected, "{isa}, {covariance:?}, {domain:?}");
                let alone: Vec<_> = (0..5).flat_map(|trial| records(&walk, trial..trial + 1)).collect();
                assert_eq!(alone, expected, "a walker carries something from trial to trial");
            }
            let plain = records(&walk(Gaussian { corrected: false, ..noise }, domain, Isa::current()), 0..5);

            assert!(expected.iter().zip(&plain).all(|(corrected, plain)| corrected.steps <= plain.steps));
            assert!(expected.iter().zip(&plain).any(|(corrected, plain)| corrected.steps < plain.steps), "{domain:?}");
        }
    }
}
