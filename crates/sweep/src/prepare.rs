//! From a sweep to its artifact: the data made ready, θ* trained or loaded, the curvature and the noise measured there.
//! All of it deterministic.
//!
//! What is measured beside λmax is bounded by what λmax took: with K Hessian-vector products for it, λmin has at most
//! K/2 more in the same basis, and Assumption 2 K/4 probes of two products each, from 8 to 30: together K, or 16 and K/2
//! where K is below 32. Only where products are cheap λmin may have all that are left of 200, and there are 30 probes.

use std::fmt;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use taugrid_escape::curvature::{
    EigenvalueError, Extent, ExtremeEigenvalue, NoiseVersusHessian, ProbeError, extreme_eigenvalues,
    noise_versus_hessian, trace,
};
use taugrid_escape::data::{DataError, Examples, SyntheticShape};
use taugrid_escape::landscape::mlp::{MlpError, Model, Shape};
use taugrid_escape::landscape::regression::{LinearRegression, RegressionError};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::training::{self, Trained, TrainingError};

use crate::artifact::{Artifact, Network};
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
    /// λmax and λmin by Lanczos' method.
    Curvature {
        /// Hessian-vector products taken, from 1; each costs about two epochs of training.
        products: u64,
        /// It ends after as many, if not before.
        max_products: u64,
    },
    /// The trace, and the covariance of the gradient noise beside the Hessian, from random probes.
    Noise {
        /// Probes begun, from 1; each costs about as much as two products.
        probe: u64,
        /// Probes to take.
        probes: u64,
    },
}

impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Training { epoch, epochs, loss, gradient_norm } => {
                write!(f, "training θ*: epoch {epoch}/{epochs}, loss {loss:.6}, gradient {gradient_norm:.1e}")
            }
            Self::Curvature { products, .. } => {
                write!(f, "measuring λmax and λmin: {products} Hessian-vector products")
            }
            Self::Noise { probe, probes } => write!(f, "measuring trace and noise: probe {probe}/{probes}"),
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
    /// There is no θ* of least squares.
    #[error("failed to fit the regression: {0}")]
    Regression(RegressionError),
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
    #[error("stopped before θ* and its curvature were found")]
    Stopped,
    /// There is no λmax, or no λmin.
    #[error("failed to find the extreme eigenvalues of the Hessian: {0}")]
    Curvature(EigenvalueError),
    /// There is no trace, or no noise.
    #[error("failed to probe the Hessian and the gradient noise: {0}")]
    Noise(ProbeError),
    /// The content of a file is gone. A sweep that was parsed holds it.
    #[error("the {0} that the sweep names have not been read")]
    NotRead(&'static str),
}

/// The residual of λmax, relative to it.
const TOLERANCE: f64 = 1e-10;
/// The residual of λmin, relative to λmax: the lower end of a network's spectrum is dense.
const SMALLEST_TOLERANCE: f64 = 1e-6;
/// Further products for λmin, as a share of those for λmax.
const SMALLEST_SHARE: f64 = 0.5;
/// The same where products are cheap: as many as are kept.
const CHEAP_SHARE: f64 = 1e3;
/// Lanczos' method keeps a vector of length d a product: 2 GiB of them at most, in f64.
const MAX_KEPT: usize = 1 << 28;
/// Probes of the trace and the noise, so many if they are a quarter of the products that λmax took.
const PROBES: RangeInclusive<usize> = 8..=30;
/// Products are cheap, some tenth of a second, where the parameters times the examples are no more than this.
const CHEAP: usize = 20_000_000;

/// Streams apart from those of all trials, whose purposes are cell keys under the sweep's own seed.
const DRAW_EXAMPLES: u64 = u64::from_be_bytes(*b"examples");
const DRAW_WEIGHTS: u64 = u64::from_be_bytes(*b"weights ");
const DRAW_DIRECTION: u64 = u64::from_be_bytes(*b"lanczos ");
const DRAW_PROBES: u64 = u64::from_be_bytes(*b"probes  ");

impl Sweep {
    /// The artifact of this sweep's landscape: its examples; of a perceptron θ* as well, which is trained or loaded, and
    /// the curvature there. A regression is fitted once, to know that it can be. `None` for landscapes that need none. Runs
    /// in rayon's current pool, for as long as it takes: never call it from an async task.
    ///
    /// # Errors
    /// If the data cannot be used, training diverges, there is no fit, or `progress` says stop.
    pub fn prepare(
        &self,
        progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
    ) -> Result<Option<Artifact>, PrepareError> {
        let Some(data) = self.landscape.data() else { return Ok(None) };
        let examples = Arc::new(examples(data, &self.sources)?);
        let network = match &self.landscape {
            LandscapeSpec::Mlp(mlp) => Some(network(mlp, &examples, &self.sources, progress)?),
            LandscapeSpec::LinearRegression(regression) => {
                LinearRegression::new(&examples, regression.design()).map_err(PrepareError::Regression)?;
                None
            }
            LandscapeSpec::Quadratic { .. } | LandscapeSpec::DoubleWell { .. } | LandscapeSpec::Quartic { .. } => None,
        };
        Ok(Some(Artifact { landscape_id: self.physics().landscape_id(), examples, network }))
    }

    /// The network on its examples, before it has a θ.
    pub(crate) fn network(&self, mlp: &MlpSpec) -> Result<Model, PrepareError> {
        model(mlp, &Arc::new(examples(&mlp.data, &self.sources)?))
    }
}

/// PyTorch's default initialisation, from `seed`.
pub(crate) fn initial_parameters(model: &Model, seed: u64) -> Vec<f64> {
    let mut stream = Stream::new(StreamKey::derive(seed, DRAW_WEIGHTS), 0);
    model.shape().initial_parameters(|| stream.uniform())
}

/// The network on its examples, before it has a θ.
fn model(mlp: &MlpSpec, examples: &Arc<Examples>) -> Result<Model, PrepareError> {
    let hidden = usize::try_from(mlp.hidden).unwrap_or(usize::MAX);
    let shape = Shape { inputs: examples.features(), hidden, classes: examples.classes() };
    Model::new(shape, mlp.activation.into(), mlp.loss.into(), mlp.weight_decay, Arc::clone(examples))
        .map_err(PrepareError::Network)
}

/// θ* of a perceptron, and what is known of L there.
fn network(
    mlp: &MlpSpec,
    examples: &Arc<Examples>,
    sources: &Sources,
    progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
) -> Result<Network, PrepareError> {
    let model = model(mlp, examples)?;
    let Trained { theta, loss, gradient_norm } = minimum(mlp, &model, sources, progress)?;
    let (largest, smallest) = extremes(&model, &theta, progress)?;
    let (noise, trace_error) = noise(&model, &theta, largest.iterations, progress)?;
    Ok(Network {
        shape: model.shape(),
        activation: mlp.activation,
        loss_function: mlp.loss,
        weight_decay: mlp.weight_decay,
        theta,
        loss,
        gradient_norm,
        lambda_max: largest.value,
        lambda_max_residual: largest.residual,
        lambda_min: smallest.value,
        lambda_min_residual: smallest.residual,
        noise,
        trace_error,
    })
}

/// The examples as the landscape sees them.
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
            let start = initial_parameters(model, seed);
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

fn cheap(model: &Model) -> bool {
    model.dim().saturating_mul(model.examples().len()) <= CHEAP
}

/// λmax(H*) and λmin(H*), each with the distance within which an eigenvalue lies of it.
fn extremes(
    model: &Model,
    theta: &[f64],
    progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
) -> Result<(ExtremeEigenvalue, ExtremeEigenvalue), PrepareError> {
    let extent = Extent {
        tolerance: TOLERANCE,
        max_iterations: (MAX_KEPT / model.dim()).clamp(10, 200),
        smallest_tolerance: SMALLEST_TOLERANCE,
        smallest_share: if cheap(model) { CHEAP_SHARE } else { SMALLEST_SHARE },
    };
    let max_products = extent.max_iterations as u64;
    let mut stream = Stream::new(StreamKey::derive(0, DRAW_DIRECTION), 0);
    let start: Vec<f64> = (0..model.dim()).map(|_| stream.normal()).collect();
    let mut workspace = model.parallel_workspace();
    let mut products = 0;
    let mut stopped = false;
    let apply = |v: &[f64], out: &mut [f64]| {
        products += 1;
        stopped |= progress(Preparation::Curvature { products, max_products }).is_break();
        if stopped {
            // Lanczos' method ends at a product that is not finite.
            out.fill(f64::NAN);
        } else {
            model.hessian_vector(theta, v, out, &mut workspace);
        }
    };
    let found = extreme_eigenvalues(model.dim(), apply, &start, extent);
    if stopped { Err(PrepareError::Stopped) } else { found.map_err(PrepareError::Curvature) }
}

/// The gradient noise beside H*, and the standard error of tr H*. `products` is what λmax took.
fn noise(
    model: &Model,
    theta: &[f64],
    products: usize,
    progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
) -> Result<(NoiseVersusHessian, f64), PrepareError> {
    let probes = if cheap(model) { *PROBES.end() } else { (products / 4).clamp(*PROBES.start(), *PROBES.end()) };
    let mut stream = Stream::new(StreamKey::derive(0, DRAW_PROBES), 0);
    let mut workspace = model.parallel_workspace();
    let mut other = model.parallel_workspace();
    let mut probe = 0;
    let mut stopped = false;
    let covariance = |v: &[f64], out: &mut [f64]| {
        probe += 1;
        stopped |= progress(Preparation::Noise { probe, probes: probes as u64 }).is_break();
        if stopped {
            // The probing ends at a product that is not finite.
            out.fill(f64::NAN);
        } else {
            model.noise_covariance_vector(theta, v, out, &mut workspace);
        }
    };
    let hessian = |v: &[f64], out: &mut [f64]| model.hessian_vector(theta, v, out, &mut other);
    let found = noise_versus_hessian(model.dim(), covariance, hessian, probes, || trace::sign(stream.uniform()));
    if stopped {
        return Err(PrepareError::Stopped);
    }
    let (found, trace) = found.map_err(PrepareError::Noise)?;
    // tr C is to be had exactly, but for rounding where there is no noise at all.
    let trace_noise = model.noise_trace(theta, &mut workspace).max(0.0);
    // There are at least eight probes.
    Ok((NoiseVersusHessian { trace_noise, ..found }, trace.standard_error.unwrap_or(0.0)))
}
