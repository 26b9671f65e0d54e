//! Batches of one example: SGD at its smallest, where a step of a small network takes a few hundred cycles.
//!
//! There is no gradient to add up, so that a step is one pass in which each parameter is loaded and stored once: with
//! g known, the units of a strip get their δ; W₁ moves, and the next example goes through it at once; then W₂ moves, and
//! adds to the next example's outputs. Two strips go side by side, for the sums over inputs and classes to have company
//! while they wait for their last addition.

use super::batches::Draws;
use super::buffers::Buffers;
use super::network::Shared;
use super::number::Number;
use super::outputs::totals;
use super::registers::unroll_two;
use super::row::{Numbers, Row};
use super::softmax::{Place, Slopes};
use super::tanh::tanh;
use super::tile::{Tile, target};
use super::walk::Went;
use crate::landscape::mlp::{Activation, Loss};
use crate::simd::{Kernel, LANES, Simd};

/// Like [`Walk`](super::walk::Walk), but with one example a batch.
pub(super) struct SingleWalk<'a, 'b, N> {
    pub(super) network: &'a Shared<N>,
    pub(super) buffers: &'a mut Buffers<N>,
    pub(super) tiles: &'a mut [Tile<N>; 2],
    pub(super) draws: Draws<'b>,
    /// At least one.
    pub(super) steps: u64,
    pub(super) drift: f32,
    pub(super) bound: f64,
}

impl<N: Number> Kernel for SingleWalk<'_, '_, N> {
    type Output = Went;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Went {
        let Self { network, buffers, tiles: [first, second], mut draws, steps, drift, bound } = self;
        let (mut here, mut next) = (first, second);
        buffers.reserve(network, 1, false);
        draws.draw();
        for tile in [&mut *here, &mut *next] {
            tile.load(s, network, 1, |chain, _| draws.batches[chain] as usize, |_| 1.0);
        }
        // The first example only goes forward: what it finds has nothing to pass back.
        buffers.hidden.fill(Row::ZERO);
        buffers.bias_slopes.fill(Numbers::ZERO);
        let mut squares = [0.0; LANES];
        s.call(Step::<N, false> { network, buffers, here, next, drift: 0.0, decay: 0.0, squares: &mut squares });
        let decay = (f64::from(drift) * network.weight_decay) as f32;
        let mut done = 0;
        loop {
            std::mem::swap(&mut here, &mut next);
            done += 1;
            if done < steps {
                draws.draw();
                next.load(s, network, 1, |chain, _| draws.batches[chain] as usize, |_| 1.0);
            }
            let squares = &mut squares;
            if decay == 0.0 {
                s.call(Step::<N, false> { network, buffers, here, next, drift, decay, squares });
            } else {
                s.call(Step::<N, true> { network, buffers, here, next, drift, decay, squares });
            }
            let went = Went::to::<S, N>(s, done, s.load_d(squares), bound, draws.chains);
            if went.left != 0 || done == steps {
                buffers.bias_slopes.fill(Numbers::ZERO);
                draws.end(done < steps, went.left);
                return went;
            }
        }
    }
}

/// A step with one example, with weight decay or without, whose g is in [`Buffers::bias_slopes`], while the next goes
/// forward.
struct Step<'a, N, const DECAY: bool> {
    network: &'a Shared<N>,
    buffers: &'a mut Buffers<N>,
    here: &'a Tile<N>,
    next: &'a Tile<N>,
    drift: f32,
    /// drift · w.
    decay: f32,
    /// ‖z‖², in sixteen partial sums.
    squares: &'a mut [f64; LANES],
}

/// Strips that go side by side: P of them, of W groups.
struct Strips<'a, const W: usize, const P: usize> {
    theta: [&'a [[Row; W]]; P],
    z: [&'a mut [[Row; W]]; P],
    hidden: &'a mut [[Row; W]],
}

/// What the strips share.
struct Common<'a, N, const DECAY: bool> {
    network: &'a Shared<N>,
    here: &'a Tile<N>,
    next: &'a Tile<N>,
    drift: f32,
    decay: f32,
    /// g of the example.
    slopes: &'a [Numbers<N>],
    /// Drift times g.
    moves: &'a [Numbers<N>],
    /// W₂t of the next example.
    sums: &'a mut [Row],
    /// Whether nothing was added to it yet.
    fresh: bool,
}

impl<N: Number, const DECAY: bool> Kernel for Step<'_, N, DECAY> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { network, buffers, here, next, drift, decay, squares } = self;
        let layout = network.layout;
        let mut distance = s.splat_d(0.0);
        let bias = buffers.bias.iter_mut().zip(&network.bias);
        for ((z, minimum), (slopes, moves)) in bias.zip(buffers.bias_slopes.iter().zip(&mut buffers.moves)) {
            let rows = z.rows_mut().iter_mut().zip(minimum.rows());
            for ((z, minimum), (slopes, moves)) in rows.zip(slopes.rows().iter().zip(moves.rows_mut())) {
                let (old, g) = (s.load(z), s.load(slopes));
                s.store(s.mul(s.splat(drift), g), moves);
                let mut new = s.fnma(s.splat(drift), g, old);
                if DECAY {
                    new = s.fnma(s.splat(decay), s.add(s.load(minimum), old), new);
                }
                s.store(new, z);
                distance = s.add_d(distance, s.widen(s.mul(new, new)));
            }
        }

        let (slopes, moves, sums) = (&buffers.bias_slopes[..], &buffers.moves[..], &mut buffers.sums[..]);
        let mut common = Common::<N, DECAY> { network, here, next, drift, decay, slopes, moves, sums, fresh: true };
        let (wide, rows) = (layout.groups / 2, layout.rows());
        let (theta, theta_narrow) = network.theta.split_at(2 * wide * rows);
        let (z, z_narrow) = buffers.z.split_at_mut(2 * wide * rows);
        let (hidden, hidden_narrow) = buffers.hidden.split_at_mut(2 * wide);
        let (theta, z) = (theta.as_chunks::<2>().0, z.as_chunks_mut::<2>().0);
        let hidden = hidden.as_chunks_mut::<2>().0;
        let mut strip = 0;
        while strip < wide {
            let (theta, z) = (&theta[strip * rows..], &mut z[strip * rows..]);
            if const { S::BLOCK_VECTORS == 2 } && strip + 1 < wide {
                let ((t, u), (x, y)) = (theta[..2 * rows].split_at(rows), z[..2 * rows].split_at_mut(rows));
                let strips = Strips { theta: [t, u], z: [x, y], hidden: &mut hidden[strip..strip + 2] };
                distance = common.step::<S, 2, 2>(s, strips, distance);
                strip += 2;
            } else {
                let hidden = &mut hidden[strip..=strip];
                let strips = Strips { theta: [&theta[..rows]], z: [&mut z[..rows]], hidden };
                distance = common.step::<S, 2, 1>(s, strips, distance);
                strip += 1;
            }
        }
        if layout.groups % 2 == 1 {
            let (theta, z) = ([theta_narrow.as_chunks().0], [z_narrow.as_chunks_mut().0]);
            let strips = Strips { theta, z, hidden: hidden_narrow.as_chunks_mut::<1>().0 };
            distance = common.step::<S, 1, 1>(s, strips, distance);
        }

        let factor = s.splat(network.slope_factor);
        let cross_entropy = network.loss_function == Loss::CrossEntropy;
        let sums = buffers.sums[..layout.shape.classes].chunks(LANES);
        for (plane, (sums, slopes)) in sums.zip(&mut buffers.bias_slopes).enumerate() {
            let totals = totals::<S, N>(s, sums);
            for (part, slopes) in slopes.rows_mut().iter_mut().enumerate() {
                let minimum = s.load(&network.bias[plane].rows()[part]);
                let bias = s.add(minimum, s.load(&buffers.bias[plane].rows()[part]));
                let outputs = s.add(totals[part], bias);
                if cross_entropy {
                    s.store(outputs, slopes);
                    continue;
                }
                let target = target(s, next.labels[0], plane, part);
                s.store(s.mul(factor, s.sub(outputs, target)), slopes);
            }
        }
        if cross_entropy {
            let place = Place { first: 0, stride: 1, classes: layout.shape.classes };
            s.call(Slopes { outputs: &mut buffers.bias_slopes, label: next.labels[0], place, weight: 1.0 });
        }
        s.store_d(distance, squares);
    }
}

impl<N: Number, const DECAY: bool> Common<'_, N, DECAY> {
    /// The step of some strips. Adds their z² to the distance.
    #[inline(always)]
    fn step<S: Simd, const W: usize, const P: usize>(
        &mut self,
        s: S,
        strips: Strips<'_, W, P>,
        mut distance: S::D,
    ) -> S::D {
        let Strips { theta, z, hidden } = strips;
        let layout = self.network.layout;
        let (rows, inputs) = (layout.rows(), layout.first_rows());
        let relu = self.network.activation == Activation::Relu;
        let (drift, decay) = (s.splat(self.drift), s.splat(self.decay));
        let zero = s.splat(0.0);
        let theta: [&[[Row; W]]; P] = theta.map(|theta| &theta[..rows]);
        let z: [&mut [[Row; W]]; P] = z.map(|z| &mut z[..rows]);
        assert!(hidden.len() == P);

        // W₂ᵀg, and from it drift · δ.
        let mut deltas = [[zero; W]; P];
        for (plane, slopes) in self.slopes.iter().enumerate() {
            let first = inputs + plane * LANES;
            for k in 0..LANES.min(rows - first) {
                let g = slopes.0[k].in_all_units(s);
                unroll_two!(p in P {
                    unroll_two!(w in W {
                        let weight = s.add(s.load(&z[p][first + k][w].0), s.load(&theta[p][first + k][w].0));
                        deltas[p][w] = s.fma(weight, g, deltas[p][w]);
                    });
                });
            }
        }
        let mut old = [[zero; W]; P];
        unroll_two!(p in P {
            unroll_two!(w in W {
                let t = s.load(&hidden[p][w].0);
                old[p][w] = t;
                let delta = if relu {
                    s.select(s.le(t, zero), zero, deltas[p][w])
                } else {
                    s.mul(s.fnma(t, t, s.splat(1.0)), deltas[p][w])
                };
                deltas[p][w] = s.mul(drift, delta);
            });
        });

        // W₁ and b₁, and W₁x + b₁ of the next example.
        let mut values = [[zero; W]; P];
        let mut squares = [[zero; W]; P];
        for (plane, (here, next)) in self.here.inputs.iter().zip(&self.next.inputs).enumerate() {
            let first = plane * LANES;
            for k in 0..LANES.min(inputs - first) {
                let (x, y) = (here.0[k].in_all_units(s), next.0[k].in_all_units(s));
                unroll_two!(p in P {
                    unroll_two!(w in W {
                        let minimum = s.load(&theta[p][first + k][w].0);
                        let z = &mut z[p][first + k][w].0;
                        let mut new = s.fnma(x, deltas[p][w], s.load(z));
                        if DECAY {
                            new = s.fnma(decay, s.add(minimum, s.load(z)), new);
                        }
                        s.store(new, z);
                        squares[p][w] = s.fma(new, new, squares[p][w]);
                        values[p][w] = s.fma(s.add(minimum, new), y, values[p][w]);
                    });
                });
            }
        }
        unroll_two!(p in P {
            unroll_two!(w in W {
                // Zero first, so that NaN is kept.
                values[p][w] = if relu { s.max(zero, values[p][w]) } else { tanh(s, values[p][w]) };
                s.store(values[p][w], &mut hidden[p][w].0);
            });
        });

        // W₂, and what the next example's units put out.
        for (plane, moves) in self.moves.iter().enumerate() {
            let first = inputs + plane * LANES;
            for k in 0..LANES.min(rows - first) {
                let g = moves.0[k].in_all_units(s);
                let total = &mut self.sums[plane * LANES + k].0;
                let mut sum = if self.fresh { zero } else { s.load(total) };
                unroll_two!(p in P {
                    unroll_two!(w in W {
                        let minimum = s.load(&theta[p][first + k][w].0);
                        let z = &mut z[p][first + k][w].0;
                        let mut new = s.fnma(g, old[p][w], s.load(z));
                        if DECAY {
                            new = s.fnma(decay, s.add(minimum, s.load(z)), new);
                        }
                        s.store(new, z);
                        squares[p][w] = s.fma(new, new, squares[p][w]);
                        sum = s.fma(s.add(minimum, new), values[p][w], sum);
                    });
                });
                s.store(sum, total);
            }
        }
        self.fresh = false;
        unroll_two!(p in P {
            unroll_two!(w in W {
                distance = s.add_d(distance, s.widen(squares[p][w]));
            });
        });
        distance
    }
}
