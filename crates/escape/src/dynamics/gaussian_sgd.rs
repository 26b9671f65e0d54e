//! Gradient descent with noise that is the same in all coordinates, C = I, on any landscape: the proxy systems of Eq. 4,
//! in discrete steps (Eq. 2), as an SDE (Eq. 3), or with heavy tails.
//!
//! On quadratics, where C = H is diagonal too, the lanes of [`walk`](crate::walk) do the same; on perceptrons in f32, its
//! chains.

use super::{Scheme, State, Step, Tail};
use crate::landscape::Landscape;
use crate::rng::Stream;
use crate::scale::Scale;

/// Gradient descent with noise that is the same in all coordinates.
pub struct GaussianSgd {
    stretch: f64,
    /// hβ√α: the step along −∇L of the base landscape.
    drift: f64,
    /// ν, the s.d. of a step's noise in each coordinate, if it is Gaussian.
    noise: f64,
    tail: Tail,
    /// Multiplications of one full gradient.
    work: u64,
}

impl GaussianSgd {
    /// With C = I; `work` is the cost of the full gradient in multiplications.
    pub fn isotropic(scale: Scale, scheme: Scheme, work: u64) -> Self {
        Self {
            stretch: scale.stretch(),
            drift: scheme.length * scale.gradient_factor(),
            noise: scheme.noise,
            tail: scheme.tail,
            work,
        }
    }
}

/// What multiplies all normals of a step: 1, or √A.
pub(super) fn amplitude(tail: Tail, stream: &mut Stream) -> f64 {
    match tail {
        Tail::Isotropic(stability) => stream.stable_amplitude(stability.get()),
        Tail::Gaussian | Tail::Independent(_) => 1.0,
    }
}

/// A normal, or what stands in its place.
pub(super) fn variate(tail: Tail, stream: &mut Stream) -> f64 {
    match tail {
        Tail::Independent(stability) => stream.stable(stability.get()),
        Tail::Gaussian | Tail::Isotropic(_) => stream.normal(),
    }
}

impl<L: Landscape> Step<L> for GaussianSgd {
    type Scratch = ();

    fn scratch(&self) {}

    fn step(&self, landscape: &L, state: &mut State<L>, (): &mut ()) {
        landscape.gradient(&state.z, &mut state.gradient, &mut state.workspace);
        let noise = self.noise * amplitude(self.tail, &mut state.stream);
        for ((x, z), g) in state.x.iter_mut().zip(&mut state.z).zip(&state.gradient) {
            *x = *x - self.drift * g + noise * variate(self.tail, &mut state.stream);
            *z = self.stretch * *x;
        }
    }

    fn spread(&self, _: &L, _: &mut State<L>, direction: &[f64], (): &mut ()) -> f64 {
        self.noise * direction.iter().map(|x| x * x).sum::<f64>().sqrt()
    }

    fn work(&self, _: &L) -> u64 {
        self.work
    }
}
