//! Sixteen lanes on every instruction set: what the kernels are written in.
//!
//! A kernel is one generic function over `Simd`; `Isa::run` compiles it once for each instruction set and runs the
//! best one that the machine has. Whatever the width of the registers, a `Simd::F` is *sixteen* f32 and a
//! `Simd::D` *sixteen* f64, so that what a kernel computes, and the order in which it sums, does not depend on them.
//! Every operation here is one that IEEE 754 rounds in one way only; a fused multiply-add is fused everywhere. So all
//! of them give the same bits.
//!
//! | module | registers |
//! | --- | --- |
//! | `avx512` | one of 512 bits for sixteen f32 |
//! | `avx2` | two of 256 bits |
//! | `portable` | arrays: NEON where the compiler has it, else plain code; slow without a fused multiply-add |
//!
//! [`peak`] is how fast the machine could be at best.
//!
//! This is the only module of the crate with `unsafe` in it: intrinsics, each behind a token that proves the machine
//! has them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
pub mod peak;
mod portable;

#[cfg(test)]
mod tests;

pub use isa::{Isa, IsaError};

/// The number of lanes.
pub const LANES: usize = 16;

/// A function that is to be compiled for each instruction set. `run` must be `#[inline(always)]`, and so must all that
/// it calls in a hot loop, or it is compiled for none.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;

    /// The function itself.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// A token for an instruction set: whoever holds one runs on a machine that has it.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen u32 (or i32, where an operation says so).
    type U: Copy;
    /// Sixteen f64.
    type D: Copy;
    /// Sixteen yes or no.
    type M: Copy;

    /// How many [`Self::F`] one operand of a register block holds, and how many rows the other has: the block of sums
    /// that stays in registers is BLOCK_VECTORS × BLOCK_ROWS. Blocks change which sums are taken side by side, and no
    /// sum's order.
    const BLOCK_VECTORS: usize;
    /// See [`Self::BLOCK_VECTORS`].
    const BLOCK_ROWS: usize;
    /// The same where both operands are vectors, none of them broadcast: the closer the block to a square, the fewer loads.
    const SQUARE_VECTORS: usize;
    /// See [`Self::SQUARE_VECTORS`].
    const SQUARE_ROWS: usize;

    /// Runs a kernel as a function of its own. Inlined into one another, kernels become a function so large that the
    /// compiler no longer keeps in registers what belongs there.
    fn call<K: Kernel>(self, kernel: K) -> K::Output;

    fn splat(self, x: f32) -> Self::F;
    /// Lane l is x\[l mod 4\].
    fn splat_four(self, x: &[f32; 4]) -> Self::F;
    fn load(self, from: &[f32; LANES]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; LANES]);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a·b + c, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// c − a·b, rounded once.
    fn fnma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a where a > b, else b: b where they are equal (so of two zeros the second) or either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// a = b; no where either is NaN.
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    /// a < b; no where either is NaN.
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// a ≤ b; no where either is NaN.
    fn le(self, a: Self::F, b: Self::F) -> Self::M;
    /// yes where `mask` is, else `no`.
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;
    /// 0 where `mask` is, else `x`.
    fn zero_where(self, mask: Self::M, x: Self::F) -> Self::F;
    /// Bit l is lane l.
    fn bits(self, mask: Self::M) -> u16;
    fn to_bits(self, x: Self::F) -> Self::U;
    fn of_bits(self, x: Self::U) -> Self::F;

    fn splat_u(self, x: u32) -> Self::U;
    fn load_u(self, from: &[u32; LANES]) -> Self::U;
    fn store_u(self, x: Self::U, to: &mut [u32; LANES]);
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn sub_u(self, a: Self::U, b: Self::U) -> Self::U;
    fn xor(self, a: Self::U, b: Self::U) -> Self::U;
    /// a ^ b ^ c.
    fn xor3(self, a: Self::U, b: Self::U, c: Self::U) -> Self::U;
    fn and(self, a: Self::U, b: Self::U) -> Self::U;
    fn or(self, a: Self::U, b: Self::U) -> Self::U;
    fn shl<const BITS: u32>(self, a: Self::U) -> Self::U;
    fn shr<const BITS: u32>(self, a: Self::U) -> Self::U;
    /// The arithmetic shift, of i32.
    fn sar<const BITS: u32>(self, a: Self::U) -> Self::U;
    /// Rotates left by `LEFT`; `RIGHT` must be 32 − `LEFT`.
    fn rotl<const LEFT: i32, const RIGHT: i32>(self, a: Self::U) -> Self::U;
    /// Where bit `BIT` of `a` is set.
    fn has_bit<const BIT: u32>(self, a: Self::U) -> Self::M;
    /// The nearest f32 of an i32.
    fn to_f32(self, a: Self::U) -> Self::F;

    fn splat_d(self, x: f64) -> Self::D;
    fn load_d(self, from: &[f64; LANES]) -> Self::D;
    fn store_d(self, x: Self::D, to: &mut [f64; LANES]);
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D;
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D;
    fn lt_d(self, a: Self::D, b: Self::D) -> Self::M;
    /// Exact.
    fn widen(self, x: Self::F) -> Self::D;

    /// Lane l is [`total`](Self::total) of x\[l\].
    fn totals(self, x: [Self::F; LANES]) -> Self::F;

    /// Lane 4k + c of vector v is Σ of the lanes c, 4 + c, 8 + c and 12 + c of x\[4v + k\], halves folded onto each
    /// other: 16 → 8 → 4.
    fn totals_of_four(self, x: [Self::F; LANES]) -> [Self::F; 4];

    /// Lane 4k + c of vector v is lane 4v + k of x\[c\].
    fn interleave(self, x: [Self::F; 4]) -> [Self::F; 4];

    /// Σ of the lanes, halves folded onto each other: 16 → 8 → 4 → 2 → 1.
    #[inline(always)]
    fn total(self, x: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(x, &mut lanes);
        fold(lanes)
    }
}

/// The sum of sixteen, halves folded onto each other.
#[inline(always)]
pub(crate) fn fold(x: [f32; LANES]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| x[i] + x[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}
