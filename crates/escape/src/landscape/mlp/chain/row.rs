//! Sixteen numbers on cache lines of their own, and how long vectors of them are laid out.

use super::number::Number;
use crate::landscape::mlp::Shape;
use crate::simd::LANES;

/// Sixteen numbers: the inputs of an example, say, or of four. Aligned, so that no load touches two cache lines.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Numbers<N>(pub(super) [N; LANES]);

impl<N: Number> Numbers<N> {
    pub(super) const ZERO: Self = Self([N::ZERO; LANES]);

    /// As vectors, of each chain in its lanes.
    #[inline(always)]
    pub(super) fn rows(&self) -> &[[f32; LANES]] {
        N::rows(&self.0)
    }

    /// See [`Self::rows`].
    #[inline(always)]
    pub(super) fn rows_mut(&mut self) -> &mut [[f32; LANES]] {
        N::rows_mut(&mut self.0)
    }
}

/// One row of a group of hidden units: their weights of one input, say.
pub(super) type Row = Numbers<f32>;

/// Two groups of hidden units side by side make a strip, the unit that a pass works on: whatever is loaded for one
/// group serves both. The last strip is narrow where the number of groups is odd.
///
/// A group is a vector: sixteen units, or four units of four chains ([`Number`]). A strip is `[inputs + 1 + classes]`
/// rows: W₁ of each input, b₁, W₂ of each class, with a [`Row`] for each of its groups in each. Where hidden units do not
/// fill up the last group, the lanes left over hold zeros, and stay so: their φ is 0, and so is all that reaches them from
/// the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    /// Groups of hidden units.
    pub(super) groups: usize,
    /// Chains that share a vector.
    chains: usize,
}

impl Layout {
    pub(super) fn new<N: Number>(shape: Shape) -> Self {
        Self { shape, groups: shape.hidden.div_ceil(N::UNITS), chains: N::CHAINS }
    }

    /// W₁ and b₁: rows of the first layer.
    #[inline(always)]
    pub(super) fn first_rows(self) -> usize {
        self.shape.inputs + 1
    }

    /// Rows of a strip.
    #[inline(always)]
    pub(super) fn rows(self) -> usize {
        self.first_rows() + self.shape.classes
    }

    /// Strips, the narrow one included.
    #[inline(always)]
    pub(super) fn strips(self) -> usize {
        self.groups.div_ceil(2)
    }

    /// Groups in a strip.
    #[inline(always)]
    pub(super) fn width(self, strip: usize) -> usize {
        (self.groups - 2 * strip).min(2)
    }

    /// [`Numbers`] of the inputs of an example, with the 1 that goes with b₁.
    #[inline(always)]
    pub(super) fn input_planes(self) -> usize {
        self.first_rows().div_ceil(LANES)
    }

    /// [`Numbers`] of the classes.
    #[inline(always)]
    pub(super) fn class_planes(self) -> usize {
        self.shape.classes.div_ceil(LANES)
    }

    /// All strips, as zeros.
    pub(super) fn zeros(self) -> Vec<Row> {
        vec![Row::ZERO; self.groups * self.rows()]
    }

    /// Calls `each` with the place of every number of a chain's θ in the strips, and in θ; b₂ is not among them.
    pub(super) fn places(self, chain: usize, mut each: impl FnMut(usize, usize, usize)) {
        let units = LANES / self.chains;
        for row in 0..self.rows() {
            for unit in 0..self.shape.hidden {
                let strip = unit / (2 * units);
                let group = unit / units % 2;
                let at = strip * 2 * self.rows() + row * self.width(strip) + group;
                each(at, unit % units * self.chains + chain, row * self.shape.hidden + unit);
            }
        }
    }

    /// Takes over a vector in θ's layout, for one chain: strips, and b₂.
    pub(super) fn pack<N: Number>(self, chain: usize, theta: &[f64], strips: &mut [Row], bias: &mut [Numbers<N>]) {
        self.places(chain, |row, lane, at| strips[row].0[lane] = theta[at] as f32);
        for (class, x) in theta[self.rows() * self.shape.hidden..].iter().enumerate() {
            bias[class / LANES].0[class % LANES].set(chain, *x as f32);
        }
    }

    /// Gives back a vector of one chain in θ's layout.
    pub(super) fn unpack<N: Number>(self, chain: usize, strips: &[Row], bias: &[Numbers<N>], theta: &mut [f64]) {
        self.places(chain, |row, lane, at| theta[at] = f64::from(strips[row].0[lane]));
        for (class, x) in theta[self.rows() * self.shape.hidden..].iter_mut().enumerate() {
            *x = f64::from(bias[class / LANES].0[class % LANES].get(chain));
        }
    }
}
