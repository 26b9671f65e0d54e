//! The least loss on a sphere of the base landscape: ΔL of a ball.

use taugrid_escape::curvature::sphere::{Search, depth_on_sphere};
use taugrid_escape::landscape::Landscape;
use taugrid_escape::landscape::mlp::Mlp;
use taugrid_escape::landscape::well::Well;
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_sweep::BuiltLandscape;

use crate::quasipotential::Easiest;

/// Random directions to start from.
const RANDOM_STARTS: usize = 6;
const SEARCH: Search = Search { tolerance: 1e-6, max_evaluations: 200 };
/// Multiplications that a search may take: some ten seconds.
const MOST_WORK: f64 = 5e10;
/// Apart from the streams of trials.
const DRAW_DIRECTIONS: u64 = u64::from_be_bytes(*b"sphere  ");

/// min L − L(θ*) over ‖z‖ = `radius`; `None` where it would take too long.
pub(super) fn on_sphere(landscape: &BuiltLandscape, radius: f64) -> Option<Easiest> {
    let bowl =
        |lambda_min: f64| Easiest { value: 0.5 * lambda_min * radius * radius, method: "closed form".to_owned() };
    match landscape {
        BuiltLandscape::Quadratic(_) | BuiltLandscape::Regression(_) => landscape.curvature().lambda_min.map(bowl),
        BuiltLandscape::Well(well) => search(&**well, &mut (), radius, &axes(well)),
        BuiltLandscape::Mlp(mlp) => on_perceptron(mlp, radius),
    }
}

fn on_perceptron(mlp: &Mlp, radius: f64) -> Option<Easiest> {
    let evaluations = (RANDOM_STARTS + 1) * SEARCH.max_evaluations;
    let work = 9.0 * mlp.dim() as f64 * mlp.model().examples().len() as f64 * evaluations as f64;
    if work > MOST_WORK {
        return None;
    }
    let mut workspace = mlp.workspace();
    let mut downhill = vec![0.0; mlp.dim()];
    mlp.gradient(&vec![0.0; mlp.dim()], &mut downhill, &mut workspace);
    downhill.iter_mut().for_each(|slope| *slope = -*slope);
    let downhill = if downhill.iter().any(|slope| *slope != 0.0) { vec![downhill] } else { Vec::new() };
    search(mlp, &mut workspace, radius, &downhill)
}

/// Both ends of each axis.
fn axes(well: &Well) -> Vec<Vec<f64>> {
    let axis = |k: usize, sign: f64| (0..well.dim()).map(move |i| if i == k { sign } else { 0.0 }).collect();
    (0..well.dim()).flat_map(|k| [axis(k, 1.0), axis(k, -1.0)]).collect()
}

fn search<L: Landscape>(
    landscape: &L,
    workspace: &mut L::Workspace,
    radius: f64,
    given: &[Vec<f64>],
) -> Option<Easiest> {
    let mut stream = Stream::new(StreamKey::derive(1, DRAW_DIRECTIONS), 0);
    let random = (0..RANDOM_STARTS).map(|_| (0..landscape.dim()).map(|_| stream.normal()).collect());
    let starts: Vec<Vec<f64>> = given.iter().cloned().chain(random).collect();
    let loss_and_gradient = |z: &[f64], out: &mut [f64]| {
        landscape.gradient(z, out, workspace);
        landscape.excess_loss(z, workspace)
    };
    let found = depth_on_sphere(landscape.dim(), loss_and_gradient, radius, &starts, SEARCH).ok()?;
    let method = format!("descent on the sphere, {} of {} starts converged", found.converged, found.starts);
    Some(Easiest { value: found.value, method })
}
