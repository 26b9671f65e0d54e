//! Register blocks: the sums that stay in registers while a loop runs over what they are sums of.
//!
//! A block is V vectors times R rows. In each turn of its loop V vectors are loaded and R numbers broadcast (or R
//! vectors loaded), and each of the V·R sums takes one fused multiply-add: with 2 × 12 that is 24 for 14 loads.
//! V and R are known to the compiler, which unrolls the turn; [`by_size`] picks R.

use super::number::Number;
use super::row::{Numbers, Row};
use crate::simd::{LANES, Simd};

/// V × R sums.
pub(super) type Block<S, const V: usize, const R: usize> = [[<S as Simd>::F; R]; V];

/// Evaluates an expression in which R is `n`, for n in 1..=`most`, a constant of at most 16.
macro_rules! by_size {
    ($n:expr, $most:expr, $R:ident => $body:expr) => {
        by_size!(@ $n, $most, $R, $body, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $n:expr, $most:expr, $R:ident, $body:expr, $($size:literal)*) => {
        match $n {
            $($size => {
                // Where it is false, the compiler leaves out the block, and all that only it calls.
                if const { $size <= $most } {
                    const $R: usize = $size;
                    $body
                } else {
                    unreachable!("a block of more rows than there are registers for")
                }
            })*
            _ => unreachable!("a block of more rows than there are registers for"),
        }
    };
}
pub(super) use by_size;

/// Writes a block's statements out for each r below R, a constant of at most 16. A loop left to the compiler is
/// unrolled too late: by then it has laid the sums out in memory, and there they stay.
macro_rules! unroll {
    ($i:ident in $n:ident $body:block) => {
        unroll!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $i:ident, $n:ident, $body:block, $($value:literal)*) => {
        const { assert!($n <= 16) };
        $(if const { $value < $n } {
            let $i: usize = $value;
            $body
        })*
    };
}

/// The same for each v below V, a constant of at most 2.
macro_rules! unroll_two {
    ($i:ident in $n:ident $body:block) => {
        const { assert!($n <= 2) };
        if const { 0 < $n } {
            let $i: usize = 0;
            $body
        }
        if const { 1 < $n } {
            let $i: usize = 1;
            $body
        }
    };
}
pub(super) use {unroll, unroll_two};

/// Where the v-th of V groups is in a strip of W, if they begin with `first`.
#[inline(always)]
pub(super) fn group_at<const W: usize, const V: usize>(first: usize, v: usize) -> usize {
    if V == W { v } else { (first + v) % W }
}

/// The R elements from `at` on.
#[inline(always)]
pub(super) fn window<T, const R: usize>(of: &[T], at: usize) -> &[T; R] {
    of[at..].first_chunk().unwrap_or_else(|| short())
}

/// The R elements from `at` on.
#[inline(always)]
pub(super) fn window_mut<T, const R: usize>(of: &mut [T], at: usize) -> &mut [T; R] {
    of[at..].first_chunk_mut().unwrap_or_else(|| short())
}

#[cold]
pub(super) fn short() -> ! {
    panic!("a slice is too short")
}

#[inline(always)]
pub(super) fn zeros<S: Simd, const V: usize, const R: usize>(s: S) -> Block<S, V, R> {
    [[s.splat(0.0); R]; V]
}

/// sums[v][r] += Σ_k vectors[k][first + v] · number k of numbers[r]: the layers, forward and backward, with k over up to
/// sixteen inputs, or classes, and r over examples.
#[inline(always)]
pub(super) fn add_layer<S: Simd, N: Number, const W: usize, const V: usize, const R: usize>(
    s: S,
    sums: &mut Block<S, V, R>,
    (vectors, first): (&[[Row; W]], usize),
    numbers: &[Numbers<N>; R],
) {
    // The compiler sees that no index is out of bounds: there is no check in the loop.
    #[expect(clippy::needless_range_loop)]
    for k in 0..vectors.len().min(LANES) {
        let mut x = [s.splat(0.0); V];
        unroll_two!(v in V {
            x[v] = s.load(&vectors[k][group_at::<W, V>(first, v)].0);
        });
        unroll!(r in R {
            let y = numbers[r].0[k].in_all_units(s);
            unroll_two!(v in V {
                sums[v][r] = s.fma(x[v], y, sums[v][r]);
            });
        });
    }
}

/// sums[v][r] += Σ_k vectors[k][first + v] · number (at + r) of numbers[k]: gradients, with k over examples and r over
/// inputs, or classes.
#[inline(always)]
pub(super) fn add_gradient<S: Simd, N: Number, const W: usize, const V: usize, const R: usize>(
    s: S,
    sums: &mut Block<S, V, R>,
    (vectors, first): (&[[Row; W]], usize),
    (numbers, at): (&[Numbers<N>], usize),
) {
    assert!(at + R <= LANES && vectors.len() == numbers.len());
    for (vectors, numbers) in vectors.iter().zip(numbers) {
        let mut x = [s.splat(0.0); V];
        unroll_two!(v in V {
            x[v] = s.load(&vectors[group_at::<W, V>(first, v)].0);
        });
        unroll!(r in R {
            let y = numbers.0[at + r].in_all_units(s);
            unroll_two!(v in V {
                sums[v][r] = s.fma(x[v], y, sums[v][r]);
            });
        });
    }
}

/// sums[v][r] += Σ_g hidden[v][g] · weights[r][g], over the W groups g of a strip in turn: the second layer, with v
/// over examples and r over classes.
#[inline(always)]
pub(super) fn add_outputs<S: Simd, const W: usize, const V: usize, const R: usize>(
    s: S,
    sums: &mut Block<S, V, R>,
    hidden: &[[Row; W]; V],
    weights: &[[Row; W]; R],
) {
    unroll_two!(g in W {
        let mut x = [s.splat(0.0); V];
        unroll_two!(v in V {
            x[v] = s.load(&hidden[v][g].0);
        });
        unroll!(r in R {
            let y = s.load(&weights[r][g].0);
            unroll_two!(v in V {
                sums[v][r] = s.fma(x[v], y, sums[v][r]);
            });
        });
    });
}
