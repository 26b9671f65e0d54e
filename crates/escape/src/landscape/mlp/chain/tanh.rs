//! tanh of sixteen f32, in operations that IEEE 754 rounds in one way only: the same bits on every machine.

use crate::simd::Simd;

/// From here on tanh rounds to 1: 1 − tanh 10 ≈ 4e-9.
const SATURATED: f32 = 10.0;
/// Adding this leaves the nearest integer in the low bits of the mantissa (1.5 × 2²³).
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has enough trailing zeros for n times it to be exact.
const LN2_HIGH: f32 = f32::from_bits(0x3F31_7200);
const LN2_LOW: f32 = f32::from_bits(0x35BF_BE8E);
/// 1/7!, …, 1/2!: the Taylor series of (eʳ − 1 − r)/r². At |r| ≤ ½ ln 2 what is left out is below 1.6e-8 of eʳ − 1.
const EXPM1: [f32; 6] = [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0];

/// tanh x = sign(x) · E/(E + 2), E = e^(2|x|) − 1. NaN stays NaN.
///
/// E = 2ⁿ(eʳ − 1) + (2ⁿ − 1) where 2|x| = n ln 2 + r with |r| ≤ ½ ln 2, so that small x loses no digits.
#[inline(always)]
pub(super) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let sign = s.and(s.to_bits(x), s.splat_u(0x8000_0000));
    let size = s.of_bits(s.xor(s.to_bits(x), sign));
    // Written so that NaN is kept.
    let limit = s.splat(SATURATED);
    let size = s.select(s.lt(limit, size), limit, size);
    let y = s.add(size, size);
    let (power, small) = power_and_rest(s, y);
    let expm1 = s.fma(power, small, s.sub(power, s.splat(1.0)));
    let t = s.div(expm1, s.add(expm1, s.splat(2.0)));
    s.of_bits(s.xor(s.to_bits(t), sign))
}

/// 2ⁿ and eʳ − 1 with y = n ln 2 + r, |r| ≤ ½ ln 2: eʸ = 2ⁿ + 2ⁿ(eʳ − 1). eʳ − 1 by its Taylor series. For y from −87 to 87.
#[inline(always)]
pub(super) fn power_and_rest<S: Simd>(s: S, y: S::F) -> (S::F, S::F) {
    let shifted = s.fma(y, s.splat(std::f32::consts::LOG2_E), s.splat(ROUND));
    let n = s.sub(shifted, s.splat(ROUND));
    // n sits in the low bits of `shifted`; add the exponent's bias and move both into the exponent's place.
    let power = s.of_bits(s.shl::<23>(s.add_u(s.to_bits(shifted), s.splat_u(127))));
    let r = s.fnma(n, s.splat(LN2_LOW), s.fnma(n, s.splat(LN2_HIGH), y));
    let mut q = s.splat(EXPM1[0]);
    for c in &EXPM1[1..] {
        q = s.fma(q, r, s.splat(*c));
    }
    (power, s.fma(s.mul(r, r), q, r))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel, LANES};

    struct Tanh([f32; LANES]);

    impl Kernel for Tanh {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> [f32; LANES] {
            let mut out = [0.0; LANES];
            s.store(tanh(s, s.load(&self.0)), &mut out);
            out
        }
    }

    /// The distance in units in the last place from the f64 function.
    fn error(found: f32, x: f32) -> f64 {
        let exact = f64::from(x).tanh();
        let ulp = f64::from(f32::from_bits((exact.abs() as f32).to_bits() + 1)) - f64::from(exact.abs() as f32);
        (f64::from(found) - exact).abs() / ulp
    }

    #[test]
    fn tanh_is_right_to_a_few_units_in_the_last_place() {
        let mut worst = (0.0, 0.0);
        // Every exponent from the subnormals to overflow, with mantissas in between.
        for k in 0..(0x7F80_0000_u32 / LANES as u32 / 61) {
            let x: [f32; LANES] = std::array::from_fn(|l| f32::from_bits((k * LANES as u32 + l as u32) * 61));
            let found = Isa::current().run(Tanh(x));
            let mirrored = Isa::current().run(Tanh(x.map(|x| -x)));
            for ((x, found), mirrored) in x.into_iter().zip(found).zip(mirrored) {
                assert_eq!(-found, mirrored);
                let error = error(found, x);
                if error > worst.0 {
                    worst = (error, x);
                }
            }
        }
        println!("worst: {} ulp at {:e}", worst.0, worst.1);
        assert!(worst.0 <= 4.0, "{} ulp at {:e}", worst.0, worst.1);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits_and_keeps_nan() {
        for k in 0..2000_u32 {
            let x: [f32; LANES] = std::array::from_fn(|l| (k * 16 + l as u32) as f32 * 3.1e-4 * (l as f32 - 7.5));
            let expected = Isa::Portable.run(Tanh(x)).map(f32::to_bits);
            for isa in Isa::available() {
                assert_eq!(isa.run(Tanh(x)).map(f32::to_bits), expected, "{isa}");
            }
        }
        for isa in Isa::available() {
            assert!(isa.run(Tanh([f32::NAN; LANES])).iter().all(|t| t.is_nan()));
            assert_eq!(isa.run(Tanh([f32::INFINITY; LANES])), [1.0; LANES]);
            assert_eq!(isa.run(Tanh([-0.0; LANES])).map(f32::to_bits), [0x8000_0000; LANES]);
        }
    }
}
