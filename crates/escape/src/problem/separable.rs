//! Cells on landscapes that are sums over coordinates: sixteen trials at a time.

use std::sync::Arc;

use super::{CellProblem, Dtype};
use crate::domain::{Boundary, GOBET_MENOZZI};
use crate::dynamics::{Covariance, Scheme, Tail};
use crate::elementary::decay;
use crate::landscape::Landscape;
use crate::landscape::quadratic::Quadratic;
use crate::landscape::well::{Term, Well};
use crate::rng::StreamKey;
use crate::simd::Isa;
use crate::walk::Simulation;
use crate::walk::force::{Cubic, Force, Linear, Split};
use crate::walk::lanes::{Course, LaneWalk};
use crate::walk::noise::{Gaussian, Independent, Isotropic};
use crate::walk::real::Real;

/// What the kernel needs to know of one coordinate.
#[derive(Debug, Clone, Copy)]
struct Coordinate {
    /// h·αβ times the eigenvalue: the share of x that one step takes away.
    pull: f64,
    /// s.d. of a step's noise in x.
    noise: f64,
    /// x for each unit of y.
    unit: f64,
}

impl Coordinate {
    /// Whether f32 resolves it: the noise of a step is at least 700 times the last place of its stationary spread
    /// (noise/√(2·pull) of it), so that roundings are dithered and add less than 10⁻⁶ to its variance; and what the
    /// kernel multiplies by is far from underflow.
    fn is_resolved_by_f32(&self) -> bool {
        let sigma = self.noise / self.unit;
        (1e-9..=1e6).contains(&self.pull) && (1e-30..=1e30).contains(&sigma)
    }

    /// Of an SDE the transition over a step is known: an Ornstein–Uhlenbeck process keeps e^{−λh} of x, and its noise has
    /// the variance ν²c (1 − e^{−2λh})/(2λh). Euler and Maruyama's 1 − λh and ν²c would make its stationary variance too
    /// large by ½λh of it, and a mean exit time of e^V too short by ½λhV of it: more than all that the boundary's
    /// correction leaves.
    fn in_law(self, scheme: Scheme) -> Self {
        if !scheme.corrected {
            return self;
        }
        let kept = decay(2.0 * self.pull) / (2.0 * self.pull);
        Self { pull: decay(self.pull), noise: self.noise * kept.sqrt(), ..self }
    }

    fn linear<R: Real>(&self) -> Linear<R> {
        Linear { c: R::round(-self.pull), sigma: R::round(self.noise / self.unit) }
    }
}

impl CellProblem {
    /// On a quadratic, in the eigenbasis of H: there C is diagonal too, whether it is H or I.
    pub(super) fn quadratic(
        &self,
        quadratic: &Arc<Quadratic>,
        scheme: Scheme,
        key: StreamKey,
        isa: Isa,
    ) -> Box<dyn Simulation> {
        let coordinates: Vec<_> =
            quadratic.eigenvalues().iter().map(|&h| self.coordinate(h, scheme).in_law(scheme)).collect();
        let deepest = coordinates.iter().map(|c| c.noise / c.unit).fold(0.0, f64::max);
        // Σy² below which no correction can reach: along no direction is a step's noise larger than the largest σ.
        let inside = if scheme.corrected { (1.0 - GOBET_MENOZZI * deepest).max(0.0).powi(2) } else { 1.0 };
        let course = self.course(Arc::clone(quadratic) as _, &coordinates, scheme, inside, key, isa);
        let single_precision = scheme.tail == Tail::Gaussian
            && self.dtype == Dtype::F32
            && coordinates.iter().all(Coordinate::is_resolved_by_f32);
        if single_precision {
            let forces: Vec<Linear<f32>> = coordinates.iter().map(Coordinate::linear).collect();
            return Box::new(LaneWalk::new(course, &forces, Gaussian));
        }
        let forces: Vec<Linear<f64>> = coordinates.iter().map(Coordinate::linear).collect();
        with_tail(course, &forces, scheme.tail)
    }

    /// On a double well or a quartic; in f64, for what it is worth in so few dimensions.
    pub(super) fn well(&self, well: &Arc<Well>, scheme: Scheme, key: StreamKey, isa: Isa) -> Box<dyn Simulation> {
        let coordinates: Vec<_> = well.terms().iter().map(|term| self.coordinate(term.h, scheme)).collect();
        let boundary = self.domain.boundary(self.scale);
        let parts = well.terms().iter().zip(&coordinates);
        if !scheme.corrected {
            let course = self.course(Arc::clone(well) as _, &coordinates, scheme, 1.0, key, isa);
            let forces: Vec<Cubic> = parts.map(|(term, coordinate)| self.cubic(*term, *coordinate, boundary)).collect();
            return with_tail(course, &forces, scheme.tail);
        }
        let forces: Vec<Split> =
            parts.map(|(term, coordinate)| self.split(*term, *coordinate, scheme, boundary)).collect();
        let coordinates: Vec<_> = coordinates.into_iter().map(|coordinate| coordinate.in_law(scheme)).collect();
        let deepest = coordinates.iter().map(|c| c.noise / c.unit).fold(0.0, f64::max);
        let inside = match boundary {
            Boundary::SquaredRadius(_) => (1.0 - GOBET_MENOZZI * deepest).max(0.0).powi(2),
            // How far the correction reaches depends on the slope, so every state is looked at.
            Boundary::BaseExcess(_) => f64::NEG_INFINITY,
        };
        let course = self.course(Arc::clone(well) as _, &coordinates, scheme, inside, key, isa);
        Box::new(LaneWalk::new(course, &forces, Gaussian))
    }

    /// A coordinate with curvature h at θ*.
    fn coordinate(&self, h: f64, scheme: Scheme) -> Coordinate {
        let curvature = self.scale.hessian_factor() * h;
        let variance = if scheme.covariance == Covariance::Hessian { curvature } else { 1.0 };
        let unit = match self.domain.boundary(self.scale) {
            // Where the square of the radius overflows, any unit will do that a state can leave.
            Boundary::SquaredRadius(square) => square.sqrt().min(f64::MAX.sqrt()),
            Boundary::BaseExcess(depth) => (2.0 * depth / (self.scale.alpha * h)).sqrt(),
        };
        Coordinate { pull: scheme.length * curvature, noise: scheme.noise * variance.sqrt(), unit }
    }

    /// With x = uy and z = √α x: a step takes hβ√α L'(z) from x.
    fn cubic(&self, term: Term, coordinate: Coordinate, boundary: Boundary) -> Cubic {
        let Coordinate { unit, noise, pull } = coordinate;
        let z = self.scale.stretch() * unit;
        let c = [-pull, -pull * z * term.b / term.h, -pull * z * z * term.q / term.h];
        Cubic { c, sigma: noise / unit, m: self.measure(term, unit, boundary) }
    }

    /// The same force in two halves around the linear part, which is taken as it is in law.
    fn split(&self, term: Term, coordinate: Coordinate, scheme: Scheme, boundary: Boundary) -> Split {
        let Cubic { c: [_, k2, k3], m, .. } = self.cubic(term, coordinate, boundary);
        let Coordinate { unit, noise, pull } = coordinate.in_law(scheme);
        Split { linear: -pull, kick: [0.5 * k2, 0.5 * k3], sigma: noise / unit, m }
    }

    /// What of the boundary y fills: Σ y²(m₂ + y(m₃ + ym₄)) is 1 on it.
    fn measure(&self, term: Term, unit: f64, boundary: Boundary) -> [f64; 3] {
        let z = self.scale.stretch() * unit;
        match boundary {
            Boundary::SquaredRadius(_) => [1.0, 0.0, 0.0],
            Boundary::BaseExcess(depth) => {
                let square = z * z / depth;
                [square * 0.5 * term.h, square * z * term.b / 3.0, square * z * z * term.q * 0.25]
            }
        }
    }

    fn course(
        &self,
        landscape: Arc<dyn Landscape<Workspace = ()>>,
        coordinates: &[Coordinate],
        scheme: Scheme,
        inside: f64,
        key: StreamKey,
        isa: Isa,
    ) -> Course {
        Course {
            landscape,
            boundary: self.domain.boundary(self.scale),
            drawn_in: scheme.corrected.then(|| coordinates.iter().map(|c| c.noise).collect()),
            stretch: self.scale.stretch(),
            beta: self.scale.beta,
            max_steps: self.max_steps,
            key,
            isa,
            units: coordinates.iter().map(|c| c.unit).collect(),
            inside,
        }
    }
}

/// In f64: heavy tails leave f32's range.
fn with_tail<F: Force<f64>>(course: Course, forces: &[F], tail: Tail) -> Box<dyn Simulation> {
    match tail {
        Tail::Gaussian => Box::new(LaneWalk::new(course, forces, Gaussian)),
        // In one dimension the two are the same.
        Tail::Isotropic(stability) if forces.len() > 1 => Box::new(LaneWalk::new(course, forces, Isotropic(stability))),
        Tail::Isotropic(stability) | Tail::Independent(stability) => {
            Box::new(LaneWalk::new(course, forces, Independent(stability)))
        }
    }
}
