//! From a sweep to its artifact: the data made ready, θ* trained or loaded, λmax measured. All of it deterministic.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use taugrid_escape::curvature::{EigenvalueError, largest_eigenvalue};
use taugrid_escape::data::{DataError, Examples, SyntheticShape};
use taugrid_escape::landscape::mlp::{MlpError, Model, Shape};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::training::{self, Trained, TrainingError};

use crate::artifact::Artifact;
use crate::data::Sources;
use crate::spec::{DataSource, DataSpec, LandscapeSpec, MinimumSpec, MlpSpec};
use crate::sweep::Sweep;

/// How far the preparation is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Preparation {
    /// Full-batch gradient descent towards θ*.
    Training {
        /// Steps taken, from 0.
        epoch: u64,
        /// Steps to take.
        epochs: u64,
        /// L after them.
        loss: f64,
        /// ‖∇L‖ after them.
        gradient_norm: f64,
    },
    /// λmax by Lanczos' method.
    Curvature {
        /// Hessian-vector products taken, from 1; each costs about two epochs of training.
        products: u64,
        /// It ends after as many, if not before.
        max_products: u64,
    },
}

impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Training { epoch, epochs, loss, gradient_norm } => {
                write!(f, "training θ*: epoch {epoch}/{epochs}, loss {loss:.6}, gradient {gradient_norm:.1e}")
            }
            Self::Curvature { products, .. } => write!(f, "measuring λmax: {products} Hessian-vector products"),
        }
    }
}

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The data cannot be used.
    #[error("failed to use the data: {0}")]
    Data(DataError),
    /// The data and the network do not fit together.
    #[error("failed to build the network: {0}")]
    Network(MlpError),
    /// There is no θ*.
    #[error("failed to train: {0}")]
    Training(TrainingError),
    /// The weights that were loaded are too large.
    #[error("the loss, or its gradient, is not finite at the weights that were loaded")]
    Loaded,
    /// The one who was told of the progress said stop.
    #[error("stopped before θ* and its sharpness were found")]
    Stopped,
    /// There is no λmax.
    #[error("failed to find the largest eigenvalue of the Hessian: {0}")]
    Curvature(EigenvalueError),
    /// The content of a file is gone. A sweep that was parsed holds it.
    #[error("the {0} that the sweep names have not been read")]
    NotRead(&'static str),
}

/// The residual of λmax, relative to it.
const TOLERANCE: f64 = 1e-10;
/// Lanczos' method keeps a vector of length d a product: 2 GiB of them at most, in f64.
const MAX_KEPT: usize = 1 << 28;

/// Streams apart from those of all trials, whose purposes are cell keys under the sweep's own seed.
const DRAW_EXAMPLES: u64 = u64::from_be_bytes(*b"examples");
const DRAW_WEIGHTS: u64 = u64::from_be_bytes(*b"weights ");
const DRAW_DIRECTION: u64 = u64::from_be_bytes(*b"lanczos ");

impl Sweep {
    /// The artifact of this sweep's landscape: trains or loads θ*, and computes λmax there. `None` for landscapes that
    /// need none. Runs in rayon's current pool, for as long as it takes: never call it from an async task.
    ///
    /// # Errors
    /// If the data cannot be used, training diverges, or `progress` says stop.
    pub fn prepare(
        &self,
        progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
    ) -> Result<Option<Artifact>, PrepareError> {
        let LandscapeSpec::Mlp(mlp) = &self.landscape else { return Ok(None) };
        let examples = Arc::new(examples(&mlp.data, &self.sources)?);
        let hidden = usize::try_from(mlp.hidden).unwrap_or(usize::MAX);
        let shape = Shape { inputs: examples.features(), hidden, classes: examples.classes() };
        let model = Model::new(shape, mlp.activation.into(), mlp.loss.into(), mlp.weight_decay, Arc::clone(&examples))
            .map_err(PrepareError::Network)?;
        let Trained { theta, loss, gradient_norm } = minimum(mlp, &model, &self.sources, progress)?;
        let (lambda_max, lambda_max_residual) = sharpness(&model, &theta, progress)?;
        Ok(Some(Artifact {
            landscape_id: self.physics().landscape_id(),
            shape,
            activation: mlp.activation,
            loss_function: mlp.loss,
            weight_decay: mlp.weight_decay,
            theta,
            examples,
            loss,
            gradient_norm,
            lambda_max,
            lambda_max_residual,
        }))
    }
}

/// The examples as the network sees them.
fn examples(data: &DataSpec, sources: &Sources) -> Result<Examples, PrepareError> {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let drawn = match data.source {
        DataSource::Synthetic { examples, features, classes, seed } => {
            let shape = SyntheticShape { examples: size(examples), features: size(features), classes: size(classes) };
            let mut stream = Stream::new(StreamKey::derive(seed, DRAW_EXAMPLES), 0);
            Examples::synthetic(shape, || stream.normal())
        }
        DataSource::File { .. } => {
            let table = sources.table.as_deref().ok_or(PrepareError::NotRead("data"))?;
            Examples::new(table.inputs.clone(), table.labels.clone(), table.features, table.classes.len())
        }
    };
    let standardized = if data.standardize { drawn.and_then(Examples::standardized) } else { drawn };
    let clipped = match data.clip {
        Some(limit) => standardized.and_then(|examples| examples.clipped(limit)),
        None => standardized,
    };
    clipped.map_err(PrepareError::Data)
}

fn minimum(
    mlp: &MlpSpec,
    model: &Model,
    sources: &Sources,
    progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
) -> Result<Trained, PrepareError> {
    match mlp.minimum {
        MinimumSpec::Train { epochs, learning_rate, seed } => {
            let mut stream = Stream::new(StreamKey::derive(seed, DRAW_WEIGHTS), 0);
            let start = model.shape().initial_parameters(|| stream.uniform());
            let mut told = |now: training::Progress| {
                let (epoch, epochs) = (now.epoch as u64, now.epochs as u64);
                progress(Preparation::Training { epoch, epochs, loss: now.loss, gradient_norm: now.gradient_norm })
            };
            let epochs = usize::try_from(epochs).unwrap_or(usize::MAX);
            training::train(model, start, epochs, learning_rate, &mut told).map_err(|error| match error {
                TrainingError::Stopped { .. } => PrepareError::Stopped,
                _ => PrepareError::Training(error),
            })
        }
        MinimumSpec::Load { .. } => {
            let weights = sources.weights.as_deref().ok_or(PrepareError::NotRead("weights"))?;
            let theta = model.shape().from_tensors(weights).map_err(PrepareError::Network)?;
            // Training for no epoch is how the core measures L and ∇L at a point.
            let nothing = &mut |_| ControlFlow::Continue(());
            training::train(model, theta, 0, 0.0, nothing).map_err(|_| PrepareError::Loaded)
        }
    }
}

/// λmax(H*), and the distance within which an eigenvalue lies of it.
fn sharpness(
    model: &Model,
    theta: &[f64],
    progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
) -> Result<(f64, f64), PrepareError> {
    let max_products = (MAX_KEPT / model.dim()).clamp(10, 200);
    let mut stream = Stream::new(StreamKey::derive(0, DRAW_DIRECTION), 0);
    let start: Vec<f64> = (0..model.dim()).map(|_| stream.normal()).collect();
    let mut workspace = model.parallel_workspace();
    let mut products = 0;
    let mut stopped = false;
    let apply = |v: &[f64], out: &mut [f64]| {
        products += 1;
        stopped |= progress(Preparation::Curvature { products, max_products: max_products as u64 }).is_break();
        if stopped {
            // Lanczos' method ends at a product that is not finite.
            out.fill(f64::NAN);
        } else {
            model.hessian_vector(theta, v, out, &mut workspace);
        }
    };
    let found = largest_eigenvalue(model.dim(), apply, &start, TOLERANCE, max_products);
    if stopped {
        return Err(PrepareError::Stopped);
    }
    found.map(|found| (found.value, found.residual)).map_err(PrepareError::Curvature)
}
