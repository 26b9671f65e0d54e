//! The way back: δ, the gradient, and the step.

use super::number::Number;
use super::pass::Update;
use super::registers::{Block, add_gradient, add_layer, group_at, unroll, unroll_two, window, zeros};
use super::row::{Numbers, Row};
use super::tile::Tile;
use crate::landscape::mlp::Activation;
use crate::simd::{Kernel, LANES, Simd};

/// δ = φ′ ∘ W₂ᵀg of V groups, for R examples at a time.
pub(super) struct Deltas<'a, N, const W: usize, const V: usize, const R: usize> {
    pub(super) activation: Activation,
    /// W₂.
    pub(super) weights: &'a [[Row; W]],
    /// The first of the V groups.
    pub(super) group: usize,
    pub(super) tile: &'a Tile<N>,
    /// The first of the examples.
    pub(super) example: usize,
    /// t of them.
    pub(super) hidden: &'a [[Row; W]],
    pub(super) deltas: &'a mut [[Row; W]],
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Kernel for Deltas<'_, N, W, V, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (hidden, deltas) = (self.hidden.as_chunks().0, std::mem::take(&mut self.deltas).as_chunks_mut().0);
        for (hidden, deltas) in hidden.iter().zip(deltas) {
            self.piece(s, hidden, deltas);
            self.example += R;
        }
    }
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Deltas<'_, N, W, V, R> {
    #[inline(always)]
    fn piece<S: Simd>(&self, s: S, hidden: &[[Row; W]; R], deltas: &mut [[Row; W]; R]) {
        let group = self.group;
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
                    s.zero_where(s.le(t, s.splat(0.0)), block[v][r])
                } else {
                    s.mul(s.fnma(t, t, s.splat(1.0)), block[v][r])
                };
                s.store(delta, &mut deltas[r][group_at::<W, V>(group, v)].0);
            });
        });
    }
}

/// The gradient of rows of V groups, R at a time, and their step, if it is time for that.
pub(super) struct Rows<'a, N, const W: usize, const V: usize, const R: usize> {
    /// What units pass on, t or δ, example by example.
    pub(super) values: &'a [[Row; W]],
    /// The first of the V groups.
    pub(super) group: usize,
    /// A plane of what goes with it, g or x.
    pub(super) numbers: &'a [Numbers<N>],
    /// The first of the rows, in the plane.
    pub(super) lane: usize,
    /// The rows of the gradient of the tiles before.
    pub(super) gradient: Option<&'a mut [[Row; W]]>,
    /// Whether there were none.
    pub(super) fresh: bool,
    pub(super) update: Option<Update>,
    /// θ*.
    pub(super) minimum: &'a [[Row; W]],
    pub(super) z: &'a mut [[Row; W]],
    /// What becomes of θ.
    pub(super) theta: &'a mut [[Row; W]],
    /// Σz² of each group, row by row.
    pub(super) squares: &'a mut [Row; 2],
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Kernel for Rows<'_, N, W, V, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let minimum = self.minimum.as_chunks().0;
        let z = std::mem::take(&mut self.z).as_chunks_mut().0;
        let theta = std::mem::take(&mut self.theta).as_chunks_mut().0;
        let mut gradient = self.gradient.take().map(|gradient| gradient.as_chunks_mut().0.iter_mut());
        for ((minimum, z), theta) in minimum.iter().zip(z).zip(theta) {
            self.piece(s, gradient.as_mut().and_then(Iterator::next), minimum, z, theta);
            self.lane += R;
        }
    }
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Rows<'_, N, W, V, R> {
    #[inline(always)]
    fn piece<S: Simd>(
        &mut self,
        s: S,
        gradient: Option<&mut [[Row; W]; R]>,
        minimum: &[[Row; W]; R],
        z: &mut [[Row; W]; R],
        theta: &mut [[Row; W]; R],
    ) {
        let group = self.group;
        let mut block = zeros::<S, V, R>(s);
        if let (Some(gradient), false) = (&gradient, self.fresh) {
            unroll!(r in R {
                unroll_two!(v in V {
                    block[v][r] = s.load(&gradient[r][group_at::<W, V>(group, v)].0);
                });
            });
        }
        add_gradient::<S, N, W, V, R>(s, &mut block, (self.values, group), (self.numbers, self.lane));
        if let Some(update) = self.update {
            if update.decay == 0.0 {
                self.update::<S, false>(s, update, &block, minimum, z, theta);
            } else {
                self.update::<S, true>(s, update, &block, minimum, z, theta);
            }
        } else if let Some(gradient) = gradient {
            unroll!(r in R {
                unroll_two!(v in V {
                    s.store(block[v][r], &mut gradient[r][group_at::<W, V>(group, v)].0);
                });
            });
        }
    }

    /// The step of R rows, with weight decay or without.
    #[inline(always)]
    fn update<S: Simd, const DECAY: bool>(
        &mut self,
        s: S,
        update: Update,
        block: &Block<S, V, R>,
        minimum: &[[Row; W]; R],
        z: &mut [[Row; W]; R],
        theta: &mut [[Row; W]; R],
    ) {
        let group = self.group;
        let mut sums = [s.splat(0.0); V];
        unroll_two!(v in V {
            sums[v] = s.load(&self.squares[group_at::<W, V>(group, v)].0);
        });
        let (drift, decay) = (s.splat(update.drift), s.splat(update.decay));
        unroll!(r in R {
            unroll_two!(v in V {
                let minimum = s.load(&minimum[r][group_at::<W, V>(group, v)].0);
                let old = s.load(&z[r][group_at::<W, V>(group, v)].0);
                let mut new = s.fnma(drift, block[v][r], old);
                if DECAY {
                    new = s.fnma(decay, s.add(minimum, old), new);
                }
                sums[v] = s.fma(new, new, sums[v]);
                s.store(new, &mut z[r][group_at::<W, V>(group, v)].0);
                s.store(s.add(minimum, new), &mut theta[r][group_at::<W, V>(group, v)].0);
            });
        });
        unroll_two!(v in V {
            s.store(sums[v], &mut self.squares[group_at::<W, V>(group, v)].0);
        });
    }
}
