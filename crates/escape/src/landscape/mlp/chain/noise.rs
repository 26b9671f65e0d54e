//! Gaussian noise for a chain, the same in every direction.

use super::buffers::Buffers;
use super::network::Shared;
use super::row::Row;
use super::walk::fold;
use crate::simd::{Kernel, LANES, Simd};

/// z ← z + sd · n, with a normal for each parameter. Gives ‖z‖².
pub(super) struct Noise<'a, 'b> {
    pub(super) network: &'a Shared<f32>,
    pub(super) buffers: &'a mut Buffers<f32>,
    pub(super) sd: f32,
    /// Fills in sixteen normals.
    pub(super) normals: &'b mut dyn FnMut(&mut [f32; LANES]),
}

impl Kernel for Noise<'_, '_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let Self { network, buffers, sd, normals } = self;
        let layout = network.layout;
        let sd = s.splat(sd);
        let mut distance = s.splat_d(0.0);
        let mut add = |z: &mut Row, lanes: usize| {
            let mut n = [0.0; LANES];
            normals(&mut n);
            // Lanes without a parameter stay at 0.
            n[lanes..].fill(0.0);
            let new = s.fma(sd, s.load(&n), s.load(&z.0));
            s.store(new, &mut z.0);
            distance = s.add_d(distance, s.widen(s.mul(new, new)));
        };
        let classes = layout.shape.classes;
        for (plane, z) in buffers.bias.iter_mut().enumerate() {
            add(z, LANES.min(classes - plane * LANES));
        }
        let mut rest = &mut buffers.z[..];
        for strip in 0..layout.strips() {
            let width = layout.width(strip);
            let rows;
            (rows, rest) = rest.split_at_mut(width * layout.rows());
            for (index, z) in rows.iter_mut().enumerate() {
                let first = (2 * strip + index % width) * LANES;
                add(z, LANES.min(layout.shape.hidden - first));
            }
        }
        let mut lanes = [0.0; LANES];
        s.store_d(distance, &mut lanes);
        fold(lanes)
    }
}
