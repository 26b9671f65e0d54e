//! A tile: the examples that go through the network side by side.
//!
//! They are cut into chunks of up to twelve, as many as fit into a register block. What the kernels read of a chunk is
//! transposed: a [`Row`] for each input, or class, with the chunk's examples in its lanes. So a kernel finds what it
//! broadcasts at fixed distances, be it one input of twelve examples or twelve inputs of one example.

use super::network::Network;
use super::row::Row;
use crate::simd::{LANES, MAX_BLOCK_ROWS};

/// Consecutive examples of a tile.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chunk {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// Examples, and what comes out of the network for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tile {
    pub(super) chunks: Vec<Chunk>,
    /// x, `[chunks][inputs + 1]`; the last is 1, which b₁ is the weight of.
    pub(super) inputs: Vec<Row>,
    /// 1 for the class of the example, `[chunks][classes]`.
    pub(super) targets: Vec<Row>,
    /// (2/C)·s, `[chunks]`; 0 where a lane has no example.
    pub(super) factors: Vec<Row>,
    /// g = (2/C)·s·(f − target), `[chunks][classes]`.
    pub(super) slopes: Vec<Row>,
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

impl Tile {
    /// Loads `count` examples: `example` gives the index of each, and its s.
    #[inline(always)]
    pub(super) fn load(&mut self, network: &Network, count: usize, example: impl Fn(usize) -> (usize, f32)) {
        let (first_rows, classes) = (network.layout.first_rows(), network.layout.shape.classes);
        let inputs = network.layout.shape.inputs;
        self.chunks.clear();
        self.chunks.extend(pieces(count, MAX_BLOCK_ROWS).map(|(start, len)| Chunk { start, len }));
        let chunks = self.chunks.len();
        if self.factors.len() < chunks {
            self.inputs.resize(chunks * first_rows, Row([1.0; LANES]));
            self.targets.resize(chunks * classes, Row::ZERO);
            self.slopes.resize(chunks * classes, Row::ZERO);
            self.factors.resize(chunks, Row::ZERO);
        }
        let factor = 2.0 / classes as f32;
        for (at, chunk) in self.chunks.iter().enumerate() {
            let x = &mut self.inputs[at * first_rows..][..inputs];
            let target = &mut self.targets[at * classes..][..classes];
            let factors = &mut self.factors[at];
            target.fill(Row::ZERO);
            *factors = Row::ZERO;
            for lane in 0..chunk.len {
                let (index, s) = example(chunk.start + lane);
                let features = &network.inputs[index * inputs..][..inputs];
                for (x, feature) in x.iter_mut().zip(features) {
                    x.0[lane] = *feature;
                }
                target[network.labels[index] as usize].0[lane] = 1.0;
                factors.0[lane] = factor * s;
            }
        }
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
