//! Normals at the resolution of f32, thirty-two at a time: Box and Muller (1958) on sixteen lanes.
//!
//! Two words a pair, no rejection, and arithmetic that is the same on every instruction set. The radius comes from 48
//! bits, so that the tails reach √(2·49·ln 2) = 8.24 standard deviations: 32 of the first word and, below them, 16 that
//! the second word lends. The angle comes from 24 bits of the second word and two for the quadrant. The bits that are
//! lent are the last eight of the angle and what is below them: only where the first word is 0, a radius beyond 6.66
//! standard deviations once in 4·10⁹ pairs, do they matter to the radius.
//!
//! The polynomials are minimax fits by Remez' exchange. −2 ln(1 + f)/f on [√½ − 1, √2 − 1] to 7·10⁻⁸ absolute in the
//! squared radius; sin(πt/4)/t and cos(πt/4) in t² on [0, 1] to 1.2·10⁻⁹ and 2.8·10⁻⁸.

use super::lanes::Generators;
use crate::simd::Simd;

const LOG: [f32; 8] =
    [0.202_063_04, -0.328_388_93, 0.346_658_38, -0.397_462_43, 0.499_188_13, -0.666_723_55, 1.000_013_4, -1.999_999_6];
const SIN: [f32; 4] = [-3.587_742_7e-5, 2.489_872_3e-3, -8.074_537e-2, 0.785_398_13];
const COS: [f32; 4] = [-3.188_805e-4, 1.584_991_4e-2, -0.308_424_26, 1.0];

/// The next pair of independent standard normals of every lane.
#[inline(always)]
pub(crate) fn pair<S: Simd>(s: S, generators: &mut Generators<S>) -> (S::F, S::F) {
    let first = generators.next(s);
    let second = generators.next(s);

    // u = (48 bits + ½) 2⁻⁴⁸, in (0, 1].
    let high = s.to_f32(s.shr::<8>(first));
    let low = s.or(s.shl::<16>(s.and(first, s.splat_u(0xff))), s.and(second, s.splat_u(0xffff)));
    let low = s.fma(s.to_f32(low), s.splat(exp2(-48)), s.splat(exp2(-49)));
    let u = s.fma(high, s.splat(exp2(-24)), low);

    // u = 2^k · m with m in [√½, √2): the shift by √½'s mantissa moves the cut from 1 to √2.
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let shifted = s.sub_u(s.to_bits(u), s.splat_u(SQRT_HALF));
    let k = s.to_f32(s.sar::<23>(shifted));
    let m = s.from_bits(s.add_u(s.and(shifted, s.splat_u(0x007f_ffff)), s.splat_u(SQRT_HALF)));
    let f = s.sub(m, s.splat(1.0));
    let whole = s.mul(k, s.splat(-2.0 * std::f32::consts::LN_2));
    let radius = s.sqrt(s.fma(polynomial(s, f, LOG), f, whole));

    // An angle of (−π/4, π/4), then one of four quadrants: turned by half a turn, and mirrored at the diagonal.
    let t = s.mul(s.to_f32(s.sar::<8>(second)), s.splat(exp2(-23)));
    let square = s.mul(t, t);
    let sin = s.mul(polynomial(s, square, SIN), t);
    let cos = polynomial(s, square, COS);
    let half_turn = s.and(s.shl::<30>(second), s.splat_u(0x8000_0000));
    let radius = s.from_bits(s.xor(s.to_bits(radius), half_turn));
    let mirrored = s.has_bit::<0>(second);
    (s.mul(radius, s.select(mirrored, sin, cos)), s.mul(radius, s.select(mirrored, cos, sin)))
}

/// Horner's scheme, the highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, coefficients: [f32; N]) -> S::F {
    let mut sum = s.splat(coefficients[0]);
    for c in &coefficients[1..] {
        sum = s.fma(sum, x, s.splat(*c));
    }
    sum
}

/// 2ⁿ, for a normal result.
const fn exp2(n: i32) -> f32 {
    f32::from_bits(((127 + n) as u32) << 23)
}
