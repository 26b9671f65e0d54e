//! Symmetric stable variates at the resolution of f32, sixteen at a time: the heavy tails of `levy-sgd`.
//!
//! **Scale.** A variate ζ of stability a has the characteristic function E e^{iuζ} = exp(−|u/√2|^a): the standard
//! S(a) of exp(−|u|^a), over √2. So a = 2 is N(0, 1), and a step's noise is written as for a Gaussian.
//!
//! | noise | how | source |
//! | --- | --- | --- |
//! | [`variate`], each coordinate on its own | S = sin(aU) / cos(U)^{1/a} · (cos((1−a)U) / W)^{(1−a)/a} | Chambers, Mallows & Stuck (1976) |
//! | [`amplitude`], all coordinates alike | √A times Gaussians, A > 0 stable of index a/2: E e^{−λA} = exp(−λ^{a/2}) | Kanter (1975); isotropic |
//!
//! U is uniform on (−π/2, π/2) and W exponential. The angle comes from 63 bits and is kept as its distance w to the end
//! where S has its tail, so that |S| reaches 2^{63/a}; the exponential from 48 bits. A power is taken as exp of a sum of
//! logarithms, good to some 10⁻⁶ of it. The polynomials are minimax fits by Remez' exchange: ln(1 + f)/f on
//! [√½ − 1, √2 − 1] to 3·10⁻⁸, 2^x on [−½, ½] to 2·10⁻⁹, sin(πx/2)/x in x² on [0, 1] to 2·10⁻¹¹.

use super::lane_normal::{exp2, polynomial};
use super::lanes::{Generators, Lanes};
use crate::simd::{Isa, Kernel, LANES, Simd};

const LOG: [f32; 9] = [
    0.089_599_15,
    -0.144_821_87,
    0.149_173_77,
    -0.165_437_38,
    0.199_584_17,
    -0.250_029_46,
    0.333_341_6,
    -0.499_999_8,
    1.0,
];
const EXP2: [f32; 7] =
    [1.547_802_2e-4, 1.340_043_2e-3, 9.617_995e-3, 5.550_327e-2, 0.240_226_52, std::f32::consts::LN_2, 1.0];
const SIN: [f32; 6] =
    [-3.428_790_7e-6, 1.602_470_3e-4, -4.681_651e-3, 7.969_26e-2, -0.645_964_1, std::f32::consts::FRAC_PI_2];

/// The stability a, with what the samplers need of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stability {
    /// a itself, for the plain path.
    exact: f64,
    a: f32,
    /// 1/a.
    inverse: f32,
    /// (a − 1)/a.
    shape: f32,
}

impl Stability {
    /// `None` unless 1 ≤ a ≤ 2.
    pub fn new(a: f64) -> Option<Self> {
        let [inverse, shape] = [1.0 / a, (a - 1.0) / a].map(|x| x as f32);
        (1.0..=2.0).contains(&a).then_some(Self { exact: a, a: a as f32, inverse, shape })
    }

    /// a.
    pub fn get(self) -> f64 {
        self.exact
    }
}

/// The next symmetric variate of every lane; five words each.
#[inline(always)]
pub(crate) fn variate<S: Simd>(s: S, stability: Stability, generators: &mut Generators<S>) -> S::F {
    let Stability { a, inverse, shape, .. } = stability;
    let high = generators.next(s);
    let sign = s.and(high, s.splat_u(0x8000_0000));
    // w = 1 − 2|U|/π.
    let w = fraction(s, s.shl::<1>(high), generators.next(s));
    let rise = ln_sin(s, folded(s, a, w));
    let tail = ln_sin(s, w);
    let tilt = ln_sin(s, s.fma(s.splat(a - 1.0), w, s.splat(2.0 - a)));
    let log = s.fnma(s.splat(inverse), tail, rise);
    let log = s.fma(s.splat(shape), s.sub(ln_exponential(s, generators), tilt), log);
    let size = exp(s, s.sub(log, s.splat(0.5 * std::f32::consts::LN_2)));
    s.of_bits(s.xor(s.to_bits(size), sign))
}

/// √A of every lane, where A > 0 is stable of index a/2; four words each.
#[inline(always)]
pub(crate) fn amplitude<S: Simd>(s: S, stability: Stability, generators: &mut Generators<S>) -> S::F {
    let Stability { a, inverse, .. } = stability;
    let high = generators.next(s);
    // w = 1 − θ/π of an angle θ uniform on (0, π).
    let w = fraction(s, high, generators.next(s));
    let rise = ln_sin(s, folded(s, a, w));
    let double = s.add(w, w);
    let tail = ln_sin(s, min(s, double, s.sub(s.splat(2.0), double)));
    let tilt = ln_sin(s, s.mul(s.splat(2.0 - a), s.sub(s.splat(1.0), w)));
    let tilt = s.sub(tilt, ln_exponential(s, generators));
    // ½ ln A; a = 2 has (2 − a)/a = 0 of a logarithm of 0, which is finite here.
    let half = s.mul(s.splat(0.5), rise);
    let half = s.fnma(s.splat(inverse), tail, half);
    exp(s, s.fma(s.splat((2.0 - a) * 0.5 * inverse), tilt, half))
}

/// a(1 − w), mirrored at 1 without a loss of precision where it is close to 2: the sine of π/2 times it is the same.
#[inline(always)]
fn folded<S: Simd>(s: S, a: f32, w: S::F) -> S::F {
    min(s, s.mul(s.splat(a), s.sub(s.splat(1.0), w)), s.fma(s.splat(a), w, s.splat(2.0 - a)))
}

/// (the 64 bits + ½) 2⁻⁶⁴, in (0, 1]; small ones keep all their bits.
#[inline(always)]
fn fraction<S: Simd>(s: S, high: S::U, low: S::U) -> S::F {
    let top = s.to_f32(s.shr::<8>(high));
    let middle = s.to_f32(s.or(s.shl::<16>(s.and(high, s.splat_u(0xff))), s.shr::<16>(low)));
    let bottom = s.to_f32(s.and(low, s.splat_u(0xffff)));
    let sum = s.fma(bottom, s.splat(exp2(-64)), s.splat(exp2(-65)));
    s.fma(top, s.splat(exp2(-24)), s.fma(middle, s.splat(exp2(-48)), sum))
}

/// ln of a standard exponential variate.
#[inline(always)]
fn ln_exponential<S: Simd>(s: S, generators: &mut Generators<S>) -> S::F {
    let (high, low) = (generators.next(s), generators.next(s));
    let u = fraction(s, high, low);
    // u = 1 would be an exponential of 0; its place is that of all the last steps of the fraction.
    let exponential = s.max(s.sub(s.splat(0.0), ln(s, u)), s.splat(exp2(-26)));
    ln(s, exponential)
}

/// ln sin(πx/2) for x in [0, 1]; finite at 0.
#[inline(always)]
fn ln_sin<S: Simd>(s: S, x: S::F) -> S::F {
    ln(s, s.mul(polynomial(s, s.mul(x, x), SIN), x))
}

/// ln x of a normal x > 0; of 0 some −88.
#[inline(always)]
fn ln<S: Simd>(s: S, x: S::F) -> S::F {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let shifted = s.sub_u(s.to_bits(x), s.splat_u(SQRT_HALF));
    let k = s.to_f32(s.sar::<23>(shifted));
    let m = s.of_bits(s.add_u(s.and(shifted, s.splat_u(0x007f_ffff)), s.splat_u(SQRT_HALF)));
    let f = s.sub(m, s.splat(1.0));
    s.fma(k, s.splat(std::f32::consts::LN_2), s.mul(polynomial(s, f, LOG), f))
}

/// e^x, kept within 2^±126.
#[inline(always)]
fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let scaled = s.mul(x, s.splat(std::f32::consts::LOG2_E));
    let scaled = s.max(min(s, scaled, s.splat(126.0)), s.splat(-126.0));
    // Adding 1.5·2²³ leaves the nearest integer in the last bits.
    let shifted = s.add(scaled, s.splat(12_582_912.0));
    let whole = s.sub(shifted, s.splat(12_582_912.0));
    let power = polynomial(s, s.sub(scaled, whole), EXP2);
    s.of_bits(s.add_u(s.to_bits(power), s.shl::<23>(s.to_bits(shifted))))
}

#[inline(always)]
fn min<S: Simd>(s: S, a: S::F, b: S::F) -> S::F {
    s.select(s.lt(a, b), a, b)
}

/// The next amplitudes of every lane, row after row.
pub(crate) fn fill_amplitudes(isa: Isa, stability: Stability, lanes: &mut Lanes, rows: &mut [[f32; LANES]]) {
    isa.run(Fill { lanes, rows, stability, isotropic: true });
}

/// The next variates of every lane, row after row.
pub(crate) fn fill_variates(isa: Isa, stability: Stability, lanes: &mut Lanes, rows: &mut [[f32; LANES]]) {
    isa.run(Fill { lanes, rows, stability, isotropic: false });
}

struct Fill<'a> {
    lanes: &'a mut Lanes,
    rows: &'a mut [[f32; LANES]],
    stability: Stability,
    isotropic: bool,
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut generators = self.lanes.load(s);
        for row in self.rows {
            let variates = if self.isotropic {
                amplitude(s, self.stability, &mut generators)
            } else {
                variate(s, self.stability, &mut generators)
            };
            s.store(variates, row);
        }
        generators.store(s, self.lanes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::StreamKey;
    use crate::rng::lane_normal::fill_normals;

    const ROWS: usize = 100_000;

    fn lanes() -> Lanes {
        Lanes::of_trial(StreamKey::derive(3, 14), 15)
    }

    fn variates(isa: Isa, a: f64, rows: usize) -> Vec<[f32; LANES]> {
        let mut out = vec![[0.0; LANES]; rows];
        fill_variates(isa, Stability::new(a).expect("in range"), &mut lanes(), &mut out);
        out
    }

    fn amplitudes(isa: Isa, a: f64, rows: usize) -> Vec<[f32; LANES]> {
        let mut out = vec![[0.0; LANES]; rows];
        fill_amplitudes(isa, Stability::new(a).expect("in range"), &mut lanes(), &mut out);
        out
    }

    #[test]
    fn all_instruction_sets_give_the_same_bits() {
        let bits = |rows: Vec<[f32; LANES]>| rows.into_iter().map(|row| row.map(f32::to_bits)).collect::<Vec<_>>();
        for a in [1.2, 1.5, 2.0] {
            for sampler in [variates, amplitudes] {
                let reference = bits(sampler(Isa::Portable, a, 4001));
                for isa in Isa::available() {
                    assert!(bits(sampler(isa, a, 4001)) == reference, "{isa}");
                }
            }
        }
    }

    /// H0: E cos(uζ) = exp(−|u/√2|^a). n = 1.6·10⁶; 5 values of a, 5 of u, two samplers: 50 z-scores, each beyond 5.7 with
    /// probability 1.2e-8, 6e-7 in all.
    #[test]
    fn the_characteristic_functions_are_those_of_stable_laws() {
        for a in [1.0, 1.1, 1.5, 1.9, 2.0] {
            let single = variates(Isa::current(), a, ROWS);
            let mut normals = vec![[0.0; LANES]; ROWS];
            fill_normals(Isa::current(), &mut Lanes::of_trial(StreamKey::derive(1, 5), 9), &mut normals);
            let isotropic: Vec<[f32; LANES]> = amplitudes(Isa::current(), a, ROWS)
                .iter()
                .zip(&normals)
                .map(|(amplitude, normal)| std::array::from_fn(|lane| amplitude[lane] * normal[lane]))
                .collect();
            for (name, rows) in [("variate", single), ("amplitude", isotropic)] {
                for u in [0.1, 0.5, 1.0, 2.0, 4.0f64] {
                    let exact = |u: f64| (-(u / std::f64::consts::SQRT_2).powf(a)).exp();
                    let n = (ROWS * LANES) as f64;
                    let mean = rows.iter().flatten().map(|&x| (u * f64::from(x)).cos()).sum::<f64>() / n;
                    let variance = 0.5 * (1.0 + exact(2.0 * u)) - exact(u).powi(2);
                    let z = (mean - exact(u)) / (variance / n).sqrt();
                    assert!(z.abs() < 5.7, "{name}, a = {a}, u = {u}: {mean} against {}, z = {z}", exact(u));
                }
            }
        }
    }

    /// H0: at a = 1 ζ√2 is Cauchy's, whose tails are known: P(|ζ√2| > x) = (2/π) arctan(1/x). n = 1.6·10⁶, 5 counts of two
    /// samplers: each z beyond 5.5 with probability 4e-8, 4e-7 in all.
    #[test]
    fn tails_have_the_weight_of_cauchys() {
        let mut normals = vec![[0.0; LANES]; ROWS];
        fill_normals(Isa::current(), &mut Lanes::of_trial(StreamKey::derive(1, 5), 9), &mut normals);
        let isotropic: Vec<f32> = amplitudes(Isa::current(), 1.0, ROWS)
            .iter()
            .flatten()
            .zip(normals.iter().flatten())
            .map(|(amplitude, normal)| amplitude * normal)
            .collect();
        let single = variates(Isa::current(), 1.0, ROWS).into_iter().flatten().collect::<Vec<_>>();
        for variates in [single, isotropic] {
            for x in [1.0, 10.0, 100.0, 1e3, 1e4f64] {
                let tail = 2.0 / std::f64::consts::PI * (1.0 / x).atan();
                let n = variates.len() as f64;
                let beyond = variates.iter().filter(|&&v| f64::from(v).abs() * std::f64::consts::SQRT_2 > x).count();
                let z = (beyond as f64 - n * tail) / (n * tail * (1.0 - tail)).sqrt();
                assert!(z.abs() < 5.5, "beyond {x}: {beyond} against {}, z = {z}", n * tail);
            }
        }
    }

    #[test]
    fn stabilities_outside_of_one_to_two_are_refused() {
        for a in [0.99, 2.01, f64::NAN] {
            assert!(Stability::new(a).is_none(), "{a}");
        }
    }
}
