//! A cell as the core sees it, and the way from there to something that can be simulated.

use std::fmt;
use std::sync::Arc;

use crate::domain::Domain;
use crate::dynamics::gaussian_sgd::GaussianSgd;
use crate::dynamics::sgd::Sgd;
use crate::dynamics::{Covariance, Dynamics, Step};
use crate::landscape::mlp::Mlp;
use crate::landscape::quadratic::Quadratic;
use crate::landscape::{Curvature, ExampleLoss, Landscape};
use crate::rng::StreamKey;
use crate::scale::Scale;
use crate::walk::{Simulation, Walk};

/// A landscape of any kind; cheap to clone.
#[derive(Clone)]
pub enum AnyLandscape {
    /// A bowl.
    Quadratic(Arc<Quadratic>),
    /// A multi-layer perceptron on data.
    Mlp(Arc<Mlp>),
}

impl AnyLandscape {
    /// What is known of the Hessian at θ*.
    pub fn curvature(&self) -> &Curvature {
        match self {
            Self::Quadratic(quadratic) => quadratic.curvature(),
            Self::Mlp(mlp) => mlp.curvature(),
        }
    }
}

/// One cell: everything that decides its trials but the seed.
#[derive(Clone)]
pub struct CellProblem {
    /// L, before α and β.
    pub landscape: AnyLandscape,
    /// D, before α and β.
    pub domain: Domain,
    /// The noise.
    pub dynamics: Dynamics,
    /// α and β.
    pub scale: Scale,
    /// η, the learning rate.
    pub eta: f64,
    /// B, the batch size.
    pub batch_size: u64,
    /// Steps after which a trial that is still inside is censored.
    pub max_steps: u64,
}

/// A combination that cannot be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemError {
    /// Minibatches need examples.
    SgdWithoutExamples,
    /// B is 0 or greater than the number of examples.
    BatchSize {
        /// B.
        batch_size: u64,
        /// N.
        examples: usize,
    },
    /// The Hessian of an MLP is not formed.
    HessianOfMlp,
}

impl fmt::Display for ProblemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SgdWithoutExamples => f.write_str("sgd draws minibatches, and a quadratic has no examples to draw"),
            Self::BatchSize { batch_size, examples } => {
                write!(f, "a minibatch of {batch_size} cannot be drawn from {examples} examples")
            }
            Self::HessianOfMlp => {
                f.write_str("covariance hessian needs the dense Hessian, which is not formed for an mlp")
            }
        }
    }
}

impl std::error::Error for ProblemError {}

impl CellProblem {
    /// The simulation of this cell's trials, whose streams are keyed by (`seed`, `cell`).
    pub fn simulation(&self, seed: u64, cell: u64) -> Result<Box<dyn Simulation>, ProblemError> {
        let key = StreamKey::derive(seed, cell);
        let Self { scale, eta, batch_size, .. } = *self;
        Ok(match (&self.landscape, self.dynamics) {
            (AnyLandscape::Quadratic(quadratic), Dynamics::GaussianSgd(covariance)) => {
                let step = GaussianSgd::on_quadratic(quadratic, covariance, scale, eta, batch_size);
                self.walk(quadratic, step, key)
            }
            (AnyLandscape::Quadratic(_), Dynamics::Sgd) => return Err(ProblemError::SgdWithoutExamples),
            (AnyLandscape::Mlp(mlp), Dynamics::GaussianSgd(Covariance::Identity)) => {
                let work = 6 * mlp.dim() as u64 * mlp.examples() as u64;
                self.walk(mlp, GaussianSgd::isotropic(scale, eta, batch_size, work), key)
            }
            (AnyLandscape::Mlp(_), Dynamics::GaussianSgd(Covariance::Hessian)) => {
                return Err(ProblemError::HessianOfMlp);
            }
            (AnyLandscape::Mlp(mlp), Dynamics::Sgd) => {
                let examples = mlp.examples();
                let step = Sgd::new(scale, eta, batch_size, examples)
                    .ok_or(ProblemError::BatchSize { batch_size, examples })?;
                self.walk(mlp, step, key)
            }
        })
    }

    fn walk<L: Landscape + 'static, S: Step<L> + 'static>(
        &self,
        landscape: &Arc<L>,
        step: S,
        key: StreamKey,
    ) -> Box<dyn Simulation> {
        Box::new(Walk {
            landscape: Arc::clone(landscape),
            step,
            boundary: self.domain.boundary(self.scale),
            beta: self.scale.beta,
            max_steps: self.max_steps,
            key,
        })
    }
}
