//! Register blocks: the sums that stay in registers while a loop runs over what they are sums of.
//!
//! A block is V vectors times R rows. In each turn of its loop V vectors are loaded and R numbers broadcast (or R
//! vectors loaded), and each of the V·R sums takes one fused multiply-add: with 2 × 12 that is 24 for 14 loads.
//! V and R are known to the compiler, which unrolls the turn; [`by_size`] picks R.

use super::row::Row;
use crate::simd::{LANES, Simd};

/// V × R sums.
pub(super) type Block<S, const V: usize, const R: usize> = [[<S as Simd>::F; R]; V];

/// Evaluates an expression in which R is `n`, for n in 1..=BLOCK_ROWS of the instruction set S.
macro_rules! by_size {
    ($n:expr, $S:ident, $R:ident => $body:expr) => {
        by_size!(@ $n, $S, $R, $body, 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    (@ $n:expr, $S:ident, $R:ident, $body:expr, $($size:literal)*) => {
        match $n {
            $($size if $size <= <$S as Simd>::BLOCK_ROWS => {
                const $R: usize = $size;
                $body
            })*
            _ => unreachable!("a block of more rows than there are registers for"),
        }
    };
}
pub(super) use by_size;

#[inline(always)]
pub(super) fn zeros<S: Simd, const V: usize, const R: usize>(s: S) -> Block<S, V, R> {
    [[s.splat(0.0); R]; V]
}

/// sums[v][r] += Σ_k vectors[k][first + v] · lane (lane + r) of numbers[k]: the layers, forward and backward, with k
/// over inputs, or classes, and r over examples. A k has W vectors.
#[inline(always)]
pub(super) fn add_layer<S: Simd, const W: usize, const V: usize, const R: usize>(
    s: S,
    sums: &mut Block<S, V, R>,
    vectors: &[Row],
    first: usize,
    numbers: &[Row],
    lane: usize,
) {
    assert!(first + V <= W && lane + R <= LANES);
    for (vectors, numbers) in vectors.as_chunks::<W>().0.iter().zip(numbers) {
        let mut x = [s.splat(0.0); V];
        for v in 0..V {
            x[v] = s.load(&vectors[first + v].0);
        }
        for r in 0..R {
            let y = s.splat(numbers.0[lane + r]);
            for v in 0..V {
                sums[v][r] = s.fma(x[v], y, sums[v][r]);
            }
        }
    }
}

/// sums[v][r] += Σ_k vectors[k][first + v] · lane k of numbers[r]: gradients, with k over the examples of a chunk and
/// r over inputs, or classes.
#[inline(always)]
pub(super) fn add_gradient<S: Simd, const W: usize, const V: usize, const R: usize>(
    s: S,
    sums: &mut Block<S, V, R>,
    vectors: &[Row],
    first: usize,
    numbers: &[Row; R],
) {
    assert!(first + V <= W);
    for (k, vectors) in vectors.as_chunks::<W>().0.iter().enumerate() {
        let mut x = [s.splat(0.0); V];
        for v in 0..V {
            x[v] = s.load(&vectors[first + v].0);
        }
        for r in 0..R {
            let y = s.splat(numbers[r].0[k % LANES]);
            for v in 0..V {
                sums[v][r] = s.fma(x[v], y, sums[v][r]);
            }
        }
    }
}

/// sums[v][r] += weights[v][g] · hidden[r][g], for each of the W groups g of a strip in turn: the second layer, with
/// v over classes and r over examples.
#[inline(always)]
pub(super) fn add_outputs<S: Simd, const W: usize, const V: usize, const R: usize>(
    s: S,
    sums: &mut Block<S, V, R>,
    weights: &[[Row; W]; V],
    hidden: &[[Row; W]; R],
) {
    for g in 0..W {
        let mut x = [s.splat(0.0); V];
        for v in 0..V {
            x[v] = s.load(&weights[v][g].0);
        }
        for r in 0..R {
            let y = s.load(&hidden[r][g].0);
            for v in 0..V {
                sums[v][r] = s.fma(x[v], y, sums[v][r]);
            }
        }
    }
}
