//! Tests of checkpoints: trials that are given up in the middle, time and again, and go on in other walkers and on other
//! instruction sets, come out as those that were left alone.

use std::collections::VecDeque;
use std::sync::Mutex;

use proptest::prelude::*;

use super::systems::{cell, levy, quadratic, regression, wells};
use super::tests::{network, run_all, wide_and_small};
use super::{Checkpoint, CheckpointError, Queue, Start, TrialRecord};
use crate::domain::Domain;
use crate::dynamics::{Coordinates, Covariance, Dynamics};
use crate::problem::{CellProblem, Dtype};
use crate::rng::{Stream, StreamKey};
use crate::simd::Isa;

/// So large that paths are followed for as long as they are asked to be.
const WIDE: Domain = Domain::Ball { radius: 50.0, follows_alpha: true };

struct Waiting(Mutex<VecDeque<Start>>);

impl Queue for Waiting {
    fn next(&self) -> Option<Start> {
        self.0.lock().expect("nothing panics").pop_front()
    }
}

/// Runs trials, each walker for one go, after which some of its trials are put back and the others are left to it; the
/// next walker is of another instruction set. `kill` makes walkers show their trials and vanish.
fn run_disturbed(problem: &CellProblem, trials: u64, kill: bool) -> (Vec<TrialRecord>, usize) {
    let mut dice = Stream::new(StreamKey::derive(5, 6), u64::from(kill));
    let simulations: Vec<_> =
        Isa::available().map(|isa| problem.simulation_on(isa, 1, 2).expect("it can be simulated")).collect();
    let waiting = Waiting(Mutex::new((0..trials).map(Start::from).collect()));
    let (mut records, mut suspended) = (Vec::new(), 0);
    while records.len() < trials as usize {
        let simulation = &simulations[dice.below(simulations.len() as u64) as usize];
        let mut walker = simulation.walker();
        walker.advance(&waiting, &mut records);
        let mut shown = Vec::new();
        walker.checkpoint(&mut shown);
        let checkpoints = if kill {
            shown
        } else {
            let chosen = |trial: u64| !(trial * 7 + suspended as u64).is_multiple_of(3);
            let mut released = Vec::new();
            walker.release(&chosen, &mut released);
            assert!(released.iter().all(|one| shown.contains(one) && chosen(one.trial)));
            // The rest goes on for a while in the same walker, with what the released ones left free.
            walker.advance(&waiting, &mut records);
            walker.release(&|_| true, &mut released);
            let mut none = Vec::new();
            walker.checkpoint(&mut none);
            assert_eq!(none, []);
            released
        };
        for checkpoint in checkpoints {
            assert_eq!(simulation.check(&checkpoint), Ok(()));
            assert_eq!(checkpoint.state.len(), simulation.checkpoint_bytes());
            suspended += usize::from(checkpoint.steps > 0);
            let start = Start { trial: checkpoint.trial, from: Some(checkpoint) };
            waiting.0.lock().expect("nothing panics").push_back(start);
        }
    }
    records.sort_by_key(|record| record.trial);
    (records, suspended)
}

fn assert_undisturbed(problem: &CellProblem, trials: u64) {
    let undisturbed = run_all(problem, 0..trials);
    for kill in [false, true] {
        let (records, suspended) = run_disturbed(problem, trials, kill);
        let name = format!("{:?} on {:?}", problem.dynamics, problem.domain);
        assert!(suspended >= trials as usize, "{name}: suspended {suspended} times");
        for (one, other) in undisturbed.iter().zip(&records) {
            let bits = |r: &TrialRecord| (r.trial, r.outcome, r.steps, r.exit_loss.to_bits(), r.exit_radius.to_bits());
            assert_eq!(bits(one), bits(other), "{name}");
        }
    }
}

#[test]
fn lanes_go_on_elsewhere() {
    let sde = |covariance| Dynamics::Sde { covariance, substeps: 3 };
    let gaussian = Dynamics::GaussianSgd;
    let [double, quartic] = wells();
    for (landscape, dynamics) in [
        (quadratic(&[1.0]), gaussian(Covariance::Hessian)),
        (quadratic(&[1.0, 0.5, 0.1]), gaussian(Covariance::Identity)),
        (quadratic(&[1.0, 0.5, 0.1, 0.2]), sde(Covariance::Hessian)),
        (quadratic(&[0.7]), levy(Covariance::Identity, 1.9, Coordinates::Independent)),
        (quadratic(&[0.7, 0.2]), levy(Covariance::Hessian, 1.9, Coordinates::Isotropic)),
        (double, gaussian(Covariance::Hessian)),
        (quartic, sde(Covariance::Identity)),
    ] {
        for dtype in [Dtype::F32, Dtype::F64] {
            for domain in [WIDE, Domain::Sublevel { depth: 1.0 }] {
                let problem = CellProblem {
                    batch_size: 40,
                    max_steps: 200_001,
                    dtype,
                    ..cell(landscape.clone(), domain, dynamics)
                };
                // More trials than lanes, so that some wait.
                let undisturbed = run_all(&problem, 0..20);
                if undisturbed.iter().any(|record| record.steps < 100_000) {
                    // They leave before the first look; those that stay are what is tested here.
                    continue;
                }
                assert_undisturbed(&problem, 20);
            }
        }
    }
}

/// Exits, not just long stays: the mean exit takes several goes.
#[test]
fn exits_are_the_same_to_the_bit() {
    for (dtype, dynamics) in [
        (Dtype::F32, Dynamics::GaussianSgd(Covariance::Hessian)),
        (Dtype::F64, Dynamics::Sde { covariance: Covariance::Hessian, substeps: 2 }),
    ] {
        let domain = Domain::Sublevel { depth: 0.5 };
        let problem = CellProblem {
            batch_size: 8,
            max_steps: 4_000_000,
            dtype,
            ..cell(quadratic(&[1.0, 0.4]), domain, dynamics)
        };
        let undisturbed = run_all(&problem, 0..40);
        let long = undisturbed.iter().filter(|record| record.steps > 100_000).count();
        assert!(long > 10, "{long} of 40 take several goes");
        for kill in [false, true] {
            let (records, suspended) = run_disturbed(&problem, 40, kill);
            assert!(suspended > 40, "{suspended}");
            assert_eq!(records, undisturbed);
        }
    }
}

#[test]
fn plain_walks_go_on_elsewhere() {
    for dynamics in [
        Dynamics::Sgd,
        Dynamics::GaussianSgd(Covariance::Sample),
        Dynamics::Sde { covariance: Covariance::Frozen, substeps: 2 },
        Dynamics::GaussianSgd(Covariance::Identity),
    ] {
        // Cheap steps take longer goes.
        let is_cheap = dynamics == Dynamics::GaussianSgd(Covariance::Identity);
        let max_steps = if is_cheap { 400_001 } else { 30_001 };
        let problem = CellProblem { batch_size: 20, max_steps, ..cell(regression(), WIDE, dynamics) };
        assert_undisturbed(&problem, 3);
    }
}

#[test]
fn chains_go_on_elsewhere() {
    for dynamics in [
        Dynamics::Sgd,
        Dynamics::GaussianSgd(Covariance::Sample),
        Dynamics::GaussianSgd(Covariance::Frozen),
        Dynamics::GaussianSgd(Covariance::Identity),
        Dynamics::Sde { covariance: Covariance::Sample, substeps: 2 },
    ] {
        let corrected = matches!(dynamics, Dynamics::Sde { .. });
        let mut problem =
            network(dynamics, if corrected { Domain::Sublevel { depth: 30.0 } } else { WIDE }, Dtype::F32);
        problem.eta = 0.01;
        problem.max_steps = if dynamics == Dynamics::Sgd { 140_001 } else { 4_001 };
        assert_undisturbed(&problem, 2);
    }
}

/// More trials than go side by side, of which each is set down in the middle and taken up in another place.
#[test]
fn chains_by_fours_and_alone_go_on_elsewhere() {
    for (domain, check_every) in [(WIDE, 1), (Domain::Sublevel { depth: 30.0 }, 700)] {
        for (cell, max_steps) in wide_and_small(domain).into_iter().zip([20_001, 140_001]) {
            for batch_size in [1, 5] {
                let problem = CellProblem { batch_size, eta: 0.01, max_steps, check_every, ..cell.clone() };
                assert_undisturbed(&problem, 6);
            }
        }
    }
}

#[test]
fn what_cannot_be_gone_on_from_is_refused() {
    let domain = Domain::Sublevel { depth: 30.0 };
    let mut chain = network(Dynamics::Sde { covariance: Covariance::Sample, substeps: 2 }, domain, Dtype::F32);
    chain.max_steps = 100_000;
    let lanes = CellProblem {
        max_steps: 100_000,
        ..cell(quadratic(&[1.0, 0.5]), WIDE, Dynamics::GaussianSgd(Covariance::Hessian))
    };
    let plain = CellProblem { max_steps: 100_000, ..cell(regression(), WIDE, Dynamics::Sgd) };
    for problem in [lanes, plain, chain] {
        let simulation = problem.simulation(1, 2).expect("it can be simulated");
        let waiting = Waiting(Mutex::new([Start::from(3)].into()));
        let mut walker = simulation.walker();
        walker.advance(&waiting, &mut Vec::new());
        let mut shown = Vec::new();
        walker.checkpoint(&mut shown);
        let sound = shown.pop().expect("it is under way");
        assert_eq!(simulation.check(&sound), Ok(()));
        let of = |state: Vec<u8>, steps| simulation.check(&Checkpoint { trial: 3, steps, state });
        for length in (0..sound.state.len()).step_by(1 + sound.state.len() / 200) {
            assert!(of(sound.state[..length].to_vec(), sound.steps).is_err(), "{length} bytes");
        }
        assert_eq!(of([sound.state.clone(), vec![0]].concat(), sound.steps), Err(CheckpointError::Size));
        assert_eq!(of(sound.state.clone(), 100_000), Err(CheckpointError::Steps(100_000)));
        let mut other = sound.state.clone();
        other[0] ^= 1;
        assert_eq!(of(other, sound.steps), Err(CheckpointError::Kind));
        let mut not_a_number = sound.state.clone();
        let end = not_a_number.len();
        not_a_number[end - 8..].fill(0xff);
        assert_eq!(of(not_a_number, sound.steps), Err(CheckpointError::Value));
    }
}

proptest! {
    /// Whatever the bytes, they are refused or gone on from, and nothing panics.
    #[test]
    fn hostile_bytes_do_no_harm(state in prop::collection::vec(any::<u8>(), 0..200), steps in any::<u64>()) {
        let lanes = CellProblem { max_steps: 1000, ..cell(quadratic(&[1.0, 0.5]), WIDE, Dynamics::GaussianSgd(Covariance::Hessian)) };
        let simulation = lanes.simulation(1, 2).expect("it can be simulated");
        for kind in [None, Some(0x11), Some(0x12)] {
            let mut state = state.clone();
            if let (Some(first), Some(kind)) = (state.first_mut(), kind) {
                *first = kind;
            }
            let checkpoint = Checkpoint { trial: 0, steps, state };
            let waiting = Waiting(Mutex::new([Start { trial: 0, from: Some(checkpoint) }].into()));
            let (mut walker, mut records) = (simulation.walker(), Vec::new());
            while !walker.advance(&waiting, &mut records).idle {}
            prop_assert_eq!(records.len(), 1);
        }
    }
}
