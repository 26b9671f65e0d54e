//! ∂D: where it is, and how to stay on it.

use super::diffusion::Diffusion;
use super::error::{ActionError, check_positive};
use super::weighted::{dot, norm};

/// The boundary of D, in x = θ − θ*.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExitBoundary {
    /// ‖x‖ = `radius`.
    Ball {
        /// A length.
        radius: f64,
    },
    /// L(θ* + x) − L(θ*) = `depth`, as far as it is seen from θ*: the component that rays from θ* meet first, and what
    /// hangs together with it.
    Level {
        /// A loss: the ΔL of the paper's Theorem 2.
        depth: f64,
    },
}

/// Growth of the step along a ray: an excess of the loss over the depth narrower than this is overlooked.
const GROWTH: f64 = 1.02;
/// Steps along a ray: 1.02²⁰⁰⁰ is 10¹⁷.
const MARCHES: usize = 2000;
/// Halvings on the way to a first step that is well inside.
const SHRINKINGS: usize = 200;
/// Halvings of the bracket of a crossing: to the last place.
const BISECTIONS: usize = 60;
/// What the search along a ray begins below, as [`Level::value`] counts.
const DEEP: f64 = -0.99;
/// Newton steps back onto the boundary.
const RETURNS: usize = 20;
/// What counts as on the boundary, relative to its level.
const ON: f64 = 1e-12;

/// A boundary with the loss it is a boundary for: zero on it, negative inside.
pub(super) struct Level<'a, D: ?Sized> {
    diffusion: &'a D,
    boundary: ExitBoundary,
    /// L(θ*).
    lowest: f64,
}

impl<'a, D: Diffusion + ?Sized> Level<'a, D> {
    pub(super) fn new(diffusion: &'a D, boundary: ExitBoundary) -> Result<Self, ActionError> {
        let (ExitBoundary::Ball { radius: level } | ExitBoundary::Level { depth: level }) = boundary;
        check_positive(level)?;
        let lowest = diffusion.loss(&vec![0.0; diffusion.dim()]);
        if lowest.is_finite() { Ok(Self { diffusion, boundary, lowest }) } else { Err(ActionError::NotFinite) }
    }

    /// ‖x‖²/r² − 1 or (L − L(θ*))/Δ − 1.
    pub(super) fn value(&self, x: &[f64]) -> f64 {
        match self.boundary {
            ExitBoundary::Ball { radius } => dot(x, x) / (radius * radius) - 1.0,
            ExitBoundary::Level { depth } => (self.diffusion.loss(x) - self.lowest) / depth - 1.0,
        }
    }

    /// The derivative of [`Self::value`]: an outward normal.
    pub(super) fn normal(&self, x: &[f64]) -> Vec<f64> {
        match self.boundary {
            ExitBoundary::Ball { radius } => x.iter().map(|x| 2.0 * x / (radius * radius)).collect(),
            ExitBoundary::Level { depth } => {
                let mut normal = vec![0.0; x.len()];
                self.diffusion.gradient(x, &mut normal);
                normal.iter_mut().for_each(|g| *g /= depth);
                normal
            }
        }
    }

    /// The first point of the boundary on the ray from θ* in this direction; `None` where there is none. Not inside is
    /// outside: a loss that is not a number is, too.
    pub(super) fn on_ray(&self, direction: &[f64]) -> Option<Vec<f64>> {
        let length = norm(direction);
        if !(length > 0.0 && length.is_finite()) {
            return None;
        }
        let at = |s: f64| -> Vec<f64> { direction.iter().map(|v| s * v / length).collect() };
        if let ExitBoundary::Ball { radius } = self.boundary {
            return Some(at(radius));
        }
        let below = |s: f64, level: f64| self.value(&at(s)) < level;
        let mut inside = 1.0;
        let mut shrinkings = 0;
        while !below(inside, DEEP) {
            inside *= 0.5;
            shrinkings += 1;
            if shrinkings > SHRINKINGS {
                return None;
            }
        }
        let mut outside = inside * GROWTH;
        let mut marches = 0;
        while below(outside, 0.0) {
            inside = outside;
            outside *= GROWTH;
            marches += 1;
            if marches > MARCHES {
                return None;
            }
        }
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (inside + outside);
            if below(middle, 0.0) { inside = middle } else { outside = middle }
        }
        Some(at(outside))
    }

    /// A point of the boundary near `x`, by Newton's method along the normal; `None` if it leads nowhere.
    pub(super) fn near(&self, mut x: Vec<f64>) -> Option<Vec<f64>> {
        if let ExitBoundary::Ball { .. } = self.boundary {
            return self.on_ray(&x);
        }
        for _ in 0..RETURNS {
            let value = self.value(&x);
            if value.abs() <= ON {
                return Some(x);
            }
            let normal = self.normal(&x);
            let step = value / dot(&normal, &normal);
            if !step.is_finite() {
                return None;
            }
            for (x, g) in x.iter_mut().zip(&normal) {
                *x -= step * g;
            }
        }
        (self.value(&x).abs() <= 1e3 * ON).then_some(x)
    }
}
