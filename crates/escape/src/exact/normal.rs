//! The tail of the normal law, to full relative accuracy however far out.

/// exp(−k²/4) for k = 1, 2, …, 12: the trapezoid rule of [`erfc`], whose step is ½.
const TRAPEZOID: [f64; 12] = [
    0.778_800_783_071_404_9,
    0.367_879_441_171_442_33,
    0.105_399_224_561_864_33,
    0.018_315_638_888_734_18,
    0.001_930_454_136_227_709_2,
    1.234_098_040_866_795_6e-4,
    4.785_117_392_129_009e-6,
    1.125_351_747_192_591_2e-7,
    1.605_228_055_185_611_6e-9,
    1.388_794_386_496_402e-11,
    7.287_724_095_819_692e-14,
    2.319_522_830_243_569_4e-16,
];

/// erfc(x) = (2/√π) ∫_x^∞ exp(−t²) dt, to a relative error below 10⁻¹⁴·(1 + x²/50) wherever it is a normal number.
///
/// Below ½ from the Taylor series of erf. Above, the integral e^{x²} erfc(x) = (2x/π) ∫_0^∞ e^{−t²}/(x² + t²) dt by the
/// trapezoid rule of step ½, with the residue of its pole at t = ix where that is near: what is left out is e^{−4π²} of
/// the whole (F. Matta and A. Reichel, Math. Comp. 25 (1971) 339).
pub(super) fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    let square = x * x;
    if x < 0.5 {
        // Σ (−1)^k x^{2k+1}/(k! (2k+1)): fifteen terms leave 2⁻³⁰/15! of x.
        let (mut power, mut sum) = (x, x);
        for k in 1..15 {
            power *= -square / f64::from(k);
            sum += power / f64::from(2 * k + 1);
        }
        return 1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let mut sum = 0.5 / square;
    for (k, weight) in (1..).zip(TRAPEZOID) {
        sum += weight / (0.25 * f64::from(k * k) + square);
    }
    let pole = if x < 2.0 * std::f64::consts::PI { 2.0 / (1.0 - (4.0 * std::f64::consts::PI * x).exp()) } else { 0.0 };
    (-square).exp() * x * sum / std::f64::consts::PI + pole
}

/// P(ξ > z) of a standard normal ξ; relative accuracy of [`erfc`].
pub(super) fn upper_tail(z: f64) -> f64 {
    0.5 * erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// P(|center + spread·ξ| ≥ bound).
pub(super) fn outside(bound: f64, center: f64, spread: f64) -> f64 {
    upper_tail((bound - center) / spread) + upper_tail((bound + center) / spread)
}

/// The density of a standard normal at z.
pub(super) fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() * (0.5 * std::f64::consts::FRAC_1_SQRT_2 * std::f64::consts::FRAC_2_SQRT_PI)
}

/// Standard deviations beyond which [`density`] is 0 (e^{−746} underflows), and no kernel need be evaluated.
pub(super) const REACH: f64 = 38.7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erfc_is_good_to_the_last_digits_from_end_to_end() {
        // mpmath, 30 digits.
        for (x, exact) in [
            (-5.0, 1.999_999_999_998_462_6),
            (-0.5, 1.520_499_877_813_046_5),
            (0.0, 1.0),
            (0.1, 0.887_537_083_981_715),
            (0.49, 0.488_331_738_811_476_9),
            (0.5, 0.479_500_122_186_953_5),
            (0.51, 0.470_756_380_158_829_53),
            (1.0, 0.157_299_207_050_285_13),
            (2.0, 0.004_677_734_981_047_266),
            (3.0, 2.209_049_699_858_544e-5),
            (6.0, 2.151_973_671_249_891_3e-17),
            (10.0, 2.088_487_583_762_545e-45),
            (20.0, 5.395_865_611_607_901e-176),
            (26.0, 5.663_192_408_856_143e-296),
        ] {
            let error: f64 = erfc(x) / exact - 1.0;
            assert!(error.abs() < 1e-14 * (1.0 + x * x / 50.0), "erfc({x}) is off by {error:e}");
        }
    }

    #[test]
    fn erfc_agrees_with_another_code_everywhere() {
        for i in -600..2600 {
            let x = f64::from(i) * 0.01 + 0.003;
            let error: f64 = erfc(x) / reference(x) - 1.0;
            assert!(error.abs() < 2e-13, "erfc({x}) is off by {error:e}");
        }
    }

    /// The continued fraction, from 300 levels down, or for small x the Taylor series about 0.
    fn reference(x: f64) -> f64 {
        if x < 0.0 {
            return 2.0 - reference(-x);
        }
        if x < 1.5 {
            // erf = (2/√π) e^{−x²} Σ 2^k x^{2k+1}/(2k+1)!!, all positive.
            let (mut term, mut sum) = (x, x);
            for k in 1..80 {
                term *= 2.0 * x * x / f64::from(2 * k + 1);
                sum += term;
            }
            return 1.0 - std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum;
        }
        let mut tail = x;
        for k in (1..300).rev() {
            tail = x + 0.5 * f64::from(k) / tail;
        }
        (-x * x).exp() * (0.5 * std::f64::consts::FRAC_2_SQRT_PI) / tail
    }
}
