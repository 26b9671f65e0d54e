//! Minibatch SGD, Eq. 1: θ ← θ − η ∇L_B(θ), with B examples drawn anew for each step, without replacement within it.

use super::{State, Step};
use crate::landscape::ExampleLoss;
use crate::scale::Scale;

/// SGD with minibatches of a fixed size.
pub struct Sgd {
    stretch: f64,
    /// ηβ√α: the step along −∇L_B of the base landscape.
    drift: f64,
    batch_size: u32,
    examples: u32,
}

impl Sgd {
    /// `None` unless 1 ≤ `batch_size` ≤ `examples`.
    pub fn new(scale: Scale, eta: f64, batch_size: u64, examples: usize) -> Option<Self> {
        let examples = u32::try_from(examples).ok()?;
        let batch_size = u32::try_from(batch_size).ok().filter(|b| (1..=examples).contains(b))?;
        Some(Self { stretch: scale.stretch(), drift: eta * scale.gradient_factor(), batch_size, examples })
    }
}

/// Draws minibatches: each subset of the examples as likely as any other, by Floyd's algorithm, which takes as many
/// uniform integers as the batch has examples and rejects none.
pub(crate) struct Minibatches {
    examples: u32,
    /// A bit for each example: so few bytes that they stay in the cache that is nearest.
    drawn: Vec<u64>,
}

impl Minibatches {
    /// Of `examples` examples.
    pub(crate) fn of(examples: u32) -> Self {
        Self { examples, drawn: vec![0; examples.div_ceil(u64::BITS) as usize] }
    }

    /// Fills `batch`, which is no longer than there are examples, with different indices; `below(n)` is uniform on 0..n.
    #[inline]
    pub(crate) fn draw(&mut self, batch: &mut [u32], mut below: impl FnMut(u64) -> u64) {
        if let [index] = batch {
            *index = below(u64::from(self.examples)) as u32;
            return;
        }
        let first = self.examples - batch.len() as u32;
        for (slot, last) in batch.iter_mut().zip(first..self.examples) {
            let candidate = below(u64::from(last) + 1) as u32;
            let is_drawn = self.drawn[(candidate / u64::BITS) as usize] >> (candidate % u64::BITS) & 1 == 1;
            let index = if is_drawn { last } else { candidate };
            self.drawn[(index / u64::BITS) as usize] |= 1 << (index % u64::BITS);
            *slot = index;
        }
        for &index in &*batch {
            self.drawn[(index / u64::BITS) as usize] = 0;
        }
    }
}

/// A thread's buffers.
pub struct Minibatch {
    indices: Vec<u32>,
    batches: Minibatches,
}

impl<L: ExampleLoss> Step<L> for Sgd {
    type Scratch = Minibatch;

    fn scratch(&self) -> Minibatch {
        Minibatch { indices: vec![0; self.batch_size as usize], batches: Minibatches::of(self.examples) }
    }

    fn step(&self, landscape: &L, state: &mut State<L>, minibatch: &mut Minibatch) {
        minibatch.batches.draw(&mut minibatch.indices, |n| state.stream.below(n));
        landscape.minibatch_gradient(&state.z, &minibatch.indices, &mut state.gradient, &mut state.workspace);
        for ((x, z), g) in state.x.iter_mut().zip(&mut state.z).zip(&state.gradient) {
            *x -= self.drift * g;
            *z = self.stretch * *x;
        }
    }

    fn spread(&self, _: &L, _: &mut State<L>, _: &[f64], _: &mut Minibatch) -> f64 {
        // SGD has no time between its steps.
        0.0
    }

    fn work(&self, landscape: &L) -> u64 {
        6 * landscape.dim() as u64 * u64::from(self.batch_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, StreamKey};

    /// H0: all C(5, 2) = 10 pairs are equally likely. n = 200,000. Chi-square with 9 degrees of freedom exceeds 46 with
    /// probability 6e-7.
    #[test]
    fn every_subset_is_equally_likely() {
        let mut batches = Minibatches::of(5);
        let mut stream = Stream::new(StreamKey::derive(1, 2), 3);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..200_000 {
            let mut pair = [0; 2];
            batches.draw(&mut pair, |n| stream.below(n));
            pair.sort_unstable();
            assert_ne!(pair[0], pair[1]);
            *counts.entry(pair).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 10);
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - 2e4).powi(2) / 2e4).sum();
        assert!(chi2 < 46.0, "{counts:?}: {chi2}");
    }

    #[test]
    fn a_batch_of_all_examples_holds_each_once() {
        let (mut stream, mut batch) = (Stream::new(StreamKey::derive(1, 2), 3), [0; 50]);
        Minibatches::of(50).draw(&mut batch, |n| stream.below(n));
        batch.sort_unstable();
        assert!(batch.into_iter().eq(0..50));
    }

    #[test]
    fn impossible_batches_are_refused() {
        let scale = Scale { alpha: 1.0, beta: 1.0 };
        assert!(Sgd::new(scale, 0.1, 0, 10).is_none());
        assert!(Sgd::new(scale, 0.1, 11, 10).is_none());
        assert!(Sgd::new(scale, 0.1, 10, 10).is_some());
    }
}
