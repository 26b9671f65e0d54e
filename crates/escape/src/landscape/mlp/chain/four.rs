//! Four chains side by side in the lanes of each vector: for small networks.

use super::Pace;
use super::batches::Draws;
use super::buffers::Buffers;
use super::network::Network;
use super::number::{Four, Number};
use super::tile::Tile;
use crate::landscape::mlp::Shape;
use crate::simd::Isa;

/// Four chains of one network. Where one of them goes does not depend on the others.
#[derive(Debug, Clone)]
pub struct FourChains<'a> {
    network: &'a Network,
    isa: Isa,
    buffers: Buffers<Four>,
    tiles: [Tile<Four>; 2],
    batches: Vec<u32>,
    /// The chains of which a batch is drawn for a step that is still to come.
    drawn: u8,
}

/// Where steps went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FourWalked {
    /// Steps made, by each chain.
    pub steps: u64,
    /// ‖z‖² of each chain after the last of them.
    pub squared_distances: [f64; Four::CHAINS],
    /// The chains where that is not below the bound, of those that count: a bit for each.
    pub left: u8,
}

impl<'a> FourChains<'a> {
    /// How many.
    pub const CHAINS: usize = Four::CHAINS;

    /// Whether networks of this shape are walked by fours: z of four chains and θ* take 32 bytes a parameter, and what
    /// that gains is lost where they do not fit into the cache that is nearest. Decided by the shape alone, for four chains
    /// round other than one by itself.
    pub fn are_for(shape: Shape) -> bool {
        shape.parameters() <= 1536
    }

    /// Four chains at θ*, for one thread.
    pub fn new(network: &'a Network, isa: Isa) -> Self {
        let (buffers, tiles) = (Buffers::new(network.four()), [Tile::new(), Tile::new()]);
        Self { network, isa, buffers, tiles, batches: Vec::new(), drawn: 0 }
    }

    /// Puts one of the four back to θ*.
    ///
    /// Also in the lanes without a parameter, which hold zeros until a chain overflows.
    pub fn restart(&mut self, chain: usize) {
        let Buffers { z, bias, .. } = &mut self.buffers;
        z.iter_mut().for_each(|row| row.0.iter_mut().skip(chain).step_by(Four::CHAINS).for_each(|z| *z = 0.0));
        bias.iter_mut().flat_map(|numbers| &mut numbers.0).for_each(|z| z.set(chain, 0.0));
        self.drawn &= !(1 << chain);
    }

    /// Like [`Chain::walk`](super::Chain::walk), until ‖z‖² of one of `chains`, a bit for each, is not below the bound; the
    /// others are walked with them, nobody knows where. `draw` is told whose batch it is.
    ///
    /// Where a walk ends before its last step, the next one goes on with the batches that are drawn: of chains that were
    /// neither put back nor left no batch is drawn in vain.
    ///
    /// # Panics
    /// If there are no steps to make, a batch is empty, or an index is not that of an example.
    pub fn walk(&mut self, pace: Pace, chains: u8, draw: &mut dyn FnMut(usize, &mut [u32])) -> FourWalked {
        assert!(pace.batch_size > 0 && pace.steps > 0, "a batch without examples, or no steps");
        self.batches.resize(Four::CHAINS * pace.batch_size, 0);
        let Self { network, isa, buffers, tiles, batches, drawn } = self;
        let draws = Draws { draw, batches, size: pace.batch_size, chains, drawn };
        let went = pace.walk(*isa, network.four(), buffers, tiles, draws);
        FourWalked { steps: went.steps, squared_distances: went.squares, left: went.left }
    }

    /// z of a chain, in θ's layout.
    ///
    /// # Panics
    /// Unless `out` has θ's length.
    pub fn write_displacement(&self, chain: usize, out: &mut [f64]) {
        assert_eq!(out.len(), self.network.dim(), "a vector of another length than theta");
        self.network.four().layout.unpack(chain, &self.buffers.z, &self.buffers.bias, out);
    }

    /// Puts a chain to z, rounded to f32.
    ///
    /// # Panics
    /// Unless z has θ's length.
    pub fn read_displacement(&mut self, chain: usize, z: &[f64]) {
        assert_eq!(z.len(), self.network.dim(), "a vector of another length than theta");
        self.restart(chain);
        self.network.four().layout.pack(chain, z, &mut self.buffers.z, &mut self.buffers.bias);
    }
}
