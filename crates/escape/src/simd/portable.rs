//! Arrays, and plain loops over them: what every other instruction set is tested against.

use super::{Kernel, LANES, Simd};

/// Every machine has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn map<A: Copy, B>(a: [A; LANES], f: impl Fn(A) -> B) -> [B; LANES] {
    std::array::from_fn(|l| f(a[l]))
}

#[inline(always)]
fn zip<A: Copy, B: Copy, C>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> C) -> [C; LANES] {
    std::array::from_fn(|l| f(a[l], b[l]))
}

impl Simd for Portable {
    type F = [f32; LANES];
    type U = [u32; LANES];
    type D = [f64; LANES];
    type M = [bool; LANES];

    // For NEON's 32 registers of four; elsewhere, as little code as can be.
    const BLOCK_VECTORS: usize = 1;
    const BLOCK_ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 2 };
    const SQUARE_VECTORS: usize = if cfg!(target_arch = "aarch64") { 2 } else { 1 };
    const SQUARE_ROWS: usize = if cfg!(target_arch = "aarch64") { 3 } else { 2 };

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        run(kernel, self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    fn splat_four(self, x: &[f32; 4]) -> Self::F {
        std::array::from_fn(|l| x[l % 4])
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        *from
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        *to = x;
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|l| a[l].mul_add(b[l], c[l]))
    }
    #[inline(always)]
    fn fnma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|l| (-a[l]).mul_add(b[l], c[l]))
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        map(a, f32::sqrt)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        zip(a, b, |a, b| a == b)
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        zip(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        zip(a, b, |a, b| a <= b)
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        std::array::from_fn(|l| if mask[l] { yes[l] } else { no[l] })
    }
    #[inline(always)]
    fn zero_where(self, mask: Self::M, x: Self::F) -> Self::F {
        std::array::from_fn(|l| if mask[l] { 0.0 } else { x[l] })
    }
    #[inline(always)]
    fn bits(self, mask: Self::M) -> u16 {
        mask.iter().enumerate().fold(0, |bits, (l, &yes)| bits | u16::from(yes) << l)
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::U {
        map(x, f32::to_bits)
    }
    #[inline(always)]
    fn of_bits(self, x: Self::U) -> Self::F {
        map(x, f32::from_bits)
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> Self::U {
        [x; LANES]
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; LANES]) -> Self::U {
        *from
    }
    #[inline(always)]
    fn store_u(self, x: Self::U, to: &mut [u32; LANES]) {
        *to = x;
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, u32::wrapping_add)
    }
    #[inline(always)]
    fn sub_u(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, u32::wrapping_sub)
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    fn xor3(self, a: Self::U, b: Self::U, c: Self::U) -> Self::U {
        std::array::from_fn(|l| a[l] ^ b[l] ^ c[l])
    }
    #[inline(always)]
    fn and(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, a: Self::U, b: Self::U) -> Self::U {
        zip(a, b, |a, b| a | b)
    }
    #[inline(always)]
    fn shl<const BITS: u32>(self, a: Self::U) -> Self::U {
        map(a, |a| a << BITS)
    }
    #[inline(always)]
    fn shr<const BITS: u32>(self, a: Self::U) -> Self::U {
        map(a, |a| a >> BITS)
    }
    #[inline(always)]
    fn sar<const BITS: u32>(self, a: Self::U) -> Self::U {
        map(a, |a| ((a as i32) >> BITS) as u32)
    }
    #[inline(always)]
    fn rotl<const LEFT: i32, const RIGHT: i32>(self, a: Self::U) -> Self::U {
        map(a, |a| a << LEFT | a >> RIGHT)
    }
    #[inline(always)]
    fn has_bit<const BIT: u32>(self, a: Self::U) -> Self::M {
        map(a, |a| a >> BIT & 1 == 1)
    }
    #[inline(always)]
    fn to_f32(self, a: Self::U) -> Self::F {
        map(a, |a| a as i32 as f32)
    }

    #[inline(always)]
    fn splat_d(self, x: f64) -> Self::D {
        [x; LANES]
    }
    #[inline(always)]
    fn load_d(self, from: &[f64; LANES]) -> Self::D {
        *from
    }
    #[inline(always)]
    fn store_d(self, x: Self::D, to: &mut [f64; LANES]) {
        *to = x;
    }
    #[inline(always)]
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        std::array::from_fn(|l| a[l].mul_add(b[l], c[l]))
    }
    #[inline(always)]
    fn lt_d(self, a: Self::D, b: Self::D) -> Self::M {
        zip(a, b, |a, b| a < b)
    }
    #[inline(always)]
    fn widen(self, x: Self::F) -> Self::D {
        map(x, f64::from)
    }

    #[inline(always)]
    fn totals(self, x: [Self::F; LANES]) -> Self::F {
        map(x, |x| self.total(x))
    }

    #[inline(always)]
    fn totals_of_four(self, x: [Self::F; LANES]) -> [Self::F; 4] {
        std::array::from_fn(|v| {
            std::array::from_fn(|l| {
                let (x, c) = (x[4 * v + l / 4], l % 4);
                (x[c] + x[c + 8]) + (x[c + 4] + x[c + 12])
            })
        })
    }

    #[inline(always)]
    fn interleave(self, x: [Self::F; 4]) -> [Self::F; 4] {
        std::array::from_fn(|v| std::array::from_fn(|l| x[l % 4][4 * v + l / 4]))
    }
}

/// Compiles a kernel for any machine.
#[inline(never)]
pub(super) fn run<K: Kernel>(kernel: K, simd: Portable) -> K::Output {
    kernel.run(simd)
}
