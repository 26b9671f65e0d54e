//! Where the examples of a step, and what they count, come from.

use super::network::Shared;
use super::number::Number;
use super::tile::Tile;
use crate::simd::Simd;

/// The examples of each step.
pub(super) enum Batches<'a> {
    /// Drawn anew for each step, and all alike.
    Drawn(Draws<'a>),
    /// All examples, each with its weight; of one chain.
    Weighted(&'a [f32]),
}

/// Batches that are drawn, of each chain by itself.
pub(super) struct Draws<'a> {
    /// Fills the batch of a chain with indices of examples.
    pub(super) draw: &'a mut dyn FnMut(usize, &mut [u32]),
    /// `[chains][size]`.
    pub(super) batches: &'a mut [u32],
    pub(super) size: usize,
    /// The chains that count, a bit for each.
    pub(super) chains: u8,
    /// Those of which a batch is drawn for a step that is still to come.
    pub(super) drawn: &'a mut u8,
}

impl Draws<'_> {
    /// Draws the next batch, where it is not drawn yet.
    #[inline(always)]
    pub(super) fn draw(&mut self) {
        for (chain, batch) in self.batches.chunks_exact_mut(self.size).enumerate() {
            if (self.chains & !*self.drawn) >> chain & 1 == 1 {
                (self.draw)(chain, batch);
            }
        }
        *self.drawn = 0;
    }

    /// After the last step: whether a batch is drawn beyond it, and which chains have left and have no use for it.
    pub(super) fn end(&mut self, is_drawn: bool, left: u8) {
        *self.drawn = if is_drawn { self.chains & !left } else { 0 };
    }
}

impl Batches<'_> {
    /// Examples in a step.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Drawn(draws) => draws.size,
            Self::Weighted(weights) => weights.len(),
        }
    }

    /// The chains that count.
    pub(super) fn chains(&self) -> u8 {
        match self {
            Self::Drawn(draws) => draws.chains,
            Self::Weighted(_) => 1,
        }
    }

    /// Σs of a step.
    pub(super) fn total(&self) -> f64 {
        match self {
            Self::Drawn(_) => 1.0,
            Self::Weighted(weights) => weights.iter().fold(0.0, |sum, s| sum + f64::from(*s)),
        }
    }

    /// See [`Draws::draw`].
    #[inline(always)]
    pub(super) fn draw(&mut self) {
        if let Self::Drawn(draws) = self {
            draws.draw();
        }
    }

    /// See [`Draws::end`].
    pub(super) fn end(&mut self, is_drawn: bool, left: u8) {
        if let Self::Drawn(draws) = self {
            draws.end(is_drawn, left);
        }
    }

    /// Loads a part of the batch.
    #[inline(always)]
    pub(super) fn load<S: Simd, N: Number>(
        &self,
        s: S,
        network: &Shared<N>,
        (start, len): (usize, usize),
        tile: &mut Tile<N>,
    ) {
        match self {
            Self::Drawn(Draws { batches, size, .. }) => {
                let weight = 1.0 / *size as f32;
                tile.load(s, network, len, |chain, k| batches[chain * size + start + k] as usize, |_| weight);
            }
            Self::Weighted(weights) => tile.load(s, network, len, |_, k| start + k, |k| weights[start + k]),
        }
    }
}
