//! What the documentation promises: the same bits on every instruction set and in any cutting, padding that never
//! moves, NaN that is seen.

use super::super::super::Shape;
use super::super::{Chain, Factor, Network, Pace, Walked};
use super::{KINDS, SHAPES, Uniforms, problem, shape};
use crate::simd::{Isa, LANES};

/// Walks `steps` in calls of at most `cut`; gives z and all that the calls gave.
fn walk(network: &Network, isa: Isa, batch_size: usize, steps: u64, cut: u64) -> (Vec<u64>, u64, u64) {
    let mut chain = Chain::new(network, isa);
    let mut uniforms = Uniforms(3);
    let mut done = 0;
    let mut distance = 0.0;
    while done < steps {
        let pace = Pace { steps: cut.min(steps - done), batch_size, drift: 0.3, bound: f64::INFINITY };
        let walked = chain.walk(pace, &mut |batch| uniforms.fill(network.examples(), batch));
        assert!(!walked.left && walked.steps == pace.steps);
        done += walked.steps;
        distance = walked.squared_distance;
    }
    check_padding(&chain);
    let mut z = vec![0.0; network.dim()];
    chain.write_displacement(&mut z);
    assert!(z.iter().all(|z| z.is_finite()));
    // Of one class cross-entropy has nothing to say.
    assert!(distance > 0.0 || network.shape().classes == 1);
    (z.iter().map(|z| z.to_bits()).collect(), distance.to_bits(), uniforms.0)
}

fn check_padding(chain: &Chain<'_>) {
    let Shape { hidden, classes, .. } = chain.network.shape();
    let layout = chain.network.alone.layout;
    let rest = (hidden - 1) % LANES + 1;
    let narrow = layout.width(layout.strips() - 1);
    let last = chain.buffers.z[layout.groups * layout.rows() - narrow * layout.rows()..].chunks_exact(narrow);
    for groups in last {
        assert!(groups[narrow - 1].0[rest..].iter().all(|z| *z == 0.0));
    }
    let bias: Vec<f32> = chain.buffers.bias.iter().flat_map(|row| row.0).collect();
    assert!(bias[classes..].iter().all(|z| *z == 0.0));
}

#[test]
fn every_instruction_set_and_every_cutting_gives_the_same_bits() {
    for shape in SHAPES {
        for kind in KINDS {
            for (weight_decay, batch_size) in
                [(0.0, 1), (0.01, 1), (0.0, 2), (0.01, 5), (0.0, 12), (0.0, 13), (0.01, 70), (0.0, 140)]
            {
                if batch_size * shape.hidden > 20_000 {
                    continue;
                }
                let (_, _, network) = problem(shape, kind, weight_decay, 30);
                let expected = walk(&network, Isa::Portable, batch_size, 3, 3);
                for isa in Isa::available() {
                    for cut in [1, 2, 3] {
                        let found = walk(&network, isa, batch_size, 3, cut);
                        assert!(found == expected, "{shape:?} {kind:?} B = {batch_size} {isa} cut {cut}");
                    }
                }
            }
        }
    }
}

#[test]
fn weighted_steps_have_the_same_bits_on_every_instruction_set() {
    for (shape, kind) in SHAPES.into_iter().flat_map(|shape| [KINDS[0], KINDS[3]].map(|kind| (shape, kind))) {
        let (_, _, network) = problem(shape, kind, 0.01, 130);
        let weights: Vec<f32> = Uniforms(5).vector(130, 0.1).iter().map(|s| *s as f32).collect();
        let run = |isa| {
            let mut chain = Chain::new(&network, isa);
            let distances = [0.3, 0.2].map(|drift| chain.weighted_step(&weights, drift).to_bits());
            check_padding(&chain);
            (distances, chain.buffers.z.clone())
        };
        let expected = run(Isa::Portable);
        for isa in Isa::available() {
            assert!(run(isa) == expected, "{shape:?} {isa}");
        }
    }
}

#[test]
fn a_chain_stops_at_the_step_that_leaves() {
    let (_, _, network) = problem(shape(4, 20, 3), KINDS[0], 0.0, 30);
    for batch_size in [1, 5] {
        let go = |steps, bound| -> Walked {
            let mut uniforms = Uniforms(3);
            let pace = Pace { steps, batch_size, drift: 0.01, bound };
            Chain::new(&network, Isa::current()).walk(pace, &mut |batch| uniforms.fill(30, batch))
        };
        let [before, after] = [9, 10].map(|steps| go(steps, f64::INFINITY).squared_distance);
        assert!(before < after, "as it happens");
        assert_eq!(go(50, after), Walked { steps: 10, squared_distance: after, left: true });
        assert_eq!(go(10, after), Walked { steps: 10, squared_distance: after, left: true });
        assert_eq!(go(9, after), Walked { steps: 9, squared_distance: before, left: false });
    }
}

#[test]
fn what_overflows_leaves() {
    for kind in KINDS {
        for batch_size in [1, 5] {
            let (_, _, network) = problem(shape(4, 20, 3), kind, 0.0, 30);
            for isa in Isa::available() {
                let mut chain = Chain::new(&network, isa);
                let mut uniforms = Uniforms(3);
                let pace = Pace { steps: 1000, batch_size, drift: 1e30, bound: f64::INFINITY };
                let walked = chain.walk(pace, &mut |batch| uniforms.fill(30, batch));
                assert!(walked.left && walked.steps < 1000 && !walked.squared_distance.is_finite());
                // And stays out.
                let walked = chain.walk(Pace { steps: 5, ..pace }, &mut |batch| uniforms.fill(30, batch));
                assert!(walked.left && walked.steps == 1, "{walked:?}");
                chain.restart();
                let again = chain.walk(Pace { drift: 1e-3, ..pace }, &mut |batch| uniforms.fill(30, batch));
                assert!(!again.left && again.squared_distance.is_finite());
            }
        }
    }
}

#[test]
fn a_nan_is_seen_wherever_it_is() {
    for (shape, kind) in SHAPES.into_iter().flat_map(|shape| KINDS.map(|kind| (shape, kind))) {
        let (_, _, network) = problem(shape, kind, 0.0, 30);
        let mut chain = Chain::new(&network, Isa::current());
        for at in [0, network.dim() / 2, network.dim() - 1] {
            for batch_size in [1, 3] {
                let mut z = vec![0.0; network.dim()];
                z[at] = f64::NAN;
                chain.read_displacement(&z);
                let pace = Pace { steps: 1, batch_size, drift: 0.1, bound: f64::INFINITY };
                assert!(chain.walk(pace, &mut |batch| batch.fill(2)).squared_distance.is_nan());
            }
            chain.restart();
        }
    }
}

#[test]
fn noise_moves_each_parameter_by_a_normal_of_its_own() {
    for shape in SHAPES {
        let (_, _, network) = problem(shape, KINDS[0], 0.0, 3);
        let add = |isa| {
            let mut chain = Chain::new(&network, isa);
            let mut next = 0.0;
            // Stands in for normals: 1, 2, 3, …
            let mut normals = |n: &mut [f32; LANES]| {
                n.fill_with(|| {
                    next += 1.0;
                    next
                });
            };
            let distances = [chain.add_noise(0.5, &mut normals), chain.add_noise(0.25, &mut |n| n.fill(0.0))];
            assert_eq!(distances[0], distances[1]);
            check_padding(&chain);
            let mut z = vec![0.0; network.dim()];
            chain.write_displacement(&mut z);
            (distances[0], z)
        };
        let (distance, z) = add(Isa::Portable);
        let sum: f64 = z.iter().map(|z| z * z).sum();
        assert!((distance / sum - 1.0).abs() < 1e-6);
        let mut sorted = z.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted[0] >= 0.5 && sorted.windows(2).all(|w| w[0] < w[1]));
        for isa in Isa::available() {
            assert!(add(isa) == (distance, z.clone()), "{shape:?} {isa}");
        }
    }
}

#[test]
fn noise_of_a_factor_has_the_same_bits_on_every_instruction_set() {
    for shape in SHAPES {
        let (_, _, network) = problem(shape, KINDS[0], 0.0, 3);
        for rank in [1, 7, 40] {
            let values = Uniforms(8).vector(network.dim() * rank, 1.0);
            let factor = Factor::new(shape, rank, &values).expect("fits");
            let xi: Vec<f32> = Uniforms(9).vector(rank, 2.0).iter().map(|xi| *xi as f32).collect();
            let run = |isa| {
                let mut chain = Chain::new(&network, isa);
                let distances = [0.3, 0.2].map(|sd| chain.add_factor_noise(&factor, sd, &xi).to_bits());
                check_padding(&chain);
                let mut sum = Chain::new(&network, isa);
                let twice = [sum.add_displacement(&chain), sum.add_displacement(&chain)].map(f64::to_bits);
                check_padding(&sum);
                (distances, twice, chain.buffers.z.clone(), sum.buffers.z.clone(), sum.buffers.bias.clone())
            };
            let expected = run(Isa::Portable);
            for isa in Isa::available() {
                assert!(run(isa) == expected, "{shape:?} r = {rank} {isa}");
            }
        }
    }
}

#[test]
fn a_factor_projects_vectors_on_its_columns_and_refuses_what_does_not_fit() {
    for shape in SHAPES {
        let (d, rank) = (shape.parameters(), 5);
        let round = |x: f64| f64::from(x as f32);
        let values: Vec<f64> = Uniforms(8).vector(d * rank, 1.0).into_iter().map(round).collect();
        let factor = Factor::new(shape, rank, &values).expect("fits");
        let v = Uniforms(9).vector(d, 1.0);
        let expected: f64 = (0..rank).map(|j| (0..d).map(|i| values[i * rank + j] * v[i]).sum::<f64>().powi(2)).sum();
        assert!((factor.squared_projection(&v) / expected - 1.0).abs() < 1e-12, "{shape:?}");
        assert_eq!((factor.rank(), factor.dim()), (rank, d));
        assert!(Factor::new(shape, rank, &values[1..]).is_err());
        assert!(Factor::new(shape, rank, &[&[1e300], &values[1..]].concat()).is_err());
        assert_eq!(Factor::new(shape, 0, &[]).expect("fits").squared_projection(&v), 0.0);
    }
}
