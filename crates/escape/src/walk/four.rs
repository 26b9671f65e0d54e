//! Four trials of minibatch SGD at a time on a small perceptron, in f32: the kernels of
//! [`FourChains`](crate::landscape::mlp::chain::FourChains).
//!
//! All four take a step together. A place whose trial has ended takes the next from the queue at once; where a trial
//! goes does not depend on the others.

use super::chain::{ChainWalk, KIND_OF_FOUR, UnderWay, put_stream};
use super::checkpoint::Writer;
use super::{Advance, Checkpoint, Queue, Simulation, Start, TrialRecord, Walker};
use crate::domain::Boundary;
use crate::dynamics::sgd::Minibatches;
use crate::landscape::mlp::chain::{Chain, FourChains, Pace};
use crate::rng::TrialStream;

/// Trials at a time.
const CHAINS: usize = FourChains::CHAINS;

/// A trial that one of the four chains is.
struct Place {
    stream: TrialStream,
    trial: u64,
    /// Steps of the trial.
    steps: u64,
}

pub(super) struct FourWalker<'a> {
    walk: &'a ChainWalk,
    chains: FourChains<'a>,
    batches: Minibatches,
    places: [Option<Place>; CHAINS],
    pace: Pace,
    /// Steps between two looks.
    slice: u64,
    /// ‖z‖² below which a state is proved to be in the sublevel set.
    safe_square: f64,
    /// What losses are taken with.
    chain: Chain<'a>,
    z: Vec<f64>,
}

impl<'a> FourWalker<'a> {
    /// With batches of so many examples. A chain by itself makes `slice` steps in about a millisecond; four make half as
    /// many each.
    pub(super) fn new(walk: &'a ChainWalk, batch_size: usize, slice: u64) -> Self {
        let network = walk.landscape.network();
        let slice = (slice / 2).max(1);
        Self {
            walk,
            chains: FourChains::new(network, walk.isa),
            batches: Minibatches::of(network.examples() as u32),
            places: Default::default(),
            pace: Pace { steps: slice, batch_size, drift: walk.drift(), bound: walk.bound() },
            slice,
            safe_square: walk.safe_square(),
            chain: Chain::new(network, walk.isa),
            z: vec![0.0; network.dim()],
        }
    }

    /// Puts trials where none is.
    fn fill(&mut self, queue: &dyn Queue) {
        for (chain, place) in self.places.iter_mut().enumerate().filter(|(_, place)| place.is_none()) {
            let Some(Start { trial, from }) = queue.next() else { break };
            let under_way = from.and_then(|from| self.walk.read(&from).ok().map(|state| (from.steps, state)));
            let (steps, stream) = match under_way {
                None => {
                    self.chains.restart(chain);
                    (0, TrialStream::new(self.walk.key, trial, self.walk.isa))
                }
                Some((steps, UnderWay { stream, z, .. })) => {
                    self.z.iter_mut().zip(z).for_each(|(wide, z)| *wide = f64::from(z));
                    self.chains.read_displacement(chain, &self.z);
                    (steps, stream)
                }
            };
            *place = Some(Place { stream, trial, steps });
        }
    }

    /// Up to so many steps of all trials, until one of them is to be looked at; how many were made, and ‖z‖² then.
    fn go(&mut self, most: u64) -> (u64, [f64; CHAINS]) {
        let Self { walk, chains, batches, places, pace, .. } = self;
        let due = |place: &Place| {
            let every = if let Boundary::BaseExcess(_) = walk.boundary { walk.check_every } else { u64::MAX };
            (walk.max_steps - place.steps).min(every - place.steps % every)
        };
        let steps = places.iter().flatten().map(due).fold(most, u64::min);
        let live = places.iter().enumerate().fold(0, |live, (chain, place)| live | u8::from(place.is_some()) << chain);
        let walked = chains.walk(Pace { steps, ..*pace }, live, &mut |chain, batch| {
            if let Some(place) = &mut places[chain] {
                batches.draw(batch, |n| place.stream.below(n));
            }
        });
        places.iter_mut().flatten().for_each(|place| place.steps += walked.steps);
        (walked.steps, walked.squared_distances)
    }

    /// The record of the trial of a chain that is at this ‖z‖², if it has ended.
    fn judge(&mut self, chain: usize, square: f64) -> Option<TrialRecord> {
        let &Place { trial, steps, .. } = self.places[chain].as_ref()?;
        let overflowed = Boundary::SquaredRadius(self.pace.bound).left(square);
        let due = matches!(self.walk.boundary, Boundary::BaseExcess(_)) && steps.is_multiple_of(self.walk.check_every);
        let proved_inside = square < self.safe_square;
        let suspect = due && !proved_inside;
        let ends = steps == self.walk.max_steps;
        if !(overflowed || suspect || ends) {
            return None;
        }
        self.chains.write_displacement(chain, &mut self.z);
        self.chain.read_displacement(&self.z);
        let left = overflowed || suspect && self.walk.boundary.left(self.chain.excess_loss());
        (left || ends).then(|| self.walk.record(&mut self.chain, &mut self.z, trial, steps, left))
    }

    fn write(&self, chain: usize, place: &Place) -> Checkpoint {
        let mut writer = Writer::new(KIND_OF_FOUR, self.walk.checkpoint_bytes());
        put_stream(&mut writer, &place.stream);
        let mut z = vec![0.0; self.z.len()];
        self.chains.write_displacement(chain, &mut z);
        writer.put_all(z.into_iter().map(|z| z as f32));
        Checkpoint { trial: place.trial, steps: place.steps, state: writer.into_bytes() }
    }
}

impl Walker for FourWalker<'_> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        let (mut left, mut steps) = (self.slice, 0);
        while left > 0 {
            self.fill(queue);
            let live = self.places.iter().flatten().count() as u64;
            if live == 0 {
                break;
            }
            let (made, squares) = self.go(left);
            left -= made;
            steps += made * live;
            for (chain, square) in squares.into_iter().enumerate() {
                if let Some(record) = self.judge(chain, square) {
                    finished.push(record);
                    self.places[chain] = None;
                }
            }
        }
        Advance { steps, idle: left > 0 }
    }

    fn checkpoint(&self, into: &mut Vec<Checkpoint>) {
        let places = self.places.iter().enumerate();
        into.extend(places.filter_map(|(chain, place)| place.as_ref().map(|place| self.write(chain, place))));
    }

    fn release(&mut self, leaves: &dyn Fn(u64) -> bool, into: &mut Vec<Checkpoint>) {
        for chain in 0..CHAINS {
            if let Some(place) = self.places[chain].take_if(|place| leaves(place.trial)) {
                into.push(self.write(chain, &place));
            }
        }
    }
}
