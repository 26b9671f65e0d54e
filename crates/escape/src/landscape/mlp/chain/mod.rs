//! Chains: trials of SGD on the network, in f32, as fast as the machine multiplies and adds.
//!
//! A [`Chain`] keeps z = θ − θ*, and forms θ = θ* + z as it goes: small steps lose nothing to the size of θ*. All of its
//! state stays in the cache of a core. Every sum has one order, whatever the instruction set: [`Isa`]s differ in how
//! many sums they take side by side. So a path is the same to the bit on every machine, however its steps are cut into
//! calls.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `network` | [`Network`]: θ*, and the examples, shared by all chains |
//! | `four` | [`FourChains`]: four chains of a small network in the lanes of each vector |
//! | `number` | what differs between the two: how many chains share a vector |
//! | `row` | how parameters are laid out: rows of hidden units, in strips |
//! | `batches` | where the examples of a step come from |
//! | `tile` | the examples that go through the network side by side |
//! | `registers` | the innermost loops: sums that stay in registers |
//! | `pass` | one pass over the hidden units: ends a step, and begins the next |
//! | `forward`, `backward` | its kernels |
//! | `outputs` | between forward and backward: the outputs, their slopes, b₂ |
//! | `softmax` | the same for cross-entropy |
//! | `loss` | the loss over all examples |
//! | `walk` | steps, one after the other |
//! | `single` | the same for batches of one example, in one pass |
//! | `noise` | Gaussian noise in every direction |
//! | `factor` | [`Factor`]: Gaussian noise of a covariance F Fᵀ |
//! | `shift` | a chain moved by a vector |
//! | `tanh`, `exp` | in f32, without libm |

mod backward;
mod batches;
mod buffers;
mod exp;
mod factor;
mod forward;
mod four;
mod loss;
mod network;
mod noise;
mod number;
mod outputs;
mod pass;
mod registers;
mod row;
mod shift;
mod single;
mod softmax;
mod tanh;
#[cfg(test)]
mod tests;
mod tile;
mod walk;

pub use factor::Factor;
pub use four::{FourChains, FourWalked};
pub use network::Network;

use batches::{Batches, Draws};
use buffers::Buffers;
use factor::Product;
use loss::MeanLoss;
use network::Shared;
use noise::Noise;
use number::Number;
use row::Row;
use shift::Shift;
use single::SingleWalk;
use tile::Tile;
use walk::{Walk, Went};

use crate::simd::{Isa, LANES};

/// One trial of SGD: where it is, and all it needs to go on.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    network: &'a Network,
    isa: Isa,
    buffers: Buffers<f32>,
    tiles: [Tile<f32>; 2],
    batch: Vec<u32>,
    /// F ξ, where there is an F.
    product: Vec<Row>,
}

/// How to walk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Steps at most.
    pub steps: u64,
    /// B, the examples of a batch.
    pub batch_size: usize,
    /// What the gradient is multiplied with.
    pub drift: f32,
    /// Stop once ‖z‖² is not below this.
    pub bound: f64,
}

impl Pace {
    /// Walks the chains that share a vector.
    fn walk<N: Number>(
        self,
        isa: Isa,
        network: &Shared<N>,
        buffers: &mut Buffers<N>,
        tiles: &mut [Tile<N>; 2],
        draws: Draws<'_>,
    ) -> Went {
        let Self { steps, drift, bound, .. } = self;
        if self.batch_size == 1 {
            isa.run(SingleWalk { network, buffers, tiles, draws, steps, drift, bound })
        } else {
            isa.run(Walk { network, buffers, tiles, batches: Batches::Drawn(draws), steps, drift, bound })
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

impl From<Went> for Walked {
    fn from(went: Went) -> Self {
        Self { steps: went.steps, squared_distance: went.squares[0], left: went.left != 0 }
    }
}

impl<'a> Chain<'a> {
    /// A chain at θ*, for one thread.
    pub fn new(network: &'a Network, isa: Isa) -> Self {
        let (buffers, tiles) = (Buffers::new(&network.alone), [Tile::new(), Tile::new()]);
        Self { network, isa, buffers, tiles, batch: Vec::new(), product: Vec::new() }
    }

    /// Back to θ*.
    pub fn restart(&mut self) {
        self.buffers.z.fill(Row::ZERO);
        self.buffers.bias.fill(Row::ZERO);
    }

    /// z ← z − drift · ∇L_B(θ* + z), time and again, each time with the batch that `draw` fills in with the indices of
    /// examples, until ‖z‖² is not below the bound (so also when it is NaN). NaN without a step.
    ///
    /// A batch is drawn before the step of the last one is made: when a chain leaves early, one batch more was drawn
    /// than steps were made. When all steps are made there is none too many.
    ///
    /// # Panics
    /// If a batch is empty, or an index is not that of an example.
    pub fn walk(&mut self, pace: Pace, draw: &mut dyn FnMut(&mut [u32])) -> Walked {
        assert!(pace.batch_size > 0, "a batch without examples");
        if pace.steps == 0 {
            return Walked { steps: 0, squared_distance: f64::NAN, left: false };
        }
        self.batch.resize(pace.batch_size, 0);
        let Self { network: Network { alone: network, .. }, isa, buffers, tiles, batch, .. } = self;
        let mut draw = |_: usize, batch: &mut [u32]| draw(batch);
        let draws = Draws { draw: &mut draw, batches: batch, size: pace.batch_size, chains: 1, drawn: &mut 0 };
        pace.walk(*isa, network, buffers, tiles, draws).into()
    }

    /// z ← z − drift · Σ_i s_i ∇ℓ_i(θ* + z), with the weights s of all examples. Gives ‖z‖².
    ///
    /// # Panics
    /// Unless there is a weight for each example.
    pub fn weighted_step(&mut self, weights: &[f32], drift: f32) -> f64 {
        assert_eq!(weights.len(), self.network.examples(), "not a weight for each example");
        let Self { network: Network { alone: network, .. }, buffers, tiles, .. } = self;
        let batches = Batches::Weighted(weights);
        let went = self.isa.run(Walk { network, buffers, tiles, batches, steps: 1, drift, bound: f64::INFINITY });
        went.squares[0]
    }

    /// z ← z + `sd` · n, with a standard normal for each parameter. Gives ‖z‖².
    ///
    /// `normals` gives sixteen at a time. Which goes where depends on the network's shape alone; some go nowhere.
    pub fn add_noise(&mut self, sd: f32, normals: &mut dyn FnMut(&mut [f32; LANES])) -> f64 {
        let Self { network: Network { alone: network, .. }, buffers, .. } = self;
        self.isa.run(Noise { network, buffers, sd, normals })
    }

    /// z ← z + the other's z. Gives ‖z‖².
    ///
    /// # Panics
    /// Unless both are of networks of the same shape.
    pub fn add_displacement(&mut self, other: &Chain<'_>) -> f64 {
        assert_eq!(self.network.alone.layout, other.network.alone.layout, "a chain of another shape");
        let Self { isa, buffers, .. } = self;
        let Buffers { z: strips, bias, .. } = &other.buffers;
        isa.run(Shift { buffers, s: 1.0, strips, bias })
    }

    /// z ← z + `sd` · F ξ, with one of the `normals` ξ for each column of F. Gives ‖z‖².
    ///
    /// # Panics
    /// Unless F is of this network's shape, and there are as many normals as it has columns.
    pub fn add_factor_noise(&mut self, factor: &Factor, sd: f32, normals: &[f32]) -> f64 {
        assert!(factor.fits(self.network.alone.layout), "a factor for another shape");
        assert_eq!(normals.len(), factor.rank(), "not a normal for each column");
        if self.product.is_empty() {
            self.product = factor.zeros();
        }
        let Self { isa, buffers, product, .. } = self;
        isa.run(Product { factor, xi: normals, out: product });
        let (strips, bias) = product.split_at(buffers.z.len());
        isa.run(Shift { buffers, s: sd, strips, bias })
    }

    /// z to the bit, as the chain keeps it: with [`Chain::read_state`] another one goes on from there.
    pub(crate) fn state(&self) -> impl Iterator<Item = f32> {
        self.buffers.z.iter().chain(&self.buffers.bias).flat_map(|row| row.0)
    }

    /// How many numbers [`Chain::state`] has.
    pub(crate) fn state_len(network: &Network) -> usize {
        LANES * (network.alone.layout.zeros().len() + network.alone.layout.class_planes())
    }

    /// Goes to where a chain was whose [`Chain::state`] this is.
    ///
    /// # Panics
    /// Unless it has as many numbers.
    pub(crate) fn read_state(&mut self, state: &[f32]) {
        let (rows, rest) = state.as_chunks::<LANES>();
        let Buffers { z, bias, .. } = &mut self.buffers;
        assert!(rest.is_empty() && rows.len() == z.len() + bias.len(), "a state of another shape");
        z.iter_mut().chain(bias).zip(rows).for_each(|(row, state)| row.0 = *state);
    }

    /// L(θ* + z) − L(θ*) over all examples, both in f32 as the steps are; of the order of 10⁻⁷ L right. NaN or infinite
    /// where the loss is.
    pub fn excess_loss(&mut self) -> f64 {
        let network = self.network;
        let at_minimum = *network.loss.get_or_init(|| Chain::new(network, self.isa).loss());
        self.loss() - at_minimum
    }

    fn loss(&mut self) -> f64 {
        let Self { network: Network { alone: network, .. }, buffers, tiles: [tile, _], .. } = self;
        self.isa.run(MeanLoss { network, buffers, tile })
    }

    /// z, in θ's layout.
    ///
    /// # Panics
    /// Unless `out` has θ's length.
    pub fn write_displacement(&self, out: &mut [f64]) {
        assert_eq!(out.len(), self.network.dim(), "a vector of another length than theta");
        self.network.alone.layout.unpack(0, &self.buffers.z, &self.buffers.bias, out);
    }

    /// Goes to z, rounded to f32.
    ///
    /// # Panics
    /// Unless z has θ's length.
    pub fn read_displacement(&mut self, z: &[f64]) {
        assert_eq!(z.len(), self.network.dim(), "a vector of another length than theta");
        self.restart();
        self.network.alone.layout.pack(0, z, &mut self.buffers.z, &mut self.buffers.bias);
    }
}
