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
use crate::walk::chain::{ChainNoise, ChainWalk};
use crate::walk::gaussian::{ChainCovariance, Gaussian};
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

/// Whether f32 resolves a coordinate: the noise of a step is at least 700 times the last place of its stationary spread
/// (noise/√(2·pull) of it), so that roundings are dithered and add less than 10⁻⁶ to its variance; and what the kernel
/// multiplies by is far from underflow.
fn f32_resolves(coordinate: &Coordinate) -> bool {
    let sigma = coordinate.noise / coordinate.unit;
    (1e-9..=1e6).contains(&coordinate.pull) && (1e-30..=1e30).contains(&sigma)
}

/// A combination that cannot be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The Hessian of an MLP is not formed.
    HessianOfMlp,
    /// The covariance of the examples' gradients has a kernel in f32 alone.
    SampleInF64,
}

impl fmt::Display for ProblemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoExamples => {
                f.write_str("sgd, and the sample covariance, are of examples, and a quadratic has none")
            }
            Self::BatchSize { batch_size, examples } => {
                write!(f, "a minibatch of {batch_size} cannot be drawn from {examples} examples")
            }
            Self::SampleInF64 => f.write_str("covariance sample, or frozen, is computed in f32 alone"),
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
        self.simulation_on(Isa::current(), seed, cell)
    }

    /// The same on an instruction set of choice, which changes no bit of it.
    ///
    /// # Errors
    /// As [`Self::simulation`].
    pub fn simulation_on(&self, isa: Isa, seed: u64, cell: u64) -> Result<Box<dyn Simulation>, ProblemError> {
        let key = StreamKey::derive(seed, cell);
        let Self { scale, eta, batch_size, .. } = *self;
        Ok(match (&self.landscape, self.dynamics) {
            (
                AnyLandscape::Quadratic(_),
                Dynamics::Sgd | Dynamics::GaussianSgd(Covariance::Sample | Covariance::Frozen),
            ) => {
                return Err(ProblemError::NoExamples);
            }
            // Either is diagonal in the eigenbasis of H.
            (AnyLandscape::Quadratic(quadratic), Dynamics::GaussianSgd(Covariance::Hessian)) => {
                self.quadratic(quadratic, |curvature| curvature, key, isa)
            }
            (AnyLandscape::Quadratic(quadratic), Dynamics::GaussianSgd(Covariance::Identity)) => {
                self.quadratic(quadratic, |_| 1.0, key, isa)
            }
            (AnyLandscape::Mlp(mlp), Dynamics::GaussianSgd(Covariance::Identity)) => match self.dtype {
                Dtype::F32 => self.chain_walk(mlp, self.gaussian(ChainCovariance::Isotropic), key, isa),
                Dtype::F64 => {
                    let work = 6 * mlp.dim() as u64 * mlp.examples() as u64;
                    self.scalar_walk(mlp, GaussianSgd::isotropic(scale, eta, batch_size, work), key)
                }
            },
            (AnyLandscape::Mlp(_), Dynamics::GaussianSgd(Covariance::Hessian)) => {
                return Err(ProblemError::HessianOfMlp);
            }
            (AnyLandscape::Mlp(_), Dynamics::GaussianSgd(Covariance::Sample | Covariance::Frozen))
                if self.dtype == Dtype::F64 =>
            {
                return Err(ProblemError::SampleInF64);
            }
            (AnyLandscape::Mlp(mlp), Dynamics::GaussianSgd(Covariance::Sample)) => {
                self.chain_walk(mlp, self.gaussian(ChainCovariance::Sample), key, isa)
            }
            (AnyLandscape::Mlp(mlp), Dynamics::GaussianSgd(Covariance::Frozen)) => {
                self.chain_walk(mlp, self.gaussian(ChainCovariance::Frozen), key, isa)
            }
            (AnyLandscape::Mlp(mlp), Dynamics::Sgd) => {
                let step = Sgd::new(scale, eta, batch_size, mlp.examples()).ok_or(self.batch_size_error(mlp))?;
                match self.dtype {
                    Dtype::F32 => {
                        self.chain_walk(mlp, ChainNoise::Minibatch { batch_size: batch_size as usize }, key, isa)
                    }
                    Dtype::F64 => self.scalar_walk(mlp, step, key),
                }
            }
        })
    }

    fn batch_size_error(&self, mlp: &Mlp) -> ProblemError {
        ProblemError::BatchSize { batch_size: self.batch_size, examples: mlp.examples() }
    }

    /// On a quadratic, where C is `variance` of the Hessian of L_αβ, eigenvalue by eigenvalue.
    fn quadratic(
        &self,
        quadratic: &Arc<Quadratic>,
        variance: impl Fn(f64) -> f64,
        key: StreamKey,
        isa: Isa,
    ) -> Box<dyn Simulation> {
        let boundary = self.domain.boundary(self.scale);
        let unit = |h: f64| match boundary {
            // Where the square of the radius overflows, any unit will do that a state can leave.
            Boundary::SquaredRadius(square) => square.sqrt().min(f64::MAX.sqrt()),
            Boundary::BaseExcess(depth) => (2.0 * depth / (self.scale.alpha * h)).sqrt(),
        };
        let coordinate = |&h: &f64| {
            let curvature = self.scale.hessian_factor() * h;
            let noise = self.eta * (variance(curvature) / self.batch_size as f64).sqrt();
            Coordinate { pull: self.eta * curvature, noise, unit: unit(h) }
        };
        let coordinates: Vec<_> = quadratic.eigenvalues().iter().map(coordinate).collect();
        match self.dtype {
            Dtype::F32 if coordinates.iter().all(f32_resolves) => {
                self.lane_walk::<f32>(quadratic, &coordinates, key, isa)
            }
            _ => self.lane_walk::<f64>(quadratic, &coordinates, key, isa),
        }
    }

    fn lane_walk<R: Real>(
        &self,
        quadratic: &Arc<Quadratic>,
        coordinates: &[Coordinate],
        key: StreamKey,
        isa: Isa,
    ) -> Box<dyn Simulation> {
        Box::new(LaneWalk::<R>::new(
            Arc::clone(quadratic),
            coordinates,
            self.domain.boundary(self.scale),
            self.scale.stretch(),
            self.scale.beta,
            self.max_steps,
            key,
            isa,
        ))
    }

    /// The noise of gaussian-sgd: of s.d. η√(C/B).
    fn gaussian(&self, covariance: ChainCovariance) -> ChainNoise {
        let size = self.eta / (self.batch_size as f64).sqrt();
        ChainNoise::Gaussian(Gaussian { covariance, size, amplitude: None, corrected: false })
    }

    fn chain_walk(&self, mlp: &Arc<Mlp>, noise: ChainNoise, key: StreamKey, isa: Isa) -> Box<dyn Simulation> {
        Box::new(ChainWalk {
            landscape: Arc::clone(mlp),
            noise,
            scale: self.scale,
            step: self.eta,
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
    ) -> Box<dyn Simulation> {
        Box::new(ScalarWalk {
            landscape: Arc::clone(landscape),
            step,
            boundary: self.domain.boundary(self.scale),
            check_every: self.check_every,
            beta: self.scale.beta,
            max_steps: self.max_steps,
            key,
        })
    }
}
