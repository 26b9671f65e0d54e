//! Gradients against differences of losses, Hessian-vector products against differences of gradients, λmax against a
//! dense Hessian.

use super::super::lanes::dot;
use super::super::{Activation, Loss, Model, Shape};
use super::{KINDS, SHAPES, Uniforms, model_and_theta, relative_distance};
use crate::curvature::largest_eigenvalue;

/// Whether no hidden unit of any example comes near its kink when θ moves by 1e-4: only there are differences those of
/// a smooth function.
fn away_from_kinks(model: &Model, theta: &[f64]) -> bool {
    let (shape, examples) = (model.shape(), model.examples());
    (0..examples.len()).all(|example| {
        (0..shape.hidden).all(|h| {
            let inputs = examples.features_of(example).iter().enumerate();
            let weighted: f64 = inputs.map(|(i, x)| x * theta[i * shape.hidden + h]).sum();
            (weighted + theta[shape.inputs * shape.hidden + h]).abs() > 2e-3
        })
    })
}

/// Small models of both activations, with and without weight decay, at a θ where differences make sense.
fn smooth_models() -> impl Iterator<Item = (Model, Vec<f64>)> {
    let shapes = [SHAPES[0].0, SHAPES[1].0, SHAPES[2].0, SHAPES[3].0];
    shapes.into_iter().flat_map(|shape| {
        KINDS.into_iter().flat_map(move |kind| {
            [0.0, 0.03].into_iter().map(move |weight_decay| {
                let mut models = (1..).map(|seed| model_and_theta(shape, kind, weight_decay, 9, seed));
                models.find(|(model, theta)| away_from_kinks(model, theta)).expect("endless seeds")
            })
        })
    })
}

#[test]
fn the_gradient_is_the_derivative_of_the_loss() {
    for (model, theta) in smooth_models() {
        let mut workspace = model.workspace();
        let mut gradient = vec![0.0; model.dim()];
        model.gradient(&theta, &mut gradient, &mut workspace);
        let h = 1e-5;
        let differences: Vec<f64> = (0..model.dim())
            .map(|k| {
                let (mut up, mut down) = (theta.clone(), theta.clone());
                up[k] += h;
                down[k] -= h;
                (model.loss(&up, &mut workspace) - model.loss(&down, &mut workspace)) / (2.0 * h)
            })
            .collect();
        let distance = relative_distance(&gradient, &differences);
        assert!(
            distance < 1e-8,
            "{:?} {:?} {:?}: {distance:e}",
            model.shape(),
            model.activation(),
            model.loss_function()
        );
    }
}

#[test]
fn the_hessian_vector_product_is_the_derivative_of_the_gradient() {
    for (model, theta) in smooth_models() {
        let mut workspace = model.workspace();
        let v = Uniforms(3).vector(model.dim(), 1.0);
        let mut product = vec![0.0; model.dim()];
        model.hessian_vector(&theta, &v, &mut product, &mut workspace);
        let h = 1e-5;
        let [up, down] = [h, -h].map(|h| {
            let moved: Vec<f64> = theta.iter().zip(&v).map(|(theta, v)| theta + h * v).collect();
            let mut gradient = vec![0.0; model.dim()];
            model.gradient(&moved, &mut gradient, &mut workspace);
            gradient
        });
        let difference: Vec<f64> = up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * h)).collect();
        let distance = relative_distance(&product, &difference);
        assert!(
            distance < 1e-8,
            "{:?} {:?} {:?}: {distance:e}",
            model.shape(),
            model.activation(),
            model.loss_function()
        );
    }
}

#[test]
fn directional_derivatives_are_those_of_the_examples() {
    for (shape, examples) in SHAPES {
        for kind in KINDS {
            let (model, theta) = model_and_theta(shape, kind, 0.01, examples, 5);
            let v = Uniforms(9).vector(model.dim(), 1.0);
            let (mut gradient, mut workspace) = (vec![0.0; model.dim()], model.workspace());
            let expected: Vec<f64> = (0..examples as u32)
                .map(|index| {
                    model.minibatch_gradient(&theta, &[index], &mut gradient, &mut workspace);
                    dot(&gradient, &v)
                })
                .collect();
            let mut found = vec![0.0; examples];
            model.directional_derivatives(&theta, &v, &mut found, &mut workspace);
            assert!(relative_distance(&found, &expected) < 1e-12, "{shape:?} {kind:?}");
            for slots in [2, 3] {
                let mut again = vec![0.0; examples];
                model.directional_derivatives(&theta, &v, &mut again, &mut model.workspace_of(slots));
                assert_eq!(found, again);
            }
        }
    }
}

#[test]
fn the_hessian_is_symmetric() {
    for (shape, examples) in SHAPES {
        for kind in KINDS {
            let (model, theta) = model_and_theta(shape, kind, 0.01, examples, 5);
            let mut workspace = model.workspace();
            let mut uniforms = Uniforms(9);
            let (u, v) = (uniforms.vector(model.dim(), 1.0), uniforms.vector(model.dim(), 1.0));
            let (mut hu, mut hv) = (vec![0.0; model.dim()], vec![0.0; model.dim()]);
            model.hessian_vector(&theta, &u, &mut hu, &mut workspace);
            model.hessian_vector(&theta, &v, &mut hv, &mut workspace);
            let (uhv, vhu) = (dot(&u, &hv), dot(&v, &hu));
            let scale = (dot(&u, &u) * dot(&hv, &hv)).sqrt();
            assert!((uhv - vhu).abs() <= 1e-13 * scale, "{shape:?} {kind:?}: {uhv} against {vhu}");
        }
    }
}

/// The largest eigenvalue of a dense symmetric matrix, by Jacobi's rotations.
fn dense_largest(mut a: Vec<Vec<f64>>) -> f64 {
    let n = a.len();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let ratio = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = ratio.signum() / (ratio.abs() + (ratio * ratio + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    (0..n).map(|k| a[k][k]).fold(f64::MIN, f64::max)
}

#[test]
fn lambda_max_is_that_of_the_dense_hessian() {
    lambda_max_is_dense((Activation::Tanh, Loss::MeanSquared));
    lambda_max_is_dense((Activation::Tanh, Loss::CrossEntropy));
}

fn lambda_max_is_dense(kind: (Activation, Loss)) {
    let shape = Shape { inputs: 2, hidden: 4, classes: 3 };
    let (model, theta) = (1..)
        .map(|seed| model_and_theta(shape, kind, 0.01, 20, seed))
        .find(|(model, theta)| away_from_kinks(model, theta))
        .expect("endless seeds");
    let d = model.dim();
    let mut workspace = model.workspace();
    let h = 1e-5;
    let mut gradient = vec![0.0; d];
    let mut at = |k: usize, h: f64, workspace: &mut _| {
        let mut moved = theta.clone();
        moved[k] += h;
        model.gradient(&moved, &mut gradient, workspace);
        gradient.clone()
    };
    let rows: Vec<Vec<f64>> = (0..d)
        .map(|k| {
            let (up, down) = (at(k, h, &mut workspace), at(k, -h, &mut workspace));
            up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * h)).collect()
        })
        .collect();
    let dense = dense_largest((0..d).map(|i| (0..d).map(|j| 0.5 * (rows[i][j] + rows[j][i])).collect()).collect());
    let apply = |v: &[f64], out: &mut [f64]| model.hessian_vector(&theta, v, out, &mut workspace);
    let found = largest_eigenvalue(d, apply, &Uniforms(1).vector(d, 1.0), 1e-10, d).expect("finite");
    assert!((found.value - dense).abs() < 1e-8 * dense, "{found:?} against {dense}");
}
