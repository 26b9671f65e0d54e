//! The exact mean exit time of a cell, where it is known.
//!
//! What a cell's numbers mean is said here a second time, on purpose: from the equations (1 to 4 of the paper), α, β, η, B
//! and the domain to the arguments of [`exact`](crate::exact), and through none of the code that makes simulations. A
//! factor that is wrong in one of the two shows when they are compared (`tests/against_exact.rs`, `tests/wells.rs`).

use super::{AnyLandscape, CellProblem};
use crate::domain::Domain;
use crate::dynamics::{Covariance, Dynamics};
use crate::exact::{Motion, mean_exit, mean_exit_steps_of_map, mean_exit_time_in_potential};
use crate::landscape::well::{Term, Well};

/// A cell's mean exit time that was computed, not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactExit {
    /// In units of time, whatever the dynamics: the mean of ν = k*·η of a chain (Definition 2), and E\[τ\] of an SDE in
    /// continuous time (Definition 1).
    pub mean_exit_time: f64,
    /// How it was computed, in words for a report.
    pub method: &'static str,
}

impl CellProblem {
    /// The exact mean exit time of this cell, within about a second; `None` where no method fits.
    ///
    /// | landscape | dynamics | domain |
    /// | --- | --- | --- |
    /// | quadratic, regression | `gaussian-sgd`, C ∈ {H, I}: d ≤ 2, or isotropic | any |
    /// | the same | `sde`, C ∈ {H, I}: d = 1, or isotropic | any |
    /// | well, d = 1 | `gaussian-sgd`, `sde`, C ∈ {H, I} | any ball; sublevel sets that are bounded |
    ///
    /// *Isotropic* is said in units of the domain: y_i = x_i/r on a ball, x_i √(αh_i/2Δ) on a sublevel set; a sublevel set
    /// is isotropic for C = H where all h_i are the same. `levy-sgd` with a = 2 is `gaussian-sgd`. A chain can jump from one
    /// component of a sublevel set to another, so that for chains there must be only one; an SDE cannot. On an SDE the value
    /// is that of continuous time, which does not depend on `substeps`. `max_steps` does not count.
    pub fn exact(&self) -> Option<ExactExit> {
        let (covariance, continuous) = match self.dynamics {
            Dynamics::GaussianSgd(covariance) | Dynamics::LevySgd { covariance, stability: 2.0, .. } => {
                (covariance, false)
            }
            Dynamics::Sde { covariance, .. } => (covariance, true),
            Dynamics::Sgd | Dynamics::LevySgd { .. } => return None,
        };
        if let Covariance::Sample | Covariance::Frozen = covariance {
            return None;
        }
        match &self.landscape {
            AnyLandscape::Quadratic(bowl) => self.exact_on_bowl(bowl.eigenvalues(), covariance, continuous),
            AnyLandscape::Regression(data) => self.exact_on_bowl(data.bowl().eigenvalues(), covariance, continuous),
            AnyLandscape::Well(well) => self.exact_in_well(well, covariance, continuous),
            AnyLandscape::Mlp(_) => None,
        }
    }

    /// The eigenvalue of C along an eigenvector of H* of eigenvalue h: αβh under Assumption 2, 1 of the proxy systems.
    fn variance(&self, covariance: Covariance, h: f64) -> f64 {
        match covariance {
            Covariance::Hessian => self.scale.alpha * self.scale.beta * h,
            _ => 1.0,
        }
    }

    /// The radius of D in x = θ − θ*, of a ball.
    fn radius(&self) -> Option<f64> {
        match self.domain {
            Domain::Ball { radius, follows_alpha: true } => Some(radius / self.scale.alpha.sqrt()),
            Domain::Ball { radius, follows_alpha: false } => Some(radius),
            Domain::Sublevel { .. } => None,
        }
    }

    /// L_αβ = ½ αβ Σ h_i x_i²; on a sublevel set Σ ½ αβ h_i x_i² < βΔ, an ellipsoid of half axes √(2Δ/(αh_i)).
    fn exact_on_bowl(&self, eigenvalues: &[f64], covariance: Covariance, continuous: bool) -> Option<ExactExit> {
        let (alpha, beta, batch_size) = (self.scale.alpha, self.scale.beta, self.batch_size as f64);
        let unit = |h: f64| match self.domain {
            Domain::Sublevel { depth } => (2.0 * depth / (alpha * h)).sqrt(),
            Domain::Ball { .. } => self.radius().unwrap_or(f64::NAN),
        };
        let rate: Vec<f64> = eigenvalues.iter().map(|h| alpha * beta * h).collect();
        // √(ηC/B): of Eq. 3 in a unit of time, and of Eq. 2's √(η/B) W / √η.
        let diffusion = |h: f64| (self.eta * self.variance(covariance, h) / batch_size).sqrt();
        let noise: Vec<f64> = eigenvalues.iter().map(|&h| diffusion(h) / unit(h)).collect();
        let (exact, length) = if continuous {
            (mean_exit(Motion::Diffusion { pull: &rate, noise: &noise })?, 1.0)
        } else {
            let pull: Vec<f64> = rate.iter().map(|rate| self.eta * rate).collect();
            let noise: Vec<f64> = noise.iter().map(|noise| self.eta.sqrt() * noise).collect();
            (mean_exit(Motion::Chain { pull: &pull, noise: &noise })?, self.eta)
        };
        Some(ExactExit { mean_exit_time: exact.value * length, method: exact.method })
    }

    fn exact_in_well(&self, well: &Well, covariance: Covariance, continuous: bool) -> Option<ExactExit> {
        let &[term] = well.terms() else { return None };
        let (alpha, beta) = (self.scale.alpha, self.scale.beta);
        let (low, high) = match self.domain {
            Domain::Ball { .. } => self.radius().map(|radius| (-radius, radius))?,
            Domain::Sublevel { depth } => {
                let [low, high] = [-1.0, 1.0].map(|side| crossing(term, depth, side));
                let ((low, more_below), (high, more_above)) = (low?, high?);
                if !continuous && (more_below || more_above) {
                    return None;
                }
                (low / alpha.sqrt(), high / alpha.sqrt())
            }
        };
        // √(ηC/B), which a chain multiplies by √η.
        let noise = (self.eta * self.variance(covariance, term.h) / self.batch_size as f64).sqrt();
        if continuous {
            let loss = |x: f64| beta * term.loss(alpha.sqrt() * x);
            let mean_exit_time = mean_exit_time_in_potential(loss, noise, low, high, 0.0)?;
            return Some(ExactExit { mean_exit_time, method: "Andronov–Vitt–Pontryagin" });
        }
        let map = |x: f64| x - self.eta * beta * alpha.sqrt() * term.slope(alpha.sqrt() * x);
        let steps = mean_exit_steps_of_map(map, self.eta.sqrt() * noise, low, high, 0.0)?;
        Some(ExactExit { mean_exit_time: steps * self.eta, method: "integral equation, 1-D" })
    }
}

/// Where a term first reaches `depth` on that side of 0, and whether it is below it again somewhere beyond; `None` where it
/// never reaches it.
fn crossing(term: Term, depth: f64, side: f64) -> Option<(f64, bool)> {
    let mut turns: Vec<f64> = term.stationary().into_iter().filter(|z| z * side > 0.0).collect();
    turns.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Beyond its last turn it goes to one infinity.
    let falls = term.q < 0.0 || (term.q == 0.0 && term.b * side < 0.0);
    let mut inside = 0.0;
    for (k, &turn) in turns.iter().enumerate() {
        if term.loss(turn) >= depth {
            let more = falls || turns[k..].iter().any(|&z| term.loss(z) < depth);
            return Some((bisect(term, depth, inside, turn), more));
        }
        inside = turn;
    }
    if falls {
        return None;
    }
    let mut outside = if inside == 0.0 { side } else { 2.0 * inside };
    while term.loss(outside) < depth {
        outside *= 2.0;
    }
    outside.is_finite().then(|| (bisect(term, depth, inside, outside), false))
}

/// To the last place.
fn bisect(term: Term, depth: f64, mut inside: f64, mut outside: f64) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (inside + outside);
        if term.loss(middle) < depth {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E ((z/w − 1)² − 1)² = Δ at z = w(1 ± √(1 ± √(Δ/E))).
    #[test]
    fn a_level_is_crossed_where_it_says_and_what_lies_beyond_is_seen() {
        let (barrier, w) = (0.25f64, 1.5);
        let well = Well::double(barrier, w, &[]).expect("positive");
        let term = well.terms()[0];
        for depth in [0.01f64, 0.2, 0.24, 0.26, 3.0] {
            let root = (depth / barrier).sqrt();
            let low = w * (1.0 - (1.0 + root).sqrt());
            let (high, more) =
                if depth < barrier { (w * (1.0 - (1.0 - root).sqrt()), true) } else { (2.0 * w - low, false) };
            let (found, beyond) = crossing(term, depth, -1.0).expect("it rises");
            assert!((found - low).abs() < 1e-12 && !beyond, "{depth}: {found} against {low}");
            let (found, beyond) = crossing(term, depth, 1.0).expect("it rises");
            assert!((found - high).abs() < 1e-12 && beyond == more, "{depth}: {found} against {high}");
        }
        let quartic = Well::quartic(&[2.0], -0.5).expect("sound").terms()[0];
        assert!(crossing(quartic, 2.1, 1.0).is_none(), "the saddle is 2 high");
        let (high, more) = crossing(quartic, 1.9, 1.0).expect("it rises");
        assert!(more && high < 2.0 && (quartic.loss(high) - 1.9).abs() < 1e-12);
    }
}
