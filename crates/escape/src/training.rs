//! θ* by full-batch gradient descent, as in the paper (§5): a fixed number of epochs, so that θ* is a pure function of
//! the data, the first θ and the learning rate. Gradients are taken in rayon's pool, to the same bits in any pool.
//!
//! [`minibatch`] trains by SGD instead, to be watched on its way.

pub mod minibatch;

use std::fmt;
use std::ops::ControlFlow;

use crate::landscape::mlp::Model;
use crate::landscape::mlp::lanes::norm;

/// Where training stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps taken so far, from 0 to `epochs`.
    pub epoch: usize,
    /// Steps to take.
    pub epochs: usize,
    /// L(θ) after them.
    pub loss: f64,
    /// ‖∇L(θ)‖ after them.
    pub gradient_norm: f64,
}

/// The θ* that training ended at.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// θ*.
    pub theta: Vec<f64>,
    /// L(θ*).
    pub loss: f64,
    /// ‖∇L(θ*)‖: how far θ* is from being a minimum.
    pub gradient_norm: f64,
}

/// Why there is no θ*. Fragments that read on after "failed to train: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainingError {
    /// The loss or its gradient stopped being finite: the learning rate is too large.
    Diverged {
        /// Steps taken until then.
        epoch: usize,
    },
    /// `progress` asked to stop. What was reached by then is no θ* of the fixed number of epochs.
    Stopped {
        /// Steps taken until then.
        epoch: usize,
    },
}

impl fmt::Display for TrainingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diverged { epoch } => {
                write!(f, "the loss is not finite after epoch {epoch}; take a smaller learning rate")
            }
            Self::Stopped { epoch } => write!(f, "stopped after epoch {epoch}"),
        }
    }
}

impl std::error::Error for TrainingError {}

/// θ ← θ − `learning_rate`·∇L(θ), `epochs` times from `theta`. `progress` sees the first θ, and θ after every epoch.
///
/// # Errors
/// [`TrainingError::Diverged`] as soon as L or ‖∇L‖ is not finite, [`TrainingError::Stopped`] when `progress` breaks.
///
/// # Panics
/// Unless `theta` has the model's length.
pub fn train(
    model: &Model,
    mut theta: Vec<f64>,
    epochs: usize,
    learning_rate: f64,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Trained, TrainingError> {
    let mut workspace = model.parallel_workspace();
    let mut gradient = vec![0.0; model.dim()];
    let mut epoch = 0;
    loop {
        let loss = model.loss_and_gradient(&theta, &mut gradient, &mut workspace);
        let gradient_norm = norm(&gradient);
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainingError::Diverged { epoch });
        }
        if progress(Progress { epoch, epochs, loss, gradient_norm }).is_break() {
            return Err(TrainingError::Stopped { epoch });
        }
        if epoch == epochs {
            return Ok(Trained { theta, loss, gradient_norm });
        }
        for (theta, slope) in theta.iter_mut().zip(&gradient) {
            *theta -= learning_rate * slope;
        }
        epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::Examples;
    use crate::landscape::mlp::{Activation, Loss, Shape};

    const SHAPE: Shape = Shape { inputs: 2, hidden: 5, classes: 2 };

    /// Two bands, side by side, in an order without a pattern.
    fn model(activation: Activation) -> Model {
        let inputs = (0..600).map(|k| (f64::from(k) * 0.7).sin()).collect::<Vec<_>>();
        let labels = inputs.chunks(2).map(|x| u32::from(x[0] + 0.3 * x[1] > 0.2)).collect();
        let examples = Examples::new(inputs, labels, 2, 2).expect("valid");
        Model::new(SHAPE, activation, Loss::MeanSquared, 0.001, Arc::new(examples)).expect("valid")
    }

    fn first_theta() -> Vec<f64> {
        let mut state = 0.0;
        SHAPE.initial_parameters(|| {
            state = (state + 0.618_033_988_749_895) % 1.0;
            state
        })
    }

    #[test]
    fn training_lowers_the_loss_every_epoch_and_reports_where_it_ended() {
        for activation in [Activation::Relu, Activation::Tanh] {
            let model = model(activation);
            let mut losses = Vec::new();
            let mut watch = |progress: Progress| {
                assert_eq!((progress.epoch, progress.epochs), (losses.len(), 200));
                losses.push(progress.loss);
                ControlFlow::Continue(())
            };
            let trained = train(&model, first_theta(), 200, 0.3, &mut watch).expect("converges");
            assert_eq!(losses.len(), 201);
            assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{activation:?}: {losses:?}");
            assert!(trained.loss < 0.6 * losses[0], "{activation:?}: {} from {}", trained.loss, losses[0]);
            let mut workspace = model.workspace();
            let mut gradient = vec![0.0; model.dim()];
            assert_eq!(trained.loss, model.loss_and_gradient(&trained.theta, &mut gradient, &mut workspace));
            assert_eq!(trained.gradient_norm, norm(&gradient));
        }
    }

    #[test]
    fn theta_is_the_same_in_any_pool() {
        let model = model(Activation::Tanh);
        let trained = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let quiet = &mut |_| ControlFlow::Continue(());
            pool.install(|| train(&model, first_theta(), 20, 0.5, quiet)).expect("converges")
        });
        assert_eq!(trained[0], trained[1]);
        assert_eq!(trained[0], trained[2]);
    }

    #[test]
    fn no_epochs_leave_theta_as_it_was() {
        let trained = train(&model(Activation::Relu), first_theta(), 0, 0.3, &mut |_| ControlFlow::Continue(()));
        assert_eq!(trained.expect("finite").theta, first_theta());
    }

    #[test]
    fn divergence_and_a_wish_to_stop_are_errors_that_name_the_epoch() {
        let model = model(Activation::Relu);
        let diverged = train(&model, first_theta(), 1000, 1e6, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(diverged, Err(TrainingError::Diverged { epoch: 1..100 })), "{diverged:?}");
        let mut stop_at_three =
            |p: Progress| if p.epoch == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let stopped = train(&model, first_theta(), 1000, 0.1, &mut stop_at_three);
        assert_eq!(stopped, Err(TrainingError::Stopped { epoch: 3 }));
    }
}
