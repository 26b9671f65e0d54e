//! AVX-512: sixteen f32 in one register.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Simd};

/// The machine has AVX-512F, VL and DQ, AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The machine must have AVX-512F, VL and DQ, AVX2 and FMA.
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

/// Folds the halves of two vectors onto each other, and puts the results side by side.
macro_rules! fold {
    ($shuffle:ident, $low:literal, $high:literal, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        unsafe { _mm512_add_ps($shuffle::<$low>(a, b), $shuffle::<$high>(a, b)) }
    }};
}

// SAFETY, of every block below: the token proves that the machine has the instructions, and references are valid for
// the sixteen elements of their types.
impl Simd for Avx512 {
    type F = __m512;
    type U = __m512i;
    type D = [__m512d; 2];
    type M = __mmask16;

    // 24 sums, 2 operands, and a broadcast: 27 of 32 registers.
    const BLOCK_VECTORS: usize = 2;
    const BLOCK_ROWS: usize = 12;
    const SQUARE_VECTORS: usize = 2;
    const SQUARE_ROWS: usize = 12;

    #[inline(always)]
    fn call<K: Kernel>(self, kernel: K) -> K::Output {
        unsafe { run(kernel, self) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn splat_four(self, x: &[f32; 4]) -> Self::F {
        unsafe { _mm512_broadcast_f32x4(_mm_loadu_ps(x.as_ptr())) }
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn fnma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn eq(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> Self::M {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b) }
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        unsafe { _mm512_mask_blend_ps(mask, no, yes) }
    }
    #[inline(always)]
    fn zero_where(self, mask: Self::M, x: Self::F) -> Self::F {
        unsafe { _mm512_maskz_mov_ps(!mask, x) }
    }
    #[inline(always)]
    fn bits(self, mask: Self::M) -> u16 {
        mask
    }
    #[inline(always)]
    fn to_bits(self, x: Self::F) -> Self::U {
        unsafe { _mm512_castps_si512(x) }
    }
    #[inline(always)]
    fn of_bits(self, x: Self::U) -> Self::F {
        unsafe { _mm512_castsi512_ps(x) }
    }

    #[inline(always)]
    fn splat_u(self, x: u32) -> Self::U {
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    fn load_u(self, from: &[u32; LANES]) -> Self::U {
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_u(self, x: Self::U, to: &mut [u32; LANES]) {
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn sub_u(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    fn xor(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    fn xor3(self, a: Self::U, b: Self::U, c: Self::U) -> Self::U {
        unsafe { _mm512_ternarylogic_epi32::<0x96>(a, b, c) }
    }
    #[inline(always)]
    fn and(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    fn or(self, a: Self::U, b: Self::U) -> Self::U {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    fn shl<const BITS: u32>(self, a: Self::U) -> Self::U {
        unsafe { _mm512_slli_epi32::<BITS>(a) }
    }
    #[inline(always)]
    fn shr<const BITS: u32>(self, a: Self::U) -> Self::U {
        unsafe { _mm512_srli_epi32::<BITS>(a) }
    }
    #[inline(always)]
    fn sar<const BITS: u32>(self, a: Self::U) -> Self::U {
        unsafe { _mm512_srai_epi32::<BITS>(a) }
    }
    #[inline(always)]
    fn rotl<const LEFT: i32, const RIGHT: i32>(self, a: Self::U) -> Self::U {
        unsafe { _mm512_rol_epi32::<LEFT>(a) }
    }
    #[inline(always)]
    fn has_bit<const BIT: u32>(self, a: Self::U) -> Self::M {
        unsafe { _mm512_test_epi32_mask(a, _mm512_set1_epi32(1 << BIT)) }
    }
    #[inline(always)]
    fn to_f32(self, a: Self::U) -> Self::F {
        unsafe { _mm512_cvtepi32_ps(a) }
    }

    #[inline(always)]
    fn splat_d(self, x: f64) -> Self::D {
        unsafe { [_mm512_set1_pd(x); 2] }
    }
    #[inline(always)]
    fn load_d(self, from: &[f64; LANES]) -> Self::D {
        unsafe { [_mm512_loadu_pd(from.as_ptr()), _mm512_loadu_pd(from.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store_d(self, x: Self::D, to: &mut [f64; LANES]) {
        unsafe {
            _mm512_storeu_pd(to.as_mut_ptr(), x[0]);
            _mm512_storeu_pd(to.as_mut_ptr().add(8), x[1]);
        }
    }
    #[inline(always)]
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D {
        unsafe { [_mm512_add_pd(a[0], b[0]), _mm512_add_pd(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D {
        unsafe { [_mm512_mul_pd(a[0], b[0]), _mm512_mul_pd(a[1], b[1])] }
    }
    #[inline(always)]
    fn fma_d(self, a: Self::D, b: Self::D, c: Self::D) -> Self::D {
        unsafe { [_mm512_fmadd_pd(a[0], b[0], c[0]), _mm512_fmadd_pd(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn lt_d(self, a: Self::D, b: Self::D) -> Self::M {
        unsafe {
            let low = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a[0], b[0]);
            let high = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a[1], b[1]);
            u16::from(low) | u16::from(high) << 8
        }
    }
    #[inline(always)]
    fn widen(self, x: Self::F) -> Self::D {
        unsafe {
            let high = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x))));
            [_mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_castps512_ps256(high))]
        }
    }

    #[inline(always)]
    fn totals(self, x: [Self::F; LANES]) -> Self::F {
        // No closures: the compiler may leave them as calls.
        macro_rules! eights {
            ($a:literal, $b:literal) => {
                fold!(_mm512_shuffle_f32x4, 0x44, 0xEE, x[$a], x[$b])
            };
        }
        let a = fold!(_mm512_shuffle_f32x4, 0x88, 0xDD, eights!(0, 4), eights!(8, 12));
        let b = fold!(_mm512_shuffle_f32x4, 0x88, 0xDD, eights!(1, 5), eights!(9, 13));
        let c = fold!(_mm512_shuffle_f32x4, 0x88, 0xDD, eights!(2, 6), eights!(10, 14));
        let d = fold!(_mm512_shuffle_f32x4, 0x88, 0xDD, eights!(3, 7), eights!(11, 15));
        let ab = fold!(_mm512_shuffle_ps, 0x44, 0xEE, a, b);
        let cd = fold!(_mm512_shuffle_ps, 0x44, 0xEE, c, d);
        fold!(_mm512_shuffle_ps, 0x88, 0xDD, ab, cd)
    }

    #[inline(always)]
    fn totals_of_four(self, x: [Self::F; LANES]) -> [Self::F; 4] {
        macro_rules! fours {
            ($($first:literal)*) => {[$({
                let ab = fold!(_mm512_shuffle_f32x4, 0x44, 0xEE, x[$first], x[$first + 1]);
                let cd = fold!(_mm512_shuffle_f32x4, 0x44, 0xEE, x[$first + 2], x[$first + 3]);
                fold!(_mm512_shuffle_f32x4, 0x88, 0xDD, ab, cd)
            }),*]};
        }
        fours!(0 4 8 12)
    }

    #[inline(always)]
    fn interleave(self, [a, b, c, d]: [Self::F; 4]) -> [Self::F; 4] {
        unsafe {
            let [ab, cd] = [_mm512_castps_pd(_mm512_unpacklo_ps(a, b)), _mm512_castps_pd(_mm512_unpacklo_ps(c, d))];
            let [uv, wx] = [_mm512_castps_pd(_mm512_unpackhi_ps(a, b)), _mm512_castps_pd(_mm512_unpackhi_ps(c, d))];
            // Block q of p_j is lane 4q + j of the four; block v of the result's vector q is to be that.
            let [p0, p1] = [_mm512_unpacklo_pd(ab, cd), _mm512_unpackhi_pd(ab, cd)];
            let [p2, p3] = [_mm512_unpacklo_pd(uv, wx), _mm512_unpackhi_pd(uv, wx)];
            let [low01, high01] = [_mm512_shuffle_f64x2::<0x44>(p0, p1), _mm512_shuffle_f64x2::<0xEE>(p0, p1)];
            let [low23, high23] = [_mm512_shuffle_f64x2::<0x44>(p2, p3), _mm512_shuffle_f64x2::<0xEE>(p2, p3)];
            [
                _mm512_castpd_ps(_mm512_shuffle_f64x2::<0x88>(low01, low23)),
                _mm512_castpd_ps(_mm512_shuffle_f64x2::<0xDD>(low01, low23)),
                _mm512_castpd_ps(_mm512_shuffle_f64x2::<0x88>(high01, high23)),
                _mm512_castpd_ps(_mm512_shuffle_f64x2::<0xDD>(high01, high23)),
            ]
        }
    }
}

/// Compiles a kernel for this instruction set.
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
#[inline(never)]
pub(super) fn run<K: Kernel>(kernel: K, simd: Avx512) -> K::Output {
    kernel.run(simd)
}
