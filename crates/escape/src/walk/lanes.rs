//! Sixteen trials at a time, one a lane, on a quadratic in the eigenbasis of its Hessian.
//!
//! A step of Gaussian SGD is y ← y + cy + σξ in each coordinate, whatever the covariance; it is c = −ηαβh and σ that
//! differ. In units of the domain (y = x/r on a ball, y = x √(αh/2Δ) on a sublevel set) both domains are the unit ball,
//! so that one kernel serves them all. A lane whose trial has ended takes the next from the queue at once.
//!
//! The kernel only *suspects*: it looks up from its registers when Σ y² comes within rounding of 1. Whether the trial
//! has left is then decided in f64, by the very test of [`Boundary`], on the state as it is.

use std::sync::Arc;

use super::real::Real;
use super::{Advance, Outcome, Queue, Simulation, TrialRecord, Walker, one_nan};
use crate::domain::Boundary;
use crate::landscape::Landscape;
use crate::landscape::quadratic::Quadratic;
use crate::rng::lane_normal;
use crate::rng::{Lanes, StreamKey};
use crate::simd::{Isa, Kernel, LANES, Simd};

/// Coordinate steps of one lane between two looks at the queue and the clock: about a millisecond.
const WORK_BETWEEN_LOOKS: u64 = 1 << 16;

/// What the kernel needs to know of one coordinate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coordinate {
    /// η times the eigenvalue of L_αβ's Hessian: the share of x that one step takes away.
    pub(crate) pull: f64,
    /// s.d. of a step's noise in x.
    pub(crate) noise: f64,
    /// x for each unit of y.
    pub(crate) unit: f64,
}

/// A cell on a quadratic, its state kept in `R`.
pub(crate) struct LaneWalk<R> {
    landscape: Arc<Quadratic>,
    boundary: Boundary,
    /// √α: z for each unit of x.
    stretch: f64,
    beta: f64,
    max_steps: u64,
    key: StreamKey,
    isa: Isa,
    units: Vec<f64>,
    /// c and σ of coordinates 2p and 2p + 1, which share a pair of normals.
    pairs: Vec<[[R; 2]; 2]>,
    /// Σ y² from which on a lane is looked at.
    suspicion: R,
}

impl<R: Real> LaneWalk<R> {
    #[expect(
        clippy::too_many_arguments,
        reason = "a cell has this many parts; problem.rs, its only caller, names them"
    )]
    pub(crate) fn new(
        landscape: Arc<Quadratic>,
        coordinates: &[Coordinate],
        boundary: Boundary,
        stretch: f64,
        beta: f64,
        max_steps: u64,
        key: StreamKey,
        isa: Isa,
    ) -> Self {
        let factors = |c: &Coordinate| [R::round(-c.pull), R::round(c.noise / c.unit)];
        let pairs =
            coordinates.chunks(2).map(|pair| [factors(&pair[0]), pair.get(1).map_or([R::ZERO; 2], factors)]).collect();
        // d roundings of f32 and some to spare; in f64 it only looks up a little early.
        let slack = (coordinates.len() + 8) as f64 * f64::from(f32::EPSILON);
        let units = coordinates.iter().map(|c| c.unit).collect();
        let suspicion = R::round((1.0 - slack).max(0.0));
        Self { landscape, boundary, stretch, beta, max_steps, key, isa, units, pairs, suspicion }
    }
}

impl<R: Real> Simulation for LaneWalk<R> {
    fn lanes(&self) -> usize {
        LANES
    }

    fn walker(&self) -> Box<dyn Walker + '_> {
        Box::new(LaneWalker {
            walk: self,
            y: vec![[R::ZERO; LANES]; 2 * self.pairs.len()],
            first: [R::ZERO; LANES],
            generators: Lanes::unseeded(),
            live: 0,
            trials: [0; LANES],
            began: [0; LANES],
            now: 0,
            deadline: u64::MAX,
            z: vec![0.0; self.units.len()],
        })
    }
}

struct LaneWalker<'a, R> {
    walk: &'a LaneWalk<R>,
    /// `[coordinate][lane]`; where d is odd, one more that stays 0.
    y: Vec<[R; LANES]>,
    /// In one dimension, where a pair of normals makes two steps: y after the first.
    first: [R; LANES],
    generators: Lanes,
    /// The lanes that hold a trial.
    live: u16,
    trials: [u64; LANES],
    /// When each trial was at θ*, in steps of the walker.
    began: [u64; LANES],
    /// Steps of the walker: all lanes take them together.
    now: u64,
    /// No trial reaches `max_steps` before.
    deadline: u64,
    z: Vec<f64>,
}

impl<R: Real> Walker for LaneWalker<'_, R> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        self.fill(queue);
        let (began, occupied) = (self.now, u64::from(self.live.count_ones()));
        if self.live != 0 {
            let steps = (WORK_BETWEEN_LOOKS / self.walk.units.len() as u64).max(2);
            self.walk.isa.run(Slice { walker: self, queue, finished, until: began + steps });
        }
        Advance { steps: occupied * (self.now - began), idle: self.live == 0 }
    }
}

impl<R: Real> LaneWalker<'_, R> {
    /// Puts trials into the lanes that are free.
    fn fill(&mut self, queue: &dyn Queue) {
        for lane in bits(!self.live) {
            let Some(trial) = queue.next() else { break };
            self.live |= 1 << lane;
            self.trials[lane] = trial;
            self.began[lane] = self.now;
            self.generators.seed(lane, self.walk.key, trial);
            self.y.iter_mut().for_each(|y| y[lane] = R::ZERO);
            self.deadline = self.deadline.min(self.now.saturating_add(self.walk.max_steps));
        }
    }

    /// Ends those of the suspected trials that have left, and those that have reached `max_steps`; their lanes are free
    /// then. In one dimension two steps were taken since the last look: the first of them is judged before the second.
    #[inline(never)]
    fn settle(&mut self, suspects: u16, finished: &mut Vec<TrialRecord>) {
        let due = self.now >= self.deadline;
        for lane in bits(self.live & if due { u16::MAX } else { suspects }) {
            let steps = self.now - self.began[lane];
            let in_pairs = self.walk.units.len() == 1;
            let record = in_pairs.then(|| self.judge(lane, steps - 1, true)).flatten();
            if let Some(record) = record.or_else(|| self.judge(lane, steps, false)) {
                finished.push(record);
                self.live &= !(1 << lane);
            }
        }
        if due {
            let oldest = bits(self.live).map(|lane| self.began[lane]).min();
            self.deadline = oldest.map_or(u64::MAX, |began| began.saturating_add(self.walk.max_steps));
        }
    }

    /// The record of a trial, if it ended at this state.
    fn judge(&mut self, lane: usize, steps: u64, first: bool) -> Option<TrialRecord> {
        let mut square = 0.0;
        for ((z, unit), y) in self.z.iter_mut().zip(&self.walk.units).zip(&self.y) {
            let y = if first { self.first[lane] } else { y[lane] };
            let x = unit * y.wide();
            square += x * x;
            *z = self.walk.stretch * x;
        }
        let excess = self.walk.landscape.excess_loss(&self.z, &mut ());
        let left = self.walk.boundary.left(match self.walk.boundary {
            Boundary::SquaredRadius(_) => square,
            Boundary::BaseExcess(_) => excess,
        });
        if !left && steps < self.walk.max_steps {
            return None;
        }
        let exit_loss = one_nan(self.walk.beta * excess);
        let exit_radius = one_nan(square.sqrt());
        let outcome = Outcome::of(left, exit_loss, exit_radius);
        Some(TrialRecord { trial: self.trials[lane], outcome, steps, exit_loss, exit_radius })
    }
}

/// The hot loop: all lanes until `until`, or until every lane is free and the queue empty.
struct Slice<'s, 'w, R> {
    walker: &'s mut LaneWalker<'w, R>,
    queue: &'s dyn Queue,
    finished: &'s mut Vec<TrialRecord>,
    until: u64,
}

impl<R: Real> Kernel for Slice<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { walker, queue, finished, until } = self;
        while walker.now < until && walker.live != 0 {
            let end = until.min(walker.deadline);
            let suspects = if walker.walk.units.len() == 1 { one(s, walker, end) } else { many(s, walker, end) };
            if suspects != 0 || walker.now >= walker.deadline {
                walker.settle(suspects, finished);
            }
            walker.fill(queue);
        }
    }
}

/// The numbers of the bits that are set.
fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (lane < u16::BITS).then_some(lane as usize)
    })
}

/// Steps in d ≥ 2 dimensions, to `end` or to the first suspicion; the lanes that are suspected.
#[inline(always)]
fn many<S: Simd, R: Real>(s: S, walker: &mut LaneWalker<'_, R>, end: u64) -> u16 {
    let mut generators = walker.generators.load(s);
    let (pairs, suspicion, live) = (walker.walk.pairs.as_slice(), walker.walk.suspicion, walker.live);
    let (states, _) = walker.y.as_chunks_mut::<2>();
    let mut now = walker.now;
    let suspects = loop {
        let mut sum = R::splat(s, R::ZERO);
        for ([first, second], [[c0, sigma0], [c1, sigma1]]) in states.iter_mut().zip(pairs) {
            let (xi0, xi1) = lane_normal::pair(s, &mut generators);
            let y0 = R::step(s, R::load(s, first), *c0, *sigma0, xi0);
            let y1 = R::step(s, R::load(s, second), *c1, *sigma1, xi1);
            R::store(s, y0, first);
            R::store(s, y1, second);
            sum = R::add_square(s, y1, R::add_square(s, y0, sum));
        }
        now += 1;
        let suspects = !R::below(s, sum, suspicion) & live;
        if now >= end || suspects != 0 {
            break suspects;
        }
    };
    walker.now = now;
    generators.store(s, &mut walker.generators);
    suspects
}

/// Steps in one dimension, two a pair of normals, to `end`, or one beyond it, or to the first suspicion; the lanes that
/// are suspected after either step.
#[inline(always)]
fn one<S: Simd, R: Real>(s: S, walker: &mut LaneWalker<'_, R>, end: u64) -> u16 {
    let mut generators = walker.generators.load(s);
    let [[[c, sigma], _], ..] = walker.walk.pairs[..] else { return 0 };
    let (suspicion, live) = (walker.walk.suspicion, walker.live);
    let mut now = walker.now;
    let mut y = R::load(s, &walker.y[0]);
    let zero = R::splat(s, R::ZERO);
    let suspects = loop {
        let (xi0, xi1) = lane_normal::pair(s, &mut generators);
        let first = R::step(s, y, c, sigma, xi0);
        y = R::step(s, first, c, sigma, xi1);
        now += 2;
        let inside =
            R::below(s, R::add_square(s, first, zero), suspicion) & R::below(s, R::add_square(s, y, zero), suspicion);
        let suspects = !inside & live;
        if now >= end || suspects != 0 {
            R::store(s, first, &mut walker.first);
            break suspects;
        }
    };
    walker.now = now;
    R::store(s, y, &mut walker.y[0]);
    generators.store(s, &mut walker.generators);
    suspects
}
