//! The way back: δ, the gradient, and the step.

use super::number::Number;
use super::pass::Update;
use super::registers::{add_gradient, add_layer, group_at, unroll, unroll_two, window, zeros};
use super::row::{Numbers, Row};
use super::tile::Tile;
use crate::landscape::mlp::Activation;
use crate::simd::{Kernel, LANES, Simd};

/// δ = φ′ ∘ W₂ᵀg of V groups for R examples.
pub(super) struct Deltas<'a, N, const W: usize, const V: usize, const R: usize> {
    pub(super) activation: Activation,
    /// W₂.
    pub(super) weights: &'a [[Row; W]],
    /// The first of the V groups.
    pub(super) group: usize,
    pub(super) tile: &'a Tile<N>,
    /// The first of the R examples.
    pub(super) example: usize,
    pub(super) hidden: &'a [[Row; W]; R],
    pub(super) deltas: &'a mut [[Row; W]; R],
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Kernel for Deltas<'_, N, W, V, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { group, hidden, deltas, .. } = self;
        let mut block = zeros::<S, V, R>(s);
        for (plane, weights) in self.weights.chunks(LANES).enumerate() {
            let slopes = window(&self.tile.slopes, plane * self.tile.count + self.example);
            add_layer::<S, N, W, V, R>(s, &mut block, (weights, group), slopes);
        }
        let relu = self.activation == Activation::Relu;
        unroll!(r in R {
            unroll_two!(v in V {
                let t = s.load(&hidden[r][group_at::<W, V>(group, v)].0);
                let delta = if relu {
                    s.select(s.le(t, s.splat(0.0)), s.splat(0.0), block[v][r])
                } else {
                    s.mul(s.fnma(t, t, s.splat(1.0)), block[v][r])
                };
                s.store(delta, &mut deltas[r][group_at::<W, V>(group, v)].0);
            });
        });
    }
}

/// The gradient of R rows of V groups, and their step, if it is time for that.
pub(super) struct Rows<'a, N, const W: usize, const V: usize, const R: usize> {
    /// What units pass on, t or δ, example by example.
    pub(super) values: &'a [[Row; W]],
    /// The first of the V groups.
    pub(super) group: usize,
    /// A plane of what goes with it, g or x.
    pub(super) numbers: &'a [Numbers<N>],
    /// The first of the R rows, in the plane.
    pub(super) lane: usize,
    /// The R rows of the gradient of the tiles before.
    pub(super) gradient: Option<&'a mut [[Row; W]; R]>,
    /// Whether there were none.
    pub(super) fresh: bool,
    pub(super) update: Option<Update>,
    /// θ*.
    pub(super) minimum: &'a [[Row; W]; R],
    pub(super) z: &'a mut [[Row; W]; R],
    /// What becomes of θ.
    pub(super) theta: &'a mut [[Row; W]; R],
    /// Σz² of each group, row by row.
    pub(super) squares: &'a mut [Row; 2],
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Kernel for Rows<'_, N, W, V, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { group, minimum, z, theta, squares, .. } = self;
        let mut block = zeros::<S, V, R>(s);
        if let (Some(gradient), false) = (&self.gradient, self.fresh) {
            unroll!(r in R {
                unroll_two!(v in V {
                    block[v][r] = s.load(&gradient[r][group_at::<W, V>(group, v)].0);
                });
            });
        }
        add_gradient::<S, N, W, V, R>(s, &mut block, (self.values, group), (self.numbers, self.lane));
        if let Some(update) = self.update {
            let mut sums = [s.splat(0.0); V];
            unroll_two!(v in V {
                sums[v] = s.load(&squares[group_at::<W, V>(group, v)].0);
            });
            let drift = s.splat(update.drift);
            unroll!(r in R {
                unroll_two!(v in V {
                    let minimum = s.load(&minimum[r][group_at::<W, V>(group, v)].0);
                    let old = s.load(&z[r][group_at::<W, V>(group, v)].0);
                    let mut new = s.fnma(drift, block[v][r], old);
                    if update.decay != 0.0 {
                        new = s.fnma(s.splat(update.decay), s.add(minimum, old), new);
                    }
                    sums[v] = s.fma(new, new, sums[v]);
                    s.store(new, &mut z[r][group_at::<W, V>(group, v)].0);
                    s.store(s.add(minimum, new), &mut theta[r][group_at::<W, V>(group, v)].0);
                });
            });
            unroll_two!(v in V {
                s.store(sums[v], &mut squares[group_at::<W, V>(group, v)].0);
            });
        } else if let Some(gradient) = self.gradient {
            unroll!(r in R {
                unroll_two!(v in V {
                    s.store(block[v][r], &mut gradient[r][group_at::<W, V>(group, v)].0);
                });
            });
        }
    }
}
