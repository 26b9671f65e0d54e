//! AVX2 and FMA: sixteen f32 in two registers.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Simd};

/// The machine has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The machine must have AVX2 and FMA.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

/// Applies an intrinsic to both halves.
macro_rules! halves {
    ($f:expr, $($a:expr),+) => {
        // SAFETY: the token proves that the machine has the instructions.
        unsafe { [$f($($a[0]),+), $f($($a[1]),+)] }
    };
}

/// The same for four quarters of f64.
macro_rules! quarters {
    ($f:expr, $($a:expr),+) => {
        // SAFETY: the token proves that the machine has the instructions.
        unsafe { [$f($($a[0]),+), $f($($a[1]),+), $f($($a[2]),+), $f($($a[3]),+)] }
    };
}

/// Folds the halves of two vectors onto each other, and puts the results side by side.
macro_rules! fold {
    ($shuffle:ident, $low:literal, $high:literal, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        unsafe { _mm256_add_ps($shuffle::<$low>(a, b), $shuffle::<$high>(a, b)) }
    }};
}

/// Folds two vectors of sixteen until four are left of each.
macro_rules! fours {
    ($a:expr, $b:expr) => {
        fold!(_mm256_permute2f128_ps, 0x20, 0x31, unsafe { _mm256_add_ps($a[0], $a[1]) }, unsafe {
            _mm256_add_ps($b[0], $b[1])
        })
    };
}

// SAFETY, of every block below: the token proves that the machine has the instructions, and references are valid for
// the sixteen elements of their types.
impl Simd for Avx2 {
    type F = [__m256; 2];
    type U = [__m256i; 2];
    type D = [__m256d; 4];
    /// All bits of a lane set, or none.
    type M = [__m256; 2];

    // 12 halves of sums, 2 of operands, and a broadcast: 15 of 16 registers.
    const BLOCK_VECTORS: usize = 1;
    const BLOCK_ROWS: usize = 6;
    // 12 halves of sums, for 10 loads.
    const SQUARE_VECTORS: usize = 2;
    const SQUARE_ROWS: usize = 3;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        unsafe { run(kernel, self) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    fn splat_four(self, x: &[f32; 4]) -> Self::F {
        unsafe {
            let four = _mm_loadu_ps(x.as_ptr());
            [_mm256_set_m128(four, four); 2]
        }
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        halves!(_mm256_fmadd_ps, a, b, c)
    }
    #[inline(always)]
    fn fnma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        halves!(_mm256_fnmadd_ps, a, b, c)
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        halves!(_mm256_sqrt_ps, a)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_div_ps, a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        halves!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        halves!(_mm256_cmp_ps::<_CMP_EQ_OQ>, a, b)
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        halves!(_mm256_cmp_ps::<_CMP_LT_OQ>, a, b)
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        halves!(_mm256_cmp_ps::<_CMP_LE_OQ>, a, b)
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        halves!(_mm256_blendv_ps, no, yes, mask)
    }
    #[inline(always)]
    fn zero_where(self, mask: Self::M, x: Self::F) -> Self::F {
        halves!(_mm256_andnot_ps, mask, x)
    }
    #[inline(always)]
    fn bits(self, mask: Self::M) -> u16 {
        unsafe { (_mm256_movemask_ps(mask[0]) | _mm256_movemask_ps(mask[1]) << 8) as u16 }
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::U {
        halves!(_mm256_castps_si256, x)
    }
    #[inline(always)]
    fn of_bits(self, x: Self::U) -> Self::F {
        halves!(_mm256_castsi256_ps, x)
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> Self::U {
        unsafe { [_mm256_set1_epi32(x as i32); 2] }
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; LANES]) -> Self::U {
        unsafe { [_mm256_loadu_si256(from.as_ptr().cast()), _mm256_loadu_si256(from.as_ptr().add(8).cast())] }
    }
    #[inline(always)]
    fn store_u(self, x: Self::U, to: &mut [u32; LANES]) {
        unsafe {
            _mm256_storeu_si256(to.as_mut_ptr().cast(), x[0]);
            _mm256_storeu_si256(to.as_mut_ptr().add(8).cast(), x[1]);
        }
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        halves!(_mm256_add_epi32, a, b)
    }
    #[inline(always)]
    fn sub_u(self, a: Self::U, b: Self::U) -> Self::U {
        halves!(_mm256_sub_epi32, a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        halves!(_mm256_xor_si256, a, b)
    }
    #[inline(always)]
    fn xor3(self, a: Self::U, b: Self::U, c: Self::U) -> Self::U {
        self.xor(self.xor(a, b), c)
    }
    #[inline(always)]
    fn and(self, a: Self::U, b: Self::U) -> Self::U {
        halves!(_mm256_and_si256, a, b)
    }
    #[inline(always)]
    fn or(self, a: Self::U, b: Self::U) -> Self::U {
        halves!(_mm256_or_si256, a, b)
    }
    #[inline(always)]
    fn shl<const BITS: u32>(self, a: Self::U) -> Self::U {
        let count = unsafe { _mm_cvtsi32_si128(BITS as i32) };
        unsafe { [_mm256_sll_epi32(a[0], count), _mm256_sll_epi32(a[1], count)] }
    }
    #[inline(always)]
    fn shr<const BITS: u32>(self, a: Self::U) -> Self::U {
        let count = unsafe { _mm_cvtsi32_si128(BITS as i32) };
        unsafe { [_mm256_srl_epi32(a[0], count), _mm256_srl_epi32(a[1], count)] }
    }
    #[inline(always)]
    fn sar<const BITS: u32>(self, a: Self::U) -> Self::U {
        let count = unsafe { _mm_cvtsi32_si128(BITS as i32) };
        unsafe { [_mm256_sra_epi32(a[0], count), _mm256_sra_epi32(a[1], count)] }
    }
    #[inline(always)]
    fn rotl<const LEFT: i32, const RIGHT: i32>(self, a: Self::U) -> Self::U {
        let left = halves!(_mm256_slli_epi32::<LEFT>, a);
        let right = halves!(_mm256_srli_epi32::<RIGHT>, a);
        self.or(left, right)
    }
    #[inline(always)]
    fn has_bit<const BIT: u32>(self, a: Self::U) -> Self::M {
        let bit = self.and(a, self.splat_u(1 << BIT));
        let equal = halves!(_mm256_cmpeq_epi32, bit, self.splat_u(1 << BIT));
        self.of_bits(equal)
    }
    #[inline(always)]
    fn to_f32(self, a: Self::U) -> Self::F {
        halves!(_mm256_cvtepi32_ps, a)
    }

    #[inline(always)]
    fn splat_d(self, x: f64) -> Self::D {
        unsafe { [_mm256_set1_pd(x); 4] }
    }
    #[inline(always)]
    fn load_d(self, from: &[f64; LANES]) -> Self::D {
        std::array::from_fn(|q| unsafe { _mm256_loadu_pd(from.as_ptr().add(4 * q)) })
    }
    #[inline(always)]
    fn store_d(self, x: Self::D, to: &mut [f64; LANES]) {
        for (q, x) in x.into_iter().enumerate() {
            unsafe { _mm256_storeu_pd(to.as_mut_ptr().add(4 * q), x) }
        }
    }
    #[inline(always)]
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_add_pd, a, b)
    }
    #[inline(always)]
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D {
        quarters!(_mm256_mul_pd, a, b)
    }
    #[inline(always)]
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        quarters!(_mm256_fmadd_pd, a, b, c)
    }
    #[inline(always)]
    fn lt_d(self, a: Self::D, b: Self::D) -> Self::M {
        let wide = quarters!(_mm256_cmp_pd::<_CMP_LT_OQ>, a, b);
        // A lane of f64 is all ones or all zeros: either half of it will do.
        let narrow = |low: __m256d, high: __m256d| unsafe {
            let (low, high) = (_mm256_castpd_ps(low), _mm256_castpd_ps(high));
            let mixed = _mm256_shuffle_ps::<0b10_00_10_00>(low, high);
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(mixed)))
        };
        [narrow(wide[0], wide[1]), narrow(wide[2], wide[3])]
    }
    #[inline(always)]
    fn widen(self, x: Self::F) -> Self::D {
        unsafe {
            [
                _mm256_cvtps_pd(_mm256_castps256_ps128(x[0])),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x[0])),
                _mm256_cvtps_pd(_mm256_castps256_ps128(x[1])),
                _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x[1])),
            ]
        }
    }

    #[inline(always)]
    fn totals(self, x: [Self::F; LANES]) -> Self::F {
        // No closures: the compiler may leave them as calls.
        let mut halves = [unsafe { _mm256_setzero_ps() }; 2];
        for (half, k) in halves.iter_mut().zip([0, 8]) {
            let ab = fold!(_mm256_shuffle_ps, 0x44, 0xEE, fours!(x[k], x[k + 4]), fours!(x[k + 1], x[k + 5]));
            let cd = fold!(_mm256_shuffle_ps, 0x44, 0xEE, fours!(x[k + 2], x[k + 6]), fours!(x[k + 3], x[k + 7]));
            *half = fold!(_mm256_shuffle_ps, 0x88, 0xDD, ab, cd);
        }
        halves
    }

    #[inline(always)]
    fn totals_of_four(self, x: [Self::F; LANES]) -> [Self::F; 4] {
        macro_rules! vectors {
            ($($first:literal)*) => {
                [$([fours!(x[$first], x[$first + 1]), fours!(x[$first + 2], x[$first + 3])]),*]
            };
        }
        vectors!(0 4 8 12)
    }

    #[inline(always)]
    fn interleave(self, [a, b, c, d]: [Self::F; 4]) -> [Self::F; 4] {
        let mut vectors = [a; 4];
        for half in 0..2 {
            let [a, b, c, d] = [a[half], b[half], c[half], d[half]];
            unsafe {
                let [ab, cd] = [_mm256_castps_pd(_mm256_unpacklo_ps(a, b)), _mm256_castps_pd(_mm256_unpacklo_ps(c, d))];
                let [uv, wx] = [_mm256_castps_pd(_mm256_unpackhi_ps(a, b)), _mm256_castps_pd(_mm256_unpackhi_ps(c, d))];
                // Block q of p_j is lane 4q + j of the four halves.
                let [p0, p1] = [_mm256_unpacklo_pd(ab, cd), _mm256_unpackhi_pd(ab, cd)];
                let [p2, p3] = [_mm256_unpacklo_pd(uv, wx), _mm256_unpackhi_pd(uv, wx)];
                vectors[2 * half] = [
                    _mm256_castpd_ps(_mm256_permute2f128_pd::<0x20>(p0, p1)),
                    _mm256_castpd_ps(_mm256_permute2f128_pd::<0x20>(p2, p3)),
                ];
                vectors[2 * half + 1] = [
                    _mm256_castpd_ps(_mm256_permute2f128_pd::<0x31>(p0, p1)),
                    _mm256_castpd_ps(_mm256_permute2f128_pd::<0x31>(p2, p3)),
                ];
            }
        }
        vectors
    }
}

/// Compiles a kernel for this instruction set.
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
pub(super) fn run<K: Kernel>(kernel: K, simd: Avx2) -> K::Output {
    kernel.run(simd)
}
