//! The endpoint of a path, down V along ∂D.

use super::boundary::Level;
use super::diffusion::Diffusion;
use super::energy::Energy;
use super::error::ActionError;
use super::memory::{Memory, add};
use super::precondition::Preconditioner;
use super::relax::{Relaxed, relax};
use super::resolution::Resolution;
use super::weighted::{Weighted, dot};

/// The endpoint has arrived when a step promises less than this many tolerances of the path: V is known no better.
const SLACK: f64 = 10.0;
/// Halvings of a step along the boundary before it is given up.
const HALVINGS: usize = 12;
/// A direction from memory must promise at least this much of what the preconditioned gradient does.
const LEAST: f64 = 0.1;

/// A path at the end of its endpoint's descent.
pub(super) struct Descended {
    pub(super) relaxed: Relaxed,
    /// What a step along the boundary promises to lower V by yet, relative to V.
    pub(super) promise: f64,
    /// Steps of L-BFGS, all relaxations together.
    pub(super) iterations: usize,
    /// The promise is small enough.
    pub(super) converged: bool,
}

/// Relaxes the path through `nodes` in y, whose end is on the boundary, and moves that end along the boundary until V
/// is least, or for `max_steps`.
pub(super) fn descend<D: Diffusion + ?Sized>(
    weighted: &Weighted<'_, D>,
    level: &Level<'_, D>,
    nodes: Vec<f64>,
    resolution: Resolution,
    max_steps: usize,
) -> Result<Descended, ActionError> {
    let n = weighted.dim();
    let mut energy = Energy::new(weighted);
    let mut preconditioner = Preconditioner::new(weighted, &nodes, &mut energy.scratch);
    let mut relaxed = relax(&mut energy, &mut preconditioner, nodes, resolution)?;
    let mut iterations = relaxed.iterations;
    let mut memory = Memory::default();
    // The last step and the tangential gradient before it.
    let mut last: Option<(Vec<f64>, Vec<f64>)> = None;
    let mut steps = 0;
    loop {
        let end = relaxed.nodes[relaxed.nodes.len() - n..].to_vec();
        // In y, derivatives are those in x times a^(−½).
        let normal = weighted.to_plain(&level.normal(&weighted.to_plain(&end)));
        if dot(&normal, &normal) == 0.0 {
            // A critical point of L at just this level, where the boundary has no tangent to go along.
            return Ok(Descended { relaxed, promise: 0.0, iterations, converged: true });
        }
        let tangential = without(&relaxed.momentum, &normal);
        let along = preconditioner.solve_end(&normal);
        let steepest = |v: &mut [f64]| {
            let down = preconditioner.solve_end(v);
            v.copy_from_slice(&down);
            add(v, -dot(&normal, &down) / dot(&normal, &along), &along);
        };
        let mut direction = tangential.clone();
        steepest(&mut direction);
        let gain = dot(&tangential, &direction);
        let promise = if relaxed.action > 0.0 { (0.5 * gain / relaxed.action).max(0.0) } else { 0.0 };
        if !promise.is_finite() {
            return Err(ActionError::NotFinite);
        }
        let arrived = promise <= SLACK * resolution.tolerance;
        if arrived || steps == max_steps {
            return Ok(Descended { relaxed, promise, iterations, converged: arrived });
        }
        steps += 1;
        if let Some((step, before)) = last.take() {
            memory.remember(without(&step, &normal), difference(&tangential, &without(&before, &normal)));
            let mut faster = tangential.clone();
            memory.apply(&mut faster, steepest);
            let faster = without(&faster, &normal);
            if dot(&tangential, &faster) > LEAST * gain {
                direction = faster;
            } else {
                memory.clear();
            }
        }
        let slope = -dot(&tangential, &direction);
        let mut lower = None;
        let mut length = 1.0;
        for _ in 0..HALVINGS {
            let goal: Vec<f64> = end.iter().zip(&direction).map(|(y, d)| y - length * d).collect();
            if let Some(x) = level.near(weighted.to_plain(&goal)) {
                let moved = drag(&relaxed.nodes, n, &weighted.to_weighted(&x));
                if let Ok(there) = relax(&mut energy, &mut preconditioner, moved, resolution) {
                    iterations += there.iterations;
                    if there.action <= relaxed.action + 1e-4 * length * slope {
                        lower = Some(there);
                        break;
                    }
                }
            }
            length *= 0.5;
        }
        match lower {
            Some(there) => {
                let step = difference(&there.nodes[there.nodes.len() - n..], &end);
                last = Some((step, tangential));
                relaxed = there;
            }
            // Once more from here, by the preconditioned gradient.
            None if !memory.is_empty() => memory.clear(),
            None => return Ok(Descended { relaxed, promise, iterations, converged: false }),
        }
    }
}

/// v without its part along the normal.
fn without(v: &[f64], normal: &[f64]) -> Vec<f64> {
    let mut v = v.to_vec();
    let share = dot(&v, normal) / dot(normal, normal);
    add(&mut v, -share, normal);
    v
}

/// u − v.
fn difference(u: &[f64], v: &[f64]) -> Vec<f64> {
    u.iter().zip(v).map(|(u, v)| u - v).collect()
}

/// The path with its end moved to `end`, the other nodes after it in proportion.
fn drag(nodes: &[f64], n: usize, end: &[f64]) -> Vec<f64> {
    let last = nodes.len() / n - 1;
    let shift: Vec<f64> = end.iter().zip(&nodes[last * n..]).map(|(a, b)| a - b).collect();
    let mut moved = nodes.to_vec();
    for (k, node) in moved.chunks_exact_mut(n).enumerate() {
        let share = k as f64 / last as f64;
        for (y, s) in node.iter_mut().zip(&shift) {
            *y += share * s;
        }
    }
    moved[last * n..].copy_from_slice(end);
    moved
}
