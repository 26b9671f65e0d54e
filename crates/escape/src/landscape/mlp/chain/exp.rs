//! eˣ of sixteen f32 that are not above 0, in operations that IEEE 754 rounds in one way only: the same bits on every
//! machine.

use super::tanh::power_and_rest;
use crate::simd::Simd;

/// Below this eˣ is taken as 0: it is less than 1.7e-38.
const SMALLEST: f32 = -87.0;

/// eˣ for x ≤ 0; 0 where it is below 1.7e-38. NaN stays NaN.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let small = s.lt(x, s.splat(SMALLEST));
    let y = s.zero_where(small, x);
    let (power, expm1) = power_and_rest(s, y);
    s.zero_where(small, s.fma(power, expm1, power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel, LANES};

    struct Exp([f32; LANES]);

    impl Kernel for Exp {
        type Output = [f32; LANES];

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> [f32; LANES] {
            let mut out = [0.0; LANES];
            s.store(exp(s, s.load(&self.0)), &mut out);
            out
        }
    }

    #[test]
    fn exp_is_right_to_two_units_in_the_last_place() {
        let mut worst = (0.0, 0.0);
        // Every exponent from the subnormals on, with mantissas in between, and −87 to 0 evenly.
        let scales = (0..(0x42AE_0000_u32 / LANES as u32 / 61))
            .map(|k| std::array::from_fn(|l| -f32::from_bits((k * LANES as u32 + l as u32) * 61)));
        let even = (0..100_000_u32).map(|k| std::array::from_fn(|l| (k * LANES as u32 + l as u32) as f32 * -5.437e-5));
        for x in scales.chain(even) {
            for (x, found) in x.into_iter().zip(Isa::current().run(Exp(x))) {
                let exact = f64::from(x).exp();
                let ulp = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - f64::from(exact as f32);
                let error = (f64::from(found) - exact).abs() / ulp;
                if error > worst.0 {
                    worst = (error, x);
                }
            }
        }
        println!("worst: {} ulp at {:e}", worst.0, worst.1);
        assert!(worst.0 <= 2.0, "{} ulp at {:e}", worst.0, worst.1);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits_and_keeps_nan() {
        for k in 0..2000_u32 {
            let x: [f32; LANES] = std::array::from_fn(|l| (k * 16 + l as u32) as f32 * -3.1e-3);
            let expected = Isa::Portable.run(Exp(x)).map(f32::to_bits);
            for isa in Isa::available() {
                assert_eq!(isa.run(Exp(x)).map(f32::to_bits), expected, "{isa}");
            }
        }
        for isa in Isa::available() {
            assert!(isa.run(Exp([f32::NAN; LANES])).iter().all(|e| e.is_nan()));
            for (x, e) in [(0.0, 1.0), (-0.0, 1.0), (-87.1, 0.0), (f32::NEG_INFINITY, 0.0)] {
                assert_eq!(isa.run(Exp([x; LANES])).map(f32::to_bits), [f32::to_bits(e); LANES]);
            }
        }
    }
}
