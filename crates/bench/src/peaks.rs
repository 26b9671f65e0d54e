//! What the machine does at best, each thread working for itself: fused multiply-adds in registers, memory traffic far
//! beyond the caches, normals into a buffer that stays in L1.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use taugrid_escape::rng::{Lanes, StreamKey, fill_normals};
use taugrid_escape::simd::peak::multiply_adds;
use taugrid_escape::simd::{Isa, LANES};

use crate::row::Row;
use crate::timing::{Budget, units_for};

/// What a workload may be bound by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Fused multiply-adds of f32, in flop/s.
    Fma,
    /// STREAM's triad, in bytes/s.
    Memory,
    /// `rng::fill_normals`, in normals/s.
    Generator,
}

impl Resource {
    const ALL: [Self; 3] = [Self::Fma, Self::Memory, Self::Generator];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fma => "fma",
            Self::Memory => "memory",
            Self::Generator => "generator",
        }
    }
}

/// The peaks of a pool.
pub(crate) struct Peaks([(Resource, f64); 3]);

impl Peaks {
    /// Measures them, and shows each to `tell`.
    pub(crate) fn measure(pool: &ThreadPool, isa: Isa, budget: Budget, mut tell: impl FnMut(Row)) -> Self {
        // A peak holds still: longer than this says nothing more.
        let budget = budget.at_most(Duration::from_millis(200));
        Self(Resource::ALL.map(|resource| {
            let row = measure(resource, pool, isa, budget);
            let peak = row.max;
            tell(row);
            (resource, peak)
        }))
    }

    /// The greatest rate that was seen, of all threads together.
    pub(crate) fn of(&self, resource: Resource) -> f64 {
        self.0.iter().find(|(known, _)| *known == resource).map_or(f64::NAN, |(_, rate)| *rate)
    }
}

fn measure(resource: Resource, pool: &ThreadPool, isa: Isa, budget: Budget) -> Row {
    let threads = pool.current_num_threads();
    let (dtype, unit) = match resource {
        Resource::Fma => ("f32", "flop/s"),
        Resource::Memory => ("f64", "bytes/s"),
        Resource::Generator => ("f32", "normals/s"),
    };
    let rates = match resource {
        Resource::Fma => {
            // Each thread does the same, so that the last one's count is that of each.
            repeat(pool, budget, multiply_adds(isa, ROUNDS), |_| {
                multiply_adds(isa, ROUNDS);
            })
        }
        Resource::Memory => {
            let arrays: Vec<Mutex<Triad>> = pool.broadcast(|_| Mutex::new(Triad::new(threads)));
            repeat(pool, budget, Triad::bytes(threads), |thread| {
                // Nobody else locks it, and a panic would end the program.
                arrays[thread].lock().unwrap_or_else(PoisonError::into_inner).run();
            })
        }
        Resource::Generator => {
            let buffers: Vec<Mutex<Normals>> = pool.broadcast(|context| Mutex::new(Normals::new(context.index())));
            repeat(pool, budget, Normals::COUNT, |thread| {
                buffers[thread].lock().unwrap_or_else(PoisonError::into_inner).run(isa);
            })
        }
    };
    Row {
        workload: "peak",
        resource: Some(resource.as_str()),
        d: None,
        batch_size: None,
        dtype,
        threads,
        chains: None,
        unit,
        median: rates.median(),
        min: rates.min(),
        max: rates.max(),
        repetitions: rates.repetitions(),
        isa: isa.as_str(),
        peak: None,
        peak_fraction: None,
        note: None,
    }
}

/// Rates of what every thread does at the same time: `work(thread)` counts for `amount`.
fn repeat(pool: &ThreadPool, budget: Budget, amount: u64, work: impl Fn(usize) + Sync) -> crate::timing::Rates {
    let run = |times: u64| {
        let began = Instant::now();
        pool.broadcast(|context| (0..times).for_each(|_| work(context.index())));
        began.elapsed()
    };
    let times = units_for(budget.share(), run);
    let total = amount as f64 * times as f64 * pool.current_num_threads() as f64;
    budget.repeat(|| total / run(times).as_secs_f64())
}

/// Rounds of multiply-adds at a time: some tens of microseconds.
const ROUNDS: u64 = 10_000;

/// a ← b + s·c on one thread's part of the arrays (McCalpin's STREAM, 1995).
struct Triad {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Triad {
    /// Elements of each of the three arrays, over all threads: 128 MiB, 384 MiB in all.
    const ELEMENTS: usize = 1 << 24;

    /// Made by the thread that works on it, whose memory it then lies in.
    fn new(threads: usize) -> Self {
        let array = |value| vec![value; Self::ELEMENTS / threads];
        Self { a: array(0.5), b: array(1.5), c: array(2.5) }
    }

    /// Bytes that count, of one thread: as in STREAM two reads and a write an element, whatever the caches move beside.
    fn bytes(threads: usize) -> u64 {
        (3 * size_of::<f64>() * (Self::ELEMENTS / threads)) as u64
    }

    fn run(&mut self) {
        let s = std::hint::black_box(3.0);
        for ((a, b), c) in self.a.iter_mut().zip(&self.b).zip(&self.c) {
            *a = b + s * c;
        }
        std::hint::black_box(&mut self.a);
    }
}

/// A thread's generators, and where its normals go.
struct Normals {
    lanes: Lanes,
    rows: [[f32; LANES]; Self::ROWS],
}

impl Normals {
    /// 16 KiB.
    const ROWS: usize = 256;
    const COUNT: u64 = (Self::ROWS * LANES) as u64;

    fn new(thread: usize) -> Self {
        let lanes = Lanes::of_trial(StreamKey::derive(0, 0), thread as u64);
        Self { lanes, rows: [[0.0; LANES]; Self::ROWS] }
    }

    fn run(&mut self, isa: Isa) {
        fill_normals(isa, &mut self.lanes, &mut self.rows);
        std::hint::black_box(&mut self.rows);
    }
}
