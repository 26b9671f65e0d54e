//! A tile: the examples that go through the network side by side.
//!
//! Kernels read an example as [`Row`]s with its inputs, or its classes, in the lanes, and broadcast from them: so the
//! same row serves the way forward and the way back. Rows of the same sixteen inputs of all examples make a plane.

use super::network::Network;
use super::row::Row;

/// Examples, and what comes out of the network for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tile {
    /// Examples.
    pub(super) count: usize,
    /// x, and after it 1: `[planes][count]`.
    pub(super) inputs: Vec<Row>,
    pub(super) labels: Vec<u32>,
    /// (2/C)·s, or s with cross-entropy.
    pub(super) factors: Vec<f32>,
    /// g = (2/C)·s·(f − target), or s·(softmax f − target), and zeros after it: `[planes][count]`.
    pub(super) slopes: Vec<Row>,
    /// Whether, with cross-entropy, f itself is wanted in their place.
    pub(super) keeps_outputs: bool,
}

impl Tile {
    /// Loads `count` examples: `example` gives the index of each, and its s.
    #[inline(always)]
    pub(super) fn load(&mut self, network: &Network, count: usize, example: impl Fn(usize) -> (usize, f32)) {
        let layout = network.layout;
        if self.count != count {
            self.count = count;
            self.inputs.resize(layout.input_planes() * count, Row::ZERO);
            self.labels.resize(count, 0);
            self.factors.resize(count, 0.0);
            self.slopes.resize(layout.class_planes() * count, Row::ZERO);
        }
        let factor = network.slope_factor;
        for k in 0..count {
            let (index, s) = example(k);
            for plane in 0..layout.input_planes() {
                self.inputs[plane * count + k] = network.inputs[plane * network.labels.len() + index];
            }
            self.labels[k] = network.labels[index];
            self.factors[k] = factor * s;
        }
    }
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
