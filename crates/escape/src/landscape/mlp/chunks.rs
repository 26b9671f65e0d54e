//! Sums over all examples, the same to the last bit on one thread and on many.
//!
//! The examples are cut into chunks of [`CHUNK`]. A chunk's partial sum is taken by one thread, in the order of the
//! examples, and the partial sums are added in the order of the chunks: neither depends on who took them.

use std::ops::Range;

use rayon::prelude::*;

use super::activation::Activation;
use super::block::{BLOCK, Block};
use super::loss::Loss;
use super::packed::Packed;
use super::shape::Shape;
use super::tangent::Tangent;
use crate::data::Examples;

/// Examples in a chunk. Changing it changes the last bits of every full-batch loss.
const CHUNK: usize = 256;

/// What one thread needs to work on a chunk, and the chunk's partial sums.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) block: Block,
    /// Empty until the first Hessian-vector product.
    pub(super) tangent: Option<Tangent>,
    /// Partial sum of the losses.
    pub(super) loss: f64,
    /// Examples put into their own class.
    pub(super) correct: usize,
    /// Partial sum of the gradients, or of the Hessian-vector products.
    pub(super) vector: Packed,
    /// A number for each example of the chunk.
    pub(super) numbers: Vec<f64>,
}

impl Slot {
    pub(super) fn new(shape: Shape, activation: Activation, loss: Loss) -> Self {
        let (block, vector) = (Block::new(shape, activation, loss), Packed::new(shape));
        Self { block, tangent: None, loss: 0.0, correct: 0, vector, numbers: Vec::new() }
    }

    /// Loads the examples of a chunk block by block, and has `work` done on each block.
    pub(super) fn blocks(&mut self, examples: &Examples, chunk: Range<usize>, mut work: impl FnMut(&mut Self)) {
        for start in chunk.clone().step_by(BLOCK) {
            self.block.load(examples, start..(start + BLOCK).min(chunk.end));
            work(self);
        }
    }
}

/// Has `work` done on every chunk of `examples` and hands the slots to `collect` in the order of the chunks.
///
/// With one slot all is done here, in order; with more, they are filled in parallel, a wave of chunks at a time.
pub(super) fn for_each(
    examples: usize,
    slots: &mut [Slot],
    work: impl Fn(&mut Slot, Range<usize>) + Sync,
    mut collect: impl FnMut(&Slot),
) {
    let chunk = |index: usize| index * CHUNK..((index + 1) * CHUNK).min(examples);
    let chunks = examples.div_ceil(CHUNK);
    for first in (0..chunks).step_by(slots.len()) {
        let wave = slots.len().min(chunks - first);
        let slots = &mut slots[..wave];
        if let [slot] = slots {
            work(slot, chunk(first));
        } else {
            slots.par_iter_mut().enumerate().for_each(|(k, slot)| work(slot, chunk(first + k)));
        }
        slots.iter().for_each(&mut collect);
    }
}
