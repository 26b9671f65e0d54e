//! Elementary functions in f64 without the platform's, whose last bits differ between C libraries: where a result decides
//! a trial's path.

// The coefficients stand as their authors wrote them.
#![allow(clippy::excessive_precision)]

/// e^x to about one unit in the last place, with x kept within ±690: Sun's fdlibm.
pub(crate) fn exp(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238_164_90e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_700_02e-10;
    const P1: f64 = 1.666_666_666_666_660_190_37e-1;
    const P2: f64 = -2.777_777_777_701_559_338_42e-3;
    const P3: f64 = 6.613_756_321_437_934_361_17e-5;
    const P4: f64 = -1.653_390_220_546_525_153_90e-6;
    const P5: f64 = 4.138_136_797_057_238_460_39e-8;
    // Adding 1.5·2⁵² leaves the nearest integer in the last bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = x.clamp(-690.0, 690.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let (high, low) = (x - k * LN2_HIGH, k * LN2_LOW);
    let r = high - low;
    let square = r * r;
    let c = r - square * (P1 + square * (P2 + square * (P3 + square * (P4 + square * P5))));
    let power = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    f64::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// 1 − e^{−x} for x ≥ 0, to a few units in the last place however small x is.
pub(crate) fn decay(x: f64) -> f64 {
    if x > 0.5 {
        return 1.0 - exp(-x);
    }
    // Σ −(−x)ⁿ/n!, the smallest terms first: the next would be below 0.5¹⁷/17! = 2·10⁻²⁰.
    (1..=16).rev().fold(0.0, |sum, n| (x / f64::from(n)) * (1.0 - sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exp_agrees_with_the_platform(x in -600.0..600.0f64) {
            prop_assert!((exp(x) - x.exp()).abs() <= 2.0 * f64::EPSILON * x.exp());
        }

        #[test]
        fn decay_agrees_with_the_platform(x in prop_oneof![0.0..1e-6f64, 0.0..1.0f64, 0.0..50.0f64]) {
            let expected = -(-x).exp_m1();
            prop_assert!((decay(x) - expected).abs() <= 4.0 * f64::EPSILON * expected);
        }
    }
}
