//! The number a lane's state is kept in: f32, or f64 with normals at the resolution of f32.

use super::checkpoint::Word;
use crate::simd::{LANES, Simd};

/// f32 or f64, sixteen at a time.
pub(crate) trait Real: Word + Into<f64> + Send + Sync + 'static {
    /// What tells its states from others.
    const KIND: u8;
    /// Sixteen of them in registers.
    type Lanes<S: Simd>: Copy;
    /// θ*.
    const ZERO: Self;

    /// The nearest one.
    fn round(x: f64) -> Self;
    /// Exact.
    fn wide(self) -> f64;
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> Self::Lanes<S>;
    fn store<S: Simd>(s: S, x: Self::Lanes<S>, to: &mut [Self; LANES]);
    fn splat<S: Simd>(s: S, x: Self) -> Self::Lanes<S>;

    /// y + (σξ + cy). The increment is rounded before it is added, so that one much smaller than y's last place still
    /// counts in the mean: the noise in it dithers the last rounding.
    fn step<S: Simd>(s: S, y: Self::Lanes<S>, c: Self, sigma: Self, xi: S::F) -> Self::Lanes<S>;

    /// Σ + y².
    fn add_square<S: Simd>(s: S, y: Self::Lanes<S>, sum: Self::Lanes<S>) -> Self::Lanes<S>;

    /// Which lanes of `sum` are below `bound`.
    fn below<S: Simd>(s: S, sum: Self::Lanes<S>, bound: Self) -> u16;
}

impl Real for f32 {
    const KIND: u8 = 0x11;
    type Lanes<S: Simd> = S::F;
    const ZERO: Self = 0.0;

    fn round(x: f64) -> Self {
        x as f32
    }
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::F {
        s.load(from)
    }
    #[inline(always)]
    fn store<S: Simd>(s: S, x: S::F, to: &mut [Self; LANES]) {
        s.store(x, to);
    }
    #[inline(always)]
    fn splat<S: Simd>(s: S, x: Self) -> S::F {
        s.splat(x)
    }
    #[inline(always)]
    fn step<S: Simd>(s: S, y: S::F, c: Self, sigma: Self, xi: S::F) -> S::F {
        s.add(y, s.fma(s.splat(sigma), xi, s.mul(s.splat(c), y)))
    }
    #[inline(always)]
    fn add_square<S: Simd>(s: S, y: S::F, sum: S::F) -> S::F {
        s.fma(y, y, sum)
    }
    #[inline(always)]
    fn below<S: Simd>(s: S, sum: S::F, bound: Self) -> u16 {
        s.bits(s.lt(sum, s.splat(bound)))
    }
}

impl Real for f64 {
    const KIND: u8 = 0x12;
    type Lanes<S: Simd> = S::D;
    const ZERO: Self = 0.0;

    fn round(x: f64) -> Self {
        x
    }
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn load<S: Simd>(s: S, from: &[Self; LANES]) -> S::D {
        s.load_d(from)
    }
    #[inline(always)]
    fn store<S: Simd>(s: S, x: S::D, to: &mut [Self; LANES]) {
        s.store_d(x, to);
    }
    #[inline(always)]
    fn splat<S: Simd>(s: S, x: Self) -> S::D {
        s.splat_d(x)
    }
    #[inline(always)]
    fn step<S: Simd>(s: S, y: S::D, c: Self, sigma: Self, xi: S::F) -> S::D {
        s.add_d(y, s.fma_d(s.splat_d(sigma), s.widen(xi), s.mul_d(s.splat_d(c), y)))
    }
    #[inline(always)]
    fn add_square<S: Simd>(s: S, y: S::D, sum: S::D) -> S::D {
        s.fma_d(y, y, sum)
    }
    #[inline(always)]
    fn below<S: Simd>(s: S, sum: S::D, bound: Self) -> u16 {
        s.bits(s.lt_d(sum, s.splat_d(bound)))
    }
}
