//! The network against an independent implementation, against differences of itself, and against its own promises.

mod derivatives;
mod hand;
mod naive;
mod noise;
mod promises;

use std::sync::Arc;

use super::{Activation, Loss, Model, Shape};
use crate::data::Examples;

/// Uniforms in [0, 1), without a pattern that matters here.
struct Uniforms(u64);

impl Uniforms {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 ^ (self.0 >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn vector(&mut self, length: usize, size: f64) -> Vec<f64> {
        (0..length).map(|_| size * (2.0 * self.next() - 1.0)).collect()
    }
}

/// A model of this shape on examples without a pattern, and a θ for it.
fn model_and_theta(
    shape: Shape,
    (activation, loss): (Activation, Loss),
    weight_decay: f64,
    examples: usize,
    seed: u64,
) -> (Model, Vec<f64>) {
    let mut uniforms = Uniforms(seed);
    let inputs = uniforms.vector(examples * shape.inputs, 2.0);
    let labels = (0..examples).map(|_| (uniforms.next() * shape.classes as f64) as u32).collect();
    let examples = Examples::new(inputs, labels, shape.inputs, shape.classes).expect("valid");
    let theta = uniforms.vector(shape.parameters(), 0.8);
    (Model::new(shape, activation, loss, weight_decay, Arc::new(examples)).expect("valid"), theta)
}

/// Shapes around the widths of lanes, blocks and chunks, with examples to match.
const SHAPES: [(Shape, usize); 6] = [
    (Shape { inputs: 1, hidden: 1, classes: 1 }, 1),
    (Shape { inputs: 3, hidden: 7, classes: 2 }, 9),
    (Shape { inputs: 2, hidden: 8, classes: 3 }, 8),
    (Shape { inputs: 5, hidden: 9, classes: 4 }, 255),
    (Shape { inputs: 4, hidden: 17, classes: 3 }, 257),
    (Shape { inputs: 10, hidden: 64, classes: 12 }, 1100),
];

const KINDS: [(Activation, Loss); 4] = [
    (Activation::Relu, Loss::MeanSquared),
    (Activation::Tanh, Loss::MeanSquared),
    (Activation::Relu, Loss::CrossEntropy),
    (Activation::Tanh, Loss::CrossEntropy),
];

/// The largest |a − b|, over the largest |b|; 0 if both are zeros, as with cross-entropy over one class.
fn relative_distance(a: &[f64], b: &[f64]) -> f64 {
    let size = b.iter().fold(0.0_f64, |size, b| size.max(b.abs()));
    let worst = a.iter().zip(b).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
    if worst == 0.0 { 0.0 } else { worst / size }
}
