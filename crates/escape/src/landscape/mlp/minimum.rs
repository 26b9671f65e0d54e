//! The network as a landscape: its loss seen from a trained minimum θ*.

use std::sync::{Arc, OnceLock};

use super::activation::Activation;
use super::bound::Growth;
use super::chain::{Factor, Network};
use super::error::MlpError;
use super::loss::Loss;
use super::model::{self, Model};
use super::shape::Shape;
use crate::curvature::HessianFactor;
use crate::data::Examples;
use crate::landscape::{Curvature, ExampleLoss, Landscape, WeightedLoss};

/// L(θ* + z) − L(θ*), z ∈ R^d: the landscape of the paper's experiments (§5). Cloning shares the data and θ*.
#[derive(Debug, Clone)]
pub struct Mlp {
    model: Model,
    theta: Arc<[f64]>,
    curvature: Curvature,
    /// L(θ*).
    loss: f64,
    /// The same in f32, made when a chain first asks for it.
    network: Arc<OnceLock<Network>>,
    growth: Arc<OnceLock<Growth>>,
    root: Arc<OnceLock<Result<RootOfHessian, MlpError>>>,
}

/// F with F Fᵀ = H*, as far as H* has no negative eigenvalues.
#[derive(Debug, Clone)]
pub struct RootOfHessian {
    /// F, of one column for each positive eigenvalue.
    pub factor: Arc<Factor>,
    /// What was clipped away: Σ |λ| over the negative eigenvalues, over Σ |λ|.
    pub clipped_weight: f64,
    /// The eigenvalues of H*, ascending.
    pub eigenvalues: Arc<[f64]>,
}

impl RootOfHessian {
    fn of(model: &Model, theta: &[f64]) -> Result<Self, MlpError> {
        let d = model.dim();
        let hessian = model.dense_hessian(theta).ok_or(MlpError::TooManyForDense { parameters: d })?;
        let found = HessianFactor::of(&hessian, d).map_err(MlpError::Eigen)?;
        Ok(Self {
            factor: Arc::new(Factor::new(model.shape(), found.rank, &found.factor)?),
            clipped_weight: found.clipped_weight,
            eigenvalues: found.eigenvalues.into(),
        })
    }
}

/// What one thread needs to evaluate an [`Mlp`].
#[derive(Debug)]
pub struct Workspace {
    /// θ* + z.
    theta: Vec<f64>,
    model: model::Workspace,
}

impl Mlp {
    /// The loss of a network on `examples`, around the minimum `theta`, where the curvature is known to be this.
    ///
    /// # Errors
    /// If the parts do not fit together, or θ* is not finite; see [`MlpError`].
    pub fn new(
        shape: Shape,
        activation: Activation,
        loss: Loss,
        weight_decay: f64,
        examples: Arc<Examples>,
        theta: Vec<f64>,
        curvature: Curvature,
    ) -> Result<Self, MlpError> {
        Self::around(Model::new(shape, activation, loss, weight_decay, examples)?, theta, curvature)
    }

    /// The same for a model that is already there.
    ///
    /// # Errors
    /// If θ* is not of the model's length, or it or the loss there is not finite.
    pub fn around(model: Model, theta: Vec<f64>, curvature: Curvature) -> Result<Self, MlpError> {
        model.shape().check_length(&theta)?;
        if let Some(index) = theta.iter().position(|x| !x.is_finite()) {
            return Err(MlpError::NotFinite { index });
        }
        let loss = model.loss(&theta, &mut model.parallel_workspace());
        if !loss.is_finite() {
            return Err(MlpError::Loss(loss));
        }
        Ok(Self {
            model,
            theta: theta.into(),
            curvature,
            loss,
            network: Arc::default(),
            growth: Arc::default(),
            root: Arc::default(),
        })
    }

    /// The loss as a function of θ.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// θ*.
    pub fn theta(&self) -> &[f64] {
        &self.theta
    }

    /// The network in f32, for chains.
    pub fn network(&self) -> &Network {
        self.network.get_or_init(|| Network::new(self))
    }

    /// A radius within which the loss is proved to be less than `excess` above that at θ*: L(θ* + z) − L(θ*) < `excess`
    /// for all ‖z‖ below it. Safe, not sharp. 0 if nothing can be proved.
    pub fn safe_radius(&self, excess: f64) -> f64 {
        self.growth.get_or_init(|| Growth::at(&self.model, &self.theta, self.loss)).safe_radius(excess)
    }

    /// L(θ*).
    pub fn loss_at_minimum(&self) -> f64 {
        self.loss
    }

    /// F with F Fᵀ = H*, negative eigenvalues clipped to 0, for chains; made when first asked for, which takes d
    /// Hessian-vector products and an eigendecomposition, in rayon's current pool.
    ///
    /// # Errors
    /// If there are more than [`MAX_DENSE`](super::hessian::MAX_DENSE) parameters, or H* is not finite.
    pub fn root_of_hessian(&self) -> Result<&RootOfHessian, MlpError> {
        self.root.get_or_init(|| RootOfHessian::of(&self.model, &self.theta)).as_ref().map_err(Clone::clone)
    }

    /// θ* + z into the workspace.
    fn place(&self, z: &[f64], workspace: &mut Workspace) {
        assert_eq!(z.len(), self.theta.len(), "a displacement of another length than theta");
        for ((theta, minimum), z) in workspace.theta.iter_mut().zip(self.theta.iter()).zip(z) {
            *theta = minimum + z;
        }
    }
}

impl Landscape for Mlp {
    type Workspace = Workspace;

    fn workspace(&self) -> Workspace {
        Workspace { theta: vec![0.0; self.theta.len()], model: self.model.workspace() }
    }

    fn dim(&self) -> usize {
        self.theta.len()
    }

    fn excess_loss(&self, z: &[f64], workspace: &mut Workspace) -> f64 {
        self.place(z, workspace);
        self.model.loss(&workspace.theta, &mut workspace.model) - self.loss
    }

    fn gradient(&self, z: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        self.place(z, workspace);
        self.model.gradient(&workspace.theta, out, &mut workspace.model);
    }

    fn curvature(&self) -> &Curvature {
        &self.curvature
    }
}

impl ExampleLoss for Mlp {
    fn examples(&self) -> usize {
        self.model.examples().len()
    }

    fn minibatch_gradient(&self, z: &[f64], batch: &[u32], out: &mut [f64], workspace: &mut Workspace) {
        self.place(z, workspace);
        self.model.minibatch_gradient(&workspace.theta, batch, out, &mut workspace.model);
    }
}

impl WeightedLoss for Mlp {
    fn weighted_gradient(&self, z: &[f64], weights: &[f64], out: &mut [f64], workspace: &mut Workspace) {
        self.place(z, workspace);
        self.model.weighted_gradient(&workspace.theta, weights, out, &mut workspace.model);
    }

    fn noise_along(&self, z: &[f64], direction: &[f64], workspace: &mut Workspace) -> f64 {
        let mut slopes = vec![0.0; self.examples()];
        self.place(z, workspace);
        self.model.directional_derivatives(&workspace.theta, direction, &mut slopes, &mut workspace.model);
        let n = slopes.len() as f64;
        let mean = slopes.iter().sum::<f64>() / n;
        slopes.iter().map(|slope| (slope - mean).powi(2)).sum::<f64>() / n
    }
}
