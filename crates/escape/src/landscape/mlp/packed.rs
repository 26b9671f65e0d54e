//! θ as the kernels read it: groups of eight hidden units, with all that belongs to a group side by side.
//!
//! A group is `[W₁ of input 0, …, W₁ of the last input, b₁, W₂ of class 0, …, W₂ of the last class]`, each a row of
//! eight lanes. The last group is filled up with units whose weights are all 0: they put out φ(0) = 0 and reach no
//! output, and their gradient is dropped on the way back.

use super::lanes::{self, LANES, Lanes};
use super::shape::Shape;

/// Parameters, or anything shaped like them: a gradient, a direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    /// Group by group, `inputs + 1 + classes` rows each.
    groups: Vec<Lanes>,
    /// b₂, `[classes]`.
    pub(super) output_bias: Vec<f64>,
    /// Rows in a group.
    rows: usize,
}

/// One group's rows.
pub(super) struct Group<'a> {
    pub(super) w1: &'a [Lanes],
    pub(super) b1: &'a Lanes,
    pub(super) w2: &'a [Lanes],
}

/// One group's rows, to add to.
pub(super) struct GroupMut<'a> {
    pub(super) w1: &'a mut [Lanes],
    pub(super) b1: &'a mut Lanes,
    pub(super) w2: &'a mut [Lanes],
}

/// The groups of a network with this many hidden units.
pub(super) fn groups(shape: Shape) -> usize {
    shape.hidden.div_ceil(LANES)
}

impl Packed {
    /// All zeros.
    pub(super) fn new(shape: Shape) -> Self {
        let rows = shape.inputs + 1 + shape.classes;
        Self { groups: vec![[0.0; LANES]; groups(shape) * rows], output_bias: vec![0.0; shape.classes], rows }
    }

    /// Back to zeros.
    pub(super) fn clear(&mut self) {
        self.groups.fill([0.0; LANES]);
        self.output_bias.fill(0.0);
    }

    /// Takes θ over. What fills up the last group stays 0.
    pub(super) fn pack(&mut self, shape: Shape, theta: &[f64]) {
        let (hidden, bias) = theta.split_at(self.rows * shape.hidden);
        // W₁, b₁ and W₂ follow one another as rows over the hidden units, just as in a group.
        for (row, from) in hidden.chunks_exact(shape.hidden).enumerate() {
            for (from, units) in from.chunks(LANES).zip(self.groups.iter_mut().skip(row).step_by(self.rows)) {
                units[..from.len()].copy_from_slice(from);
            }
        }
        self.output_bias.copy_from_slice(bias);
    }

    /// Writes s times these numbers to `out`, in θ's layout.
    pub(super) fn unpack_scaled(&self, shape: Shape, s: f64, out: &mut [f64]) {
        let (hidden, bias) = out.split_at_mut(self.rows * shape.hidden);
        for (row, out) in hidden.chunks_exact_mut(shape.hidden).enumerate() {
            for (units, from) in out.chunks_mut(LANES).zip(self.groups.iter().skip(row).step_by(self.rows)) {
                for (unit, from) in units.iter_mut().zip(from) {
                    *unit = s * from;
                }
            }
        }
        for (out, from) in bias.iter_mut().zip(&self.output_bias) {
            *out = s * from;
        }
    }

    /// self ← self + other.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, x) in self.groups.iter_mut().zip(&other.groups) {
            lanes::add(sum, x);
        }
        for (sum, x) in self.output_bias.iter_mut().zip(&other.output_bias) {
            *sum += x;
        }
    }

    /// The groups, in the order of the hidden units.
    #[inline(always)]
    pub(super) fn iter(&self, shape: Shape) -> impl Iterator<Item = Group<'_>> {
        self.groups.chunks_exact(self.rows).map(move |group| {
            let (w1, rest) = group.split_at(shape.inputs);
            let (b1, w2) = rest.split_at(1);
            Group { w1, b1: &b1[0], w2 }
        })
    }

    /// The groups, to add to.
    #[inline(always)]
    pub(super) fn iter_mut(&mut self, shape: Shape) -> impl Iterator<Item = GroupMut<'_>> {
        self.groups.chunks_exact_mut(self.rows).map(move |group| {
            let (w1, rest) = group.split_at_mut(shape.inputs);
            let (b1, w2) = rest.split_at_mut(1);
            GroupMut { w1, b1: &mut b1[0], w2 }
        })
    }
}
