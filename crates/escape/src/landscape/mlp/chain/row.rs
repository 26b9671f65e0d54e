//! Sixteen f32 on a cache line of their own, and how long vectors of them are laid out.

use crate::landscape::mlp::Shape;
use crate::simd::LANES;

/// One row of a group of sixteen hidden units: their weights of one input, say. Aligned, so that no load touches two
/// cache lines.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Row(pub(super) [f32; LANES]);

impl Row {
    pub(super) const ZERO: Self = Self([0.0; LANES]);
}

/// Two groups of hidden units side by side make a strip, the unit that a pass works on: whatever is loaded for one
/// group serves both. The last strip is narrow where the number of groups is odd.
///
/// A strip is `[inputs + 1 + classes]` rows: W₁ of each input, b₁, W₂ of each class, with a [`Row`] for each of its
/// groups in each. Where hidden units do not fill up the last group, the lanes left over hold zeros, and stay so: their
/// φ is 0, and so is all that reaches them from the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    /// Groups of sixteen hidden units.
    pub(super) groups: usize,
}

impl Layout {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, groups: shape.hidden.div_ceil(LANES) }
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

    /// [`Row`]s of the inputs of an example, with the 1 that goes with b₁.
    #[inline(always)]
    pub(super) fn input_planes(self) -> usize {
        self.first_rows().div_ceil(LANES)
    }

    /// [`Row`]s of the classes.
    #[inline(always)]
    pub(super) fn class_planes(self) -> usize {
        self.shape.classes.div_ceil(LANES)
    }

    /// All strips, as zeros.
    pub(super) fn zeros(self) -> Vec<Row> {
        vec![Row::ZERO; self.groups * self.rows()]
    }

    /// Calls `each` with the place of every number of θ in the strips, and in θ; b₂ is not among them.
    pub(super) fn places(self, mut each: impl FnMut(usize, usize, usize)) {
        for row in 0..self.rows() {
            for unit in 0..self.shape.hidden {
                let strip = unit / (2 * LANES);
                let group = unit / LANES % 2;
                let at = strip * 2 * self.rows() + row * self.width(strip) + group;
                each(at, unit % LANES, row * self.shape.hidden + unit);
            }
        }
    }

    /// Takes over a vector in θ's layout: strips, and b₂.
    pub(super) fn pack(self, theta: &[f64], strips: &mut [Row], bias: &mut [Row]) {
        self.places(|row, lane, at| strips[row].0[lane] = theta[at] as f32);
        for (class, x) in theta[self.rows() * self.shape.hidden..].iter().enumerate() {
            bias[class / LANES].0[class % LANES] = *x as f32;
        }
    }

    /// Gives back a vector in θ's layout.
    pub(super) fn unpack(self, strips: &[Row], bias: &[Row], theta: &mut [f64]) {
        self.places(|row, lane, at| theta[at] = f64::from(strips[row].0[lane]));
        for (class, x) in theta[self.rows() * self.shape.hidden..].iter_mut().enumerate() {
            *x = f64::from(bias[class / LANES].0[class % LANES]);
        }
    }
}
