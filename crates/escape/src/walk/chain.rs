//! One trial at a time on a perceptron, in f32: the fused kernels of [`chain`](crate::landscape::mlp::chain).
//!
//! In base coordinates z = √α x a step of SGD on L_αβ is z ← z − ηαβ ∇L_B(θ* + z), so that the kernels know nothing of
//! α and β.

use std::sync::Arc;

use super::checkpoint::{Reader, Writer, check_steps};
use super::correction::Correction;
use super::four::FourWalker;
use super::gaussian::{ChainCovariance, Gaussian, GaussianSteps};
use super::{Advance, Checkpoint, CheckpointError, Outcome, Queue, Simulation, TrialRecord, Walker, one_nan};
use crate::domain::{Boundary, GOBET_MENOZZI};
use crate::dynamics::sgd::Minibatches;
use crate::landscape::mlp::Mlp;
use crate::landscape::mlp::chain::{Chain, FourChains, Pace};
use crate::rng::{Lanes, StreamKey, TRIAL_ROWS, TrialStream};
use crate::scale::Scale;
use crate::simd::{Isa, LANES};

/// What moves a chain beside the mean gradient.
#[derive(Debug, Clone)]
pub(crate) enum ChainNoise {
    /// Minibatches (Eq. 1).
    Minibatch {
        /// B; no more than there are examples.
        batch_size: usize,
    },
    /// The gradient of all examples, and Gaussian noise.
    Gaussian(Gaussian),
}

/// A cell on a perceptron.
pub(crate) struct ChainWalk {
    pub(crate) landscape: Arc<Mlp>,
    pub(crate) noise: ChainNoise,
    pub(crate) scale: Scale,
    /// h, what the gradient is multiplied with: η, or of an Euler–Maruyama scheme a part of it.
    pub(crate) step: f64,
    pub(crate) boundary: Boundary,
    /// A sublevel set is tested at every so manieth step; see [`CellProblem`](crate::problem::CellProblem).
    pub(crate) check_every: u64,
    pub(crate) max_steps: u64,
    pub(crate) key: StreamKey,
    pub(crate) isa: Isa,
}

impl Simulation for ChainWalk {
    fn lanes(&self) -> usize {
        if self.by_fours().is_some() { FourChains::CHAINS } else { 1 }
    }

    fn check(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        self.read(checkpoint).map(|_| ())
    }

    fn checkpoint_bytes(&self) -> usize {
        let words = 4 * LANES + TRIAL_ROWS * LANES;
        let memory = if self.correction().is_some() { 1 + size_of::<[f64; 2]>() } else { 0 };
        2 + 4 * words + memory + 4 * self.state_len()
    }

    fn walker(&self) -> Box<dyn Walker + '_> {
        const OPERATIONS_BETWEEN_LOOKS: u64 = 1 << 26;
        let network = self.landscape.network();
        let examples = network.examples() as u64;
        let (batch, noise) = match &self.noise {
            ChainNoise::Minibatch { batch_size } => (*batch_size as u64, 0),
            ChainNoise::Gaussian(noise) => (examples, noise.operations(network)),
        };
        // A sublevel set takes the loss over all examples, which is most of the work.
        let tested = match self.boundary {
            Boundary::SquaredRadius(_) => 0,
            Boundary::BaseExcess(_) => examples / self.check_every,
        };
        let operations = network.operations() * (batch + tested) + noise;
        let slice = (OPERATIONS_BETWEEN_LOOKS / operations.max(1)).clamp(1, 1 << 16);
        if let Some(batch_size) = self.by_fours() {
            return Box::new(FourWalker::new(self, batch_size, slice));
        }
        Box::new(ChainWalker {
            walk: self,
            chain: Chain::new(network, self.isa),
            stream: TrialStream::new(self.key, 0, self.isa),
            steps_by: match &self.noise {
                &ChainNoise::Minibatch { batch_size } => {
                    StepsBy::Minibatches { batches: Minibatches::of(network.examples() as u32), batch_size }
                }
                ChainNoise::Gaussian(noise) => {
                    StepsBy::Gaussian(Box::new(GaussianSteps::new(noise, self.scale, self.step, network, self.isa)))
                }
            },
            trial: None,
            steps: 0,
            slice,
            correction: self.correction(),
            bound: self.bound(),
            safe_square: self.safe_square(),
            z: vec![0.0; network.dim()],
        })
    }
}

/// What tells states of a chain by itself from others.
const KIND: u8 = 0x21;
/// The same of one among four.
pub(super) const KIND_OF_FOUR: u8 = 0x22;

/// A trial under way.
pub(super) struct UnderWay {
    pub(super) stream: TrialStream,
    /// What the correction remembers, where there is one.
    memory: Option<[f64; 2]>,
    /// As [`Chain::state`] has it; of a chain among four, in θ's layout.
    pub(super) z: Vec<f32>,
}

/// Writes a stream into a state.
pub(super) fn put_stream(writer: &mut Writer, stream: &TrialStream) {
    let (lanes, words, drawn) = stream.parts();
    (0..LANES).for_each(|lane| writer.put_all(lanes.get(lane)));
    writer.put_all(words.iter().copied());
    // At most 64.
    writer.put(drawn as u8);
}

impl ChainWalk {
    /// The size of a batch, where trials are walked by fours. For a cell always the same: four chains go another way
    /// than one, by some roundings.
    fn by_fours(&self) -> Option<usize> {
        match self.noise {
            ChainNoise::Minibatch { batch_size } => {
                FourChains::are_for(self.landscape.network().shape()).then_some(batch_size)
            }
            ChainNoise::Gaussian(_) => None,
        }
    }

    /// How many numbers the z of a state has.
    fn state_len(&self) -> usize {
        let network = self.landscape.network();
        if self.by_fours().is_some() { network.dim() } else { Chain::state_len(network) }
    }

    /// Takes a state over.
    pub(super) fn read(&self, checkpoint: &Checkpoint) -> Result<UnderWay, CheckpointError> {
        check_steps(checkpoint.steps, self.max_steps)?;
        let kind = if self.by_fours().is_some() { KIND_OF_FOUR } else { KIND };
        let mut reader = Reader::new(kind, &checkpoint.state)?;
        let mut lanes = Lanes::unseeded();
        for lane in 0..LANES {
            let mut generator = [0; 4];
            for word in &mut generator {
                *word = reader.take()?;
            }
            if generator == [0; 4] {
                return Err(CheckpointError::Value);
            }
            lanes.set(lane, generator);
        }
        let mut words = [0; TRIAL_ROWS * LANES];
        for word in &mut words {
            *word = reader.take()?;
        }
        let drawn: u8 = reader.take()?;
        let stream = TrialStream::from_parts(lanes, &words, usize::from(drawn), self.isa);
        let memory = if self.correction().is_some() {
            let (is_there, memory): (u8, _) = (reader.take()?, [reader.take()?, reader.take()?]);
            (is_there != 0).then_some(memory)
        } else {
            None
        };
        let mut z = vec![0.0; self.state_len()];
        reader.take_finite(&mut z)?;
        reader.end()?;
        Ok(UnderWay { stream: stream.ok_or(CheckpointError::Value)?, memory, z })
    }

    /// What minibatch gradients are multiplied with.
    pub(super) fn drift(&self) -> f32 {
        (self.step * self.scale.hessian_factor()) as f32
    }

    /// ‖z‖² below which a state is proved to be inside.
    pub(super) fn safe_square(&self) -> f64 {
        match (self.boundary, &self.noise) {
            // Inside, but for how far from the boundary nothing is proved.
            (Boundary::SquaredRadius(_), _) | (_, ChainNoise::Gaussian(Gaussian { corrected: true, .. })) => 0.0,
            (Boundary::BaseExcess(depth), _) => self.landscape.safe_radius(depth).powi(2),
        }
    }

    /// The record of a trial that ended where `chain` is. Leaves z in `z`.
    pub(super) fn record(
        &self,
        chain: &mut Chain<'_>,
        z: &mut [f64],
        trial: u64,
        steps: u64,
        left: bool,
    ) -> TrialRecord {
        let exit_loss = one_nan(self.scale.beta * chain.excess_loss());
        chain.write_displacement(z);
        let square: f64 = z.iter().map(|z| z * z).sum();
        let exit_radius = one_nan((square / self.scale.alpha).sqrt());
        let outcome = Outcome::of(left, exit_loss, exit_radius);
        TrialRecord { trial, outcome, steps, exit_loss, exit_radius }
    }

    /// ‖z‖² at which a trial has left a ball; what is not finite has left anything.
    pub(super) fn bound(&self) -> f64 {
        let Boundary::SquaredRadius(square) = self.boundary else { return f64::INFINITY };
        match &self.noise {
            // The correction is the same everywhere: c₀s.
            ChainNoise::Gaussian(Gaussian {
                covariance: ChainCovariance::Isotropic, size, corrected: true, ..
            }) => {
                let radius = (square.sqrt() - GOBET_MENOZZI * size).max(0.0);
                radius * radius * self.scale.alpha
            }
            // ‖z‖² = α‖x‖².
            _ => square * self.scale.alpha,
        }
    }

    /// The boundary correction, unless it is in the bound.
    fn correction(&self) -> Option<Box<Correction<'_>>> {
        let ChainNoise::Gaussian(noise) = &self.noise else { return None };
        let smaller_ball =
            matches!((self.boundary, &noise.covariance), (Boundary::SquaredRadius(_), ChainCovariance::Isotropic));
        (noise.corrected && !smaller_ball).then(|| Box::new(Correction::new(noise, &self.landscape, self.scale)))
    }
}

/// What makes the steps of a chain.
enum StepsBy<'a> {
    Minibatches { batches: Minibatches, batch_size: usize },
    Gaussian(Box<GaussianSteps<'a>>),
}

struct ChainWalker<'a> {
    walk: &'a ChainWalk,
    chain: Chain<'a>,
    stream: TrialStream,
    steps_by: StepsBy<'a>,
    trial: Option<u64>,
    /// Steps of the trial.
    steps: u64,
    /// Steps between two looks.
    slice: u64,
    /// Of the boundary, where it is not in `bound`.
    correction: Option<Box<Correction<'a>>>,
    /// ‖z‖² at which a trial has left.
    bound: f64,
    /// ‖z‖² below which a state is proved to be in the sublevel set.
    safe_square: f64,
    z: Vec<f64>,
}

impl Walker for ChainWalker<'_> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        let mut left = self.slice;
        while left > 0 {
            let Some(trial) = self.trial.or_else(|| self.begin(queue)) else { break };
            let steps = left.min(self.walk.max_steps - self.steps);
            let (made, has_left) = self.go(steps);
            self.steps += made;
            left -= made;
            if has_left || self.steps == self.walk.max_steps {
                finished.push(self.walk.record(&mut self.chain, &mut self.z, trial, self.steps, has_left));
                self.trial = None;
            }
        }
        Advance { steps: self.slice - left, idle: self.trial.is_none() && left > 0 }
    }

    fn checkpoint(&self, into: &mut Vec<Checkpoint>) {
        into.extend(self.trial.map(|trial| self.write(trial)));
    }

    fn release(&mut self, leaves: &dyn Fn(u64) -> bool, into: &mut Vec<Checkpoint>) {
        let leaving = self.trial.take_if(|trial| leaves(*trial));
        into.extend(leaving.map(|trial| self.write(trial)));
    }
}

impl ChainWalker<'_> {
    fn begin(&mut self, queue: &dyn Queue) -> Option<u64> {
        let start = queue.next()?;
        self.trial = Some(start.trial);
        let under_way = start.from.and_then(|from| self.walk.read(&from).ok().map(|state| (from.steps, state)));
        let memory = match under_way {
            None => {
                self.chain.restart();
                self.stream = TrialStream::new(self.walk.key, start.trial, self.walk.isa);
                self.steps = 0;
                None
            }
            Some((steps, UnderWay { stream, memory, z })) => {
                self.chain.read_state(&z);
                self.stream = stream;
                self.steps = steps;
                memory
            }
        };
        if let Some(correction) = &mut self.correction {
            correction.remember(memory);
        }
        self.trial
    }

    fn write(&self, trial: u64) -> Checkpoint {
        let mut writer = Writer::new(KIND, self.walk.checkpoint_bytes());
        put_stream(&mut writer, &self.stream);
        if let Some(correction) = &self.correction {
            let memory = correction.memory();
            writer.put(u8::from(memory.is_some()));
            writer.put_all(memory.unwrap_or_default());
        }
        writer.put_all(self.chain.state());
        Checkpoint { trial, steps: self.steps, state: writer.into_bytes() }
    }

    /// Goes on for up to so many steps; how many were made, and whether the last of them left D.
    fn go(&mut self, steps: u64) -> (u64, bool) {
        match self.walk.boundary {
            Boundary::SquaredRadius(_) if self.correction.is_some() => {
                // Whether the boundary is near is asked after every step.
                let (_, square) = self.step(1);
                (1, self.leaves_ball(square))
            }
            Boundary::SquaredRadius(_) => {
                let (made, square) = self.step(steps);
                (made, self.leaves_ball(square))
            }
            Boundary::BaseExcess(depth) => {
                let every = self.walk.check_every;
                let (made, square) = self.step(steps.min(every - self.steps % every));
                // A state that is not finite can stop the kernel before the next test is due: it has left.
                let overflowed = Boundary::SquaredRadius(self.bound).left(square);
                let due = (self.steps + made).is_multiple_of(every);
                let proved_inside = square < self.safe_square;
                (made, overflowed || due && !proved_inside && self.leaves_sublevel(depth))
            }
        }
    }

    /// Whether a chain at this ‖z‖² has left the ball.
    fn leaves_ball(&mut self, square: f64) -> bool {
        Boundary::SquaredRadius(self.bound).left(square)
            || self.correction.as_mut().is_some_and(|c| c.leaves_ball(&self.chain, square, self.bound.sqrt()))
    }

    /// Whether the chain has left the sublevel set of that depth.
    fn leaves_sublevel(&mut self, depth: f64) -> bool {
        let excess = self.chain.excess_loss();
        self.walk.boundary.left(excess)
            || self.correction.as_mut().is_some_and(|c| c.leaves_sublevel(&self.chain, excess, depth))
    }

    /// Up to so many steps, until ‖z‖² is not below the bound; how many were made, and ‖z‖² then.
    fn step(&mut self, steps: u64) -> (u64, f64) {
        let Self { walk, chain, stream, steps_by, bound, .. } = self;
        let bound = *bound;
        match steps_by {
            StepsBy::Minibatches { batches, batch_size } => {
                let pace = Pace { steps, batch_size: *batch_size, drift: walk.drift(), bound };
                let walked = chain.walk(pace, &mut |batch| batches.draw(batch, |n| stream.below(n)));
                (walked.steps, walked.squared_distance)
            }
            StepsBy::Gaussian(gaussian) => {
                let mut square = f64::NAN;
                for made in 1..=steps {
                    square = gaussian.step(chain, stream);
                    if Boundary::SquaredRadius(bound).left(square) {
                        return (made, square);
                    }
                }
                (steps, square)
            }
        }
    }
}
