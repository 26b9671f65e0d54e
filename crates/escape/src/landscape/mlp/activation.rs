//! The activation functions and their derivatives, without libm: the same bits on every machine.

use super::lanes::Lanes;

/// φ, applied to every hidden unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// max(a, 0); its derivative at 0 is taken as 0, as PyTorch does.
    Relu,
    /// tanh a.
    Tanh,
}

impl Activation {
    /// φ(a), for one unit. NaN stays NaN.
    #[inline]
    pub fn value(self, a: f64) -> f64 {
        match self {
            Self::Relu => relu(a),
            Self::Tanh => tanh(a),
        }
    }

    /// φ(a), for eight units.
    #[inline(always)]
    pub(super) fn values(self, a: &mut Lanes) {
        match self {
            Self::Relu => {
                for a in a {
                    *a = relu(*a);
                }
            }
            Self::Tanh => {
                for a in a {
                    *a = tanh(*a);
                }
            }
        }
    }

    /// φ′(a), from the values t = φ(a): [t > 0], or 1 − t².
    #[inline(always)]
    pub(super) fn slopes(self, t: &Lanes) -> Lanes {
        match self {
            Self::Relu => t.map(|t| if t <= 0.0 { 0.0 } else { 1.0 }),
            Self::Tanh => t.map(|t| 1.0 - t * t),
        }
    }

    /// φ″(a), from the values t = φ(a): 0, or −2t(1 − t²).
    #[inline(always)]
    pub(super) fn bends(self, t: &Lanes) -> Lanes {
        match self {
            Self::Relu => [0.0; 8],
            Self::Tanh => t.map(|t| -2.0 * t * (1.0 - t * t)),
        }
    }
}

/// max(a, 0), but NaN for NaN, which `f64::max` would swallow; and +0 for −0.
#[inline(always)]
fn relu(a: f64) -> f64 {
    if a <= 0.0 { 0.0 } else { a }
}

/// From here on tanh rounds to 1: 1 − tanh 20 ≈ 2e⁻⁴⁰ ≈ 8e-18.
const SATURATED: f64 = 20.0;
/// Adding this leaves the nearest integer in the low bits of the mantissa (1.5 × 2⁵²).
pub(super) const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has enough trailing zeros for n·LN2_HIGH to be exact.
pub(super) const LN2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
pub(super) const LN2_LOW: f64 = f64::from_bits(0x3DEA_39EF_3579_3C76);
/// 1/13!, 1/12!, …, 1/2!: the Taylor series of (eʳ − 1 − r)/r². At |r| ≤ ½ ln 2 what is left out is below 1.3e-17 of eʳ − 1.
pub(super) const EXPM1: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
];

/// tanh x = sign(x) · E/(E + 2), E = e^(2|x|) − 1. Branch-free; right to 4e-16 relative; ±0, ±∞ and NaN as in IEEE 754.
///
/// E = 2ⁿ(eʳ − 1) + (2ⁿ − 1) where 2|x| = n ln 2 + r with |r| ≤ ½ ln 2, so that small x loses no digits.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let size = x.abs();
    // Written so that NaN is kept.
    let size = if size > SATURATED { SATURATED } else { size };
    let y = size + size;
    let shifted = y * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // n sits in the low bits of `shifted`; add the exponent's bias and move both into the exponent's place.
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    let r = (y - n * LN2_HIGH) - n * LN2_LOW;
    let mut q = EXPM1[0];
    for c in &EXPM1[1..] {
        q = q * r + c;
    }
    let expm1 = power * (r + r * r * q) + (power - 1.0);
    (expm1 / (expm1 + 2.0)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in units in the last place, for numbers of one sign.
    fn ulps(a: f64, b: f64) -> u64 {
        a.to_bits().abs_diff(b.to_bits())
    }

    #[test]
    fn tanh_agrees_with_the_standard_library() {
        let mut worst = (0, 0.0);
        let mut check = |x: f64| {
            for x in [x, -x] {
                let distance = ulps(tanh(x), x.tanh());
                if distance > worst.0 {
                    worst = (distance, x);
                }
            }
        };
        for k in 0..2_000_000_u32 {
            check(f64::from(k) * 1.1e-5);
        }
        // Every scale down to the subnormals.
        for exponent in -1074..5 {
            for k in 0..200_u32 {
                check((1.0 + f64::from(k) / 200.0) * 2.0_f64.powi(exponent));
            }
        }
        println!("worst: {} ulp at {:e}", worst.0, worst.1);
        assert!(worst.0 <= 4, "{} ulp at {:e}", worst.0, worst.1);
    }

    #[test]
    fn tanh_at_the_edges() {
        assert_eq!(tanh(0.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f64).to_bits());
        for large in [19.1, 20.0, 21.0, 1e3, 1e300, f64::MAX, f64::INFINITY] {
            assert_eq!(tanh(large), 1.0, "{large}");
            assert_eq!(tanh(-large), -1.0, "-{large}");
        }
        assert!(tanh(f64::NAN).is_nan());
        assert!(tanh(-f64::NAN).is_nan());
    }

    #[test]
    fn tanh_keeps_its_bits() {
        // Computed from the formulas above in another language. A change of any changes every dataset made with tanh.
        for (x, bits) in [
            (0.1, 0x3FB9_83D7_795F_413B_u64),
            (0.5, 0x3FDD_9353_D756_8AF3),
            (1.0, 0x3FE8_5EFA_B514_F394),
            (-2.5, 0xBFEF_9258_260A_71C2),
            (7.0, 0x3FEF_FFFC_8327_50F2),
            (1e-8, 0x3E45_798E_E230_8C39),
        ] {
            assert_eq!(tanh(x).to_bits(), bits, "tanh({x}) = {:#x}", tanh(x).to_bits());
        }
    }

    #[test]
    fn relu_keeps_nan_and_has_slope_zero_at_zero() {
        assert!(Activation::Relu.value(f64::NAN).is_nan());
        assert_eq!(Activation::Relu.value(f64::INFINITY), f64::INFINITY);
        assert_eq!(Activation::Relu.value(f64::NEG_INFINITY), 0.0);
        assert_eq!(Activation::Relu.value(-0.0).to_bits(), 0);
        assert_eq!(
            Activation::Relu.slopes(&[0.0, 1e-300, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]),
            [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        );
    }

    #[test]
    fn slopes_and_bends_are_derivatives() {
        for k in -20..=20_i32 {
            let a = f64::from(k) * 0.17 + 0.01;
            let h = 1e-5;
            let t = [tanh(a); 8];
            let slope = (tanh(a + h) - tanh(a - h)) / (2.0 * h);
            let bend = (tanh(a + h) - 2.0 * tanh(a) + tanh(a - h)) / (h * h);
            assert!((slope - Activation::Tanh.slopes(&t)[3]).abs() < 1e-9, "slope at {a}");
            assert!((bend - Activation::Tanh.bends(&t)[5]).abs() < 1e-5, "bend at {a}");
        }
    }
}
