//! Four chains side by side: the steps of the reference, the same bits whatever the instruction set, the cutting and the
//! neighbours.

use super::super::{FourChains, Network, Pace};
use super::{KINDS, SHAPES, Uniforms, problem};
use crate::simd::Isa;

const CHAINS: usize = FourChains::CHAINS;

/// z of a chain, and ‖z‖², as bits.
type End = (Vec<u64>, u64);

/// Walks four chains in calls of at most `cut` steps, each with a stream of its own, and gives where they end. Those not
/// among `live` are nowhere from the beginning.
fn walk(network: &Network, isa: Isa, pace: Pace, cut: u64, live: u8) -> [End; CHAINS] {
    let mut chains = FourChains::new(network, isa);
    let mut uniforms: [_; CHAINS] = std::array::from_fn(|chain| Uniforms(chain as u64));
    for chain in (0..CHAINS).filter(|chain| live >> chain & 1 == 0) {
        chains.read_displacement(chain, &vec![f64::NAN; network.dim()]);
    }
    let (mut done, mut squares) = (0, [0.0; CHAINS]);
    while done < pace.steps {
        let pace = Pace { steps: cut.min(pace.steps - done), ..pace };
        let walked = chains.walk(pace, live, &mut |chain, batch| uniforms[chain].fill(network.examples(), batch));
        assert_eq!((walked.steps, walked.left), (pace.steps, 0));
        (done, squares) = (done + walked.steps, walked.squared_distances);
    }
    std::array::from_fn(|chain| {
        let mut z = vec![0.0; network.dim()];
        chains.write_displacement(chain, &mut z);
        (z.into_iter().map(f64::to_bits).collect(), squares[chain].to_bits())
    })
}

#[test]
fn every_instruction_set_every_cutting_and_all_neighbours_give_the_same_bits() {
    for shape in SHAPES {
        for kind in KINDS {
            for (weight_decay, batch_size) in
                [(0.0, 1), (0.01, 1), (0.0, 2), (0.01, 5), (0.0, 12), (0.0, 13), (0.01, 70), (0.0, 140)]
            {
                if batch_size * shape.hidden > 8_000 {
                    continue;
                }
                let (_, _, network) = problem(shape, kind, weight_decay, 30);
                let pace = Pace { steps: 3, batch_size, drift: 0.3, bound: f64::INFINITY };
                let expected = walk(&network, Isa::Portable, pace, 3, 0b1111);
                for isa in Isa::available() {
                    for cut in [1, 2, 3] {
                        let found = walk(&network, isa, pace, cut, 0b1111);
                        assert!(found == expected, "{shape:?} {kind:?} B = {batch_size} {isa} cut {cut}");
                    }
                }
                for live in [0b0001, 0b1010] {
                    let found = walk(&network, Isa::current(), pace, 2, live);
                    for chain in (0..CHAINS).filter(|chain| live >> chain & 1 == 1) {
                        assert!(found[chain] == expected[chain], "{shape:?} {kind:?} B = {batch_size} {live:b}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_step_is_that_of_the_minibatch_gradient() {
    for shape in SHAPES {
        for kind in KINDS {
            for (decay, size) in [(0.0, 1), (0.1, 1), (0.0, 2), (0.1, 7), (0.0, 12), (0.1, 70), (0.0, 300)] {
                let (model, theta, network) = problem(shape, kind, decay, 40);
                let mut chains = FourChains::new(&network, Isa::current());
                let mut uniforms = Uniforms(11);
                let starts: [Vec<f64>; CHAINS] = std::array::from_fn(|_| {
                    uniforms.vector(model.dim(), 0.1).into_iter().map(|z| f64::from(z as f32)).collect()
                });
                let mut batches: [Vec<u32>; CHAINS] = std::array::from_fn(|_| vec![0; size]);
                batches.iter_mut().for_each(|batch| uniforms.fill(40, batch));
                starts.iter().enumerate().for_each(|(chain, z)| chains.read_displacement(chain, z));
                let pace = Pace { steps: 1, batch_size: size, drift: 1.0, bound: f64::INFINITY };
                let walked = chains.walk(pace, 0b1111, &mut |chain, out| out.copy_from_slice(&batches[chain]));
                for (chain, (z, batch)) in starts.iter().zip(&batches).enumerate() {
                    let mut found = vec![0.0; model.dim()];
                    chains.write_displacement(chain, &mut found);
                    let square: f64 = found.iter().map(|z| z * z).sum();
                    assert!((walked.squared_distances[chain] / square - 1.0).abs() < 1e-5);
                    let at: Vec<f64> = theta.iter().zip(z).map(|(theta, z)| theta + z).collect();
                    let mut expected = vec![0.0; model.dim()];
                    model.minibatch_gradient(&at, batch, &mut expected, &mut model.workspace());
                    let largest = expected.iter().fold(0.0_f64, |largest, g| largest.max(g.abs()));
                    let moved = z.iter().zip(&found).map(|(z, found)| z - found);
                    let worst = moved.zip(&expected).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
                    // z itself is rounded, to 4e-9.
                    assert!(worst <= 1e-5 * largest + 1e-8, "{shape:?} {kind:?} decay {decay} B = {size}: {worst:e}");
                }
            }
        }
    }
}

/// One leaves; the others go on with the batches that were drawn for them, and are where they would have been.
#[test]
fn a_chain_that_leaves_holds_up_no_other() {
    for batch_size in [1, 5] {
        let (_, _, network) = problem(super::shape(4, 20, 3), KINDS[0], 0.0, 30);
        let pace = Pace { steps: 20, batch_size, drift: 0.01, bound: f64::INFINITY };
        let expected = walk(&network, Isa::current(), pace, 20, 0b1111);
        let mut chains = FourChains::new(&network, Isa::current());
        let mut uniforms: [_; CHAINS] = std::array::from_fn(|chain| Uniforms(chain as u64));
        let mut draw = |chain: usize, batch: &mut [u32]| uniforms[chain].fill(network.examples(), batch);
        let short = walk(&network, Isa::current(), Pace { steps: 7, ..pace }, 7, 0b1111);
        let bound = short.each_ref().map(|(_, square)| f64::from_bits(*square)).into_iter().fold(0.0, f64::max);
        let first = chains.walk(Pace { bound, ..pace }, 0b1111, &mut draw);
        assert!(first.left != 0 && first.steps <= 7, "as it happens");
        let rest = chains.walk(Pace { steps: 20 - first.steps, ..pace }, 0b1111 & !first.left, &mut draw);
        assert_eq!((rest.left, rest.steps + first.steps), (0, 20));
        for chain in (0..CHAINS).filter(|chain| first.left >> chain & 1 == 0) {
            assert_eq!(rest.squared_distances[chain].to_bits(), expected[chain].1, "B = {batch_size}");
        }
    }
}

#[test]
fn what_overflows_leaves_and_comes_back() {
    for kind in KINDS {
        for (isa, batch_size) in Isa::available().flat_map(|isa| [(isa, 1), (isa, 5)]) {
            let (_, _, network) = problem(super::shape(4, 21, 3), kind, 0.0, 30);
            let mut chains = FourChains::new(&network, isa);
            let mut uniforms = Uniforms(3);
            let mut draw = |_: usize, batch: &mut [u32]| uniforms.fill(30, batch);
            let pace = Pace { steps: 1000, batch_size, drift: 1e30, bound: f64::INFINITY };
            let walked = chains.walk(pace, 0b0100, &mut draw);
            assert!(walked.left == 0b0100 && walked.steps < 1000 && !walked.squared_distances[2].is_finite());
            chains.restart(2);
            let mut fresh = FourChains::new(&network, isa);
            let calm = Pace { drift: 1e-3, ..pace };
            let squares = [&mut chains, &mut fresh].map(|chains| {
                let mut uniforms = Uniforms(4);
                let walked = chains.walk(calm, 0b0100, &mut |_, batch| uniforms.fill(30, batch));
                assert_eq!((walked.left, walked.steps), (0, 1000));
                walked.squared_distances[2].to_bits()
            });
            assert_eq!(squares[0], squares[1]);
        }
    }
}
