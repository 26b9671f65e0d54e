//! A path with fixed ends to its least action: durations and nodes in turn.
//!
//! The geometric action does not feel how nodes lie along the path, so that to minimise it over nodes is ill-posed.
//! Here the durations are held at their best values while the nodes move, which pins them; then durations are renewed.
//! Each turn lowers the geometric action. Between turns the nodes are spread again along the path when they have
//! drifted: half of them by arc length |Δ_k|, half by the effort |Δ_k||b(ȳ_k)|, since the last, steep part of a path
//! may be short and decide the action all the same.

use super::diffusion::Diffusion;
use super::energy::{Durations, Energy};
use super::error::{ActionError, check_finite};
use super::lbfgs;
use super::path::redistribute;
use super::precondition::Preconditioner;
use super::resolution::Resolution;
use super::weighted::norm;

/// Steps of L-BFGS between two renewals of the durations.
const TURN: usize = 12;
/// Turns in which nodes may move along the path as well, which brings a bad path nearer faster.
const FREE: usize = 3;
/// A segment's share of length and effort may grow to this many times the mean before nodes are spread again.
const UNEVEN: f64 = 1.6;

/// A path in y at the end of its relaxation.
pub(super) struct Relaxed {
    pub(super) nodes: Vec<f64>,
    pub(super) durations: Vec<f64>,
    /// The geometric action.
    pub(super) action: f64,
    /// What a Newton step promises to lower the action by yet, relative to the action.
    pub(super) residual: f64,
    /// Steps of L-BFGS.
    pub(super) iterations: usize,
    /// The residual is within the tolerance.
    pub(super) converged: bool,
    /// The action's derivative by the last node: the momentum with which the path arrives, ∇V in y.
    pub(super) momentum: Vec<f64>,
}

/// Relaxes the path through `nodes`, spread to as many as the resolution asks for, until the residual is within its
/// tolerance.
pub(super) fn relax<D: Diffusion + ?Sized>(
    energy: &mut Energy<'_, '_, D>,
    preconditioner: &mut Preconditioner,
    mut nodes: Vec<f64>,
    resolution: Resolution,
) -> Result<Relaxed, ActionError> {
    let n = energy.weighted.dim();
    let Resolution { images, tolerance, max_iterations, .. } = resolution;
    for _ in 0..2 {
        let shares = shares(&energy.best_durations(&nodes));
        if shares.len() + 1 != images || uneven(&shares) {
            nodes = redistribute(&nodes, n, &shares, images);
        }
    }
    let (mut turn, mut iterations, mut residual) = (0, 0, f64::INFINITY);
    loop {
        let now = energy.best_durations(&nodes);
        let size = now.action.abs().max(1e-9 * now.efforts.iter().sum::<f64>());
        if !size.is_finite() || now.durations.iter().any(|tau| !tau.is_finite()) {
            return Err(ActionError::NotFinite);
        }
        preconditioner.factor(&now.durations);
        let budget = TURN.min(max_iterations.saturating_sub(iterations)).max(1);
        let before = nodes.clone();
        let target = 0.1 * tolerance * size;
        let tangents = (turn >= FREE).then(|| tangents(&nodes, n));
        let (durations, tangents) = (&now.durations, tangents.as_deref());
        let descent = lbfgs::minimise(energy, &mut nodes, durations, preconditioner, tangents, budget, target);
        turn += 1;
        iterations += descent.iterations;
        if size > 0.0 {
            residual = descent.promise / size;
        } else if descent.promise == 0.0 {
            residual = 0.0;
        }
        let converged = residual <= tolerance;
        if converged || iterations >= max_iterations || descent.iterations == 0 {
            // The nodes that the durations, the action and the residual belong to.
            nodes = before;
            let mut gradient = vec![0.0; nodes.len()];
            energy.gradient(&nodes, &now.durations, &mut gradient);
            let momentum = gradient.split_off(nodes.len() - n);
            check_finite(&momentum)?;
            let Durations { durations, action, .. } = now;
            return Ok(Relaxed { nodes, durations, action, residual, iterations, converged, momentum });
        }
        let shares = shares(&energy.best_durations(&nodes));
        if turn == FREE || uneven(&shares) {
            nodes = redistribute(&nodes, n, &shares, images);
        }
    }
}

/// The share of each segment in length and effort, half and half; they sum to 1.
fn shares(now: &Durations) -> Vec<f64> {
    let length: f64 = now.lengths.iter().sum();
    let effort: f64 = now.efforts.iter().sum();
    let share = |part: f64, whole: f64| if whole > 0.0 { 0.5 * part / whole } else { 0.0 };
    now.lengths.iter().zip(&now.efforts).map(|(&l, &e)| share(l, length) + share(e, effort)).collect()
}

/// Whether the nodes have drifted too far along the path.
fn uneven(shares: &[f64]) -> bool {
    shares.iter().any(|share| share * shares.len() as f64 > UNEVEN)
}

/// The directions of the path at its interior nodes; 0 where it has none.
fn tangents(nodes: &[f64], n: usize) -> Vec<f64> {
    let ahead = nodes.chunks_exact(n).skip(2);
    let pairs = nodes.chunks_exact(n).zip(ahead).flat_map(|(back, ahead)| {
        let chord: Vec<f64> = ahead.iter().zip(back).map(|(a, b)| a - b).collect();
        let length = norm(&chord);
        chord.into_iter().map(move |c| if length > 0.0 { c / length } else { 0.0 })
    });
    pairs.collect()
}
