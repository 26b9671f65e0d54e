//! The way forward: t = φ(W₁x + b₁) strip by strip, and W₂t block by block.

use std::slice::ChunksExact;

use super::number::Number;
use super::outputs::Finish;
use super::registers::{add_layer, add_outputs, group_at, short, unroll, unroll_two, window, window_mut, zeros};
use super::row::Row;
use super::tanh::tanh;
use super::tile::{Run, Tile};
use crate::landscape::mlp::Activation;
use crate::simd::{Kernel, LANES, Simd};

/// t of V groups, for R examples at a time.
pub(super) struct Hidden<'a, N, const W: usize, const V: usize, const R: usize> {
    pub(super) activation: Activation,
    /// W₁.
    pub(super) weights: &'a [[Row; W]],
    /// b₁.
    pub(super) bias: &'a [Row; W],
    /// The first of the V groups.
    pub(super) group: usize,
    pub(super) tile: &'a Tile<N>,
    /// The first of the examples.
    pub(super) example: usize,
    /// t of them.
    pub(super) hidden: &'a mut [[Row; W]],
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Kernel for Hidden<'_, N, W, V, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let hidden = std::mem::take(&mut self.hidden);
        for hidden in hidden.as_chunks_mut().0 {
            self.piece(s, hidden);
            self.example += R;
        }
    }
}

impl<N: Number, const W: usize, const V: usize, const R: usize> Hidden<'_, N, W, V, R> {
    #[inline(always)]
    fn piece<S: Simd>(&self, s: S, hidden: &mut [[Row; W]; R]) {
        let mut block = zeros::<S, V, R>(s);
        unroll_two!(v in V {
            block[v] = [s.load(&self.bias[group_at::<W, V>(self.group, v)].0); R];
        });
        for (plane, weights) in self.weights.chunks(LANES).enumerate() {
            let inputs = window(&self.tile.inputs, plane * self.tile.count + self.example);
            add_layer::<S, N, W, V, R>(s, &mut block, (weights, self.group), inputs);
        }
        if self.activation == Activation::Relu {
            unroll!(r in R {
                unroll_two!(v in V {
                    // Zero first, so that NaN is kept.
                    s.store(s.max(s.splat(0.0), block[v][r]), &mut hidden[r][group_at::<W, V>(self.group, v)].0);
                });
            });
            return;
        }
        unroll!(r in R {
            unroll_two!(v in V {
                s.store(block[v][r], &mut hidden[r][group_at::<W, V>(self.group, v)].0);
            });
        });
        for hidden in hidden {
            unroll_two!(v in V {
                let t = &mut hidden[group_at::<W, V>(self.group, v)].0;
                s.store(tanh(s, s.load(t)), t);
            });
        }
    }
}

/// What a block adds to the outputs of some classes and examples, of R classes and V examples at a time.
pub(super) struct Outputs<'a, 'b, N, const V: usize, const R: usize> {
    /// Of the network.
    pub(super) classes: usize,
    /// The classes: R, so many times.
    pub(super) rows: Run,
    /// The examples: V, so many times.
    pub(super) vectors: Run,
    /// Examples there is room for in a strip.
    pub(super) capacity: usize,
    /// Groups in the block.
    pub(super) groups: usize,
    /// W₂ of the block.
    pub(super) weights: &'a [Row],
    /// t of the block.
    pub(super) hidden: &'a [Row],
    /// The first block adds to nothing.
    pub(super) fresh: bool,
    /// Of the tile.
    pub(super) sums: &'a mut [Row],
    /// What comes after the last block, if R classes are all there are.
    pub(super) finish: Option<&'a mut Finish<'b, N>>,
}

impl<N: Number, const V: usize, const R: usize> Kernel for Outputs<'_, '_, N, V, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (hidden, weights) =
            (self.hidden.chunks_exact(2 * self.capacity), self.weights.chunks_exact(2 * self.classes));
        // t of V examples is in L1 after the first R classes.
        for example in 0..self.vectors.times {
            for class in 0..self.rows.times {
                let at = (self.vectors.start + example * V, self.rows.start + class * R);
                self.piece(s, at, hidden.clone(), weights.clone());
            }
        }
    }
}

impl<N: Number, const V: usize, const R: usize> Outputs<'_, '_, N, V, R> {
    /// With t and W₂ strip by strip.
    #[inline(always)]
    fn piece<S: Simd>(
        &mut self,
        s: S,
        (example, class): (usize, usize),
        mut hidden: ChunksExact<'_, Row>,
        mut weights: ChunksExact<'_, Row>,
    ) {
        let mut block = zeros::<S, V, R>(s);
        if !self.fresh {
            unroll_two!(v in V {
                let sums: &[Row; R] = window(self.sums, (example + v) * self.classes + class);
                unroll!(r in R {
                    block[v][r] = s.load(&sums[r].0);
                });
            });
        }
        let wide = self.groups / 2;
        // Not zipped: that would divide, to find out how many there are.
        for _ in 0..wide {
            let (Some(hidden), Some(weights)) = (hidden.next(), weights.next()) else { short() };
            let (hidden, weights) = (hidden.as_chunks().0, weights.as_chunks().0);
            add_outputs::<S, 2, V, R>(s, &mut block, window(hidden, example), window(weights, class));
        }
        if self.groups % 2 == 1 {
            let hidden = self.hidden[2 * self.capacity * wide..].as_chunks().0;
            let weights = self.weights[2 * self.classes * wide..].as_chunks().0;
            add_outputs::<S, 1, V, R>(s, &mut block, window(hidden, example), window(weights, class));
        }
        if let Some(finish) = &mut self.finish {
            unroll_two!(v in V {
                let mut sums = [s.splat(0.0); LANES];
                unroll!(r in R {
                    sums[r] = block[v][r];
                });
                finish.slopes(s, 0, example + v, N::totals(s, sums));
            });
            return;
        }
        unroll_two!(v in V {
            let sums: &mut [Row; R] = window_mut(self.sums, (example + v) * self.classes + class);
            unroll!(r in R {
                s.store(block[v][r], &mut sums[r].0);
            });
        });
    }
}
