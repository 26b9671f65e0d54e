//! The parts of the core that its time goes into, each to be run for as long as one likes, always with the same seed.

// A rig of benchmarks, where a broken expectation should end the run.
#![allow(clippy::expect_used)]

use std::hint::black_box;

use taugrid_bench::{network, quadratic};
use taugrid_escape::dynamics::Dynamics;
use taugrid_escape::ensemble::RangeQueue;
use taugrid_escape::problem::{CellProblem, Dtype};
use taugrid_escape::rng::{Lanes, StreamKey, fill_normals};
use taugrid_escape::simd::{Isa, LANES};

/// Does at least so many units of work, and gives how many it did.
pub(crate) type Kernel = Box<dyn Fn(u64) -> u64>;

/// A part of the core.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What a unit of its work is.
    pub(crate) unit: &'static str,
    /// How many units are enough to count instructions by: some tens of millions of these.
    pub(crate) units: u64,
    /// Makes it, with all that is to be done once.
    pub(crate) kernel: fn() -> Kernel,
}

/// All of them.
pub(crate) const PARTS: [Part; 11] = [
    part("words", "word", 10_000_000, || {
        rows([[0u32; LANES]; ROWS], |lanes, rows| lanes.fill_words(Isa::current(), rows))
    }),
    part("normals", "normal", 4_000_000, || {
        rows([[0f32; LANES]; ROWS], |lanes, rows| fill_normals(Isa::current(), lanes, rows))
    }),
    part("seeds", "seed", 200_000, seeds),
    part("lanes-1d", "step of one trial", 4_000_000, || steps(quadratic::problem(1, Dtype::F32))),
    part("lanes-10d", "step of one trial", 400_000, || steps(quadratic::problem(10, Dtype::F32))),
    part("lanes-100d", "step of one trial", 40_000, || steps(quadratic::problem(100, Dtype::F32))),
    part("lanes-10d-f64", "step of one trial", 400_000, || steps(quadratic::problem(10, Dtype::F64))),
    part("mlp-b10", "step", 40, || steps(mlp(5000, 10))),
    part("mlp-small-b1", "step", 60_000, || steps(mlp(50, 1))),
    part("mlp-small-b10", "step", 10_000, || steps(mlp(50, 10))),
    part("mlp-small-b100", "step", 1000, || steps(mlp(50, 100))),
];

const fn part(name: &'static str, unit: &'static str, units: u64, kernel: fn() -> Kernel) -> Part {
    Part { name, unit, units, kernel }
}

/// Rows at a time: 16 KiB of them.
const ROWS: usize = 256;

fn rows<T: Copy + 'static>(rows: [[T; LANES]; ROWS], fill: fn(&mut Lanes, &mut [[T; LANES]])) -> Kernel {
    Box::new(move |units| {
        let (mut rows, mut lanes) = (rows, Lanes::of_trial(StreamKey::derive(1, 2), 3));
        let times = units.div_ceil((ROWS * LANES) as u64);
        for _ in 0..times {
            fill(&mut lanes, black_box(&mut rows));
        }
        times * (ROWS * LANES) as u64
    })
}

fn seeds() -> Kernel {
    Box::new(|units| {
        let mut lanes = Lanes::unseeded();
        for trial in 0..units {
            lanes.seed(trial as usize % LANES, black_box(StreamKey::derive(1, 2)), trial);
        }
        black_box(lanes);
        units
    })
}

/// Steps of a walker that never runs out of trials.
fn steps(problem: Option<CellProblem>) -> Kernel {
    let simulation = problem.expect("a workload").simulation(1, 2).expect("the core runs it");
    Box::new(move |units| {
        let (mut walker, queue, mut finished) = (simulation.walker(), RangeQueue::new(0..u64::MAX), Vec::new());
        let mut done = 0;
        while done < units {
            done += walker.advance(&queue, &mut finished).steps;
            finished.clear();
        }
        done
    })
}

/// Few examples: a step draws from them, and looks at no more than B.
fn mlp(hidden: usize, batch_size: u64) -> Option<CellProblem> {
    let mlp = network::landscape(hidden, 200).ok()?;
    Some(network::problem(&mlp, Dynamics::Sgd, batch_size, u64::MAX))
}
