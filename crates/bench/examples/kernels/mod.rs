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

/// The kernels by their names, and what a unit of their work is.
pub(crate) const KERNELS: [(&str, &str, fn() -> Kernel); 10] = [
    ("words", "word", || rows([[0u32; LANES]; ROWS], |lanes, rows| lanes.fill_words(Isa::current(), rows))),
    ("normals", "normal", || rows([[0f32; LANES]; ROWS], |lanes, rows| fill_normals(Isa::current(), lanes, rows))),
    ("seeds", "seed", seeds),
    ("lanes-1d", "step of one trial", || steps(quadratic::problem(1, Dtype::F32))),
    ("lanes-10d", "step of one trial", || steps(quadratic::problem(10, Dtype::F32))),
    ("lanes-100d", "step of one trial", || steps(quadratic::problem(100, Dtype::F32))),
    ("lanes-10d-f64", "step of one trial", || steps(quadratic::problem(10, Dtype::F64))),
    ("mlp-b10", "step", || steps(mlp(5000, 10))),
    ("mlp-small-b1", "step", || steps(mlp(50, 1))),
    ("mlp-small-b100", "step", || steps(mlp(50, 100))),
];

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
