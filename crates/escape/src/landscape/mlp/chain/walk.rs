//! Steps, one after the other: which tile goes forward while which goes back.

use super::batches::Batches;
use super::buffers::Buffers;
use super::network::Shared;
use super::number::Number;
use super::pass::{Backward, Update, pass};
use super::row::Numbers;
use super::tile::{Tile, pieces};
use crate::simd::{Kernel, LANES, Simd};

/// Examples in a tile, at most. What more would save in loading and storing the gradient becomes little, and each takes
/// 20 KB of activations where there are 5000 hidden units. Changes no bit.
pub(super) const TILE: usize = 128;

/// Where steps went, of all chains that share a vector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Went {
    /// Steps made.
    pub(super) steps: u64,
    /// ‖z‖² of each chain after the last of them; NaN or infinite where z has gone out of bounds.
    pub(super) squares: [f64; 4],
    /// The chains where that is not below the bound, of those that count: a bit for each.
    pub(super) left: u8,
}

impl Went {
    /// Where `chains` are after so many steps.
    #[inline(always)]
    pub(super) fn to<S: Simd, N: Number>(s: S, steps: u64, distance: S::D, bound: f64, chains: u8) -> Self {
        let mut lanes = [0.0; LANES];
        s.store_d(distance, &mut lanes);
        let squares = N::fold_d(lanes);
        let mut left = 0;
        for (chain, square) in squares.iter().enumerate().take(N::CHAINS) {
            left |= u8::from(square.is_nan() || *square >= bound) << chain;
        }
        Self { steps, squares, left: left & chains }
    }
}

/// Up to `steps` steps, until ‖z‖² of a chain is not below `bound`.
pub(super) struct Walk<'a, 'b, N> {
    pub(super) network: &'a Shared<N>,
    pub(super) buffers: &'a mut Buffers<N>,
    pub(super) tiles: &'a mut [Tile<N>; 2],
    pub(super) batches: Batches<'b>,
    /// At least one.
    pub(super) steps: u64,
    pub(super) drift: f32,
    pub(super) bound: f64,
}

impl<N: Number> Kernel for Walk<'_, '_, N> {
    type Output = Went;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Went {
        let Self { network, buffers, tiles: [first, second], mut batches, steps, drift, bound } = self;
        let (mut tile, mut next) = (first, second);
        let size = batches.size();
        let (_, most) = pieces(size, TILE).next().unwrap_or_default();
        buffers.reserve(network, most, size > TILE);
        // If the last walk ended by leaving, a batch has gone forward in vain.
        buffers.bias_slopes.fill(Numbers::ZERO);
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
                batches.draw();
                if back.is_some() {
                    parts = pieces(size, TILE);
                    part = parts.next();
                }
            }
            if let Some(part) = part {
                batches.load(s, network, part, next);
            }
            let back_now = back.map(|fresh| Backward { tile: &*tile, fresh, update: ends.then_some(update) });
            pass(s, network, buffers, back_now, part.is_some().then_some(&mut *next));
            if ends {
                done += 1;
                let went = Went::to::<S, N>(s, done, s.load_d(&buffers.squares), bound, batches.chains());
                if went.left != 0 || done == steps {
                    batches.end(done < steps, went.left);
                    return went;
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
