//! From the physics to what the escape core simulates.

use std::sync::Arc;

use taugrid_escape::data::Examples;
use taugrid_escape::domain::Domain;
use taugrid_escape::dynamics::{self, Dynamics};
use taugrid_escape::landscape::Curvature;
use taugrid_escape::landscape::mlp::{self, Mlp, MlpError};
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::landscape::regression::{LinearRegression, RegressionError};
use taugrid_escape::landscape::well::Well;
use taugrid_escape::problem::{self, AnyLandscape, CellProblem};
use taugrid_escape::scale::Scale;

use crate::artifact::{Artifact, Network};
use crate::cell::Cell;
use crate::physics::Physics;
use crate::spec::{
    Activation, Coordinates, Covariance, DomainSpec, Dtype, DynamicsSpec, LandscapeSpec, Loss, MlpSpec, dense,
};

/// Why a landscape could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LandscapeError {
    /// Curvatures that make no bowl. Physics that were checked have none.
    #[error("the landscape's curvatures are not all finite and positive")]
    Eigenvalues,
    /// A landscape of examples needs its artifact.
    #[error("the landscape needs its artifact, and none is given")]
    NoArtifact,
    /// The artifact is that of another landscape.
    #[error("the artifact belongs to another landscape: its {0} differs")]
    OtherLandscape(&'static str),
    /// The examples have no least squares.
    #[error("failed to fit the regression: {0}")]
    Regression(RegressionError),
    /// The parts of the artifact do not fit together.
    #[error("failed to build the network: {0}")]
    Network(MlpError),
    /// This machine computes another L(θ*) than the one that made the artifact, so it would give other rows.
    #[error("this machine computes the loss {here} at θ*, where the artifact says {there}: its arithmetic differs")]
    Arithmetic {
        /// As computed here.
        here: f64,
        /// As the artifact says.
        there: f64,
    },
}

impl Physics {
    /// The landscape of all cells. `artifact` is what [`Sweep::prepare`](crate::Sweep::prepare) made, if anything.
    ///
    /// # Errors
    /// If an artifact is needed and missing, or it is that of another landscape.
    pub fn landscape(&self, artifact: Option<&Artifact>) -> Result<AnyLandscape, LandscapeError> {
        match self.landscape_spec() {
            LandscapeSpec::Quadratic { eigenvalues, matrix, rotation } => {
                let bowl = Quadratic::new(eigenvalues.clone());
                let basis = dense::basis(matrix.as_deref(), *rotation, eigenvalues.len());
                let bowl = match basis {
                    Some(basis) => bowl.and_then(|bowl| bowl.with_basis(basis)),
                    None => bowl,
                };
                bowl.map(|bowl| AnyLandscape::Quadratic(Arc::new(bowl))).ok_or(LandscapeError::Eigenvalues)
            }
            LandscapeSpec::DoubleWell { barrier, half_width, transverse } => {
                well(Well::double(*barrier, *half_width, transverse))
            }
            LandscapeSpec::Quartic { eigenvalues, quartic } => well(Well::quartic(eigenvalues, *quartic)),
            LandscapeSpec::LinearRegression(spec) => {
                let artifact = self.own(artifact)?;
                let regression = LinearRegression::new(&artifact.examples, spec.design());
                regression.map(|data| AnyLandscape::Regression(Arc::new(data))).map_err(LandscapeError::Regression)
            }
            LandscapeSpec::Mlp(spec) => {
                let artifact = self.own(artifact)?;
                let network = artifact.network.as_ref().ok_or(LandscapeError::OtherLandscape("kind"))?;
                perceptron(spec, network, &artifact.examples).map(|mlp| AnyLandscape::Mlp(Arc::new(mlp)))
            }
        }
    }

    /// The artifact, which is to be there and that of this landscape.
    fn own<'a>(&self, artifact: Option<&'a Artifact>) -> Result<&'a Artifact, LandscapeError> {
        let artifact = artifact.ok_or(LandscapeError::NoArtifact)?;
        let own = artifact.landscape_id == self.landscape_id();
        if own { Ok(artifact) } else { Err(LandscapeError::OtherLandscape("identity")) }
    }

    /// What to simulate for `cell` on the landscape that [`Self::landscape`] built; its trials' streams are keyed by
    /// [`Self::seed`] and the cell's key.
    pub fn problem(&self, cell: &Cell, landscape: &AnyLandscape) -> CellProblem {
        CellProblem {
            landscape: landscape.clone(),
            domain: match self.domain() {
                DomainSpec::Ball { radius, follows_alpha } => Domain::Ball { radius, follows_alpha },
                DomainSpec::Sublevel { depth, .. } => Domain::Sublevel { depth },
            },
            dynamics: match cell.dynamics {
                DynamicsSpec::Sgd => Dynamics::Sgd,
                DynamicsSpec::GaussianSgd { covariance } => Dynamics::GaussianSgd(covariance.into()),
                DynamicsSpec::Sde { covariance, substeps } => Dynamics::Sde { covariance: covariance.into(), substeps },
                DynamicsSpec::LevySgd { covariance, stability, coordinates } => {
                    Dynamics::LevySgd { covariance: covariance.into(), stability, coordinates: coordinates.into() }
                }
            },
            scale: Scale { alpha: cell.alpha, beta: cell.beta },
            eta: cell.eta,
            batch_size: cell.batch_size,
            max_steps: self.max_steps(),
            check_every: match self.domain() {
                DomainSpec::Sublevel { check_every, .. } => check_every,
                DomainSpec::Ball { .. } => 1,
            },
            dtype: self.dtype().into(),
        }
    }
}

fn well(well: Option<Well>) -> Result<AnyLandscape, LandscapeError> {
    well.map(|well| AnyLandscape::Well(Arc::new(well))).ok_or(LandscapeError::Eigenvalues)
}

/// The perceptron `network` on `examples`, which says it is that of `spec`.
fn perceptron(spec: &MlpSpec, network: &Network, examples: &Arc<Examples>) -> Result<Mlp, LandscapeError> {
    for (what, same) in [
        ("width", network.shape.hidden as u64 == spec.hidden),
        ("activation", network.activation == spec.activation),
        ("loss", network.loss_function == spec.loss),
        ("weight decay", network.weight_decay == spec.weight_decay),
    ] {
        if !same {
            return Err(LandscapeError::OtherLandscape(what));
        }
    }
    let curvature = Curvature {
        lambda_max: network.lambda_max,
        lambda_min: Some(network.lambda_min),
        trace: Some(network.noise.trace_hessian),
        gradient_norm: network.gradient_norm,
        noise: Some(network.noise),
    };
    let mlp = Mlp::new(
        network.shape,
        network.activation.into(),
        network.loss_function.into(),
        network.weight_decay,
        Arc::clone(examples),
        network.theta.clone(),
        curvature,
    )
    .map_err(LandscapeError::Network)?;
    let (here, there) = (mlp.loss_at_minimum(), network.loss);
    if here.to_bits() == there.to_bits() { Ok(mlp) } else { Err(LandscapeError::Arithmetic { here, there }) }
}

impl From<Activation> for mlp::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Relu => Self::Relu,
            Activation::Tanh => Self::Tanh,
        }
    }
}

impl From<Loss> for mlp::Loss {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Mse => Self::MeanSquared,
            Loss::CrossEntropy => Self::CrossEntropy,
        }
    }
}

impl From<Covariance> for dynamics::Covariance {
    fn from(covariance: Covariance) -> Self {
        match covariance {
            Covariance::Hessian => Self::Hessian,
            Covariance::Identity => Self::Identity,
            Covariance::Sample => Self::Sample,
            Covariance::Frozen => Self::Frozen,
        }
    }
}

impl From<Coordinates> for dynamics::Coordinates {
    fn from(coordinates: Coordinates) -> Self {
        match coordinates {
            Coordinates::Isotropic => Self::Isotropic,
            Coordinates::Independent => Self::Independent,
        }
    }
}

impl From<Dtype> for problem::Dtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
        }
    }
}
