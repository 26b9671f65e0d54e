//! Every instruction set that this machine has, against the arrays: operation by operation, to the bit.

use proptest::prelude::*;

use super::{Isa, Kernel, LANES, Simd};

/// Applies every operation to its inputs, and gives all results as bits.
struct Everything {
    a: [u32; LANES],
    b: [u32; LANES],
    c: [u32; LANES],
}

impl Kernel for Everything {
    type Output = Vec<[u64; LANES]>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let mut out = Vec::new();
        let [ua, ub, uc] = [&self.a, &self.b, &self.c].map(|x| s.load_u(x));
        let [a, b, c] = [ua, ub, uc].map(|x| s.of_bits(x));
        let mut u = |x: S::U| {
            let mut lanes = [0; LANES];
            s.store_u(x, &mut lanes);
            out.push(lanes.map(u64::from));
        };
        for x in [
            s.add_u(ua, ub),
            s.sub_u(ua, ub),
            s.xor(ua, ub),
            s.xor3(ua, ub, uc),
            s.and(ua, ub),
            s.or(ua, ub),
            s.shl::<9>(ua),
            s.shr::<9>(ua),
            s.sar::<9>(ua),
            s.rotl::<7, 25>(ua),
            s.splat_u(self.a[0]),
        ] {
            u(x);
        }
        let many = std::array::from_fn(|l| s.fma(a, b, s.splat(f32::from_bits(self.c[l]))));
        let (fours, mixed) = (s.totals_of_four(many), s.interleave([a, b, c, s.add(a, b)]));
        for x in [
            s.splat(f32::from_bits(self.a[0])),
            s.splat_four(&std::array::from_fn(|l| f32::from_bits(self.a[l]))),
            fours[0],
            fours[1],
            fours[2],
            fours[3],
            mixed[0],
            mixed[1],
            mixed[2],
            mixed[3],
            s.select(s.eq(a, b), a, c),
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.fma(a, b, c),
            s.fnma(a, b, c),
            s.sqrt(a),
            s.div(a, b),
            s.max(a, b),
            s.totals(many),
            s.select(s.lt(a, b), a, c),
            s.select(s.le(a, b), a, c),
            s.select(s.has_bit::<3>(ua), a, c),
            s.select(s.has_bit::<31>(ua), a, c),
            s.zero_where(s.le(a, b), c),
            s.to_f32(ua),
        ] {
            // The payload of a NaN is nobody's business.
            let mut lanes = [0.0; LANES];
            s.store(x, &mut lanes);
            u(s.load_u(&lanes.map(|x| if x.is_nan() { f32::NAN } else { x }.to_bits())));
        }
        let (wide_a, wide_b, wide_c) = (s.widen(a), s.widen(b), s.widen(c));
        for x in [
            s.add_d(wide_a, wide_b),
            s.mul_d(wide_a, wide_b),
            s.fma_d(wide_a, wide_b, wide_c),
            s.splat_d(f64::from(f32::from_bits(self.b[0]))),
        ] {
            let mut lanes = [0.0; LANES];
            s.store_d(x, &mut lanes);
            out.push(lanes.map(|x| if x.is_nan() { f64::NAN } else { x }.to_bits()));
            let mut again = [0.0; LANES];
            s.store_d(s.load_d(&lanes), &mut again);
            out.push(again.map(|x| if x.is_nan() { f64::NAN } else { x }.to_bits()));
        }
        let masks = [s.lt(a, b), s.le(a, b), s.lt_d(wide_a, wide_b), s.has_bit::<0>(ua)];
        out.push(std::array::from_fn(|l| if l < 4 { u64::from(s.bits(masks[l])) } else { 0 }));
        let total = s.total(a);
        out.push([u64::from(if total.is_nan() { 0 } else { total.to_bits() }); LANES]);
        out
    }
}

/// Numbers of every kind: near to each other, far apart, infinite, subnormal, NaN.
fn words() -> impl Strategy<Value = [u32; LANES]> {
    prop::array::uniform16(prop_oneof![
        any::<u32>(),
        any::<f32>().prop_map(f32::to_bits),
        (-2.0f32..2.0).prop_map(f32::to_bits),
        Just(f32::NAN.to_bits()),
        Just(f32::INFINITY.to_bits()),
        Just((-0.0f32).to_bits()),
    ])
}

proptest! {
    #[test]
    fn all_instruction_sets_agree(a in words(), b in words(), c in words()) {
        let reference = Isa::Portable.run(Everything { a, b, c });
        for isa in Isa::available() {
            prop_assert_eq!(isa.run(Everything { a, b, c }), reference.clone(), "{}", isa);
        }
    }
}

#[test]
fn a_name_that_is_none_is_refused() {
    let error = "sse2".parse::<Isa>().expect_err("no kernel is compiled for it");
    assert_eq!(error.to_string(), "TAUGRID_ISA: \"sse2\" is none of avx512, avx2, portable");
    for isa in Isa::ALL {
        assert_eq!(isa.as_str().parse(), Ok(isa));
    }
}
