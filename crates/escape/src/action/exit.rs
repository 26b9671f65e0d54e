//! V0 = min over ∂D of V, and where it is taken (Theorem 1).

use super::boundary::{ExitBoundary, Level};
use super::descent::{Descended, descend};
use super::diffusion::Diffusion;
use super::energy::Energy;
use super::error::{ActionError, check_finite, check_length, check_positive};
use super::metric::Metric;
use super::path::Path;
use super::precondition::Preconditioner;
use super::quasipotential::{Quasipotential, assemble};
use super::relax::relax;
use super::resolution::Resolution;
use super::starts::{Start, starts};
use super::weighted::{Weighted, norm};

/// The relative error of the minimisation with which starts are looked at. They are ranked by it, no more.
const GLANCE: f64 = 1e-4;
/// The one with which they are followed: coarse grids have larger errors themselves.
const COARSE: f64 = 1e-6;
/// Steps of L-BFGS on a path before it is refined.
const PATIENCE: usize = 300;

/// Where to look for the easiest exit, and how hard.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Start on ± every coordinate axis.
    pub axes: bool,
    /// Further directions to start in, each of length n: H's eigenvectors, say, where they are not the axes.
    pub directions: Vec<Vec<f64>>,
    /// Random directions to start in.
    pub random: usize,
    /// Their seed.
    pub seed: u64,
    /// How many starts are followed down along the boundary; the others are only looked at. Half of them are those with
    /// the least V, the others those with the least V off the axes.
    pub descents: usize,
    /// Images of the paths before the best one is refined; at least 5.
    pub images: usize,
    /// Steps along the boundary, for each descent.
    pub max_steps: usize,
}

impl Default for Search {
    /// ± all axes and 8 random directions, 8 of them followed with 41 images for up to 100 steps.
    fn default() -> Self {
        Self { axes: true, directions: vec![], random: 8, seed: 1, descents: 8, images: 41, max_steps: 100 }
    }
}

/// What became of one start.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Which.
    pub start: Start,
    /// V where the ray meets the boundary, on the search's coarse grid; `None` where it does not, or V is not finite.
    pub first: Option<f64>,
    /// V after the descent along the boundary, on the same grid; `None` if it was not followed.
    pub last: Option<f64>,
    /// Whether that descent arrived: no step along the boundary promises to lower V any more. That is so on a maximum
    /// or a saddle of V on ∂D, too, where a start may happen to lie.
    pub converged: bool,
}

/// The easiest exit that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Exit {
    /// V0 as `value`, and the path to the exit.
    pub quasipotential: Quasipotential,
    /// The start it was found from.
    pub start: Start,
    /// Every start, in the order axes, given, random.
    pub outcomes: Vec<Outcome>,
    /// (max − min)/min over the V that the starts arrived at: 0 where all agree, or one alone or none arrived. Where it
    /// is more than the error of the coarse grid, there are several exits, and more starts may find a better one yet.
    pub spread: f64,
    /// What a step along the boundary promises to lower V0 by yet, relative to it.
    pub endpoint_residual: f64,
    /// Whether the last path and its endpoint both converged. If not, V0 is that of the best path that was found.
    pub converged: bool,
}

/// V0 = min over θ ∈ ∂D of V(θ): (η/B) log E\[τ\] → V0 as η → 0 (Theorem 1).
///
/// Each start's V is had on a coarse grid; from the best of them the endpoint goes down along ∂D by the part of ∇V
/// (the path's final momentum) that is tangential, in a metric close to V's second derivative; the winner is refined to
/// `resolution` and its endpoint once more with it. What is found is a local minimum, the least of those in reach:
/// [`Exit::spread`] and [`Exit::outcomes`] say how much the starts agree.
///
/// With the default search, 10⁵ to 10⁶ gradients. Where those are dear, take fewer starts and descents.
///
/// In closed form, for a quadratic with C = H, eigenvalues λ: r² on a ball and 2ΔL/λmax on a level set with
/// [`Metric::FreidlinWentzell`]; √λmin r² and 2ΔL/√λmax (Theorem 2, with A = 0) with [`Metric::Paper`]. With C = I,
/// 2ΔL on a level set (Lemma 3; Proposition 1 has half of it) and λmin r² on a ball.
///
/// # Errors
/// [`ActionError::Unreached`] if no start has a finite V; else as
/// [`quasipotential`](super::quasipotential::quasipotential).
pub fn quasipotential_to_boundary<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    boundary: ExitBoundary,
    search: &Search,
    resolution: Resolution,
) -> Result<Exit, ActionError> {
    check_positive(resolution.tolerance)?;
    check_positive(resolution.difference)?;
    if resolution.images < 5 || search.images < 5 {
        return Err(ActionError::Images);
    }
    for direction in &search.directions {
        check_length(diffusion.dim(), direction.len())?;
        check_finite(direction)?;
    }
    let level = Level::new(diffusion, boundary)?;
    let coarse = Resolution {
        images: search.images,
        tolerance: resolution.tolerance.max(COARSE),
        max_iterations: resolution.max_iterations.min(PATIENCE),
        ..resolution
    };
    let glance = Resolution { tolerance: resolution.tolerance.max(GLANCE), ..coarse };
    let all = starts(diffusion.dim(), search.axes, &search.directions, search.random, search.seed);
    let mut outcomes = Vec::with_capacity(all.len());
    let mut paths = vec![];
    for (index, (start, direction)) in all.into_iter().enumerate() {
        let path = level.on_ray(&direction).and_then(|x| look(diffusion, metric, &x, glance));
        outcomes.push(Outcome { start, first: path.as_ref().map(|p| p.0), last: None, converged: false });
        paths.extend(path.map(|(value, nodes)| (index, value, nodes)));
    }
    paths.sort_by(|a, b| a.1.total_cmp(&b.1));
    // A stable sort: half of the places go to the best, the others first to those off the axes, where symmetry may hold
    // a descent on a saddle.
    let count = search.descents.max(1);
    if paths.len() > count {
        paths[count.div_ceil(2)..].sort_by_key(|path| matches!(outcomes[path.0].start, Start::Axis { .. }));
        paths.truncate(count);
    }

    let step = |nodes: &[f64]| Ok(resolution.difference * extent(diffusion, metric, nodes)?);
    let mut best: Option<(usize, Descended)> = None;
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for (index, _, nodes) in paths {
        let weighted = Weighted::new(diffusion, metric, step(&nodes)?)?;
        let Ok(end) = descend(&weighted, &level, nodes, coarse, search.max_steps) else { continue };
        let value = end.relaxed.action;
        outcomes[index].last = Some(value);
        outcomes[index].converged = end.converged;
        if end.converged {
            least = least.min(value);
            most = most.max(value);
        }
        if best.as_ref().is_none_or(|(_, other)| value < other.relaxed.action) {
            best = Some((index, end));
        }
    }
    let Some((index, winner)) = best else { return Err(ActionError::Unreached) };

    let weighted = Weighted::new(diffusion, metric, step(&winner.relaxed.nodes)?)?;
    let nodes = winner.relaxed.nodes;
    let fine = descend(&weighted, &level, nodes, resolution, search.max_steps)?;
    // The same endpoint with half the images, for the error of discretisation.
    let mut energy = Energy::new(&weighted);
    let mut preconditioner = Preconditioner::new(&weighted, &fine.relaxed.nodes, &mut energy.scratch);
    let half = Resolution { images: resolution.images / 2 + 1, ..resolution };
    let halved = relax(&mut energy, &mut preconditioner, fine.relaxed.nodes.clone(), half)?;
    let iterations = winner.iterations + halved.iterations;
    let path_converged = fine.relaxed.converged;
    let mut quasipotential = assemble(&weighted, fine.relaxed, halved.action, iterations)?;
    quasipotential.iterations = iterations + fine.iterations;
    // Where V is flat along the boundary, as it is beyond a saddle, the grid's error decides which step lowers it.
    let converged = path_converged && (fine.converged || fine.promise <= quasipotential.discretisation);
    Ok(Exit {
        quasipotential,
        start: outcomes[index].start,
        outcomes,
        spread: if least > 0.0 && least.is_finite() { (most - least) / least } else { 0.0 },
        endpoint_residual: fine.promise,
        converged,
    })
}

/// V at x and its path's nodes in y, or nothing where it is not finite.
fn look<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    x: &[f64],
    resolution: Resolution,
) -> Option<(f64, Vec<f64>)> {
    let weighted = Weighted::new(diffusion, metric, resolution.difference * norm(x)).ok()?;
    let mut energy = Energy::new(&weighted);
    let path = Path::straight(&vec![0.0; x.len()], x, resolution.images).ok()?;
    let nodes = weighted.to_weighted(path.as_slice());
    let mut preconditioner = Preconditioner::new(&weighted, &nodes, &mut energy.scratch);
    let relaxed = relax(&mut energy, &mut preconditioner, nodes, resolution).ok()?;
    Some((relaxed.action, relaxed.nodes))
}

/// The greatest distance from θ* in x of a path through nodes in y.
fn extent<D: Diffusion + ?Sized>(diffusion: &D, metric: Metric, nodes: &[f64]) -> Result<f64, ActionError> {
    let plain = Weighted::new(diffusion, metric, 1.0)?.to_plain(nodes);
    Ok(plain.chunks_exact(diffusion.dim()).map(norm).fold(0.0, f64::max))
}
