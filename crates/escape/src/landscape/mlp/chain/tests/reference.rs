//! One step, and a few, against the scalar f64 reference.

use super::super::{Chain, Pace};
use super::{KINDS, SHAPES, Uniforms, problem};
use crate::simd::Isa;

/// The largest |a − b|, over the largest |b|; 0 if both are zeros, as with cross-entropy over one class.
fn relative_distance(a: &[f64], b: &[f64]) -> f64 {
    let size = b.iter().fold(0.0_f64, |size, b| size.max(b.abs()));
    let worst = a.iter().zip(b).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
    if worst == 0.0 { 0.0 } else { worst / size }
}

fn squared_norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

#[test]
fn a_step_is_that_of_the_minibatch_gradient() {
    for shape in SHAPES {
        for kind in KINDS {
            for (decay, size) in [(0.0, 1), (0.1, 1), (0.0, 2), (0.1, 7), (0.0, 12), (0.1, 70), (0.0, 300), (0.1, 200)]
            {
                let (model, theta, network) = problem(shape, kind, decay, 40);
                let mut chain = Chain::new(&network, Isa::current());
                let mut uniforms = Uniforms(11);
                let z: Vec<f64> = uniforms.vector(model.dim(), 0.1).iter().map(|z| f64::from(*z as f32)).collect();
                chain.read_displacement(&z);
                let mut batch = vec![0; size];
                uniforms.fill(40, &mut batch);
                let pace = Pace { steps: 1, batch_size: size, drift: 1.0, bound: f64::INFINITY };
                let walked = chain.walk(pace, &mut |out| out.copy_from_slice(&batch));
                let mut found = vec![0.0; model.dim()];
                chain.write_displacement(&mut found);
                assert!((walked.squared_distance / squared_norm(&found) - 1.0).abs() < 1e-5);
                let at: Vec<f64> = theta.iter().zip(&z).map(|(theta, z)| theta + z).collect();
                let mut expected = vec![0.0; model.dim()];
                model.minibatch_gradient(&at, &batch, &mut expected, &mut model.workspace());
                let moved: Vec<f64> = z.iter().zip(&found).map(|(z, found)| z - found).collect();
                let distance = relative_distance(&moved, &expected);
                assert!(distance < 1e-5, "{shape:?} {kind:?} decay {decay} B = {size}: {distance:e}");
            }
        }
    }
}

#[test]
fn a_weighted_step_is_that_of_the_weighted_gradients() {
    for shape in SHAPES {
        for kind in KINDS {
            for (decay, examples) in [(0.0, 1), (0.1, 13), (0.0, 100), (0.1, 400)] {
                let (model, theta, network) = problem(shape, kind, decay, examples);
                let mut chain = Chain::new(&network, Isa::current());
                let weights: Vec<f32> =
                    Uniforms(5).vector(examples, 1.0 / examples as f64).iter().map(|s| *s as f32).collect();
                let distance = chain.weighted_step(&weights, 0.5);
                let mut found = vec![0.0; model.dim()];
                chain.write_displacement(&mut found);
                assert!((distance - squared_norm(&found)).abs() <= 1e-5 * distance);
                let mut expected = vec![0.0; model.dim()];
                let mut gradient = vec![0.0; model.dim()];
                let mut workspace = model.workspace();
                for (index, s) in weights.iter().enumerate() {
                    model.minibatch_gradient(&theta, &[index as u32], &mut gradient, &mut workspace);
                    expected.iter_mut().zip(&gradient).for_each(|(sum, g)| *sum -= 0.5 * f64::from(*s) * g);
                }
                let distance = relative_distance(&found, &expected);
                assert!(distance < 1e-5, "{shape:?} {kind:?} decay {decay} N = {examples}: {distance:e}");
            }
        }
    }
}
