//! From a cell and its trials to its row of `cells.parquet`: effective values, validity, predictions, estimates.
//!
//! The grid's α and β are surrogates; what a law of escape speaks of are the values of the transformed landscape
//! L_αβ(θ) = β·L(θ* + √α(θ − θ*)) in the cell's own domain D:
//!
//! | value | formula |
//! | --- | --- |
//! | λmax, λmin, tr H | αβ × those of H* |
//! | tr C of the examples' gradients at θ* | β²α × that of L |
//! | ‖∇L_αβ(θ*)‖ | β√α·‖∇L(θ*)‖ |
//! | ΔL, `sublevel {depth: Δ}` | β·Δ |
//! | ΔL, `ball {radius: r}` | β × the least L on the base landscape's sphere of radius ρ: r, or r√α if it does not follow α |
//! | unstable | η·λmax > 2: noise-free descent on a quadratic moves away from θ* |
//!
//! **Predictions** are exponents: what ln E\[ν\] tends to, up to lower orders, as η/B → 0.
//!
//! | noise | Freidlin–Wentzell, (B/η)·V₀ | the paper |
//! | --- | --- | --- |
//! | C = H, bowl, ball | V₀ = r²/α | (B/η)·2ΔL·λmax^(−1/2) (Theorems 2, 3) |
//! | C = H, bowl, sublevel | V₀ = 2ΔL/λmax | the same |
//! | C = I, bowl | V₀ = 2ΔL (Lemma 3) | (B/η)·ΔL (Proposition 1) |
//! | C frozen at θ*, linear regression | V₀ of V = ½ zᵀΣ⁻¹z, HΣ + ΣH = C | as C = H |
//! | wells | by a minimum action method | as above |
//! | minibatches (Eq. 1) | not known | as C = H, which Assumption 2 takes it for |
//!
//! The exact mean exit time is computed where there is a method ([`CellProblem::exact`]).
//!
//! Where the paper's exponent differs from the other one, it is printed as the paper prints it: to compare is what the
//! sweep is for. Heavy tails have neither: their exits are single jumps, and their times a power of the noise.

mod depth;
mod drift;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drift::Descent;
use rayon::prelude::*;
use taugrid_escape::action::boundary::ExitBoundary;
use taugrid_escape::action::metric::Metric;
use taugrid_escape::problem::CellProblem;
use taugrid_escape::problem::ExactExit;
use taugrid_results::{CellSummary, Effective, Row};
use taugrid_sweep::{BuiltLandscape, Cell, CellKey, Covariance, DomainSpec, Physics};

use crate::estimate::estimate;
use crate::quasipotential::{Easiest, easiest, scale};

/// With more cells than this, exact means are not computed.
const MOST_EXACT: usize = 4000;

/// What is known of a sweep's landscape and domain before any trial. What takes a while is found when a cell first asks
/// for it, and kept: most cells share it.
pub struct Facts {
    physics: Physics,
    landscape: BuiltLandscape,
    /// The least loss on spheres of the base landscape, by the bits of their radius.
    depths: Mutex<BTreeMap<u64, Option<Easiest>>>,
    /// V0 of the base landscape, by covariance and radius or depth.
    exits: Mutex<BTreeMap<(&'static str, u64), Option<Easiest>>>,
    descent: Descent,
    exact: Mutex<BTreeMap<CellKey, ExactExit>>,
}

impl Facts {
    /// Of a sweep's physics and the landscape built from it.
    pub fn new(physics: &Physics, landscape: &BuiltLandscape) -> Self {
        Self {
            physics: physics.clone(),
            landscape: landscape.clone(),
            depths: Mutex::default(),
            exits: Mutex::default(),
            descent: Descent::default(),
            exact: Mutex::default(),
        }
    }

    /// Computes the exact mean exit times of these cells, where there is a method, in rayon's current pool. At most a second
    /// each, and none if there are very many cells; cells that were not among them have none.
    pub fn find_exact(&self, cells: &[Cell]) {
        if cells.len() > MOST_EXACT {
            return;
        }
        let exact = |cell: &Cell| Some((cell.key, self.problem(cell).exact()?));
        let found: Vec<(CellKey, ExactExit)> = cells.par_iter().filter_map(exact).collect();
        self.exact.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }

    /// What is known of a cell.
    pub fn effective(&self, cell: &Cell) -> Effective {
        let curvature = self.landscape.curvature();
        let hessian_scale = cell.alpha * cell.beta;
        let lambda_max = hessian_scale * curvature.lambda_max;
        let inverse_temperature = cell.batch_size as f64 / cell.eta;
        let depth = self.depth(cell);
        let quasipotential = self.quasipotential(cell);
        let noise = curvature.noise.as_ref();
        let exact = self.exact.lock().unwrap_or_else(PoisonError::into_inner).get(&cell.key).copied();
        let number = |x: f64| x.is_finite().then_some(x);
        Effective {
            lambda_max,
            lambda_min: curvature.lambda_min.map(|lambda| hessian_scale * lambda),
            trace: curvature.trace.map(|trace| hessian_scale * trace),
            gradient_norm: cell.beta * cell.alpha.sqrt() * curvature.gradient_norm,
            unstable: cell.eta * lambda_max > 2.0,
            noise_trace: noise.map(|noise| cell.beta * cell.beta * cell.alpha * noise.trace_noise),
            noise_alignment: noise.and_then(|noise| number(noise.alignment())),
            noise_distance: noise.and_then(|noise| number(noise.distance(cell.alpha, cell.beta))),
            clipped_weight: self.clipped_weight(cell),
            exponent_freidlin_wentzell: quasipotential.as_ref().map(|v| inverse_temperature * v.value),
            exponent_paper: self.paper(cell, lambda_max, depth.as_ref().map(|depth| depth.value)),
            depth: depth.as_ref().map(|depth| depth.value),
            depth_method: depth.map(|depth| depth.method),
            quasipotential: quasipotential.as_ref().map(|v| v.value),
            quasipotential_method: quasipotential.map(|v| v.method),
            exact_mean_exit_time: exact.map(|exact| exact.mean_exit_time),
            exact_method: exact.map(|exact| exact.method.to_owned()),
        }
    }

    /// The row of `cells.parquet` of a cell that was simulated directly, from its trials in any order. Rows of other cells
    /// are passed over.
    pub fn summarize<'a>(&self, cell: Cell, rows: impl IntoIterator<Item = &'a Row>) -> CellSummary {
        let trials = estimate(rows.into_iter().filter(|row| row.cell == cell.key).map(|row| &row.record));
        let in_time = |steps: Option<f64>| steps.map(|steps| steps * cell.step_length());
        let mean_exit_time = in_time(trials.mean);
        CellSummary {
            cell,
            effective: self.effective(&cell),
            estimator: "direct".to_owned(),
            trials: trials.trials,
            exits: trials.exits,
            censored: trials.censored,
            diverged: trials.diverged,
            mean_exit_steps: trials.mean,
            mean_exit_time,
            lower: in_time(trials.lower),
            upper: in_time(trials.upper),
            std: in_time(trials.std),
            median: in_time(trials.median),
            total_steps: trials.total_steps,
            drift: self.drifts(&cell, mean_exit_time),
            ks_p: trials.ks_p,
            precision_reached: None,
        }
    }

    /// What the core simulates of a cell.
    pub fn problem(&self, cell: &Cell) -> CellProblem {
        self.physics.problem(cell, &self.landscape)
    }

    /// ∂D as it is on the base landscape, in z; and its radius or depth there.
    pub fn boundary(&self, cell: &Cell) -> (ExitBoundary, f64) {
        let ball = |radius| (ExitBoundary::Ball { radius }, radius);
        match self.physics.domain() {
            DomainSpec::Sublevel { depth, .. } => (ExitBoundary::Level { depth }, depth),
            DomainSpec::Ball { radius, follows_alpha: true } => ball(radius),
            DomainSpec::Ball { radius, follows_alpha: false } => ball(radius * cell.alpha.sqrt()),
        }
    }

    /// ΔL of L_αβ.
    fn depth(&self, cell: &Cell) -> Option<Easiest> {
        let of_base = match self.boundary(cell).0 {
            ExitBoundary::Level { depth } => Some(Easiest { value: depth, method: "the domain's".to_owned() }),
            ExitBoundary::Ball { radius } => {
                let mut depths = self.depths.lock().unwrap_or_else(PoisonError::into_inner);
                depths.entry(radius.to_bits()).or_insert_with(|| depth::on_sphere(&self.landscape, radius)).clone()
            }
        };
        of_base.map(|depth| Easiest { value: cell.beta * depth.value, ..depth })
    }

    /// V0 of L_αβ, of Freidlin and Wentzell.
    fn quasipotential(&self, cell: &Cell) -> Option<Easiest> {
        let covariance = gaussian_noise(cell)?;
        let (boundary, size) = self.boundary(cell);
        let metric = Metric::FreidlinWentzell;
        let mut exits = self.exits.lock().unwrap_or_else(PoisonError::into_inner);
        let of_base = exits
            .entry((covariance.as_str(), size.to_bits()))
            .or_insert_with(|| easiest(&self.landscape, covariance, metric, boundary))
            .clone()?;
        Some(Easiest { value: scale(metric, covariance, cell.alpha, cell.beta) * of_base.value, ..of_base })
    }

    /// The paper's exponent, as it prints it.
    fn paper(&self, cell: &Cell, lambda_max: f64, depth: Option<f64>) -> Option<f64> {
        let depth = depth?;
        let height = match cell.dynamics.noise() {
            _ if has_heavy_tails(cell) => return None,
            Some(Covariance::Identity) => depth,
            None | Some(Covariance::Hessian | Covariance::Sample | Covariance::Frozen) => {
                2.0 * depth / lambda_max.sqrt()
            }
        };
        let exponent = cell.batch_size as f64 / cell.eta * height;
        exponent.is_finite().then_some(exponent)
    }

    fn clipped_weight(&self, cell: &Cell) -> Option<f64> {
        match (&self.landscape, cell.dynamics.noise()) {
            (BuiltLandscape::Mlp(mlp), Some(Covariance::Hessian)) => {
                mlp.root_of_hessian().ok().map(|root| root.clipped_weight)
            }
            _ => None,
        }
    }

    /// Whether descent without noise leaves D within this time; where it never does, the time need not be known.
    fn drifts(&self, cell: &Cell, time: Option<f64>) -> Option<bool> {
        match (&self.landscape, self.boundary(cell).0) {
            // Their gradient at θ* is 0.
            (BuiltLandscape::Quadratic(_) | BuiltLandscape::Well(_) | BuiltLandscape::Regression(_), _) => Some(false),
            // Downhill is inside.
            (BuiltLandscape::Mlp(_), ExitBoundary::Level { .. }) => Some(false),
            // In z a time of L_αβ's flow is αβ of L's.
            (BuiltLandscape::Mlp(mlp), ExitBoundary::Ball { radius }) => {
                self.descent.leaves(mlp, radius, cell.alpha * cell.beta * time?)
            }
        }
    }
}

fn has_heavy_tails(cell: &Cell) -> bool {
    cell.dynamics.stability().is_some_and(|stability| stability < 2.0)
}

/// The covariance of a cell's Gaussian noise, if that is what it has.
fn gaussian_noise(cell: &Cell) -> Option<Covariance> {
    cell.dynamics.noise().filter(|_| !has_heavy_tails(cell))
}

#[cfg(test)]
mod tests;
