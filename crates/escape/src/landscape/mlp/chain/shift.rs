//! A chain moved by a vector of its own layout: what noise that was made elsewhere is added with.

use super::buffers::Buffers;
use super::row::Row;
use super::walk::fold;
use crate::simd::{Kernel, LANES, Simd};

/// z ← z + s · y. Gives ‖z‖².
pub(super) struct Shift<'a> {
    pub(super) buffers: &'a mut Buffers<f32>,
    pub(super) s: f32,
    /// y without b₂, in strips; zeros where there is no parameter.
    pub(super) strips: &'a [Row],
    /// b₂ of y, and any number of rows more.
    pub(super) bias: &'a [Row],
}

impl Kernel for Shift<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Self { buffers, s: factor, strips, bias } = self;
        let factor = s.splat(factor);
        let mut distance = s.splat_d(0.0);
        let rows = buffers.bias.iter_mut().zip(bias).chain(buffers.z.iter_mut().zip(strips));
        for (z, y) in rows {
            let new = s.fma(factor, s.load(&y.0), s.load(&z.0));
            s.store(new, &mut z.0);
            distance = s.add_d(distance, s.widen(s.mul(new, new)));
        }
        let mut lanes = [0.0; LANES];
        s.store_d(distance, &mut lanes);
        fold(lanes)
    }
}
