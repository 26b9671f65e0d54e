//! A tile: the examples that go through the network side by side.
//!
//! Kernels read an example as [`Numbers`], its inputs or its classes, and broadcast from them: so the same numbers serve
//! the way forward and the way back. The same sixteen inputs of all examples make a plane. Where chains share a vector, an
//! example of a tile is one for each of them.

use super::network::Shared;
use super::number::Number;
use super::row::Numbers;
use crate::simd::{LANES, Simd};

/// Examples, and what comes out of the network for them.
#[derive(Debug, Clone)]
pub(super) struct Tile<N> {
    /// Examples.
    pub(super) count: usize,
    /// x, and after it 1: `[planes][count]`.
    pub(super) inputs: Vec<Numbers<N>>,
    /// The class of each example.
    pub(super) labels: Vec<N>,
    /// (2/C)·s, or s with cross-entropy.
    pub(super) factors: Vec<f32>,
    /// g = (2/C)·s·(f − target), or s·(softmax f − target), and zeros after it: `[planes][count]`.
    pub(super) slopes: Vec<Numbers<N>>,
    /// Whether, with cross-entropy, f itself is wanted in their place.
    pub(super) keeps_outputs: bool,
}

impl<N: Number> Tile<N> {
    /// Without examples.
    pub(super) fn new() -> Self {
        let (inputs, labels) = (Vec::new(), Vec::new());
        Self { count: 0, inputs, labels, factors: Vec::new(), slopes: Vec::new(), keeps_outputs: false }
    }

    /// Loads `count` examples: `index` gives that of each for a chain, and `weight` what it counts, s.
    #[inline(always)]
    pub(super) fn load<S: Simd>(
        &mut self,
        s: S,
        network: &Shared<N>,
        count: usize,
        index: impl Fn(usize, usize) -> usize,
        weight: impl Fn(usize) -> f32,
    ) {
        let layout = network.layout;
        if self.count != count {
            self.count = count;
            self.inputs.resize(layout.input_planes() * count, Numbers::ZERO);
            self.labels.resize(count, N::ZERO);
            self.factors.resize(count, 0.0);
            self.slopes.resize(layout.class_planes() * count, Numbers::ZERO);
        }
        for k in 0..count {
            self.factors[k] = network.slope_factor * weight(k);
            for plane in 0..layout.input_planes() {
                let inputs = &network.inputs[plane * network.labels.len()..][..network.labels.len()];
                N::gather(s, &mut self.inputs[plane * count + k].0, |chain| &inputs[index(chain, k)].0);
            }
            for chain in 0..N::CHAINS {
                self.labels[k].set(chain, network.labels[index(chain, k)]);
            }
        }
    }
}

/// onehot y of the classes in one of the vectors of a plane, y being the class of each chain's example.
#[inline(always)]
pub(super) fn target<S: Simd, N: Number>(s: S, label: N, plane: usize, part: usize) -> S::F {
    let first = (plane * LANES + part * N::UNITS) as f32;
    let unit = s.sub(label.in_all_units(s), s.splat(first));
    s.select(s.eq(unit, s.load(&N::UNIT_NUMBERS)), s.splat(1.0), s.splat(0.0))
}

/// Cuts `count` into as few nearly equal pieces of at most `most` as can be.
#[inline(always)]
pub(super) fn pieces(count: usize, most: usize) -> Pieces {
    Pieces { start: 0, count, most }
}

/// The pieces that are left: (start, length).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces {
    start: usize,
    count: usize,
    most: usize,
}

impl Iterator for Pieces {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        let left = self.count - self.start;
        if left == 0 {
            return None;
        }
        let len = if left <= self.most { left } else { left.div_ceil(left.div_ceil(self.most)) };
        self.start += len;
        Some((self.start - len, len))
    }
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_are_nearly_equal_and_cover_all() {
        for most in [1, 2, 6, 12] {
            for count in 0..100 {
                let all: Vec<_> = pieces(count, most).collect();
                assert_eq!(all.len(), count.div_ceil(most));
                assert_eq!(all.iter().map(|(_, len)| len).sum::<usize>(), count);
                assert!(all.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0 && w[0].1 - w[1].1 <= 1));
                assert!(all.iter().all(|(_, len)| (1..=most).contains(len)));
            }
        }
    }
}
