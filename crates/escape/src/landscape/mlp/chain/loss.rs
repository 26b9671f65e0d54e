//! The loss over all examples where a chain is: what a sublevel set, and the row of a trial, ask for.

use super::buffers::Buffers;
use super::network::Shared;
use super::pass::pass;
use super::softmax::{self, Place};
use super::tile::{Tile, pieces};
use super::walk::{TILE, fold};
use crate::landscape::mlp::Loss;
use crate::simd::{Kernel, LANES, Simd};

/// L(θ* + z): the examples go forward as in a step, and stop there. Residuals are f32, their squares are summed in f64; so
/// are exponentials of cross-entropy, and losses.
pub(super) struct MeanLoss<'a> {
    pub(super) network: &'a Shared<f32>,
    pub(super) buffers: &'a mut Buffers<f32>,
    pub(super) tile: &'a mut Tile<f32>,
}

impl Kernel for MeanLoss<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Self { network, buffers, tile } = self;
        let count = network.labels.len();
        let (_, most) = pieces(count, TILE).next().unwrap_or_default();
        buffers.reserve(network, most, false);
        let cross_entropy = network.loss_function == Loss::CrossEntropy;
        let (mut sum, mut losses) = (s.splat_d(0.0), 0.0);
        tile.keeps_outputs = true;
        for (start, len) in pieces(count, TILE) {
            tile.load(s, network, len, |_, k| start + k, |_| 0.0);
            // With the factor 1 the slopes are the residuals themselves.
            tile.factors.fill(1.0);
            pass(s, network, buffers, None, Some(tile));
            if cross_entropy {
                losses = s.call(CrossEntropies { network, tile, sum: losses });
                continue;
            }
            for residuals in &tile.slopes {
                let residuals = s.load(&residuals.0);
                sum = s.add_d(sum, s.widen(s.mul(residuals, residuals)));
            }
        }
        tile.keeps_outputs = false;
        let mut lanes = [0.0; LANES];
        s.store_d(sum, &mut lanes);
        let mean = match network.loss_function {
            Loss::MeanSquared => fold(lanes) / (count * network.layout.shape.classes) as f64,
            Loss::CrossEntropy => losses / count as f64,
        };
        // Not even the product with 0: ‖θ‖² can overflow where the loss does not.
        if network.weight_decay == 0.0 {
            mean
        } else {
            mean + 0.5 * network.weight_decay * theta_square(network, buffers)
        }
    }
}

/// Adds the cross-entropies of a tile of outputs to a sum, in order.
struct CrossEntropies<'a> {
    network: &'a Shared<f32>,
    tile: &'a Tile<f32>,
    sum: f64,
}

impl Kernel for CrossEntropies<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Self { network, tile, mut sum } = self;
        let classes = network.layout.shape.classes;
        for (example, label) in tile.labels.iter().enumerate() {
            let place = Place { first: example, stride: tile.count, classes };
            sum += softmax::loss(s, &tile.slopes, place, *label);
        }
        sum
    }
}

/// ‖θ* + z‖².
fn theta_square(network: &Shared<f32>, buffers: &Buffers<f32>) -> f64 {
    let rows = network.theta.iter().zip(&buffers.z).chain(network.bias.iter().zip(&buffers.bias));
    let mut lanes = [0.0; LANES];
    for (minimum, z) in rows {
        for ((sum, minimum), z) in lanes.iter_mut().zip(minimum.0).zip(z.0) {
            *sum += (f64::from(minimum) + f64::from(z)).powi(2);
        }
    }
    fold(lanes)
}
