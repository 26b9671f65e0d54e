//! How fast this machine can multiply and add: what the rates of kernels are measured against.

use super::{Isa, Kernel, LANES, MAX_BLOCK_ROWS, Simd};

struct Rounds(u64);

impl Kernel for Rounds {
    /// Fused multiply-adds of sixteen lanes, and what came out.
    type Output = (u64, f32);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (u64, f32) {
        // As many sums as stay in registers.
        if S::BLOCK_VECTORS * S::BLOCK_ROWS > MAX_BLOCK_ROWS {
            (self.0 * 24, rounds::<S, 24>(s, self.0))
        } else {
            (self.0 * 6, rounds::<S, 6>(s, self.0))
        }
    }
}

#[inline(always)]
fn rounds<S: Simd, const SUMS: usize>(s: S, rounds: u64) -> f32 {
    let mut sums = [s.splat(0.0); SUMS];
    let (x, y) = (s.splat(std::hint::black_box(0.5)), s.splat(std::hint::black_box(0.25)));
    for _ in 0..rounds {
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

/// Does rounds of independent fused multiply-adds in registers, and says how many floating-point operations that was.
#[doc(hidden)]
pub fn multiply_adds(isa: Isa, rounds: u64) -> u64 {
    let (count, total) = isa.run(Rounds(rounds));
    std::hint::black_box(total);
    count * (2 * LANES) as u64
}
