//! What a vector holds beside hidden units: one chain, or four.
//!
//! Where a network is wide, the sixteen lanes of a vector are sixteen hidden units of a chain. Where it is small, they are
//! four units of four chains: fewer lanes are left over, sums over all units are folded for four chains at once, and a
//! chain that waits for its outputs has three others for company. In lane l are unit l / CHAINS of a row, and chain
//! l mod CHAINS.

use std::fmt::Debug;

use super::walk;
use crate::simd::{LANES, Simd, fold};

/// A number that is the same for all hidden units: of the one chain, or of each of the four.
pub(super) trait Number: Copy + Debug + PartialEq + Send + Sync + 'static {
    /// Chains that share a vector.
    const CHAINS: usize;
    /// Hidden units in a vector.
    const UNITS: usize = LANES / Self::CHAINS;
    const ZERO: Self;
    /// The unit of each lane, in its row.
    const UNIT_NUMBERS: [f32; LANES];

    /// The number of one chain.
    fn get(&self, chain: usize) -> f32;
    /// See [`Self::get`].
    fn set(&mut self, chain: usize, number: f32);
    /// Sixteen numbers as vectors, CHAINS of them.
    fn rows(numbers: &[Self; LANES]) -> &[[f32; LANES]];
    /// See [`Self::rows`].
    fn rows_mut(numbers: &mut [Self; LANES]) -> &mut [[f32; LANES]];
    /// Sets sixteen numbers, given those of each chain.
    fn gather<'a, S: Simd>(s: S, numbers: &mut [Self; LANES], of: impl Fn(usize) -> &'a [f32; LANES]);
    /// Σ over the units, halves folded onto each other.
    fn fold(x: [f32; LANES]) -> Self;
    /// The same in f64, of each chain; zeros after them.
    fn fold_d(x: [f64; LANES]) -> [f64; 4];
    /// The largest over the units; NaN is overlooked.
    fn largest(x: [f32; LANES]) -> Self;
    /// The number in the lanes of every unit.
    fn in_all_units<S: Simd>(self, s: S) -> S::F;
    /// The sums over the units of sixteen vectors, as [`Self::rows`], and zeros after them.
    fn totals<S: Simd>(s: S, x: [S::F; LANES]) -> [S::F; 4];
}

impl Number for f32 {
    const CHAINS: usize = 1;
    const ZERO: Self = 0.0;
    const UNIT_NUMBERS: [f32; LANES] =
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

    #[inline(always)]
    fn get(&self, _: usize) -> f32 {
        *self
    }

    #[inline(always)]
    fn set(&mut self, _: usize, number: f32) {
        *self = number;
    }

    #[inline(always)]
    fn rows(numbers: &[Self; LANES]) -> &[[f32; LANES]] {
        std::slice::from_ref(numbers)
    }

    #[inline(always)]
    fn rows_mut(numbers: &mut [Self; LANES]) -> &mut [[f32; LANES]] {
        std::slice::from_mut(numbers)
    }

    #[inline(always)]
    fn gather<'a, S: Simd>(_: S, numbers: &mut [Self; LANES], of: impl Fn(usize) -> &'a [f32; LANES]) {
        *numbers = *of(0);
    }

    #[inline(always)]
    fn fold(x: [f32; LANES]) -> Self {
        fold(x)
    }

    #[inline(always)]
    fn fold_d(x: [f64; LANES]) -> [f64; 4] {
        [walk::fold(x), 0.0, 0.0, 0.0]
    }

    #[inline(always)]
    fn largest(x: [f32; LANES]) -> Self {
        x.into_iter().fold(f32::NEG_INFINITY, greater)
    }

    #[inline(always)]
    fn in_all_units<S: Simd>(self, s: S) -> S::F {
        s.splat(self)
    }

    #[inline(always)]
    fn totals<S: Simd>(s: S, x: [S::F; LANES]) -> [S::F; 4] {
        let zero = s.splat(0.0);
        [s.totals(x), zero, zero, zero]
    }
}

/// a, or b where it is greater.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// Of four chains.
pub(super) type Four = [f32; 4];

impl Number for Four {
    const CHAINS: usize = 4;
    const ZERO: Self = [0.0; 4];
    const UNIT_NUMBERS: [f32; LANES] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0];

    #[inline(always)]
    fn get(&self, chain: usize) -> f32 {
        self[chain]
    }

    #[inline(always)]
    fn set(&mut self, chain: usize, number: f32) {
        self[chain] = number;
    }

    #[inline(always)]
    fn rows(numbers: &[Self; LANES]) -> &[[f32; LANES]] {
        numbers.as_flattened().as_chunks().0
    }

    #[inline(always)]
    fn rows_mut(numbers: &mut [Self; LANES]) -> &mut [[f32; LANES]] {
        numbers.as_flattened_mut().as_chunks_mut().0
    }

    #[inline(always)]
    fn gather<'a, S: Simd>(s: S, numbers: &mut [Self; LANES], of: impl Fn(usize) -> &'a [f32; LANES]) {
        let vectors = s.interleave([s.load(of(0)), s.load(of(1)), s.load(of(2)), s.load(of(3))]);
        for (row, vector) in Self::rows_mut(numbers).iter_mut().zip(vectors) {
            s.store(vector, row);
        }
    }

    #[inline(always)]
    fn fold(x: [f32; LANES]) -> Self {
        std::array::from_fn(|chain| (x[chain] + x[chain + 8]) + (x[chain + 4] + x[chain + 12]))
    }

    #[inline(always)]
    fn fold_d(x: [f64; LANES]) -> [f64; 4] {
        std::array::from_fn(|chain| (x[chain] + x[chain + 8]) + (x[chain + 4] + x[chain + 12]))
    }

    #[inline(always)]
    fn largest(x: [f32; LANES]) -> Self {
        let mut largest = [f32::NEG_INFINITY; 4];
        for (lane, x) in x.into_iter().enumerate() {
            largest[lane % 4] = greater(largest[lane % 4], x);
        }
        largest
    }

    #[inline(always)]
    fn in_all_units<S: Simd>(self, s: S) -> S::F {
        s.splat_four(&self)
    }

    #[inline(always)]
    fn totals<S: Simd>(s: S, x: [S::F; LANES]) -> [S::F; 4] {
        s.totals_of_four(x)
    }
}
