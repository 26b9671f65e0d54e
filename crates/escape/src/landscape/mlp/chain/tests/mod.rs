//! Chains against the scalar reference, and against their own promises.

mod four;
mod promises;
mod reference;

use std::sync::Arc;

use super::super::{Activation, Loss, Model, Shape};
use super::Network;
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

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }

    fn fill(&mut self, examples: usize, batch: &mut [u32]) {
        batch.fill_with(|| self.below(examples) as u32);
    }
}

/// A network whose numbers are all f32, so that the reference sees the same.
fn problem(
    shape: Shape,
    (activation, loss): (Activation, Loss),
    weight_decay: f64,
    examples: usize,
) -> (Model, Vec<f64>, Network) {
    let round = |x: Vec<f64>| x.into_iter().map(|x| f64::from(x as f32)).collect::<Vec<_>>();
    let mut uniforms = Uniforms(7);
    let inputs = round(uniforms.vector(examples * shape.inputs, 2.0));
    let labels = (0..examples).map(|_| uniforms.below(shape.classes) as u32).collect();
    let examples = Examples::new(inputs, labels, shape.inputs, shape.classes).expect("valid");
    let theta = round(uniforms.vector(shape.parameters(), 0.8));
    let model = Model::new(shape, activation, loss, weight_decay, Arc::new(examples)).expect("valid");
    let network = Network::around(&model, &theta);
    (model, theta, network)
}

const fn shape(inputs: usize, hidden: usize, classes: usize) -> Shape {
    Shape { inputs, hidden, classes }
}

/// Around the sizes of lanes, strips, blocks of strips, and register blocks.
const SHAPES: [Shape; 13] = [
    shape(1, 1, 1),
    shape(3, 7, 2),
    shape(2, 16, 3),
    shape(10, 17, 12),
    shape(10, 50, 12),
    shape(11, 33, 13),
    shape(13, 31, 25),
    shape(5, 70, 1),
    shape(30, 40, 17),
    shape(4, 256, 7),
    shape(3, 257, 6),
    shape(10, 300, 12),
    shape(2, 1041, 3),
];

const KINDS: [(Activation, Loss); 4] = [
    (Activation::Relu, Loss::MeanSquared),
    (Activation::Tanh, Loss::MeanSquared),
    (Activation::Relu, Loss::CrossEntropy),
    (Activation::Tanh, Loss::CrossEntropy),
];
