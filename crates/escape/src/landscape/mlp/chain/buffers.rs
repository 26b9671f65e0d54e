//! Where a chain is, and what it needs to go on.

use super::network::Shared;
use super::number::Number;
use super::row::{Numbers, Row};
use crate::simd::LANES;

/// Strips in a block. The sums of the second layer are loaded and stored once a block, and W₂ of a block stays in L1.
pub(super) const BLOCK: usize = 16;

/// z, and buffers for tiles of up to `capacity` examples.
#[derive(Debug, Clone)]
pub(super) struct Buffers<N> {
    /// θ − θ* without b₂, in strips.
    pub(super) z: Vec<Row>,
    /// b₂ of z.
    pub(super) bias: Vec<Numbers<N>>,
    pub(super) capacity: usize,
    /// t, `[strips][capacity][groups]`.
    pub(super) hidden: Vec<Row>,
    /// W₂t in the partial sums of a vector, `[capacity][classes]`.
    pub(super) sums: Vec<Row>,
    /// Σ g over the examples since the last update.
    pub(super) bias_slopes: Vec<Numbers<N>>,
    /// Drift times the same, with batches of one example.
    pub(super) moves: Vec<Numbers<N>>,
    /// ‖z‖² after an update, in sixteen partial sums. In memory: kernels that are called leave nothing in registers.
    pub(super) squares: [f64; LANES],
    /// Σ s∇ℓ over the tiles since the last update, like z. Empty if one tile holds a whole batch.
    pub(super) gradient: Vec<Row>,
    /// W₁ and b₁ of θ, of the strip at hand.
    pub(super) first: Vec<Row>,
    /// W₂ of θ, of the block at hand, `[strips][classes][groups]`.
    pub(super) second: Vec<Row>,
    /// δ of the strip at hand, `[capacity][groups]`.
    pub(super) deltas: Vec<Row>,
}

impl<N: Number> Buffers<N> {
    pub(super) fn new(network: &Shared<N>) -> Self {
        let layout = network.layout;
        Self {
            z: layout.zeros(),
            bias: vec![Numbers::ZERO; layout.class_planes()],
            capacity: 0,
            hidden: Vec::new(),
            sums: Vec::new(),
            bias_slopes: vec![Numbers::ZERO; layout.class_planes()],
            squares: [0.0; LANES],
            moves: vec![Numbers::ZERO; layout.class_planes()],
            gradient: Vec::new(),
            first: vec![Row::ZERO; 2 * layout.first_rows()],
            second: vec![Row::ZERO; 2 * BLOCK.min(layout.strips()) * layout.shape.classes],
            deltas: Vec::new(),
        }
    }

    /// Makes room for tiles of this many examples, and for a gradient if a batch takes more than one tile.
    pub(super) fn reserve(&mut self, network: &Shared<N>, examples: usize, several: bool) {
        let layout = network.layout;
        if self.capacity != examples {
            self.capacity = examples;
            self.hidden.resize(layout.groups * examples, Row::ZERO);
            self.sums.resize(layout.shape.classes * examples, Row::ZERO);
            self.deltas.resize(2 * examples, Row::ZERO);
        }
        if several && self.gradient.is_empty() {
            self.gradient = layout.zeros();
        }
    }
}
