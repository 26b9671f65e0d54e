//! What the documentation promises: the same bits in any pool and any batching, exactly 0 at θ*, no panics where
//! numbers overflow, errors where parts do not fit.

use std::sync::Arc;

use super::super::{Activation, Loss, Mlp, MlpError, Model, Shape};
use super::{KINDS, SHAPES, Uniforms, model_and_theta, relative_distance};
use crate::landscape::{Curvature, ExampleLoss, Landscape};

const CURVATURE: Curvature =
    Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0, noise: None };

fn bits(x: &[f64]) -> Vec<u64> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// L, ∇L and Hv, bit by bit.
fn evaluate(model: &Model, theta: &[f64], slots: Option<usize>) -> (u64, Vec<u64>, Vec<u64>) {
    let mut workspace = slots.map_or_else(|| model.parallel_workspace(), |slots| model.workspace_of(slots));
    let (mut gradient, mut product) = (vec![0.0; model.dim()], vec![0.0; model.dim()]);
    let v = Uniforms(4).vector(model.dim(), 1.0);
    model.hessian_vector(theta, &v, &mut product, &mut workspace);
    let loss = model.loss_and_gradient(theta, &mut gradient, &mut workspace);
    (loss.to_bits(), bits(&gradient), bits(&product))
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (shape, examples) in SHAPES {
        for kind in KINDS {
            let (model, theta) = model_and_theta(shape, kind, 0.01, examples, 6);
            let expected = evaluate(&model, &theta, Some(1));
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                for slots in [None, Some(1), Some(2), Some(3), Some(7)] {
                    let found = pool.install(|| evaluate(&model, &theta, slots));
                    assert!(found == expected, "{shape:?} {kind:?}: {threads} threads, {slots:?} slots");
                }
            }
        }
    }
}

#[test]
fn every_build_gives_the_same_bits() {
    // One number for all bits of L, ∇L and Hv of all shapes. A change changes every dataset made with the network; it
    // holds for any target feature and optimisation level.
    for (loss, expected) in
        [(Loss::MeanSquared, 0xA99F_DC52_E475_5A92_u64), (Loss::CrossEntropy, 0x93FE_34AB_6A20_2E21)]
    {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for (shape, examples) in SHAPES {
            for kind in KINDS.into_iter().filter(|kind| kind.1 == loss) {
                let (model, theta) = model_and_theta(shape, kind, 0.01, examples, 6);
                let (loss, gradient, product) = evaluate(&model, &theta, Some(1));
                for bits in std::iter::once(loss).chain(gradient).chain(product) {
                    hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01B3);
                }
            }
        }
        assert_eq!(hash, expected, "{loss:?}: {hash:#x}");
    }
}

#[test]
fn a_workspace_carries_nothing_from_call_to_call() {
    let (model, theta) = model_and_theta(SHAPES[4].0, KINDS[1], 0.01, 257, 2);
    let mut used = model.workspace();
    let (mut first, mut again) = (vec![0.0; model.dim()], vec![0.0; model.dim()]);
    model.hessian_vector(&theta, &theta, &mut first, &mut used);
    model.gradient(&vec![f64::NAN; model.dim()], &mut again, &mut used);
    model.minibatch_gradient(&theta, &[5; 11], &mut again, &mut used);
    model.hessian_vector(&theta, &theta, &mut again, &mut used);
    assert_eq!(bits(&first), bits(&again));
    model.minibatch_gradient(&theta, &[1, 2, 3], &mut again, &mut used);
    model.minibatch_gradient(&theta, &[1, 2, 3], &mut first, &mut model.workspace());
    assert_eq!(bits(&first), bits(&again));
}

#[test]
fn a_minibatch_is_summed_in_its_order_whatever_the_blocks() {
    for kind in KINDS {
        let (model, theta) = model_and_theta(SHAPES[3].0, kind, 0.0, 255, 2);
        let mut workspace = model.workspace();
        let batch: Vec<u32> = (0..32).map(|k| (k * 97 + 13) % 255).collect();
        let mut one = vec![0.0; model.dim()];
        let mut sum = vec![0.0; model.dim()];
        for &example in &batch {
            model.minibatch_gradient(&theta, &[example], &mut one, &mut workspace);
            sum.iter_mut().zip(&one).for_each(|(sum, g)| *sum += g);
        }
        let mut mean = vec![0.0; model.dim()];
        model.minibatch_gradient(&theta, &batch, &mut mean, &mut workspace);
        // 1/32 scales exactly.
        assert_eq!(mean, sum.iter().map(|sum| sum / 32.0).collect::<Vec<_>>(), "{kind:?}");
    }
}

#[test]
fn minibatches_and_singletons_average_to_the_full_gradient() {
    for (shape, examples) in SHAPES {
        for kind in KINDS {
            let (model, theta) = model_and_theta(shape, kind, 0.02, examples, 3);
            let mut workspace = model.workspace();
            let mut full = vec![0.0; model.dim()];
            model.gradient(&theta, &mut full, &mut workspace);
            let all: Vec<u32> = (0..examples as u32).collect();
            let mut batch = vec![0.0; model.dim()];
            model.minibatch_gradient(&theta, &all, &mut batch, &mut workspace);
            assert!(relative_distance(&batch, &full) < 1e-13, "{shape:?} {kind:?}");
            let mut mean = vec![0.0; model.dim()];
            for example in all {
                model.minibatch_gradient(&theta, &[example], &mut batch, &mut workspace);
                mean.iter_mut().zip(&batch).for_each(|(mean, g)| *mean += g / examples as f64);
            }
            assert!(relative_distance(&mean, &full) < 1e-13, "{shape:?} {kind:?}");
        }
    }
}

#[test]
fn the_excess_loss_is_exactly_zero_at_the_minimum() {
    for (shape, examples) in SHAPES {
        for kind in KINDS {
            let (model, mut theta) = model_and_theta(shape, kind, 0.02, examples, 3);
            theta[0] = -0.0;
            let mlp = Mlp::around(model.clone(), theta.clone(), CURVATURE).expect("fits");
            let mut workspace = mlp.workspace();
            assert_eq!(mlp.excess_loss(&vec![0.0; mlp.dim()], &mut workspace), 0.0);
            assert_eq!(mlp.excess_loss(&vec![-0.0; mlp.dim()], &mut workspace), 0.0);

            let z = Uniforms(8).vector(mlp.dim(), 0.1);
            let moved: Vec<f64> = theta.iter().zip(&z).map(|(theta, z)| theta + z).collect();
            let mut model_workspace = model.workspace();
            let (mut here, mut there) = (vec![0.0; mlp.dim()], vec![0.0; mlp.dim()]);
            let loss = model.loss_and_gradient(&moved, &mut there, &mut model_workspace);
            assert_eq!(mlp.excess_loss(&z, &mut workspace), loss - mlp.loss_at_minimum());
            mlp.gradient(&z, &mut here, &mut workspace);
            assert_eq!(here, there);
            mlp.minibatch_gradient(&z, &[0], &mut here, &mut workspace);
            model.minibatch_gradient(&moved, &[0], &mut there, &mut model_workspace);
            assert_eq!(here, there);
            assert_eq!((mlp.examples(), mlp.curvature()), (examples, &CURVATURE));
        }
    }
}

#[test]
fn what_is_not_finite_flows_through() {
    for (shape, examples) in SHAPES {
        for kind in KINDS {
            let (model, theta) = model_and_theta(shape, kind, 0.0, examples, 3);
            let mlp = Mlp::around(model, theta, CURVATURE).expect("fits");
            let mut workspace = mlp.workspace();
            let mut out = vec![0.0; mlp.dim()];
            for k in [0, shape.inputs * shape.hidden, mlp.dim() - shape.classes - 1, mlp.dim() - 1] {
                let mut z = vec![0.0; mlp.dim()];
                z[k] = f64::NAN;
                assert!(mlp.excess_loss(&z, &mut workspace).is_nan(), "{shape:?} {kind:?}, parameter {k}");
                mlp.gradient(&z, &mut out, &mut workspace);
                assert!(out.iter().any(|x| x.is_nan()), "{shape:?} {kind:?}, parameter {k}");
                mlp.minibatch_gradient(&z, &[0], &mut out, &mut workspace);
                assert!(out.iter().any(|x| x.is_nan()), "{shape:?} {kind:?}, parameter {k}");
            }
            for far in [1e200, f64::INFINITY, f64::NEG_INFINITY] {
                // Cross-entropy is as large as the outputs are, and no larger.
                if kind.1 == Loss::CrossEntropy && far == 1e200 {
                    continue;
                }
                let mut z = vec![0.0; mlp.dim()];
                z[mlp.dim() - 1] = far;
                assert!(!mlp.excess_loss(&z, &mut workspace).is_finite(), "{far}");
                mlp.gradient(&z, &mut out, &mut workspace);
                mlp.model().hessian_vector(&z, &z, &mut out, &mut mlp.model().workspace());
            }
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let (model, theta) = model_and_theta(SHAPES[1].0, KINDS[0], 0.0, 9, 3);
    let shape = model.shape();
    let refused = |shape: Shape, weight_decay: f64, theta: &[f64]| {
        let examples = Arc::clone(model.examples());
        Mlp::new(shape, Activation::Relu, Loss::MeanSquared, weight_decay, examples, theta.to_vec(), CURVATURE)
            .expect_err("refused")
    };
    assert_eq!(refused(Shape { hidden: 0, ..shape }, 0.0, &theta), MlpError::EmptyShape);
    assert_eq!(refused(Shape { inputs: 4, ..shape }, 0.0, &theta), MlpError::Features { inputs: 4, features: 3 });
    assert_eq!(refused(Shape { classes: 3, ..shape }, 0.0, &theta), MlpError::Classes { network: 3, examples: 2 });
    assert_eq!(refused(shape, -1.0, &theta), MlpError::WeightDecay(-1.0));
    assert!(matches!(refused(shape, f64::NAN, &theta), MlpError::WeightDecay(_)));
    assert!(matches!(refused(shape, 0.0, &theta[1..]), MlpError::Length { name: "theta", .. }));
    let mut broken = theta.clone();
    broken[4] = f64::INFINITY;
    assert_eq!(refused(shape, 0.0, &broken), MlpError::NotFinite { index: 4 });
    broken[4] = 1e200;
    assert_eq!(refused(shape, 0.0, &broken), MlpError::Loss(f64::INFINITY));
}
