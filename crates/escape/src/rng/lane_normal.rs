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

use super::lanes::{Generators, Lanes};
use crate::simd::{Isa, Kernel, LANES, Simd};

const LOG: [f32; 8] =
    [0.202_063_04, -0.328_388_93, 0.346_658_38, -0.397_462_43, 0.499_188_13, -0.666_723_55, 1.000_013_4, -1.999_999_6];
const SIN: [f32; 4] = [-3.587_742_7e-5, 2.489_872_3e-3, -8.074_537e-2, f32::from_bits(0x3f49_0fda)];
const COS: [f32; 4] = [-3.188_805e-4, 1.584_991_4e-2, -0.308_424_26, 1.0];

/// The next normals of every lane, row after row: rows 2k and 2k + 1 are the two of a pair. If the number of rows is odd,
/// the second of the last pair is dropped.
pub fn fill_normals(isa: Isa, lanes: &mut Lanes, rows: &mut [[f32; LANES]]) {
    isa.run(Fill { lanes, rows });
}

struct Fill<'a> {
    lanes: &'a mut Lanes,
    rows: &'a mut [[f32; LANES]],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut generators = self.lanes.load(s);
        let (pairs, rest) = self.rows.as_chunks_mut::<2>();
        for [first, second] in pairs {
            let (x, y) = pair(s, &mut generators);
            s.store(x, first);
            s.store(y, second);
        }
        if let [row] = rest {
            s.store(pair(s, &mut generators).0, row);
        }
        generators.store(s, self.lanes);
    }
}

/// The next pair of independent standard normals of every lane.
#[inline(always)]
pub(crate) fn pair<S: Simd>(s: S, generators: &mut Generators<S>) -> (S::F, S::F) {
    let first = generators.next(s);
    let second = generators.next(s);
    of_words(s, first, second)
}

#[inline(always)]
fn of_words<S: Simd>(s: S, first: S::U, second: S::U) -> (S::F, S::F) {
    // u = (48 bits + ½) 2⁻⁴⁸, in (0, 1]. What the second word has where the first's last byte goes does no harm: as
    // random as that byte is, so is their sum.
    let high = s.to_f32(s.shr::<8>(first));
    let low = s.and(s.xor(second, s.shl::<16>(first)), s.splat_u(0x00ff_ffff));
    let low = s.fma(s.to_f32(low), s.splat(exp2(-48)), s.splat(exp2(-49)));
    let u = s.fma(high, s.splat(exp2(-24)), low);

    // u = 2^k · m with m in [√½, √2): the shift by √½'s mantissa moves the cut from 1 to √2.
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let shifted = s.sub_u(s.to_bits(u), s.splat_u(SQRT_HALF));
    let k = s.to_f32(s.sar::<23>(shifted));
    let m = s.of_bits(s.add_u(s.and(shifted, s.splat_u(0x007f_ffff)), s.splat_u(SQRT_HALF)));
    let f = s.sub(m, s.splat(1.0));
    let whole = s.mul(k, s.splat(-2.0 * std::f32::consts::LN_2));
    let radius = s.sqrt(s.fma(polynomial(s, f, LOG), f, whole));

    // An angle of (−π/4, π/4), in the middle of its 2⁻²³ of it; then one of four quadrants: turned by half a turn, and
    // mirrored at the diagonal.
    let t = s.mul(s.to_f32(s.or(s.sar::<7>(second), s.splat_u(1))), s.splat(exp2(-24)));
    let square = s.mul(t, t);
    let sin = s.mul(polynomial(s, square, SIN), t);
    let cos = polynomial(s, square, COS);
    let half_turn = s.and(s.shl::<30>(second), s.splat_u(0x8000_0000));
    let radius = s.of_bits(s.xor(s.to_bits(radius), half_turn));
    let mirrored = s.has_bit::<0>(second);
    (s.mul(radius, s.select(mirrored, sin, cos)), s.mul(radius, s.select(mirrored, cos, sin)))
}

/// Horner's scheme, the highest power first.
#[inline(always)]
pub(super) fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, coefficients: [f32; N]) -> S::F {
    let mut sum = s.splat(coefficients[0]);
    for c in &coefficients[1..] {
        sum = s.fma(sum, x, s.splat(*c));
    }
    sum
}

/// 2ⁿ, for a normal result.
pub(super) const fn exp2(n: i32) -> f32 {
    f32::from_bits(((127 + n) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::StreamKey;

    fn rows(isa: Isa, count: usize) -> Vec<[f32; LANES]> {
        let mut rows = vec![[0.0; LANES]; count];
        fill_normals(isa, &mut Lanes::of_trial(StreamKey::derive(3, 14), 15), &mut rows);
        rows
    }

    #[test]
    fn all_instruction_sets_give_the_same_bits() {
        let bits = |isa| rows(isa, 20_001).into_iter().map(|row| row.map(f32::to_bits)).collect::<Vec<_>>();
        let reference = bits(Isa::Portable);
        for isa in Isa::available() {
            assert!(bits(isa) == reference, "{isa}");
        }
    }

    /// Pins the numbers for ever: a change here is a new `rng::VERSION`.
    #[test]
    fn golden_values() {
        let bits: Vec<u32> = rows(Isa::Portable, 4).iter().map(|row| row[5].to_bits()).collect();
        assert_eq!(bits, GOLDEN, "{bits:#010x?}");
    }
    const GOLDEN: [u32; 4] = [0xc006_8c8c, 0xbf55_c741, 0xbf25_a8f0, 0xbf8c_2d65];

    /// H0: independent N(0, 1). n = 1.6·10⁷. The first four moments, the correlation of the two of a pair, and the counts
    /// beyond 1…5 s.d. each lie within 5.5 of their standard errors (two-sided 4e-8 each, 4e-7 in all).
    #[test]
    fn normals_have_the_moments_and_tails_of_normals() {
        const ROWS: usize = 1_000_000;
        let rows = rows(Isa::current(), ROWS);
        let n = (ROWS * LANES) as f64;
        let normals = || rows.iter().flatten().map(|&x| f64::from(x));
        // Var of x, x², x³, x⁴ is 1, 2, 15, 96.
        for (power, mean, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0f64)] {
            let z = (normals().map(|x| x.powi(power)).sum::<f64>() / n - mean) / (variance / n).sqrt();
            assert!(z.abs() < 5.5, "moment {power}: z = {z}");
        }
        let products = rows.as_chunks::<2>().0.iter().flat_map(|[x, y]| x.iter().zip(y));
        let correlation = products.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>() / (0.5 * n);
        assert!((correlation * (0.5 * n).sqrt()).abs() < 5.5, "correlation of a pair: {correlation}");
        for (bound, tail) in [
            (1.0, 3.173_105_078_629_141e-1),
            (2.0, 4.550_026_389_635_842e-2),
            (3.0, 2.699_796_063_260_207e-3),
            (4.0, 6.334_248_366_623_996e-5),
            (5.0, 5.733_031_437_583_892e-7),
        ] {
            let beyond = normals().filter(|x| x.abs() > bound).count() as f64;
            let z = (beyond - n * tail) / (n * tail * (1.0 - tail)).sqrt();
            assert!(z.abs() < 5.5, "beyond {bound} s.d.: {beyond} against {}", n * tail);
        }
    }

    /// The words of one pair in every lane, by hand.
    struct Given([u32; 2]);

    impl Kernel for Given {
        type Output = [f32; 2];

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> [f32; 2] {
            let (x, y) = of_words(s, s.splat_u(self.0[0]), s.splat_u(self.0[1]));
            let mut lanes = [[0.0; LANES]; 2];
            s.store(x, &mut lanes[0]);
            s.store(y, &mut lanes[1]);
            lanes.map(|lanes| lanes[0])
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        // The smallest u, 2⁻⁴⁹, at an angle of −π/4 + 0, mirrored or not.
        let [x, y] = Isa::Portable.run(Given([0, 0x8000_0000]));
        let radius = (f64::from(x).powi(2) + f64::from(y).powi(2)).sqrt();
        assert!((radius - 8.241_7).abs() < 1e-3 && x > 0.0 && y < 0.0, "{x} {y} {radius}");
        // Straight along the first axis, along the second, and back along the first; u is ½, 1½ and 2½ times 2⁻⁴⁸.
        assert!((Isa::Portable.run(Given([0, 0]))[0] - 8.241_7).abs() < 1e-3);
        assert!((Isa::Portable.run(Given([0, 1]))[1] - 8.107_5).abs() < 1e-3);
        assert!((Isa::Portable.run(Given([0, 2]))[0] + 8.044_2).abs() < 1e-3);
        // The largest u rounds to 1, where the radius is 0 and not NaN.
        assert_eq!(Isa::Portable.run(Given([u32::MAX, 0]))[0].abs(), 0.0);
    }

    /// The radius and the angle of any two words, against f64.
    #[test]
    fn pairs_agree_with_the_platform() {
        let mut word = 1u32;
        let mut next = || {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            word
        };
        for k in 0..200_000u32 {
            let (first, second) = (next() >> (k % 33).min(31), next());
            let bits = (u64::from(first) << 16) ^ u64::from(second & 0x00ff_ffff);
            let u = (bits as f64 + 0.5) * 2f64.powi(-48);
            let radius = (-2.0 * u.ln()).sqrt() * if second & 2 == 0 { 1.0 } else { -1.0 };
            let angle = f64::from((second as i32) >> 7 | 1) * 2f64.powi(-24) * std::f64::consts::FRAC_PI_4;
            let (sin, cos) = angle.sin_cos();
            let [x, y] = if second & 1 == 0 { [radius * cos, radius * sin] } else { [radius * sin, radius * cos] };
            let found = Isa::Portable.run(Given([first, second]));
            // u has 24 bits: near 1 its last place is all there is of the squared radius.
            let tolerance = 3e-7 * radius.abs().max(1.0) + 2e-7 / radius.abs();
            assert!(
                (f64::from(found[0]) - x).abs() < tolerance && (f64::from(found[1]) - y).abs() < tolerance,
                "{first:#x} {second:#x}: {found:?} against {x} {y}"
            );
        }
    }
}
