//! Minimisation of E over the interior nodes, durations held: L-BFGS on top of the
//! preconditioner's inverse.

use super::diffusion::Diffusion;
use super::energy::Energy;
use super::memory::{Memory, add};
use super::precondition::Preconditioner;
use super::weighted::dot;

/// Halvings of a step before it is given up.
const HALVINGS: usize = 30;

/// What a minimisation did.
pub(super) struct Descent {
    /// Gradients taken.
    pub(super) iterations: usize,
    /// ½ gᵀ H₀ g at the start: what Newton's step with the preconditioner alone promises to gain, an action.
    pub(super) promise: f64,
}

/// Moves the interior nodes until a step promises less than `target` of the action, or after `budget` steps. With
/// `tangents`, unit vectors of the interior nodes, no node moves along its own.
pub(super) fn minimise<D: Diffusion + ?Sized>(
    energy: &mut Energy<'_, '_, D>,
    nodes: &mut Vec<f64>,
    durations: &[f64],
    preconditioner: &mut Preconditioner,
    tangents: Option<&[f64]>,
    budget: usize,
    target: f64,
) -> Descent {
    let n = energy.weighted.dim();
    let (from, to) = (n, nodes.len() - n);
    let mut gradient = vec![0.0; nodes.len()];
    let mut value = energy.gradient(nodes, durations, &mut gradient);
    project(&mut gradient[from..to], tangents, n);
    let mut memory = Memory::default();
    let mut descent = Descent { iterations: 0, promise: 0.0 };
    for iteration in 0..budget {
        let mut direction = gradient[from..to].to_vec();
        memory.apply(&mut direction, |v| {
            preconditioner.solve(v);
            project(v, tangents, n);
        });
        let slope = -dot(&direction, &gradient[from..to]);
        if iteration == 0 {
            descent.promise = -0.5 * slope;
        }
        if slope.is_nan() || slope >= -2.0 * target {
            break;
        }
        let start = nodes.clone();
        let mut step = 1.0;
        let mut lower = false;
        for _ in 0..HALVINGS {
            for (node, (x, d)) in nodes[from..to].iter_mut().zip(start[from..to].iter().zip(&direction)) {
                *node = x - step * d;
            }
            lower = energy.value(nodes, durations) <= value + 1e-4 * step * slope;
            if lower {
                break;
            }
            step *= 0.5;
        }
        descent.iterations += 1;
        if !lower {
            *nodes = start;
            break;
        }
        let old = gradient.clone();
        value = energy.gradient(nodes, durations, &mut gradient);
        project(&mut gradient[from..to], tangents, n);
        let s: Vec<f64> = nodes[from..to].iter().zip(&start[from..to]).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = gradient[from..to].iter().zip(&old[from..to]).map(|(a, b)| a - b).collect();
        memory.remember(s, y);
    }
    descent
}

/// Takes the part along its tangent from each node's `n` coordinates.
fn project(v: &mut [f64], tangents: Option<&[f64]>, n: usize) {
    for (v, tangent) in v.chunks_exact_mut(n).zip(tangents.into_iter().flat_map(|t| t.chunks_exact(n))) {
        let along = dot(v, tangent);
        add(v, -along, tangent);
    }
}
