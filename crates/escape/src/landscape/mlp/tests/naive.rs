//! An independent implementation in plain triple loops, straight from the formulas, on PyTorch's tensors and with the
//! standard library's tanh, exp and ln.

#![expect(clippy::needless_range_loop, reason = "indices that read like the formulas are the point")]

use super::super::{Activation, Loss, Model, Tensors};
use super::{KINDS, SHAPES, model_and_theta, relative_distance};

/// The mean loss and its gradient over these examples.
fn loss_and_gradient(model: &Model, theta: &[f64], batch: &[usize]) -> (f64, Vec<f64>) {
    let shape = model.shape();
    let p = shape.to_tensors(theta).expect("the right length");
    let mut g = Tensors {
        fc1_weight: vec![0.0; p.fc1_weight.len()],
        fc1_bias: vec![0.0; p.fc1_bias.len()],
        fc2_weight: vec![0.0; p.fc2_weight.len()],
        fc2_bias: vec![0.0; p.fc2_bias.len()],
    };
    let mut loss = 0.0;
    let share = 1.0 / batch.len() as f64;
    for &example in batch {
        let x = model.examples().features_of(example);
        let mut a = vec![0.0; shape.hidden];
        let mut t = vec![0.0; shape.hidden];
        for h in 0..shape.hidden {
            a[h] = p.fc1_bias[h];
            for i in 0..shape.inputs {
                a[h] += p.fc1_weight[h * shape.inputs + i] * x[i];
            }
            t[h] = match model.activation() {
                Activation::Relu => a[h].max(0.0),
                Activation::Tanh => a[h].tanh(),
            };
        }
        let mut back = vec![0.0; shape.hidden];
        let mut f = p.fc2_bias.clone();
        for c in 0..shape.classes {
            for h in 0..shape.hidden {
                f[c] += p.fc2_weight[c * shape.hidden + h] * t[h];
            }
        }
        let label = model.examples().label_of(example) as usize;
        let sum: f64 = f.iter().map(|f| f.exp()).sum();
        if model.loss_function() == Loss::CrossEntropy {
            loss += (sum.ln() - f[label]) * share;
        }
        for c in 0..shape.classes {
            let target = if label == c { 1.0 } else { 0.0 };
            let slope = share
                * match model.loss_function() {
                    Loss::MeanSquared => {
                        loss += (f[c] - target) * (f[c] - target) * share / shape.classes as f64;
                        2.0 * (f[c] - target) / shape.classes as f64
                    }
                    Loss::CrossEntropy => f[c].exp() / sum - target,
                };
            g.fc2_bias[c] += slope;
            for h in 0..shape.hidden {
                g.fc2_weight[c * shape.hidden + h] += slope * t[h];
                back[h] += slope * p.fc2_weight[c * shape.hidden + h];
            }
        }
        for h in 0..shape.hidden {
            let delta = match model.activation() {
                Activation::Relu if a[h] > 0.0 => back[h],
                Activation::Relu => 0.0,
                Activation::Tanh => back[h] / (a[h].cosh() * a[h].cosh()),
            };
            g.fc1_bias[h] += delta;
            for i in 0..shape.inputs {
                g.fc1_weight[h * shape.inputs + i] += delta * x[i];
            }
        }
    }
    let mut gradient = shape.from_tensors(&g).expect("the right lengths");
    for (g, w) in gradient.iter_mut().zip(theta) {
        *g += model.weight_decay() * w;
    }
    (loss + 0.5 * model.weight_decay() * theta.iter().map(|w| w * w).sum::<f64>(), gradient)
}

#[test]
fn loss_and_gradients_agree_with_plain_loops() {
    for (seed, (shape, examples)) in (1..).zip(SHAPES) {
        for kind in KINDS {
            for weight_decay in [0.0, 0.03] {
                let (model, theta) = model_and_theta(shape, kind, weight_decay, examples, seed);
                let mut workspace = model.workspace();
                let mut gradient = vec![0.0; model.dim()];
                let all: Vec<usize> = (0..examples).collect();
                let (expected_loss, expected) = loss_and_gradient(&model, &theta, &all);
                let loss = model.loss_and_gradient(&theta, &mut gradient, &mut workspace);
                let what = format!("{shape:?} {kind:?} {weight_decay}");
                assert!(
                    (loss - expected_loss).abs() <= 1e-13 * expected_loss.max(0.1),
                    "{what}: {loss}, {expected_loss}"
                );
                assert!(relative_distance(&gradient, &expected) < 1e-12, "{what}");
                assert_eq!(loss.to_bits(), model.loss(&theta, &mut workspace).to_bits(), "{what}");

                let batch: Vec<u32> = (0..examples as u32).rev().step_by(3).collect();
                let (_, expected) =
                    loss_and_gradient(&model, &theta, &batch.iter().map(|&index| index as usize).collect::<Vec<_>>());
                model.minibatch_gradient(&theta, &batch, &mut gradient, &mut workspace);
                assert!(relative_distance(&gradient, &expected) < 1e-12, "{what}, minibatch");
            }
        }
    }
}
