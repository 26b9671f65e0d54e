//! Sixteen trials at a time, one a lane, on a landscape that is a sum over coordinates: a quadratic in the eigenbasis of
//! its Hessian, a double well, a quartic.
//!
//! A step moves each coordinate by itself ([`Force`], [`Noise`]); what covariance, what dynamics is in the factors. In
//! units of the domain (y = x/r on a ball, y = x √(αh/2Δ) on a sublevel set) both domains are the unit ball of a
//! quadratic, so that one kernel serves them all. A lane whose trial has ended takes the next from the queue at once.
//!
//! The kernel only *suspects*: it looks up from its registers when Σ y² comes within rounding of 1, or, where the boundary
//! is drawn in, within a step of it. Whether the trial has left is then decided in f64, by the very test of [`Boundary`],
//! on the state as it is.

use std::sync::Arc;

use super::checkpoint::{Reader, Writer, check_steps};
use super::force::Force;
use super::noise::Noise;
use super::real::Real;
use super::{Advance, Checkpoint, CheckpointError, Outcome, Queue, Simulation, Start, TrialRecord, Walker, one_nan};
use crate::domain::Boundary;
use crate::landscape::Landscape;
use crate::rng::{Lanes, StreamKey};
use crate::simd::{Isa, Kernel, LANES, Simd};

/// Coordinate steps of one lane between two looks at the queue and the clock: about a millisecond.
const WORK_BETWEEN_LOOKS: u64 = 1 << 16;

/// A walker counts its steps from here on, so that a trial that was begun elsewhere began before it, and after 0.
const EPOCH: u64 = 1 << 62;

/// A cell's trials apart from how they move: θ*, and when one has ended.
pub(crate) struct Course {
    pub(crate) landscape: Arc<dyn Landscape<Workspace = ()>>,
    pub(crate) boundary: Boundary,
    /// Where the boundary is drawn in: the s.d. of a step's noise in each coordinate of x.
    pub(crate) drawn_in: Option<Vec<f64>>,
    /// √α: z for each unit of x.
    pub(crate) stretch: f64,
    pub(crate) beta: f64,
    pub(crate) max_steps: u64,
    pub(crate) key: StreamKey,
    pub(crate) isa: Isa,
    /// x for each unit of y, in each coordinate.
    pub(crate) units: Vec<f64>,
    /// What the kernel's sum is to be below for a trial to be inside without doubt, but for rounding.
    pub(crate) inside: f64,
}

/// A cell whose states are kept in `R`.
pub(crate) struct LaneWalk<R, F, N> {
    course: Course,
    /// The forces on coordinates 2p and 2p + 1, which share a pair of normals.
    pairs: Vec<[F; 2]>,
    noise: N,
    /// The kernel's sum from which on a lane is looked at.
    suspicion: R,
}

impl<R: Real, F: Force<R>, N: Noise> LaneWalk<R, F, N> {
    /// A walk under `forces`, one a coordinate.
    pub(crate) fn new(course: Course, forces: &[F], noise: N) -> Self {
        let pairs = forces.chunks(2).map(|pair| [pair[0], pair.get(1).copied().unwrap_or(F::NONE)]).collect();
        // d roundings of f32 and some to spare; in f64 it only looks up a little early.
        let slack = (forces.len() + 8) as f64 * f64::from(f32::EPSILON);
        let suspicion = R::round(course.inside - slack * course.inside.abs());
        Self { course, pairs, noise, suspicion }
    }
}

impl<R: Real, F: Force<R>, N: Noise> Simulation for LaneWalk<R, F, N> {
    fn lanes(&self) -> usize {
        LANES
    }

    fn check(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        self.read(checkpoint).map(|_| ())
    }

    fn checkpoint_bytes(&self) -> usize {
        1 + size_of::<[u32; 4]>() + self.course.units.len() * size_of::<R>()
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
            now: EPOCH,
            deadline: u64::MAX,
            z: vec![0.0; self.course.units.len()],
            slope: vec![0.0; self.course.units.len()],
        })
    }
}

impl<R: Real, F: Force<R>, N: Noise> LaneWalk<R, F, N> {
    /// The generator and y of a trial under way.
    fn read(&self, checkpoint: &Checkpoint) -> Result<([u32; 4], Vec<R>), CheckpointError> {
        check_steps(checkpoint.steps, self.course.max_steps)?;
        let mut reader = Reader::new(R::KIND, &checkpoint.state)?;
        let mut generator = [0; 4];
        for word in &mut generator {
            *word = reader.take()?;
        }
        let mut y = vec![R::ZERO; self.course.units.len()];
        reader.take_finite(&mut y)?;
        reader.end()?;
        // Two steps a pair of normals in one dimension: a trial is never seen between them.
        let between = self.course.units.len() == 1 && !checkpoint.steps.is_multiple_of(2);
        if between || generator == [0; 4] { Err(CheckpointError::Value) } else { Ok((generator, y)) }
    }
}

struct LaneWalker<'a, R, F, N> {
    walk: &'a LaneWalk<R, F, N>,
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
    /// ∇L at z, where the boundary is drawn in.
    slope: Vec<f64>,
}

impl<R: Real, F: Force<R>, N: Noise> Walker for LaneWalker<'_, R, F, N> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        self.fill(queue);
        let (began, occupied) = (self.now, u64::from(self.live.count_ones()));
        if self.live != 0 {
            let steps = (WORK_BETWEEN_LOOKS / self.walk.course.units.len() as u64).max(2);
            self.walk.course.isa.run(Slice { walker: self, queue, finished, until: began + steps });
        }
        Advance { steps: occupied * (self.now - began), idle: self.live == 0 }
    }

    fn checkpoint(&self, into: &mut Vec<Checkpoint>) {
        into.extend(bits(self.live).map(|lane| self.write(lane)));
    }

    fn release(&mut self, leaves: &dyn Fn(u64) -> bool, into: &mut Vec<Checkpoint>) {
        for lane in bits(self.live) {
            if !leaves(self.trials[lane]) {
                continue;
            }
            into.push(self.write(lane));
            self.live &= !(1 << lane);
        }
    }
}

impl<R: Real, F: Force<R>, N: Noise> LaneWalker<'_, R, F, N> {
    /// Puts trials into the lanes that are free.
    fn fill(&mut self, queue: &dyn Queue) {
        for lane in bits(!self.live) {
            let Some(Start { trial, from }) = queue.next() else { break };
            self.live |= 1 << lane;
            self.trials[lane] = trial;
            self.began[lane] = self.now;
            let under_way = from.and_then(|from| self.walk.read(&from).ok().map(|state| (from.steps, state)));
            match under_way {
                None => {
                    self.generators.seed(lane, self.walk.course.key, trial);
                    self.y.iter_mut().for_each(|y| y[lane] = R::ZERO);
                }
                Some((steps, (generator, state))) => {
                    self.began[lane] -= steps;
                    self.generators.set(lane, generator);
                    self.y.iter_mut().zip(state).for_each(|(y, state)| y[lane] = state);
                }
            }
            self.deadline = self.deadline.min(self.began[lane].saturating_add(self.walk.course.max_steps));
        }
    }

    /// A trial under way. Where d is odd, the coordinate beyond stays 0 and is not written.
    fn write(&self, lane: usize) -> Checkpoint {
        let mut writer = Writer::new(R::KIND, self.walk.checkpoint_bytes());
        writer.put_all(self.generators.get(lane));
        writer.put_all(self.y.iter().take(self.walk.course.units.len()).map(|y| y[lane]));
        let (trial, steps) = (self.trials[lane], self.now - self.began[lane]);
        Checkpoint { trial, steps, state: writer.into_bytes() }
    }

    /// Ends those of the suspected trials that have left, and those that have reached `max_steps`; their lanes are free
    /// then. In one dimension two steps were taken since the last look: the first of them is judged before the second.
    #[inline(never)]
    fn settle(&mut self, suspects: u16, finished: &mut Vec<TrialRecord>) {
        let due = self.now >= self.deadline;
        for lane in bits(self.live & if due { u16::MAX } else { suspects }) {
            let steps = self.now - self.began[lane];
            let in_pairs = self.walk.course.units.len() == 1;
            let record = in_pairs.then(|| self.judge(lane, steps - 1, true)).flatten();
            if let Some(record) = record.or_else(|| self.judge(lane, steps, false)) {
                finished.push(record);
                self.live &= !(1 << lane);
            }
        }
        if due {
            let oldest = bits(self.live).map(|lane| self.began[lane]).min();
            self.deadline = oldest.map_or(u64::MAX, |began| began.saturating_add(self.walk.course.max_steps));
        }
    }

    /// The record of a trial, if it ended at this state.
    fn judge(&mut self, lane: usize, steps: u64, first: bool) -> Option<TrialRecord> {
        let mut square = 0.0;
        for ((z, unit), y) in self.z.iter_mut().zip(&self.walk.course.units).zip(&self.y) {
            let y = if first { self.first[lane] } else { y[lane] };
            let x = unit * y.wide();
            square += x * x;
            *z = self.walk.course.stretch * x;
        }
        let excess = self.walk.course.landscape.excess_loss(&self.z, &mut ());
        let left = self.has_left(square, excess);
        if !left && steps < self.walk.course.max_steps {
            return None;
        }
        let exit_loss = one_nan(self.walk.course.beta * excess);
        let exit_radius = one_nan(square.sqrt());
        let outcome = Outcome::of(left, exit_loss, exit_radius);
        Some(TrialRecord { trial: self.trials[lane], outcome, steps, exit_loss, exit_radius })
    }

    /// Whether the state at z has left.
    fn has_left(&mut self, square: f64, excess: f64) -> bool {
        let Course { boundary, drawn_in, landscape, stretch, .. } = &self.walk.course;
        let value = match boundary {
            Boundary::SquaredRadius(_) => square,
            Boundary::BaseExcess(_) => excess,
        };
        let Some(deviations) = drawn_in else { return boundary.left(value) };
        let along = |slopes: &[f64], unit: f64| {
            let parts = slopes.iter().zip(deviations).map(|(slope, deviation)| (unit * slope * deviation).powi(2));
            parts.sum::<f64>().sqrt()
        };
        let spread = match boundary {
            Boundary::SquaredRadius(_) => along(&self.z, 1.0 / stretch),
            Boundary::BaseExcess(_) => {
                landscape.gradient(&self.z, &mut self.slope, &mut ());
                along(&self.slope, *stretch)
            }
        };
        boundary.left_drawn_in(value, spread)
    }
}

/// The hot loop: all lanes until `until`, or until every lane is free and the queue empty.
struct Slice<'s, 'w, R, F, N> {
    walker: &'s mut LaneWalker<'w, R, F, N>,
    queue: &'s dyn Queue,
    finished: &'s mut Vec<TrialRecord>,
    until: u64,
}

impl<R: Real, F: Force<R>, N: Noise> Kernel for Slice<'_, '_, R, F, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { walker, queue, finished, until } = self;
        while walker.now < until && walker.live != 0 {
            let end = until.min(walker.deadline);
            let suspects = if walker.walk.course.units.len() == 1 { one(s, walker, end) } else { many(s, walker, end) };
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
fn many<S: Simd, R: Real, F: Force<R>, N: Noise>(s: S, walker: &mut LaneWalker<'_, R, F, N>, end: u64) -> u16 {
    let mut generators = walker.generators.load(s);
    let (pairs, suspicion, live) = (walker.walk.pairs.as_slice(), walker.walk.suspicion, walker.live);
    let noise = walker.walk.noise;
    let (states, _) = walker.y.as_chunks_mut::<2>();
    let mut now = walker.now;
    let suspects = loop {
        let mut sum = R::splat(s, R::ZERO);
        let shared = noise.share(s, &mut generators);
        for ([first, second], [force0, force1]) in states.iter_mut().zip(pairs) {
            let (xi0, xi1) = noise.pair(s, shared, &mut generators);
            let y0 = force0.step(s, R::load(s, first), xi0);
            let y1 = force1.step(s, R::load(s, second), xi1);
            R::store(s, y0, first);
            R::store(s, y1, second);
            sum = force1.add(s, y1, force0.add(s, y0, sum));
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
fn one<S: Simd, R: Real, F: Force<R>, N: Noise>(s: S, walker: &mut LaneWalker<'_, R, F, N>, end: u64) -> u16 {
    let mut generators = walker.generators.load(s);
    let [[force, _], ..] = walker.walk.pairs[..] else { return 0 };
    let (suspicion, live, noise) = (walker.walk.suspicion, walker.live, walker.walk.noise);
    let mut now = walker.now;
    let mut y = R::load(s, &walker.y[0]);
    let zero = R::splat(s, R::ZERO);
    let suspects = loop {
        let shared = noise.share(s, &mut generators);
        let (xi0, xi1) = noise.pair(s, shared, &mut generators);
        let first = force.step(s, y, xi0);
        y = force.step(s, first, xi1);
        now += 2;
        let inside = R::below(s, force.add(s, first, zero), suspicion) & R::below(s, force.add(s, y, zero), suspicion);
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
