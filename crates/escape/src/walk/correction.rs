//! The boundary correction for Euler–Maruyama schemes: E. Gobet and S. Menozzi, "Stopped diffusion processes: boundary
//! corrections and overshoot", Stochastic Processes and their Applications 120 (2010).
//!
//! A scheme that looks at its state once a step does not see a path that leaves between two looks and comes back: its
//! exits are late by the order of √h. Stopped instead as soon as it comes within
//!
//! c₀ s √(nᵀCn), c₀ = −ζ(½)/√(2π) ≈ 0.5826, s = √(hη/B),
//!
//! of the boundary, that is within c₀ standard deviations of a step's noise along the outward normal n, it is right to o(√h):
//!
//! | D | exit |
//! | --- | --- |
//! | a ball, x = θ − θ*, n = x/‖x‖ | ‖x‖ + c₀ s √(nᵀCn) ≥ r |
//! | a sublevel set, n = ∇L_αβ/‖∇L_αβ‖ | Δ − (L_αβ(θ) − L_αβ(θ*)) ≤ ‖∇L_αβ‖ c₀ s √(nᵀCn), a distance to first order |
//!
//! nᵀCn is 1 where C = I, a multiple of ‖Fᵀn‖² where C has a factor F, and (1/N) Σ_i ((∇ℓ_i − ∇L)·n)² where it is that of
//! the examples' gradients; all in f64. Only a ball where C = I costs nothing: it is a smaller ball. Elsewhere the
//! correction, which can be dearer than a step, is computed at the first look, and after that only at those where *twice*
//! the correction last computed would reach the boundary. (On a sublevel set the correction grows with ‖∇L‖, so that what
//! was computed is first carried over from its loss to the present one, as in a bowl: by the root of their ratio, if that
//! is above 1.) An exit is missed only where the correction has more than doubled since.

use super::gaussian::{ChainCovariance, Gaussian};
use crate::domain::GOBET_MENOZZI;
use crate::landscape::mlp::chain::Chain;
use crate::landscape::mlp::minimum::Workspace;
use crate::landscape::mlp::{Mlp, lanes};
use crate::landscape::{Landscape, WeightedLoss};
use crate::scale::Scale;

/// The correction where it takes more than a smaller ball, on one thread.
pub(crate) struct Correction<'a> {
    noise: &'a Gaussian,
    landscape: &'a Mlp,
    scale: Scale,
    workspace: Workspace,
    /// √α (θ − θ*).
    z: Vec<f64>,
    normal: Vec<f64>,
    last: Option<Computed>,
}

/// A correction, where it was computed last.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Computed {
    /// The correction, in the units of what is held against the boundary.
    reach: f64,
    /// L(z) − L(θ*) there; on a ball, nothing of interest.
    excess: f64,
}

impl<'a> Correction<'a> {
    /// The correction for that noise.
    pub(crate) fn new(noise: &'a Gaussian, landscape: &'a Mlp, scale: Scale) -> Self {
        let zeros = vec![0.0; landscape.dim()];
        Self { noise, landscape, scale, workspace: landscape.workspace(), z: zeros.clone(), normal: zeros, last: None }
    }

    /// What is remembered from look to look: the last reach, and the excess loss there.
    pub(crate) fn memory(&self) -> Option<[f64; 2]> {
        self.last.map(|Computed { reach, excess }| [reach, excess])
    }

    /// For another trial, of which that is remembered.
    pub(crate) fn remember(&mut self, memory: Option<[f64; 2]>) {
        self.last = memory.map(|[reach, excess]| Computed { reach, excess });
    }

    /// Whether a chain at ‖z‖² = `square`, inside the ball ‖z‖ < `radius`, has left the smaller one.
    pub(crate) fn leaves_ball(&mut self, chain: &Chain<'_>, square: f64, radius: f64) -> bool {
        let gap = radius - square.sqrt();
        if self.last.is_some_and(|last| 2.0 * last.reach < gap) {
            return false;
        }
        chain.write_displacement(&mut self.z);
        self.normal.copy_from_slice(&self.z);
        let reach = match normalize(&mut self.normal) {
            // At θ* there is no normal, and no boundary near.
            0.0 => return false,
            _ => GOBET_MENOZZI * self.noise.size * self.scale.alpha.sqrt() * self.normal_deviation(),
        };
        self.last = Some(Computed { reach, excess: 0.0 });
        reaches(reach, gap)
    }

    /// Whether a chain with that `excess` of the base loss, below `depth`, has left the smaller sublevel set.
    pub(crate) fn leaves_sublevel(&mut self, chain: &Chain<'_>, excess: f64, depth: f64) -> bool {
        let gap = depth - excess;
        if self.last.is_some_and(|last| 2.0 * last.carried_to(excess) < gap) {
            return false;
        }
        chain.write_displacement(&mut self.z);
        self.landscape.gradient(&self.z, &mut self.normal, &mut self.workspace);
        let slope = normalize(&mut self.normal);
        let reach = match slope {
            0.0 => 0.0,
            // ∇L_αβ = β√α∇L, and Δ − (L_αβ − L_αβ*) = β·gap.
            _ => GOBET_MENOZZI * self.noise.size * self.scale.alpha.sqrt() * slope * self.normal_deviation(),
        };
        self.last = Some(Computed { reach, excess });
        reaches(reach, gap)
    }

    /// √(nᵀCn).
    fn normal_deviation(&mut self) -> f64 {
        let Self { landscape, workspace, z, normal, .. } = self;
        match &self.noise.covariance {
            ChainCovariance::Isotropic => 1.0,
            ChainCovariance::Factor { factor, variance } => (variance * factor.squared_projection(normal)).sqrt(),
            ChainCovariance::Sample | ChainCovariance::Frozen => {
                if let ChainCovariance::Frozen = self.noise.covariance {
                    z.fill(0.0);
                }
                self.scale.gradient_factor() * landscape.noise_along(z, normal, workspace).sqrt()
            }
        }
    }
}

impl Computed {
    /// What it may be at another loss of the same bowl: ‖∇L‖ is proportional to the root of the excess there.
    fn carried_to(self, excess: f64) -> f64 {
        match excess > self.excess {
            // At or below the loss of θ*, to rounding: nothing is known.
            true if self.excess <= 0.0 => f64::INFINITY,
            true => self.reach * (excess / self.excess).sqrt(),
            false => self.reach,
        }
    }
}

/// Not inside: a reach that is not a number has left, too.
fn reaches(reach: f64, gap: f64) -> bool {
    !matches!(reach.partial_cmp(&gap), Some(std::cmp::Ordering::Less))
}

/// x ← x/‖x‖; gives ‖x‖. Leaves 0 as it is.
fn normalize(x: &mut [f64]) -> f64 {
    let norm = lanes::norm(x);
    if norm != 0.0 {
        x.iter_mut().for_each(|x| *x /= norm);
    }
    norm
}
