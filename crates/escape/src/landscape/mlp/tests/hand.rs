//! A network of one input, one hidden unit and one class, by hand, in numbers that are exact in binary.

use std::sync::Arc;

use super::super::{Activation, Loss, Model, Shape};
use crate::data::Examples;

const SHAPE: Shape = Shape { inputs: 1, hidden: 1, classes: 1 };
/// W₁, b₁, W₂, b₂.
const THETA: [f64; 4] = [2.0, 0.5, 3.0, -1.0];

fn model(inputs: &[f64], weight_decay: f64) -> Model {
    let examples = Examples::new(inputs.to_vec(), vec![0; inputs.len()], 1, 1).expect("valid");
    Model::new(SHAPE, Activation::Relu, Loss::MeanSquared, weight_decay, Arc::new(examples)).expect("valid")
}

#[test]
fn one_example() {
    // x = 1.5: a = 2·1.5 + 0.5 = 3.5 = t, f = 3·3.5 − 1 = 9.5, ℓ = (9.5 − 1)² = 72.25, g = 2·8.5 = 17,
    // δ = 17·3 = 51; gradient [δx, δ, gt, g] = [76.5, 51, 59.5, 17].
    let model = model(&[1.5], 0.0);
    let mut workspace = model.workspace();
    let mut out = [0.0; 4];
    assert_eq!(model.loss_and_gradient(&THETA, &mut out, &mut workspace), 72.25);
    assert_eq!(out, [76.5, 51.0, 59.5, 17.0]);
    // H·(1, 0, 0, 0): R{a} = 1.5, R{f} = 3·1.5 = 4.5, R{g} = 9, R{δ} = 27:
    // [27·1.5, 27, 9·3.5 + 17·1.5, 9] = [40.5, 27, 57, 9].
    model.hessian_vector(&THETA, &[1.0, 0.0, 0.0, 0.0], &mut out, &mut workspace);
    assert_eq!(out, [40.5, 27.0, 57.0, 9.0]);
}

#[test]
fn two_examples_and_weight_decay() {
    // x = −1: a = −1.5, t = 0, f = −1, ℓ = 4, g = −4, δ = 0; gradient [0, 0, 0, −4]. The mean with x = 1.5 above is
    // ℓ = 38.125, [38.25, 25.5, 29.75, 6.5]; weight decay ½ adds ¼·(4 + ¼ + 9 + 1) = 3.5625 and ½θ.
    let model = model(&[1.5, -1.0], 0.5);
    let mut workspace = model.workspace();
    let mut out = [0.0; 4];
    assert_eq!(model.loss_and_gradient(&THETA, &mut out, &mut workspace), 38.125 + 3.5625);
    assert_eq!(out, [39.25, 25.75, 31.25, 6.0]);
    model.minibatch_gradient(&THETA, &[1], &mut out, &mut workspace);
    assert_eq!(out, [1.0, 0.25, 1.5, -4.5]);
}

#[test]
fn the_kink_of_relu_has_slope_zero() {
    // x = −0.25 puts a at exactly 0.
    let model = model(&[-0.25], 0.0);
    let mut out = [0.0; 4];
    model.gradient(&THETA, &mut out, &mut model.workspace());
    assert_eq!(out, [0.0, 0.0, 0.0, -4.0]);
}

#[test]
fn cross_entropy_of_two_classes() {
    // x = 1, a = 2 = t, f = (1, 1) · 2 + (ln 3, 0): p = (¾, ¼). Class 1: ℓ = ln 4, g = (¾, −¾); δ = ¾·1 − ¾·1 = 0;
    // the gradient is [0, 0, 1.5, −1.5, 0.75, −0.75].
    let shape = Shape { inputs: 1, hidden: 1, classes: 2 };
    let examples = Arc::new(Examples::new(vec![1.0], vec![1], 1, 2).expect("valid"));
    let model = Model::new(shape, Activation::Relu, Loss::CrossEntropy, 0.0, examples).expect("valid");
    let theta = [2.0, 0.0, 1.0, 1.0, 3.0_f64.ln(), 0.0];
    let (mut out, mut workspace) = ([0.0; 6], model.workspace());
    let loss = model.loss_and_gradient(&theta, &mut out, &mut workspace);
    assert!((loss - 4.0_f64.ln()).abs() < 1e-15);
    for (found, expected) in out.into_iter().zip([0.0, 0.0, 1.5, -1.5, 0.75, -0.75]) {
        assert!((found - expected).abs() < 1e-15, "{out:?}");
    }
    // H along b₂ of class 0: R{g} = p ∘ (e₀ − p₀) = (3/16, −3/16).
    model.hessian_vector(&theta, &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0], &mut out, &mut workspace);
    for (found, expected) in out.into_iter().zip([0.0, 0.0, 0.375, -0.375, 0.1875, -0.1875]) {
        assert!((found - expected).abs() < 1e-15, "{out:?}");
    }
}
