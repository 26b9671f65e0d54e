//! A cell as the core sees it, and the way from there to something that can be simulated.

mod exact;
mod separable;

pub use exact::ExactExit;

use std::fmt;
use std::sync::Arc;

use crate::domain::Domain;
use crate::dynamics::example_noise::ExampleNoise;
use crate::dynamics::gaussian_sgd::GaussianSgd;
use crate::dynamics::rotated_levy::RotatedLevy;
use crate::dynamics::sgd::Sgd;
use crate::dynamics::{Covariance, Dynamics, Scheme, Step, Tail};
use crate::landscape::mlp::chain::FourChains;
use crate::landscape::mlp::{Mlp, MlpError};
use crate::landscape::quadratic::Quadratic;
use crate::landscape::regression::LinearRegression;
use crate::landscape::well::Well;
use crate::landscape::{Curvature, ExampleLoss, Landscape};
use crate::rng::StreamKey;
use crate::scale::Scale;
use crate::simd::{Isa, LANES};
use crate::walk::Simulation;
use crate::walk::chain::{ChainNoise, ChainWalk};
use crate::walk::gaussian::{ChainCovariance, Gaussian};
use crate::walk::scalar::ScalarWalk;

/// A landscape of any kind; cheap to clone.
#[derive(Clone)]
pub enum AnyLandscape {
    /// A bowl.
    Quadratic(Arc<Quadratic>),
    /// A double well, or a quartic.
    Well(Arc<Well>),
    /// Linear least squares on data: a bowl with examples.
    Regression(Arc<LinearRegression>),
    /// A multi-layer perceptron on data.
    Mlp(Arc<Mlp>),
}

impl AnyLandscape {
    /// N, where it is made of examples.
    pub fn examples(&self) -> Option<usize> {
        match self {
            Self::Quadratic(_) | Self::Well(_) => None,
            Self::Regression(regression) => Some(regression.examples()),
            Self::Mlp(mlp) => Some(mlp.examples()),
        }
    }

    /// What is known of the Hessian at θ*.
    pub fn curvature(&self) -> &Curvature {
        match self {
            Self::Quadratic(quadratic) => quadratic.curvature(),
            Self::Well(well) => well.curvature(),
            Self::Regression(regression) => regression.curvature(),
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
    /// On a perceptron, whose loss is a sum over all examples, a sublevel set is tested at every so manieth step alone;
    /// ≥ 1. Above 1 exits are seen late: k* is the first *multiple* of it with θ ∉ D, up to `check_every` − 1 steps
    /// late, and an excursion that is over by the next test is not seen at all. Quadratics are tested at every step.
    pub check_every: u64,
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

/// A combination that cannot be simulated.
#[derive(Debug, Clone, PartialEq)]
pub enum ProblemError {
    /// Minibatches, and their covariance, need examples.
    NoExamples,
    /// B is 0 or greater than the number of examples.
    BatchSize {
        /// B.
        batch_size: u64,
        /// N.
        examples: usize,
    },
    /// The Hessian of this MLP cannot be formed.
    HessianOfMlp(MlpError),
    /// C = H on an MLP has a kernel in f32 alone.
    HessianInF64,
    /// A stability outside of (1, 2].
    Stability(f64),
    /// Stable noise of a covariance that is never formed, or only its root, has no coordinates to be independent in.
    IndependentOfExamples,
}

impl fmt::Display for ProblemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoExamples => {
                f.write_str("sgd, and the covariances sample and frozen, are of examples, and this landscape has none")
            }
            Self::BatchSize { batch_size, examples } => {
                write!(f, "a minibatch of {batch_size} cannot be drawn from {examples} examples")
            }
            Self::HessianInF64 => f.write_str("covariance hessian on an mlp is computed in f32 alone"),
            Self::HessianOfMlp(error) => write!(f, "failed to form the Hessian: {error}"),
            Self::Stability(a) => write!(f, "a stability is above 1 and at most 2, and {a} is not"),
            Self::IndependentOfExamples => f.write_str(
                "stable noise with a covariance that is not formed is isotropic alone: there are no coordinates for it to be \
                 independent in",
            ),
        }
    }
}

impl std::error::Error for ProblemError {}

impl CellProblem {
    /// Trials that one thread runs side by side; see [`Simulation::lanes`].
    pub fn lanes(&self) -> usize {
        let covariance = self.scheme().ok().flatten().map(|scheme| scheme.covariance);
        let separable = matches!(covariance, Some(Covariance::Hessian | Covariance::Identity));
        match &self.landscape {
            AnyLandscape::Quadratic(quadratic) if separable && self.rotated(quadratic).is_none() => LANES,
            AnyLandscape::Regression(data) if separable && self.rotated(data.bowl()).is_none() => LANES,
            AnyLandscape::Well(_) => LANES,
            AnyLandscape::Mlp(mlp) => self.chains_of(mlp),
            _ => 1,
        }
    }

    /// The same on a perceptron.
    fn chains_of(&self, mlp: &Mlp) -> usize {
        let minibatches = self.dtype == Dtype::F32 && self.dynamics == Dynamics::Sgd;
        if minibatches && FourChains::are_for(mlp.model().shape()) { FourChains::CHAINS } else { 1 }
    }

    /// How long a step lasts, in time.
    pub fn step_length(&self) -> f64 {
        self.dynamics.step_length(self.eta)
    }

    /// The simulation of this cell's trials, whose streams are keyed by (`seed`, `cell`).
    ///
    /// # Errors
    /// If the dynamics has no meaning, or no code, on this landscape.
    pub fn simulation(&self, seed: u64, cell: u64) -> Result<Box<dyn Simulation>, ProblemError> {
        self.simulation_on(Isa::current(), seed, cell)
    }

    /// The same on an instruction set of choice, which changes no bit of it.
    ///
    /// # Errors
    /// As [`Self::simulation`].
    pub fn simulation_on(&self, isa: Isa, seed: u64, cell: u64) -> Result<Box<dyn Simulation>, ProblemError> {
        let key = StreamKey::derive(seed, cell);
        let scheme = self.scheme()?;
        match (&self.landscape, scheme) {
            (AnyLandscape::Quadratic(_) | AnyLandscape::Well(_), None) => Err(ProblemError::NoExamples),
            (AnyLandscape::Quadratic(quadratic), Some(scheme)) => self.bowl(quadratic, scheme, key, isa),
            (AnyLandscape::Well(well), Some(scheme)) => match scheme.covariance {
                Covariance::Hessian | Covariance::Identity => Ok(self.well(well, scheme, key, isa)),
                Covariance::Sample | Covariance::Frozen => Err(ProblemError::NoExamples),
            },
            (AnyLandscape::Regression(data), scheme) => self.regression(data, scheme, key, isa),
            (AnyLandscape::Mlp(mlp), scheme) => self.perceptron(mlp, scheme, key, isa),
        }
    }

    /// The step of the dynamics; `None` for minibatches.
    fn scheme(&self) -> Result<Option<Scheme>, ProblemError> {
        match (self.dynamics.scheme(self.eta, self.batch_size), self.dynamics) {
            (None, Dynamics::LevySgd { stability, .. }) => Err(ProblemError::Stability(stability)),
            (scheme, _) => Ok(scheme),
        }
    }

    /// On a quadratic.
    fn bowl(
        &self,
        quadratic: &Arc<Quadratic>,
        scheme: Scheme,
        key: StreamKey,
        isa: Isa,
    ) -> Result<Box<dyn Simulation>, ProblemError> {
        let variance = |h: &f64| match scheme.covariance {
            Covariance::Hessian => Ok(self.scale.hessian_factor() * h),
            Covariance::Identity => Ok(1.0),
            Covariance::Sample | Covariance::Frozen => Err(ProblemError::NoExamples),
        };
        let variances = quadratic.eigenvalues().iter().map(variance).collect::<Result<Vec<_>, _>>()?;
        Ok(match self.rotated(quadratic) {
            Some(basis) => {
                self.scalar_walk(quadratic, RotatedLevy::new(self.scale, scheme, &variances, basis), key, false)
            }
            None => self.quadratic(quadratic, scheme, key, isa),
        })
    }

    /// The eigenvectors, where the noise tells them from the coordinate axes.
    fn rotated<'a>(&self, quadratic: &'a Quadratic) -> Option<&'a [f64]> {
        let tail = self.scheme().ok().flatten().map(|scheme| scheme.tail);
        quadratic.basis().filter(|_| matches!(tail, Some(Tail::Independent(_))))
    }

    /// On a quadratic with examples.
    fn regression(
        &self,
        data: &Arc<LinearRegression>,
        scheme: Option<Scheme>,
        key: StreamKey,
        isa: Isa,
    ) -> Result<Box<dyn Simulation>, ProblemError> {
        let Some(scheme) = scheme else {
            let step = self.minibatches(data.examples())?;
            return Ok(self.scalar_walk(data, step, key, false));
        };
        let frozen = match scheme.covariance {
            Covariance::Hessian | Covariance::Identity => return self.bowl(data.bowl(), scheme, key, isa),
            Covariance::Sample => false,
            Covariance::Frozen => true,
        };
        if let Tail::Independent(_) = scheme.tail {
            return Err(ProblemError::IndependentOfExamples);
        }
        let work = 3 * (data.dim() * data.examples()) as u64;
        let step = ExampleNoise::new(self.scale, scheme, frozen, data.examples(), work);
        Ok(self.scalar_walk(data, step, key, scheme.corrected))
    }

    /// On a perceptron.
    fn perceptron(
        &self,
        mlp: &Arc<Mlp>,
        scheme: Option<Scheme>,
        key: StreamKey,
        isa: Isa,
    ) -> Result<Box<dyn Simulation>, ProblemError> {
        let Some(scheme) = scheme else {
            let step = self.minibatches(mlp.examples())?;
            return Ok(match self.dtype {
                Dtype::F64 => self.scalar_walk(mlp, step, key, false),
                Dtype::F32 => {
                    let noise = ChainNoise::Minibatch { batch_size: self.batch_size as usize };
                    self.chain_walk(mlp, noise, self.eta, key, isa)
                }
            });
        };
        if scheme.covariance != Covariance::Identity && matches!(scheme.tail, Tail::Independent(_)) {
            return Err(ProblemError::IndependentOfExamples);
        }
        if self.dtype == Dtype::F64 {
            return self.reference(mlp, scheme, key);
        }
        let covariance = match scheme.covariance {
            Covariance::Identity => ChainCovariance::Isotropic,
            Covariance::Sample => ChainCovariance::Sample,
            Covariance::Frozen => ChainCovariance::Frozen,
            Covariance::Hessian => {
                let root = mlp.root_of_hessian().map_err(ProblemError::HessianOfMlp)?;
                ChainCovariance::Factor { factor: Arc::clone(&root.factor), variance: self.scale.hessian_factor() }
            }
        };
        let Scheme { length, noise: size, tail, corrected, .. } = scheme;
        let noise = ChainNoise::Gaussian(Gaussian { covariance, size, tail, corrected });
        Ok(self.chain_walk(mlp, noise, length, key, isa))
    }

    /// On a perceptron, in f64.
    fn reference(&self, mlp: &Arc<Mlp>, scheme: Scheme, key: StreamKey) -> Result<Box<dyn Simulation>, ProblemError> {
        let work = 6 * mlp.dim() as u64 * mlp.examples() as u64;
        let frozen = match scheme.covariance {
            Covariance::Hessian => return Err(ProblemError::HessianInF64),
            Covariance::Identity => {
                let step = GaussianSgd::isotropic(self.scale, scheme, work);
                return Ok(self.scalar_walk(mlp, step, key, scheme.corrected));
            }
            Covariance::Sample => false,
            Covariance::Frozen => true,
        };
        let step = ExampleNoise::new(self.scale, scheme, frozen, mlp.examples(), 2 * work);
        Ok(self.scalar_walk(mlp, step, key, scheme.corrected))
    }

    fn minibatches(&self, examples: usize) -> Result<Sgd, ProblemError> {
        let error = ProblemError::BatchSize { batch_size: self.batch_size, examples };
        Sgd::new(self.scale, self.eta, self.batch_size, examples).ok_or(error)
    }

    fn chain_walk(
        &self,
        mlp: &Arc<Mlp>,
        noise: ChainNoise,
        step: f64,
        key: StreamKey,
        isa: Isa,
    ) -> Box<dyn Simulation> {
        Box::new(ChainWalk {
            landscape: Arc::clone(mlp),
            noise,
            scale: self.scale,
            step,
            boundary: self.domain.boundary(self.scale),
            check_every: self.check_every,
            max_steps: self.max_steps,
            key,
            isa,
        })
    }

    fn scalar_walk<L: Landscape + 'static, S: Step<L> + 'static>(
        &self,
        landscape: &Arc<L>,
        step: S,
        key: StreamKey,
        drawn_in: bool,
    ) -> Box<dyn Simulation> {
        Box::new(ScalarWalk {
            landscape: Arc::clone(landscape),
            step,
            boundary: self.domain.boundary(self.scale),
            drawn_in,
            stretch: self.scale.stretch(),
            check_every: self.check_every,
            beta: self.scale.beta,
            max_steps: self.max_steps,
            key,
        })
    }
}
