//! Two standard normals from two 64-bit words, by Box and Muller (1958).
//!
//! A fixed number of words for each pair (no rejection), and polynomials of our own in place of the platform's ln, sin
//! and cos, whose last bits differ between C libraries. The coefficients are those of Sun's fdlibm, good to about one
//! unit in the last place on the ranges used here. No branches, so that a loop over pairs becomes vector code. The
//! radius comes from 52 bits: the tails reach √(2·52·ln 2) = 8.49 standard deviations.

// The coefficients stand as their authors wrote them.
#![allow(clippy::excessive_precision)]

use std::f64::consts::FRAC_PI_2;

/// A pair of independent standard normals.
#[inline]
pub(super) fn pair(radius_word: u64, angle_word: u64) -> (f64, f64) {
    let u = 2.0 - one_to_two(radius_word); // (0, 1]
    let t = one_to_two(angle_word) - 1.0; // [0, 1)
    let radius = (-2.0 * ln(u)).sqrt();
    let (cos, sin) = cos_sin_turn(t);
    (radius * cos, radius * sin)
}

/// Uniform on [1, 2) in steps of 2⁻⁵², from the upper 52 bits.
#[inline]
fn one_to_two(word: u64) -> f64 {
    f64::from_bits(0x3FF0_0000_0000_0000 | (word >> 12))
}

/// ln u for a normal (not subnormal) 0 < u ≤ 1.
#[inline]
pub(super) fn ln(u: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    const L1: f64 = 6.666_666_666_666_735_130e-1;
    const L2: f64 = 3.999_999_999_940_941_908e-1;
    const L3: f64 = 2.857_142_874_366_239_149e-1;
    const L4: f64 = 2.222_219_843_214_978_396e-1;
    const L5: f64 = 1.818_357_216_161_805_012e-1;
    const L6: f64 = 1.531_383_769_920_937_332e-1;
    const L7: f64 = 1.479_819_860_511_658_591e-1;
    // u = 2^k · m with m in [√½, √2): the shift by √½'s mantissa moves the cut from 1 to √2.
    const SQRT_HALF_BITS: u64 = 0x3FE6_A09E_667F_3BCD;
    let shifted = u.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let k = f64::from(((shifted as i64) >> 52) as i32);
    let m = f64::from_bits((shifted & 0x000F_FFFF_FFFF_FFFF).wrapping_add(SQRT_HALF_BITS));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (L2 + w * (L4 + w * L6));
    let odd = z * (L1 + w * (L3 + w * (L5 + w * L7)));
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + (odd + even)) + k * LN2_LOW)) - f)
}

/// (cos 2πt, sin 2πt) for 0 ≤ t < 1.
#[inline]
pub(super) fn cos_sin_turn(t: f64) -> (f64, f64) {
    const S1: f64 = -1.666_666_666_666_663_243_48e-1;
    const S2: f64 = 8.333_333_333_322_489_461_24e-3;
    const S3: f64 = -1.984_126_982_985_794_931_34e-4;
    const S4: f64 = 2.755_731_370_707_006_767_89e-6;
    const S5: f64 = -2.505_076_025_340_686_341_95e-8;
    const S6: f64 = 1.589_690_995_211_550_102_21e-10;
    const C1: f64 = 4.166_666_666_666_660_190_37e-2;
    const C2: f64 = -1.388_888_888_887_410_957_49e-3;
    const C3: f64 = 2.480_158_728_947_672_941_78e-5;
    const C4: f64 = -2.755_731_435_139_066_330_35e-7;
    const C5: f64 = 2.087_572_321_298_174_827_90e-9;
    const C6: f64 = -1.135_964_755_778_819_482_65e-11;
    // The nearest quarter turn, and what is left of it. Adding 1.5·2⁵² rounds to an integer, found in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let rounded = 4.0 * t + ROUND;
    let quarters = rounded.to_bits();
    let x = (4.0 * t - (rounded - ROUND)) * FRAC_PI_2; // [−π/4, π/4]
    let z = x * x;
    let sin = x + x * z * (S1 + z * (S2 + z * (S3 + z * (S4 + z * (S5 + z * S6)))));
    let cos = 1.0 - 0.5 * z + z * z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))));
    // Each odd quarter swaps the two; the sign of the cosine is − in quarters 1 and 2, that of the sine in 2 and 3.
    let swap = 0u64.wrapping_sub(quarters & 1);
    let (cos, sin) = (cos.to_bits(), sin.to_bits());
    let difference = (cos ^ sin) & swap;
    let cos_sign = (quarters.wrapping_add(1) & 2) << 62;
    let sin_sign = (quarters & 2) << 62;
    (f64::from_bits(cos ^ difference ^ cos_sign), f64::from_bits(sin ^ difference ^ sin_sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    proptest! {
        #[test]
        fn ln_agrees_with_the_platform(u in prop_oneof![1e-16..1.0f64, 0.5..1.0f64, 0.999..1.0f64]) {
            let expected = u.ln();
            prop_assert!((ln(u) - expected).abs() <= 2.0 * f64::EPSILON * expected.abs());
        }

        #[test]
        fn cos_and_sin_agree_with_the_platform(t in 0.0..1.0f64) {
            let (cos, sin) = cos_sin_turn(t);
            prop_assert!((cos - (TAU * t).cos()).abs() < 1e-15);
            prop_assert!((sin - (TAU * t).sin()).abs() < 1e-15);
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(ln(1.0), 0.0);
        let smallest = f64::EPSILON; // 2⁻⁵²
        assert!((ln(smallest) + 52.0 * std::f64::consts::LN_2).abs() < 1e-14);
        let (farthest, _) = pair(u64::MAX, 0);
        assert!(farthest > 8.48 && farthest < 8.5, "{farthest}");
        let (nearest, other) = pair(0, u64::MAX);
        assert!(nearest == 0.0 && other == 0.0);
    }
}
