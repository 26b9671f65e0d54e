//! What cross-entropy makes of outputs: g = softmax f − onehot y, and ℓ = log Σ exp f_c − f_y.
//!
//! The maximum is taken from all f first, so that nothing overflows, and 1 − softmax f_y is the sum of all the others, so
//! that nothing cancels where an example is nearly certain of its class. The outputs of an example are rows with the
//! classes in the lanes, so many rows apart; in lanes without a class they are not looked at.

use super::exp::exp;
use super::outputs::target;
use super::row::Row;
use super::walk;
use crate::landscape::mlp::softmax::ln_1p;
use crate::simd::{Kernel, LANES, Simd};

static LANE_NUMBERS: Row = Row([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);

/// Where the outputs of an example are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The row of its first sixteen classes.
    pub(super) first: usize,
    /// Rows from there to the next sixteen.
    pub(super) stride: usize,
    pub(super) classes: usize,
}

impl Place {
    /// The rows, and how many classes are in each.
    #[inline(always)]
    fn planes(self) -> impl Iterator<Item = (usize, usize)> {
        let planes = self.classes.div_ceil(LANES);
        (0..planes).map(move |plane| (self.first + plane * self.stride, LANES.min(self.classes - plane * LANES)))
    }

    /// max f.
    #[inline(always)]
    fn largest<S: Simd>(self, s: S, rows: &[Row]) -> f32 {
        let lowest = s.splat(f32::NEG_INFINITY);
        let mut largest = lowest;
        for (row, classes) in self.planes() {
            let there = s.lt(s.load(&LANE_NUMBERS.0), s.splat(classes as f32));
            largest = s.max(s.select(there, s.load(&rows[row].0), lowest), largest);
        }
        let mut lanes = [0.0; LANES];
        s.store(largest, &mut lanes);
        // NaN may be overlooked here: its exponential is seen in the sum.
        lanes.into_iter().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
    }

    /// exp(f − max f) of up to sixteen classes, and zeros after them.
    #[inline(always)]
    fn exponentials<S: Simd>(s: S, row: &Row, classes: usize, largest: f32) -> S::F {
        let there = s.lt(s.load(&LANE_NUMBERS.0), s.splat(classes as f32));
        s.select(there, exp(s, s.sub(s.load(&row.0), s.splat(largest))), s.splat(0.0))
    }
}

/// Turns the outputs of an example of class `label` into `weight` · (softmax f − onehot y), in place.
pub(super) struct Slopes<'a> {
    pub(super) rows: &'a mut [Row],
    pub(super) place: Place,
    pub(super) label: u32,
    pub(super) weight: f32,
}

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { rows, place, label, weight } = self;
        let largest = place.largest(s, rows);
        let target = |plane: usize| s.load(&target((label as usize).wrapping_sub(plane * LANES)).0);
        // exp f of the label's class alone, and of all others.
        let (mut own, mut rest) = (s.splat(0.0), s.splat(0.0));
        for (plane, (row, classes)) in place.planes().enumerate() {
            let e = Place::exponentials(s, &rows[row], classes, largest);
            let mine = s.mul(e, target(plane));
            own = s.add(own, mine);
            rest = s.add(rest, s.sub(e, mine));
            s.store(s.sub(e, mine), &mut rows[row].0);
        }
        let (own, rest) = (s.total(own), s.total(rest));
        let factor = s.splat(weight / (own + rest));
        for (plane, (row, _)) in place.planes().enumerate() {
            let row = &mut rows[row].0;
            let g = s.fnma(s.splat(rest), target(plane), s.load(row));
            s.store(s.mul(factor, g), row);
        }
    }
}

/// ℓ of an example of class `label`: (max f − f_y) + log(1 + Σ exp(f_c − max f)) over all classes but the largest's,
/// summed in f64.
#[inline(always)]
pub(super) fn loss<S: Simd>(s: S, rows: &[Row], place: Place, label: u32) -> f64 {
    let largest = place.largest(s, rows);
    let mut sum = s.splat_d(0.0);
    for (row, classes) in place.planes() {
        sum = s.add_d(sum, s.widen(Place::exponentials(s, &rows[row], classes, largest)));
    }
    let mut lanes = [0.0; LANES];
    s.store_d(sum, &mut lanes);
    let label = label as usize;
    let own = rows[place.first + label / LANES * place.stride].0[label % LANES];
    // The largest is 1 among the exponentials, to the bit.
    (f64::from(largest) - f64::from(own)) + ln_1p(walk::fold(lanes) - 1.0)
}
