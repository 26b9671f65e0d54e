//! Cross-entropy in f64, without libm: the same bits on every machine.

use super::activation::{EXPM1, LN2_HIGH, LN2_LOW, ROUND};

/// Below this eˣ is taken as 0: it is less than 4e-308.
const SMALLEST: f64 = -708.0;
/// 1/25, 1/23, …, 1/3: the series of (atanh s − s)/s³ in s². At |s| ≤ 3 − 2√2 what is left out is below 1e-20 of it.
const ATANH: [f64; 12] = [
    1.0 / 25.0,
    1.0 / 23.0,
    1.0 / 21.0,
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
];

/// eˣ for x ≤ 0; 0 where it is below 4e-308. NaN stays NaN.
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2, and eʳ by its Taylor series.
#[inline]
pub(super) fn exp(x: f64) -> f64 {
    if x < SMALLEST {
        return 0.0;
    }
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // n sits in the low bits of `shifted`; add the exponent's bias and move both into the exponent's place.
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut q = EXPM1[0];
    for c in &EXPM1[1..] {
        q = q * r + c;
    }
    // NaN went into `power` as bits like any others, and is kept by r.
    power + power * (r + r * r * q)
}

/// log(1 + u) for u ≥ 0, to base e. NaN and ∞ stay what they are.
///
/// 1 + u = 2ᵏ(1 + f) with 1 + f from √½ to √2, and log(1 + f) = 2 atanh s with s = f/(2 + f). Small u are f themselves, and
/// lose no digits.
#[inline]
pub(super) fn ln_1p(u: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    if !u.is_finite() {
        return u;
    }
    let x = 1.0 + u;
    let (k, f) = if x < std::f64::consts::SQRT_2 {
        (0.0, u)
    } else {
        let (exponent, mantissa) = ((x.to_bits() >> 52) as i32 - 1023, x.to_bits() & MANTISSA);
        let m = f64::from_bits(mantissa | 1023 << 52);
        if m < std::f64::consts::SQRT_2 {
            (f64::from(exponent), m - 1.0)
        } else {
            (f64::from(exponent + 1), 0.5 * m - 1.0)
        }
    };
    let s = f / (2.0 + f);
    let z = s * s;
    let mut q = ATANH[0];
    for c in &ATANH[1..] {
        q = q * z + c;
    }
    let twice = s + s;
    k * LN2_HIGH + (k * LN2_LOW + (twice + twice * (z * q)))
}

/// What cross-entropy makes of the outputs of one example.
pub(super) struct CrossEntropy {
    /// The largest output.
    largest: f64,
    /// Its class; the first, if there are several.
    at: usize,
}

impl CrossEntropy {
    /// Of these outputs, class by class.
    #[inline]
    pub(super) fn of(outputs: impl Iterator<Item = f64>) -> Self {
        let mut found = Self { largest: f64::NEG_INFINITY, at: 0 };
        for (class, f) in outputs.enumerate() {
            // A first that is not a number stays: nothing is larger.
            if class == 0 || f > found.largest {
                found = Self { largest: f, at: class };
            }
        }
        found
    }

    /// ℓ = (max f − f_y) + log(1 + Σ exp(f_c − max f)), over all classes but that of the largest output. Loses no digits where
    /// the example is nearly certain of its class, and does not overflow.
    #[inline]
    pub(super) fn loss(&self, outputs: impl Iterator<Item = f64>, label_output: f64) -> f64 {
        let others = outputs.enumerate().filter(|(class, _)| *class != self.at);
        let sum = others.fold(0.0, |sum, (_, f)| sum + exp(f - self.largest));
        (self.largest - label_output) + ln_1p(sum)
    }

    /// exp(f − max f).
    #[inline]
    pub(super) fn exp(&self, f: f64) -> f64 {
        exp(f - self.largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in units in the last place, for numbers of one sign.
    fn ulps(a: f64, b: f64) -> u64 {
        a.to_bits().abs_diff(b.to_bits())
    }

    #[test]
    fn exp_and_ln_1p_agree_with_the_standard_library() {
        let (mut worst_exp, mut worst_ln) = ((0, 0.0), (0, 0.0));
        for k in 0..2_000_000_u32 {
            let x = -f64::from(k) * 3.53e-4;
            worst_exp = worst_exp.max_by_first((ulps(exp(x), x.exp()), x));
            let u = f64::from(k) * 1.1e-5;
            worst_ln = worst_ln.max_by_first((ulps(ln_1p(u), u.ln_1p()), u));
        }
        // Every scale, down to the subnormals.
        for exponent in -1074..40 {
            for k in 0..200_u32 {
                let u = (1.0 + f64::from(k) / 200.0) * 2.0_f64.powi(exponent);
                worst_ln = worst_ln.max_by_first((ulps(ln_1p(u), u.ln_1p()), u));
                if u < 700.0 {
                    worst_exp = worst_exp.max_by_first((ulps(exp(-u), (-u).exp()), -u));
                }
            }
        }
        println!("worst: exp {worst_exp:?}, ln_1p {worst_ln:?}");
        assert!(worst_exp.0 <= 2, "{worst_exp:?}");
        assert!(worst_ln.0 <= 4, "{worst_ln:?}");
    }

    trait MaxByFirst {
        fn max_by_first(self, other: Self) -> Self;
    }

    impl MaxByFirst for (u64, f64) {
        fn max_by_first(self, other: Self) -> Self {
            if other.0 > self.0 { other } else { self }
        }
    }

    #[test]
    fn the_edges() {
        assert_eq!((exp(0.0), exp(-0.0), exp(-709.0), exp(f64::NEG_INFINITY)), (1.0, 1.0, 0.0, 0.0));
        assert!(exp(f64::NAN).is_nan() && exp(-f64::NAN).is_nan());
        assert_eq!((ln_1p(0.0), ln_1p(f64::INFINITY)), (0.0, f64::INFINITY));
        assert!(ln_1p(f64::NAN).is_nan());
        assert!((ln_1p(f64::MAX) - 1024.0 * std::f64::consts::LN_2).abs() < 1e-12);
    }

    #[test]
    fn exp_and_ln_1p_keep_their_bits() {
        // Computed from the formulas above in another language. A change of any changes every dataset made with
        // cross-entropy.
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for k in 0..1000_u32 {
            for bits in [exp(-f64::from(k) * 0.0371), ln_1p(f64::from(k) * 0.0113)].map(f64::to_bits) {
                hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01B3);
            }
        }
        assert_eq!(hash, 0x4C56_A06A_78F5_C755, "{hash:#x}");
    }

    #[test]
    fn a_loss_neither_overflows_nor_loses_its_digits() {
        let loss = |f: &[f64], y: usize| CrossEntropy::of(f.iter().copied()).loss(f.iter().copied(), f[y]);
        assert_eq!(loss(&[0.0, 0.0], 1), ln_1p(1.0));
        assert_eq!(loss(&[1e6, 0.0], 0), 0.0);
        assert_eq!(loss(&[1e6, 0.0], 1), 1e6);
        assert_eq!(loss(&[3.0], 0), 0.0);
        // log(1 + e⁻⁴⁰) = e⁻⁴⁰ − …
        assert!((loss(&[20.0, -20.0], 0) / (-40.0_f64).exp() - 1.0).abs() < 1e-15);
        for broken in [f64::NAN, f64::INFINITY] {
            for at in 0..3 {
                let mut f = [1.0, 2.0, 3.0];
                f[at] = broken;
                assert!((0..3).all(|y| !loss(&f, y).is_finite()), "{f:?}");
            }
        }
    }
}
