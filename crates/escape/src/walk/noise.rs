//! The noise of a step in sixteen lanes: Gaussian, or with heavy tails.

use crate::rng::{Generators, Stability, lane_normal, lane_stable};
use crate::simd::Simd;

/// What the standard normals of a step are, or are replaced by.
pub(crate) trait Noise: Copy + Send + Sync + 'static {
    /// What all coordinates of a step share.
    type Shared<S: Simd>: Copy;

    /// Once a step.
    fn share<S: Simd>(self, s: S, generators: &mut Generators<S>) -> Self::Shared<S>;

    /// Two coordinates of every lane.
    fn pair<S: Simd>(self, s: S, shared: Self::Shared<S>, generators: &mut Generators<S>) -> (S::F, S::F);
}

/// Independent standard normals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gaussian;

impl Noise for Gaussian {
    type Shared<S: Simd> = ();

    #[inline(always)]
    fn share<S: Simd>(self, _: S, _: &mut Generators<S>) {}

    #[inline(always)]
    fn pair<S: Simd>(self, s: S, (): (), generators: &mut Generators<S>) -> (S::F, S::F) {
        lane_normal::pair(s, generators)
    }
}

/// An isotropic stable vector: √A times normals. In two dimensions or more: in one, where two steps are taken at a time,
/// it is [`Independent`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Isotropic(pub(crate) Stability);

impl Noise for Isotropic {
    type Shared<S: Simd> = S::F;

    #[inline(always)]
    fn share<S: Simd>(self, s: S, generators: &mut Generators<S>) -> S::F {
        lane_stable::amplitude(s, self.0, generators)
    }

    #[inline(always)]
    fn pair<S: Simd>(self, s: S, amplitude: S::F, generators: &mut Generators<S>) -> (S::F, S::F) {
        let (x, y) = lane_normal::pair(s, generators);
        (s.mul(amplitude, x), s.mul(amplitude, y))
    }
}

/// Independent stable variates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Independent(pub(crate) Stability);

impl Noise for Independent {
    type Shared<S: Simd> = ();

    #[inline(always)]
    fn share<S: Simd>(self, _: S, _: &mut Generators<S>) {}

    #[inline(always)]
    fn pair<S: Simd>(self, s: S, (): (), generators: &mut Generators<S>) -> (S::F, S::F) {
        let x = lane_stable::variate(s, self.0, generators);
        (x, lane_stable::variate(s, self.0, generators))
    }
}
