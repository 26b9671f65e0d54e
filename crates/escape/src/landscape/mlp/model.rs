//! The loss of the network as a function of θ: the paper's L (§5), before a minimum is chosen.

use std::sync::Arc;

use super::activation::Activation;
use super::block::BLOCK;
use super::chunks::{self, Slot};
use super::error::MlpError;
use super::lanes;
use super::loss::Loss;
use super::packed::Packed;
use super::shape::Shape;
use super::tangent::Tangent;
use crate::data::Examples;

/// L(θ) = (1/N) Σ ℓ_i(θ), where ℓ_i is the [`Loss`] of f(x_i) against y_i, and weight decay (w/2)‖θ‖²: PyTorch's
/// `MSELoss` against one-hot targets, or its `CrossEntropyLoss`, with weight decay w in every ℓ_i.
///
/// Every method gives the same bits for the same θ on every machine, on one thread and on many. A θ that is not
/// finite, or overflows on the way, gives results that are not finite; nothing panics but a slice of the wrong length.
#[derive(Debug, Clone)]
pub struct Model {
    shape: Shape,
    activation: Activation,
    loss: Loss,
    weight_decay: f64,
    examples: Arc<Examples>,
}

/// The buffers to evaluate a [`Model`] with. Contents carry nothing from call to call; which kind it is decides whether
/// sums over all examples are taken on one thread or in rayon's pool, and changes no bit of them.
#[derive(Debug)]
pub struct Workspace {
    pub(super) parameters: Packed,
    /// Empty until the first Hessian-vector product.
    pub(super) direction: Option<Packed>,
    pub(super) total: Packed,
    /// At least one.
    pub(super) slots: Vec<Slot>,
}

impl Model {
    /// The loss of a network of this shape on these examples.
    ///
    /// # Errors
    /// If the shape is empty or does not fit the examples, or weight decay is negative or not finite.
    pub fn new(
        shape: Shape,
        activation: Activation,
        loss: Loss,
        weight_decay: f64,
        examples: Arc<Examples>,
    ) -> Result<Self, MlpError> {
        if shape.inputs == 0 || shape.hidden == 0 || shape.classes == 0 {
            return Err(MlpError::EmptyShape);
        }
        if shape.inputs != examples.features() {
            return Err(MlpError::Features { inputs: shape.inputs, features: examples.features() });
        }
        if shape.classes != examples.classes() {
            return Err(MlpError::Classes { network: shape.classes, examples: examples.classes() });
        }
        if !(weight_decay.is_finite() && weight_decay >= 0.0) {
            return Err(MlpError::WeightDecay(weight_decay));
        }
        Ok(Self { shape, activation, loss, weight_decay, examples })
    }

    /// The network's shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// φ.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// ℓ.
    pub fn loss_function(&self) -> Loss {
        self.loss
    }

    /// w, the coefficient of ½‖θ‖².
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    /// The examples the loss is a mean over.
    pub fn examples(&self) -> &Arc<Examples> {
        &self.examples
    }

    /// d, the length of θ.
    pub fn dim(&self) -> usize {
        self.shape.parameters()
    }

    /// Buffers for one thread.
    pub fn workspace(&self) -> Workspace {
        self.workspace_of(1)
    }

    /// Buffers for rayon's current pool. Never use it from inside a trial, whose thread is already one of many.
    pub fn parallel_workspace(&self) -> Workspace {
        match rayon::current_num_threads() {
            0 | 1 => self.workspace_of(1),
            // Two chunks for each thread, so that one slow thread holds the others up less.
            threads => self.workspace_of(2 * threads),
        }
    }

    /// Buffers to work on this many chunks at a time.
    pub(super) fn workspace_of(&self, slots: usize) -> Workspace {
        Workspace {
            parameters: Packed::new(self.shape),
            direction: None,
            total: Packed::new(self.shape),
            slots: vec![Slot::new(self.shape, self.activation, self.loss); slots],
        }
    }

    /// L(θ).
    ///
    /// # Panics
    /// Unless θ has length [`dim`](Self::dim).
    pub fn loss(&self, theta: &[f64], workspace: &mut Workspace) -> f64 {
        let Workspace { parameters, slots, .. } = workspace;
        self.pack(parameters, theta);
        let mut sum = 0.0;
        chunks::for_each(
            self.examples.len(),
            slots,
            |slot, chunk| {
                slot.loss = 0.0;
                slot.blocks(&self.examples, chunk, |slot| {
                    slot.block.forward(parameters);
                    slot.block.add_losses(&mut slot.loss);
                });
            },
            |slot| sum += slot.loss,
        );
        self.mean_loss(sum, theta)
    }

    /// ∇L(θ) into `out`.
    ///
    /// # Panics
    /// Unless θ and `out` have length [`dim`](Self::dim).
    pub fn gradient(&self, theta: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        let _ = self.loss_and_gradient(theta, out, workspace);
    }

    /// L(θ), and ∇L(θ) into `out`, for little more than the price of the gradient. The same bits as
    /// [`loss`](Self::loss) and [`gradient`](Self::gradient).
    ///
    /// # Panics
    /// Unless θ and `out` have length [`dim`](Self::dim).
    pub fn loss_and_gradient(&self, theta: &[f64], out: &mut [f64], workspace: &mut Workspace) -> f64 {
        let Workspace { parameters, total, slots, .. } = workspace;
        self.pack(parameters, theta);
        total.clear();
        let mut sum = 0.0;
        chunks::for_each(
            self.examples.len(),
            slots,
            |slot, chunk| {
                slot.loss = 0.0;
                slot.vector.clear();
                slot.blocks(&self.examples, chunk, |slot| {
                    slot.block.forward(parameters);
                    slot.block.add_losses(&mut slot.loss);
                    slot.block.backward(parameters, &mut slot.vector);
                });
            },
            |slot| {
                sum += slot.loss;
                total.add(&slot.vector);
            },
        );
        self.write_mean(total, self.examples.len(), theta, out);
        self.mean_loss(sum, theta)
    }

    /// (1/|B|) Σ_{i ∈ B} ∇ℓ_i(θ) into `out`, summed in the order of `batch` on this thread.
    ///
    /// # Panics
    /// Unless θ and `out` have length [`dim`](Self::dim) and every index is that of an example. An empty batch has no
    /// mean: `out` becomes NaN.
    pub fn minibatch_gradient(&self, theta: &[f64], batch: &[u32], out: &mut [f64], workspace: &mut Workspace) {
        let Workspace { parameters, total, slots, .. } = workspace;
        self.pack(parameters, theta);
        total.clear();
        let block = &mut slots[0].block;
        for batch in batch.chunks(BLOCK) {
            block.load(&self.examples, batch.iter().map(|&index| index as usize));
            block.forward(parameters);
            block.backward(parameters, total);
        }
        self.write_mean(total, batch.len(), theta, out);
    }

    /// H(θ)·v into `out`, H being the Hessian of L: exact, by Pearlmutter's R-operator. Where a ReLU has its kink the
    /// second derivative is taken as 0.
    ///
    /// # Panics
    /// Unless θ, v and `out` have length [`dim`](Self::dim).
    pub fn hessian_vector(&self, theta: &[f64], v: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        let Workspace { parameters, direction, total, slots } = workspace;
        self.pack(parameters, theta);
        let direction = direction.get_or_insert_with(|| Packed::new(self.shape));
        self.pack(direction, v);
        let direction = &*direction;
        total.clear();
        chunks::for_each(
            self.examples.len(),
            slots,
            |slot, chunk| {
                slot.vector.clear();
                slot.blocks(&self.examples, chunk, |slot| {
                    slot.block.forward(parameters);
                    let tangent = slot.tangent.get_or_insert_with(|| Tangent::new(self.shape));
                    tangent.forward(&slot.block, parameters, direction);
                    tangent.backward(&slot.block, parameters, direction, &mut slot.vector);
                });
            },
            |slot| total.add(&slot.vector),
        );
        self.write_mean(total, self.examples.len(), v, out);
    }

    pub(super) fn pack(&self, into: &mut Packed, theta: &[f64]) {
        assert_eq!(theta.len(), self.dim(), "a vector of another length than theta");
        into.pack(self.shape, theta);
    }

    /// Σ ℓ over the number of examples, plus (w/2)‖θ‖².
    fn mean_loss(&self, sum: f64, theta: &[f64]) -> f64 {
        let mean = sum / self.examples.len() as f64;
        // Not even the product with 0: ‖θ‖² can overflow where the loss does not.
        if self.weight_decay == 0.0 { mean } else { mean + 0.5 * self.weight_decay * lanes::dot(theta, theta) }
    }

    /// The sum over `count` examples times 1/count, plus w·x, which is the part of weight decay.
    fn write_mean(&self, sum: &Packed, count: usize, x: &[f64], out: &mut [f64]) {
        assert_eq!(out.len(), self.dim(), "a vector of another length than theta");
        sum.unpack_scaled(self.shape, 1.0 / count as f64, out);
        if self.weight_decay != 0.0 {
            for (out, x) in out.iter_mut().zip(x) {
                *out += self.weight_decay * x;
            }
        }
    }
}
