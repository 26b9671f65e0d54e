//! A tile: the examples that go through the network side by side.
//!
//! Kernels read an example as [`Numbers`], its inputs or its classes, and broadcast from them: so the same numbers serve
//! the way forward and the way back. The same sixteen inputs of all examples make a plane. Where chains share a vector, an
//! example of a tile is one for each of them.

use std::ops::Range;

use super::network::Shared;
use super::number::Number;
use super::row::Numbers;
use crate::simd::{LANES, Simd};

/// Examples, and what comes out of the network for them.
#[derive(Debug, Clone)]
pub(super) struct Tile<N> {
    /// Examples.
    pub(super) count: usize,
    /// How they are cut into as many as a block has rows.
    pub(super) runs: [Run; 2],
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
        let runs = runs(0, 1);
        Self { count: 0, runs, inputs, labels, factors: Vec::new(), slopes: Vec::new(), keeps_outputs: false }
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
            (self.count, self.runs) = (count, runs(count, S::BLOCK_ROWS));
            self.inputs.resize(layout.input_planes() * count, Numbers::ZERO);
            self.labels.resize(count, N::ZERO);
            self.factors.resize(count, 0.0);
            // Anew, for what comes after the classes to be zeros.
            self.slopes.clear();
            self.slopes.resize(layout.class_planes() * count, Numbers::ZERO);
        }
        for (k, (label, factor)) in self.labels.iter_mut().zip(&mut self.factors).enumerate() {
            *factor = network.slope_factor * weight(k);
            for chain in 0..N::CHAINS {
                label.set(chain, network.labels[index(chain, k)]);
            }
        }
        for plane in 0..layout.input_planes() {
            let examples = &network.inputs[plane * network.labels.len()..][..network.labels.len()];
            for (k, inputs) in self.inputs[plane * count..][..count].iter_mut().enumerate() {
                N::gather(s, &mut inputs.0, |chain| &examples[index(chain, k)].0);
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

/// Pieces of one length, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where the first one begins.
    pub(super) start: usize,
    /// The length of each.
    pub(super) len: usize,
    pub(super) times: usize,
}

impl Run {
    /// All that is in the pieces, of something that has them in a row.
    #[inline(always)]
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.start + self.len * self.times
    }
}

/// Cuts `count` into as few nearly equal pieces of at most `most` as can be: the longer ones, then the shorter. Of one of
/// the two there may be none.
///
/// So a kernel for pieces of one length is called twice at most, however many there are.
#[inline(always)]
pub(super) fn runs(count: usize, most: usize) -> [Run; 2] {
    let pieces = count.div_ceil(most);
    // One is had without a division.
    let (len, longer) = if pieces <= 1 { (count, 0) } else { (count / pieces, count % pieces) };
    let longer_end = longer * (len + 1);
    [Run { start: 0, len: len + 1, times: longer }, Run { start: longer_end, len, times: pieces - longer }]
}

/// The pieces of all [`runs`]: (start, length).
#[inline(always)]
pub(super) fn pieces(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    runs(count, most)
        .into_iter()
        .flat_map(|Run { start, len, times }| (0..times).map(move |piece| (start + piece * len, len)))
}

#[cfg(test)]
mod tests {
    use super::{Run, pieces, runs};

    #[test]
    fn pieces_are_nearly_equal_and_cover_all() {
        for most in [1, 2, 6, 12] {
            for count in 0..100 {
                let all: Vec<_> = pieces(count, most).collect();
                assert_eq!(all.len(), count.div_ceil(most));
                assert!(runs(count, most).into_iter().flat_map(Run::range).eq(0..count));
                assert_eq!(all.iter().map(|(_, len)| len).sum::<usize>(), count);
                assert!(all.windows(2).all(|w| w[0].0 + w[0].1 == w[1].0 && w[0].1 - w[1].1 <= 1));
                assert!(all.iter().all(|(_, len)| (1..=most).contains(len)));
            }
        }
    }
}
