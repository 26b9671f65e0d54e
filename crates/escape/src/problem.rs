//! A cell as the core sees it, and the way from there to something that can be simulated.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Boundary, Domain};
use crate::dynamics::gaussian_sgd::GaussianSgd;
use crate::dynamics::sgd::Sgd;
use crate::dynamics::{Covariance, Dynamics, Step};
use crate::landscape::mlp::Mlp;
use crate::landscape::quadratic::Quadratic;
use crate::landscape::{Curvature, ExampleLoss, Landscape};
use crate::rng::StreamKey;
use crate::scale::Scale;
use crate::simd::{Isa, LANES};
use crate::walk::Simulation;
use crate::walk::lanes::{Coordinate, LaneWalk};
use crate::walk::real::Real;
use crate::walk::scalar::ScalarWalk;

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
    /// What the state of a trial is kept in.
    pub dtype: Dtype,
}

/// What the state of a trial is kept in. Either way the normals of the lane kernels have the resolution of f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dtype {
    /// f32, wherever it resolves the cell; see [`CellProblem::simulation`].
    #[default]
    F32,
    /// f64.
    F64,
}

/// Whether f32 resolves a coordinate: the noise of a step is at least 700 times the last place of its stationary spread
/// (noise/√(2·pull) of it), so that roundings are dithered and add less than 10⁻⁶ to its variance; and what the kernel
/// multiplies by is far from underflow.
fn f32_resolves(coordinate: &Coordinate) -> bool {
    let sigma = coordinate.noise / coordinate.unit;
    coordinate.pull >= 1e-9 && sigma >= 1e-30 && sigma <= 1e30 && coordinate.pull <= 1e6
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
    /// Trials that one thread runs side by side; see [`Simulation::lanes`].
    pub fn lanes(&self) -> usize {
        match (&self.landscape, self.dynamics) {
            (AnyLandscape::Quadratic(_), Dynamics::GaussianSgd(_)) => LANES,
            _ => 1,
        }
    }

    /// The simulation of this cell's trials, whose streams are keyed by (`seed`, `cell`).
    ///
    /// # Errors
    /// If the dynamics has no meaning, or no code, on this landscape.
    pub fn simulation(&self, seed: u64, cell: u64) -> Result<Box<dyn Simulation>, ProblemError> {
        let key = StreamKey::derive(seed, cell);
        let Self { scale, eta, batch_size, .. } = *self;
        Ok(match (&self.landscape, self.dynamics) {
            (AnyLandscape::Quadratic(quadratic), Dynamics::GaussianSgd(covariance)) => {
                let coordinates = self.coordinates(quadratic, covariance);
                match self.dtype {
                    Dtype::F32 if coordinates.iter().all(f32_resolves) => {
                        self.lane_walk::<f32>(quadratic, &coordinates, key)
                    }
                    _ => self.lane_walk::<f64>(quadratic, &coordinates, key),
                }
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

    /// A quadratic's coordinates under noise of this covariance.
    fn coordinates(&self, quadratic: &Quadratic, covariance: Covariance) -> Vec<Coordinate> {
        let boundary = self.domain.boundary(self.scale);
        let scale = |h: f64| match boundary {
            // Where the square of the radius overflows, any unit will do that a state can leave.
            Boundary::SquaredRadius(square) => square.sqrt().min(f64::MAX.sqrt()),
            Boundary::BaseExcess(depth) => (2.0 * depth / (self.scale.alpha * h)).sqrt(),
        };
        let coordinate = |&h: &f64| {
            let curvature = self.scale.hessian_factor() * h;
            let variance = match covariance {
                Covariance::Hessian => curvature,
                Covariance::Identity => 1.0,
            };
            let noise = self.eta * (variance / self.batch_size as f64).sqrt();
            Coordinate { pull: self.eta * curvature, noise, unit: scale(h) }
        };
        quadratic.eigenvalues().iter().map(coordinate).collect()
    }

    fn lane_walk<R: Real>(
        &self,
        quadratic: &Arc<Quadratic>,
        coordinates: &[Coordinate],
        key: StreamKey,
    ) -> Box<dyn Simulation> {
        Box::new(LaneWalk::<R>::new(
            Arc::clone(quadratic),
            coordinates,
            self.domain.boundary(self.scale),
            self.scale.stretch(),
            self.scale.beta,
            self.max_steps,
            key,
            Isa::current(),
        ))
    }

    fn walk<L: Landscape + 'static, S: Step<L> + 'static>(
        &self,
        landscape: &Arc<L>,
        step: S,
        key: StreamKey,
    ) -> Box<dyn Simulation> {
        Box::new(ScalarWalk {
            landscape: Arc::clone(landscape),
            step,
            boundary: self.domain.boundary(self.scale),
            beta: self.scale.beta,
            max_steps: self.max_steps,
            key,
        })
    }
}
