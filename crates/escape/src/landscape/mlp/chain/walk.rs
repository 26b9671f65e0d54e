//! Steps, one after the other: which tile goes forward while which goes back.

use super::buffers::Buffers;
use super::network::Network;
use super::pass::{Backward, Update, pass};
use super::row::Row;
use super::tile::{Tile, pieces};
use crate::simd::{Kernel, LANES, Simd};

/// Examples in a tile, at most. What more would save in loading and storing the gradient becomes little, and each takes
/// 20 KB of activations where there are 5000 hidden units. Changes no bit.
pub(super) const TILE: usize = 128;

/// Where the examples of a step, and what they count, come from.
pub(super) enum Batches<'a> {
    /// Drawn anew for each step, and all alike.
    Drawn {
        /// Fills the batch with indices of examples.
        draw: &'a mut dyn FnMut(&mut [u32]),
        /// The batch.
        batch: &'a mut [u32],
    },
    /// All examples, each with its weight.
    Weighted(&'a [f32]),
}

impl Batches<'_> {
    /// Examples in a step.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Drawn { batch, .. } => batch.len(),
            Self::Weighted(weights) => weights.len(),
        }
    }

    /// Σs of a step.
    fn total(&self) -> f64 {
        match self {
            Self::Drawn { .. } => 1.0,
            Self::Weighted(weights) => weights.iter().fold(0.0, |sum, s| sum + f64::from(*s)),
        }
    }

    #[inline(always)]
    fn load(&self, network: &Network, (start, len): (usize, usize), tile: &mut Tile) {
        match self {
            Self::Drawn { batch, .. } => {
                let s = 1.0 / batch.len() as f32;
                tile.load(network, len, |k| (batch[start + k] as usize, s));
            }
            Self::Weighted(weights) => tile.load(network, len, |k| (start + k, weights[start + k])),
        }
    }
}

/// Where steps went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Walked {
    /// Steps made.
    pub steps: u64,
    /// ‖z‖² after the last of them; NaN or infinite where z has gone out of bounds.
    pub squared_distance: f64,
    /// Whether that is not below the bound.
    pub left: bool,
}

/// Up to `steps` steps, until ‖z‖² is not below `bound`.
pub(super) struct Walk<'a, 'b> {
    pub(super) network: &'a Network,
    pub(super) buffers: &'a mut Buffers,
    pub(super) tiles: &'a mut [Tile; 2],
    pub(super) batches: Batches<'b>,
    /// At least one.
    pub(super) steps: u64,
    pub(super) drift: f32,
    pub(super) bound: f64,
}

impl Kernel for Walk<'_, '_> {
    type Output = Walked;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Walked {
        let Self { network, buffers, tiles: [first, second], mut batches, steps, drift, bound } = self;
        let (mut tile, mut next) = (first, second);
        let size = batches.size();
        let (_, most) = pieces(size, TILE).next().unwrap_or_default();
        buffers.reserve(network, most, size > TILE);
        // If the last walk ended by leaving, a batch has gone forward in vain.
        buffers.bias_slopes.fill(Row::ZERO);
        let decay = (f64::from(drift) * network.weight_decay * batches.total()) as f32;
        let update = Update { drift, decay };
        let mut done = 0;
        let mut parts = pieces(size, TILE);
        let mut back = None;
        loop {
            // The next tile: of the batch at hand, else the first of the next batch, if there is to be one.
            let mut part = parts.next();
            let ends = back.is_some() && part.is_none();
            if part.is_none() && done + 1 < steps || back.is_none() {
                if let Batches::Drawn { draw, batch } = &mut batches {
                    draw(batch);
                }
                if back.is_some() {
                    parts = pieces(size, TILE);
                    part = parts.next();
                }
            }
            if let Some(part) = part {
                batches.load(network, part, next);
            }
            let back_now = back.map(|fresh| Backward { tile: &*tile, fresh, update: ends.then_some(update) });
            let distance = pass(s, network, buffers, back_now, part.is_some().then_some(&mut *next));
            if ends {
                done += 1;
                let mut lanes = [0.0; LANES];
                s.store_d(distance, &mut lanes);
                let squared_distance = fold(lanes);
                let left = squared_distance.is_nan() || squared_distance >= bound;
                if left || done == steps {
                    return Walked { steps: done, squared_distance, left };
                }
            }
            back = Some(ends || back.is_none());
            std::mem::swap(&mut tile, &mut next);
        }
    }
}

/// The sum of sixteen, halves folded onto each other.
pub(super) fn fold(x: [f64; LANES]) -> f64 {
    let eight: [f64; 8] = std::array::from_fn(|i| x[i] + x[i + 8]);
    let four: [f64; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}
