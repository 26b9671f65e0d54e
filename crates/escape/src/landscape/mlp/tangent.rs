//! Exact Hessian-vector products by Pearlmutter's R-operator ("Fast exact multiplication by the Hessian", Neural
//! Computation 6, 1994), for a block of examples.
//!
//! R{·} is the derivative along v = (V₁, c₁, V₂, c₂) of what [`Block`] computes; φ′ and φ″ are taken at a:
//!
//! | forward | backward |
//! | --- | --- |
//! | R{a} = V₁x + c₁ | R{g} = (2/C) R{f}, or with cross-entropy p ∘ (R{f} − pᵀR{f}), p = softmax f |
//! | R{t} = φ′ ∘ R{a} | R{δ} = φ′ ∘ (V₂ᵀg + W₂ᵀR{g}) + φ″ ∘ R{a} ∘ W₂ᵀg |
//! | R{f} = V₂t + W₂R{t} + c₂ | R{∂W₂} = R{g} tᵀ + g R{t}ᵀ, R{∂b₂} = R{g}, R{∂W₁} = R{δ} xᵀ, R{∂b₁} = R{δ} |

use super::activation::Activation;
use super::block::{BLOCK, Block, PerExample, add_all};
use super::lanes::{self, LANES, Lanes};
use super::loss::Loss;
use super::packed::{self, Packed};
use super::shape::Shape;

/// The derivatives along v that go with a [`Block`].
#[derive(Debug, Clone, Default)]
pub(super) struct Tangent {
    /// R{a}, `[groups]`.
    inner: Vec<[Lanes; BLOCK]>,
    /// R{t}, `[groups]`.
    hidden: Vec<[Lanes; BLOCK]>,
    /// R{W₂t} in eight partial sums, `[classes]`.
    sums: Vec<[Lanes; BLOCK]>,
    /// R{f}, `[classes]`.
    outputs: Vec<PerExample>,
    /// R{g}, `[classes]`.
    pub(super) output_slopes: Vec<PerExample>,
}

impl Tangent {
    pub(super) fn new(shape: Shape) -> Self {
        let groups = packed::groups(shape);
        Self {
            inner: vec![[[0.0; LANES]; BLOCK]; groups],
            hidden: vec![[[0.0; LANES]; BLOCK]; groups],
            sums: vec![[[0.0; LANES]; BLOCK]; shape.classes],
            outputs: vec![[0.0; BLOCK]; shape.classes],
            output_slopes: vec![[0.0; BLOCK]; shape.classes],
        }
    }

    /// R{a}, R{t} and R{g}. After [`Block::forward`].
    pub(super) fn forward(&mut self, block: &Block, parameters: &Packed, direction: &Packed) {
        let (shape, count) = (block.shape, block.count);
        self.sums.fill([[0.0; LANES]; BLOCK]);
        let groups = parameters.iter(shape).zip(direction.iter(shape));
        let values = block.hidden.iter().zip(&mut self.inner).zip(&mut self.hidden);
        for ((group, along), ((t, inner), hidden)) in groups.zip(values) {
            for k in 0..count {
                let mut ra = *along.b1;
                for (x, v) in block.inputs.iter().zip(along.w1) {
                    lanes::add_scaled(&mut ra, x[k], v);
                }
                inner[k] = ra;
                hidden[k] = product(&block.activation.slopes(&t[k]), &ra);
            }
            for ((sums, w), v) in self.sums.iter_mut().zip(group.w2).zip(along.w2) {
                for k in 0..count {
                    lanes::add_product(&mut sums[k], v, &t[k]);
                    lanes::add_product(&mut sums[k], w, &hidden[k]);
                }
            }
        }
        for ((sums, bias), outputs) in self.sums.iter().zip(&direction.output_bias).zip(&mut self.outputs) {
            for k in 0..count {
                outputs[k] = bias + lanes::total(&sums[k]);
            }
        }
        match block.loss {
            Loss::MeanSquared => {
                let factor = 2.0 / shape.classes as f64;
                for (outputs, slopes) in self.outputs.iter().zip(&mut self.output_slopes) {
                    for k in 0..count {
                        slopes[k] = factor * outputs[k];
                    }
                }
            }
            Loss::CrossEntropy => (0..count).for_each(|k| self.cross_entropy(block, k)),
        }
    }

    /// R{g} of example k. A number may be taken from all of R{f}: R{f_y}, so that nothing cancels where p_y is nearly 1.
    fn cross_entropy(&mut self, block: &Block, k: usize) {
        let own = self.outputs[block.labels[k] as usize][k];
        let mean = self.outputs.iter().zip(&block.residuals).fold(0.0, |sum, (rf, p)| sum + p[k] * (rf[k] - own));
        for ((rf, p), slopes) in self.outputs.iter().zip(&block.residuals).zip(&mut self.output_slopes) {
            slopes[k] = p[k] * ((rf[k] - own) - mean);
        }
    }

    /// ∇ℓ·v = Σ_c g_c R{f_c} of each of the block's examples, in order; without weight decay. After [`Self::forward`].
    pub(super) fn derivatives(&self, block: &Block) -> impl Iterator<Item = f64> {
        (0..block.count)
            .map(|k| block.output_slopes.iter().zip(&self.outputs).fold(0.0, |sum, (g, rf)| sum + g[k] * rf[k]))
    }

    /// Adds each example's R{∇ℓ} to `out`, in order; without weight decay. After [`Self::forward`].
    pub(super) fn backward(&self, block: &Block, parameters: &Packed, direction: &Packed, out: &mut Packed) {
        let (shape, count) = (block.shape, block.count);
        let groups = parameters.iter(shape).zip(direction.iter(shape)).zip(out.iter_mut(shape));
        let values = block.hidden.iter().zip(&self.inner).zip(&self.hidden);
        for (((group, along), out), ((t, inner), hidden)) in groups.zip(values) {
            let mut deltas = [[0.0; LANES]; BLOCK];
            for k in 0..count {
                deltas[k] = self.delta(block, k, &t[k], &inner[k], group.w2, along.w2);
            }
            for ((g, rg), sum) in block.output_slopes.iter().zip(&self.output_slopes).zip(out.w2) {
                let mut registers = *sum;
                for k in 0..count {
                    lanes::add_scaled(&mut registers, rg[k], &t[k]);
                    lanes::add_scaled(&mut registers, g[k], &hidden[k]);
                }
                *sum = registers;
            }
            for (x, sum) in block.inputs.iter().zip(out.w1) {
                add_all(sum, &x[..count], &deltas);
            }
            for delta in &deltas[..count] {
                lanes::add(out.b1, delta);
            }
        }
        for (rg, sum) in self.output_slopes.iter().zip(&mut out.output_bias) {
            for rg in &rg[..count] {
                *sum += rg;
            }
        }
    }

    /// R{δ} of the block's example k, for one group of hidden units.
    #[inline(always)]
    fn delta(&self, block: &Block, k: usize, t: &Lanes, inner: &Lanes, w2: &[Lanes], v2: &[Lanes]) -> Lanes {
        let (mut back, mut along) = ([0.0; LANES], [0.0; LANES]);
        for (c, (w, v)) in w2.iter().zip(v2).enumerate() {
            let (g, rg) = (block.output_slopes[c][k], self.output_slopes[c][k]);
            lanes::add_scaled(&mut back, g, w);
            lanes::add_scaled(&mut along, g, v);
            lanes::add_scaled(&mut along, rg, w);
        }
        let mut delta = product(&block.activation.slopes(t), &along);
        // φ″ of ReLU is 0 wherever it exists.
        if block.activation == Activation::Tanh {
            lanes::add_product(&mut delta, &product(&block.activation.bends(t), inner), &back);
        }
        delta
    }
}

/// x·y, lane by lane.
#[inline(always)]
fn product(x: &Lanes, y: &Lanes) -> Lanes {
    let mut out = [0.0; LANES];
    for l in 0..LANES {
        out[l] = x[l] * y[l];
    }
    out
}
