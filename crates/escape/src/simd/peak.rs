//! How fast this machine multiplies and adds: what the rates of kernels are measured against.

use std::hint::black_box;

use super::{Isa, Kernel, LANES, Simd};

/// Rounds of `SUMS` multiply-adds that do not wait for each other.
struct Rounds<const SUMS: usize>(u64);

impl<const SUMS: usize> Kernel for Rounds<SUMS> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let (x, y) = (s.splat(black_box(0.5)), s.splat(black_box(0.25)));
        // The compiler must not see that all begin alike, or one would do for all.
        let mut sums = black_box([0.0f32; SUMS]).map(|start| s.splat(start));
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = s.fma(*sum, x, y);
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += s.total(sum);
        }
        total
    }
}

/// Does `rounds` rounds of independent fused multiply-adds of f32 in registers, and gives how many floating-point
/// operations that was: two for each multiply-add of each lane.
pub fn multiply_adds(isa: Isa, rounds: u64) -> u64 {
    // As many registers as hide the latency of a multiply-add and still leave two for the factors.
    let sums = match isa {
        Isa::Avx512 => {
            black_box(isa.run(Rounds::<24>(rounds)));
            24
        }
        Isa::Avx2 | Isa::Portable => {
            black_box(isa.run(Rounds::<6>(rounds)));
            6
        }
    };
    rounds * sums * (2 * LANES) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_on_every_instruction_set() {
        for isa in Isa::available() {
            let count = multiply_adds(isa, 10);
            // At least twelve registers, of the sixteen that AVX2 has.
            assert!(count >= 10 * 6 * 32, "{isa}: {count}");
            assert_eq!(multiply_adds(isa, 20), 2 * count, "{isa}");
            assert_eq!(multiply_adds(isa, 0), 0, "{isa}");
        }
    }

    /// s ← s/2 + 1/4 from 0 goes to 1/2: every sum, in every lane.
    #[test]
    fn every_lane_of_every_sum_is_worked_on() {
        for isa in Isa::available() {
            assert_eq!(isa.run(Rounds::<6>(60)), 6.0 * 16.0 * 0.5, "{isa}");
        }
    }
}
