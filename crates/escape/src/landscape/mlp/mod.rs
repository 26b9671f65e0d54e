//! The paper's network (§5): one hidden layer, mean squared loss or cross-entropy, seen from its trained minimum θ*.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`shape`] | inputs → hidden → classes, the layout of θ, PyTorch's tensors, initial parameters |
//! | [`activation`] | ReLU and tanh, without libm |
//! | [`Loss`] | mean squared error, and cross-entropy |
//! | `softmax` | exp and log, without libm, and what cross-entropy makes of outputs |
//! | [`model`] | L(θ), ∇L, minibatch gradients, Hessian-vector products |
//! | [`minimum`] | [`Mlp`]: the same seen from θ*, as a [`Landscape`](super::Landscape) |
//! | `bound` | how far θ can go before the loss can have risen by a given amount |
//! | `lanes` | sums in an order that no instruction set changes |
//! | `packed` | θ as the kernels read it |
//! | `block`, `tangent` | the kernels: forward, backward, and Pearlmutter's R-operator |
//! | [`chain`] | fused f32 kernels: whole trials of SGD |
//! | `accuracy` | how many examples are put into their own class |
//! | `noise` | gradients of single examples along a direction and weighted, their covariance times a vector |
//! | [`hessian`] | the dense Hessian |
//! | `chunks` | sums over all examples, on one thread or many, to the same bits |
//!
//! All but the chains is the f64 reference that they are tested against, and what θ* is trained with. There, only +, ×,
//! ÷ and √ are used, never a fused multiply-add, and every sum has one fixed order: the same θ gives the same bits on
//! every machine.

mod accuracy;
pub mod activation;
mod block;
mod bound;
pub mod chain;
mod chunks;
mod error;
pub mod hessian;
pub(crate) mod lanes;
mod loss;
pub mod minimum;
pub mod model;
mod noise;
mod packed;
pub mod shape;
mod softmax;
mod tangent;

#[cfg(test)]
mod tests;

pub use activation::Activation;
pub use error::MlpError;
pub use hessian::MAX_DENSE;
pub use loss::Loss;
pub use minimum::Mlp;
pub use model::Model;
pub use shape::{Shape, Tensors};
