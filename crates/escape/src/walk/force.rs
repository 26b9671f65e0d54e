//! The force on one coordinate, in units of the domain: what a step does to y, and what of the boundary it fills.

use super::real::Real;
use crate::simd::Simd;

/// One coordinate of a landscape that is a sum over coordinates.
pub(crate) trait Force<R: Real>: Copy + Send + Sync + 'static {
    /// A coordinate that stays where it is, and fills nothing.
    const NONE: Self;

    /// y after a step with this noise.
    fn step<S: Simd>(self, s: S, y: R::Lanes<S>, noise: S::F) -> R::Lanes<S>;

    /// `sum` and this coordinate's part of what the boundary bounds; 1 in all is the boundary.
    fn add<S: Simd>(self, s: S, y: R::Lanes<S>, sum: R::Lanes<S>) -> R::Lanes<S>;
}

/// A quadratic: y ← y + cy + σξ, and Σ y².
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear<R> {
    pub(crate) c: R,
    pub(crate) sigma: R,
}

impl<R: Real> Force<R> for Linear<R> {
    const NONE: Self = Self { c: R::ZERO, sigma: R::ZERO };

    #[inline(always)]
    fn step<S: Simd>(self, s: S, y: R::Lanes<S>, noise: S::F) -> R::Lanes<S> {
        R::step(s, y, self.c, self.sigma, noise)
    }

    #[inline(always)]
    fn add<S: Simd>(self, s: S, y: R::Lanes<S>, sum: R::Lanes<S>) -> R::Lanes<S> {
        R::add_square(s, y, sum)
    }
}

/// A quartic polynomial: y ← y + y(c₁ + y(c₂ + yc₃)) + σξ, and Σ y²(m₂ + y(m₃ + ym₄)).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cubic {
    pub(crate) c: [f64; 3],
    pub(crate) sigma: f64,
    pub(crate) m: [f64; 3],
}

impl Cubic {
    #[inline(always)]
    fn horner<S: Simd>(s: S, y: S::D, [a0, a1, a2]: [f64; 3]) -> S::D {
        let inner = s.fma_d(y, s.splat_d(a2), s.splat_d(a1));
        s.fma_d(y, inner, s.splat_d(a0))
    }
}

impl Force<f64> for Cubic {
    const NONE: Self = Self { c: [0.0; 3], sigma: 0.0, m: [0.0; 3] };

    #[inline(always)]
    fn step<S: Simd>(self, s: S, y: S::D, noise: S::F) -> S::D {
        let drift = s.mul_d(y, Self::horner(s, y, self.c));
        s.add_d(y, s.fma_d(s.splat_d(self.sigma), s.widen(noise), drift))
    }

    #[inline(always)]
    fn add<S: Simd>(self, s: S, y: S::D, sum: S::D) -> S::D {
        fill(s, y, self.m, sum)
    }
}

/// The SDE of a quartic polynomial, split symmetrically (Strang 1968): half a kick of what is not linear, y + y²(k₂ + yk₃);
/// the linear part with its noise, exactly as it is in law; and the other half. Weakly right to the second order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    pub(crate) linear: f64,
    pub(crate) kick: [f64; 2],
    pub(crate) sigma: f64,
    pub(crate) m: [f64; 3],
}

impl Split {
    #[inline(always)]
    fn kicked<S: Simd>(self, s: S, y: S::D) -> S::D {
        let [k2, k3] = self.kick;
        s.fma_d(s.mul_d(y, y), s.fma_d(y, s.splat_d(k3), s.splat_d(k2)), y)
    }
}

impl Force<f64> for Split {
    const NONE: Self = Self { linear: 0.0, kick: [0.0; 2], sigma: 0.0, m: [0.0; 3] };

    #[inline(always)]
    fn step<S: Simd>(self, s: S, y: S::D, noise: S::F) -> S::D {
        let y = self.kicked(s, y);
        let y = s.add_d(y, s.fma_d(s.splat_d(self.sigma), s.widen(noise), s.mul_d(s.splat_d(self.linear), y)));
        self.kicked(s, y)
    }

    #[inline(always)]
    fn add<S: Simd>(self, s: S, y: S::D, sum: S::D) -> S::D {
        fill(s, y, self.m, sum)
    }
}

/// `sum` + y²(m₂ + y(m₃ + ym₄)).
#[inline(always)]
fn fill<S: Simd>(s: S, y: S::D, m: [f64; 3], sum: S::D) -> S::D {
    s.fma_d(s.mul_d(y, y), Cubic::horner(s, y, m), sum)
}
