//! V(θ), the least action of all paths from θ* to a point.

use super::diffusion::Diffusion;
use super::energy::Energy;
use super::error::{ActionError, check_finite, check_length, check_positive};
use super::metric::Metric;
use super::path::Path;
use super::precondition::Preconditioner;
use super::relax::{Relaxed, relax};
use super::resolution::Resolution;
use super::weighted::{Weighted, norm};

/// V at a point, and how it was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Quasipotential {
    /// V, the geometric action of `path`. Its units are those of the metric: see [`Metric`].
    pub value: f64,
    /// ∇V in x at the path's end, the momentum a(φ̇ − b) with which the path arrives.
    pub gradient: Vec<f64>,
    /// The path of least action in x, from θ* (0) to the point.
    pub path: Path,
    /// The time the path takes between two images; their sum grows without bound with the number of images, for the
    /// best path needs an infinite time to leave θ*.
    pub durations: Vec<f64>,
    /// What a Newton step promises to lower the action by yet, relative to it: an estimate of the error of the
    /// minimisation, for this number of images.
    pub residual: f64,
    /// The estimated error of discretisation, relative to V: a third of the difference to half as many segments.
    pub discretisation: f64,
    /// Steps of L-BFGS, on both grids together.
    pub iterations: usize,
    /// Whether the residual is within the tolerance. If not, V is that of the best path that was found.
    pub converged: bool,
}

/// V(θ* + x) = inf over T and over paths φ from θ* to θ* + x of S_T(φ) (Definition 5), by a geometric minimum action
/// method after Heymann & Vanden-Eijnden (2008), from a straight path.
///
/// For gradient systems with C = I, V = 2 (L − L(θ*)) as far as θ*'s basin reaches (Lemma 3); for quadratics with
/// eigenvalues h_i and C's eigenvalues c_i in the same basis V = Σ a_i h_i x_i²: Σ h_i x_i²/c_i for
/// [`Metric::FreidlinWentzell`] and Σ h_i x_i²/√c_i for [`Metric::Paper`]. V is a *local* minimum over paths, as
/// near to the straight path as descent stays: where several passes lead to the point, start from a path of each
/// with [`quasipotential_from`].
///
/// # Errors
/// [`ActionError`] for a point of the wrong length, that is not finite or θ* itself, for a resolution that makes no
/// sense, and where the gradient is not finite.
pub fn quasipotential<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    point: &[f64],
    resolution: Resolution,
) -> Result<Quasipotential, ActionError> {
    let path = Path::straight(&vec![0.0; point.len()], point, resolution.images.max(2))?;
    quasipotential_from(diffusion, metric, &path, resolution)
}

/// [`quasipotential`] of `path`'s end, from that path instead of a straight one. The path should begin at θ*; from
/// another point this is the least action from there.
///
/// # Errors
/// As [`quasipotential`].
pub fn quasipotential_from<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    path: &Path,
    resolution: Resolution,
) -> Result<Quasipotential, ActionError> {
    check_length(diffusion.dim(), path.dim())?;
    check_positive(resolution.tolerance)?;
    check_positive(resolution.difference)?;
    check_finite(path.end())?;
    if resolution.images < 5 {
        return Err(ActionError::Images);
    }
    let extent = path.points().map(norm).fold(0.0, f64::max);
    if extent == 0.0 {
        return Err(ActionError::AtMinimum);
    }
    let weighted = Weighted::new(diffusion, metric, resolution.difference * extent)?;
    let mut energy = Energy::new(&weighted);
    let nodes = weighted.to_weighted(path.as_slice());
    let half = Resolution { images: resolution.images / 2 + 1, ..resolution };
    let mut preconditioner = Preconditioner::new(&weighted, &nodes, &mut energy.scratch);
    let coarse = relax(&mut energy, &mut preconditioner, nodes, half)?;
    let mut preconditioner = Preconditioner::new(&weighted, &coarse.nodes, &mut energy.scratch);
    let fine = relax(&mut energy, &mut preconditioner, coarse.nodes, resolution)?;
    assemble(&weighted, fine, coarse.action, coarse.iterations)
}

/// The result in x.
pub(super) fn assemble<D: Diffusion + ?Sized>(
    weighted: &Weighted<'_, D>,
    fine: Relaxed,
    coarse_action: f64,
    coarse_iterations: usize,
) -> Result<Quasipotential, ActionError> {
    let discretisation =
        if fine.action > 0.0 { (fine.action - coarse_action).abs() / (3.0 * fine.action) } else { 0.0 };
    Ok(Quasipotential {
        value: fine.action,
        // dV/dx = a^½ dV/dy.
        gradient: weighted.to_weighted(&fine.momentum),
        path: Path::new(weighted.dim(), weighted.to_plain(&fine.nodes))?,
        durations: fine.durations,
        residual: fine.residual,
        discretisation,
        iterations: coarse_iterations + fine.iterations,
        converged: fine.converged,
    })
}
