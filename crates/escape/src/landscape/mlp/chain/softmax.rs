//! What cross-entropy makes of outputs: g = softmax f − onehot y, and ℓ = log Σ exp f_c − f_y.
//!
//! The maximum is taken from all f first, so that nothing overflows, and 1 − softmax f_y is the sum of all the others, so
//! that nothing cancels where an example is nearly certain of its class. The outputs of an example are numbers, a plane
//! of classes so many from the next; those of no class are not looked at.

use super::exp::exp;
use super::number::Number;
use super::row::{Numbers, Row};
use super::tile::target;
use super::walk;
use crate::landscape::mlp::softmax::ln_1p;
use crate::simd::{Kernel, LANES, Simd};

/// Where the outputs of an example are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its first sixteen classes.
    pub(super) first: usize,
    /// How far it is from there to the next sixteen.
    pub(super) stride: usize,
    pub(super) classes: usize,
}

impl Place {
    /// The vectors: their plane, which of its rows they are, and how many classes are in it and after it.
    #[inline(always)]
    fn parts<N: Number>(self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.classes.div_ceil(N::UNITS))
            .map(move |vector| (vector / N::CHAINS, vector % N::CHAINS, self.classes - vector * N::UNITS))
    }

    /// Where the numbers of a plane are.
    #[inline(always)]
    fn at(self, plane: usize) -> usize {
        self.first + plane * self.stride
    }

    /// max f.
    #[inline(always)]
    fn largest<S: Simd, N: Number>(self, s: S, outputs: &[Numbers<N>]) -> N {
        let lowest = s.splat(f32::NEG_INFINITY);
        let mut largest = lowest;
        for (plane, part, classes) in self.parts::<N>() {
            let there = s.lt(s.load(&N::UNIT_NUMBERS), s.splat(classes as f32));
            largest = s.max(s.select(there, s.load(&outputs[self.at(plane)].rows()[part]), lowest), largest);
        }
        let mut lanes = [0.0; LANES];
        s.store(largest, &mut lanes);
        // NaN may be overlooked here: its exponential is seen in the sum.
        N::largest(lanes)
    }

    /// exp(f − max f) of the classes in a vector, and zeros after them.
    #[inline(always)]
    fn exponentials<S: Simd, N: Number>(s: S, outputs: &[f32; LANES], classes: usize, largest: S::F) -> S::F {
        let there = s.lt(s.load(&N::UNIT_NUMBERS), s.splat(classes as f32));
        s.select(there, exp(s, s.sub(s.load(outputs), largest)), s.splat(0.0))
    }
}

/// Turns the outputs of an example into `weight` · (softmax f − onehot y), in place.
pub(super) struct Slopes<'a, N> {
    pub(super) outputs: &'a mut [Numbers<N>],
    /// y.
    pub(super) label: N,
    pub(super) place: Place,
    pub(super) weight: f32,
}

impl<N: Number> Kernel for Slopes<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { outputs, label, place, weight } = self;
        let largest = place.largest(s, outputs).in_all_units(s);
        // exp f of the label's class alone, and of all others.
        let (mut own, mut rest) = (s.splat(0.0), s.splat(0.0));
        for (plane, part, classes) in place.parts::<N>() {
            let target = target(s, label, plane, part);
            let row = &mut outputs[place.at(plane)].rows_mut()[part];
            let e = Place::exponentials::<S, N>(s, row, classes, largest);
            let mine = s.mul(e, target);
            own = s.add(own, mine);
            rest = s.add(rest, s.sub(e, mine));
            s.store(s.sub(e, mine), row);
        }
        let (own, rest) = (total::<S, N>(s, own), total::<S, N>(s, rest));
        let factor = s.div(s.splat(weight), s.add(own, rest));
        for (plane, part, _) in place.parts::<N>() {
            let target = target(s, label, plane, part);
            let row = &mut outputs[place.at(plane)].rows_mut()[part];
            let g = s.fnma(rest, target, s.load(row));
            s.store(s.mul(factor, g), row);
        }
    }
}

/// Σ over the units, in the lanes of all of them.
#[inline(always)]
fn total<S: Simd, N: Number>(s: S, x: S::F) -> S::F {
    let mut lanes = [0.0; LANES];
    s.store(x, &mut lanes);
    N::fold(lanes).in_all_units(s)
}

/// ℓ of an example of class `label`: (max f − f_y) + log(1 + Σ exp(f_c − max f)) over all classes but the largest's,
/// summed in f64.
#[inline(always)]
pub(super) fn loss<S: Simd>(s: S, rows: &[Row], place: Place, label: f32) -> f64 {
    let largest = place.largest(s, rows);
    let mut sum = s.splat_d(0.0);
    for (plane, _, classes) in place.parts::<f32>() {
        let e = Place::exponentials::<S, f32>(s, &rows[place.at(plane)].0, classes, s.splat(largest));
        sum = s.add_d(sum, s.widen(e));
    }
    let mut lanes = [0.0; LANES];
    s.store_d(sum, &mut lanes);
    let label = label as usize;
    let own = rows[place.first + label / LANES * place.stride].0[label % LANES];
    // The largest is 1 among the exponentials, to the bit.
    (f64::from(largest) - f64::from(own)) + ln_1p(walk::fold(lanes) - 1.0)
}
