//! Single examples' gradients, their covariance and the dense Hessian against what they are made of, formed.

use super::super::lanes::dot;
use super::super::{Activation, Loss, MAX_DENSE, Model, Shape};
use super::{KINDS, SHAPES, Uniforms, model_and_theta, relative_distance};
use crate::curvature::{HessianFactor, eigen, top_eigenvalues};

/// ∇ℓ_i of every example, each as a minibatch of one.
fn gradients(model: &Model, theta: &[f64]) -> Vec<Vec<f64>> {
    let mut workspace = model.workspace();
    let gradient = |example| {
        let mut out = vec![0.0; model.dim()];
        model.minibatch_gradient(theta, &[example], &mut out, &mut workspace);
        out
    };
    (0..model.examples().len() as u32).map(gradient).collect()
}

/// C, formed.
fn covariance(model: &Model, theta: &[f64]) -> Vec<f64> {
    let (gradients, d) = (gradients(model, theta), model.dim());
    let n = gradients.len() as f64;
    let mean: Vec<f64> = (0..d).map(|j| gradients.iter().map(|g| g[j]).sum::<f64>() / n).collect();
    let mut covariance = vec![0.0; d * d];
    for gradient in gradients {
        let centred: Vec<f64> = gradient.iter().zip(&mean).map(|(g, mean)| g - mean).collect();
        for (row, x) in covariance.chunks_exact_mut(d).zip(&centred) {
            row.iter_mut().zip(&centred).for_each(|(c, y)| *c += x * y / n);
        }
    }
    covariance
}

fn models() -> impl Iterator<Item = (Model, Vec<f64>)> {
    SHAPES[..5].iter().flat_map(|&(shape, examples)| {
        KINDS.into_iter().flat_map(move |activation| {
            [0.0, 0.03].map(|weight_decay| model_and_theta(shape, activation, weight_decay, examples, 4))
        })
    })
}

#[test]
fn slopes_and_weighted_sums_are_those_of_the_single_gradients() {
    for (model, theta) in models() {
        let what = format!("{:?} {:?} {}", model.shape(), model.activation(), model.weight_decay());
        let (n, mut workspace) = (model.examples().len(), model.workspace());
        let gradients = gradients(&model, &theta);
        let v = Uniforms(12).vector(model.dim(), 1.0);
        let mut slopes = vec![0.0; n];
        model.directional_derivatives(&theta, &v, &mut slopes, &mut workspace);
        let expected: Vec<f64> = gradients.iter().map(|g| dot(g, &v)).collect();
        assert!(relative_distance(&slopes, &expected) < 1e-13, "{what}");

        let weights = Uniforms(13).vector(n, 1.0);
        let mut sum = vec![0.0; model.dim()];
        model.weighted_gradient(&theta, &weights, &mut sum, &mut workspace);
        let expected: Vec<f64> =
            (0..model.dim()).map(|j| gradients.iter().zip(&weights).map(|(g, w)| w * g[j]).sum()).collect();
        assert!(relative_distance(&sum, &expected) < 1e-12, "{what}");

        let mut mean = vec![0.0; model.dim()];
        model.weighted_gradient(&theta, &vec![1.0 / n as f64; n], &mut sum, &mut workspace);
        model.gradient(&theta, &mut mean, &mut workspace);
        assert!(relative_distance(&sum, &mean) < 1e-13, "{what}");
    }
}

#[test]
fn the_slopes_are_differences_of_the_losses() {
    let (model, theta) = model_and_theta(SHAPES[1].0, KINDS[3], 0.03, 9, 4);
    let v = Uniforms(14).vector(model.dim(), 1.0);
    let mut slopes = vec![0.0; 9];
    model.directional_derivatives(&theta, &v, &mut slopes, &mut model.workspace());
    for (example, slope) in slopes.iter().enumerate() {
        let inputs = model.examples().features_of(example).to_vec();
        let label = vec![model.examples().label_of(example)];
        let one = crate::data::Examples::new(inputs, label, model.shape().inputs, model.shape().classes);
        let one = std::sync::Arc::new(one.expect("valid"));
        let alone = Model::new(model.shape(), Activation::Tanh, Loss::CrossEntropy, 0.03, one).expect("valid");
        let [up, down] = [1e-5, -1e-5].map(|h| {
            let moved: Vec<f64> = theta.iter().zip(&v).map(|(theta, v)| theta + h * v).collect();
            alone.loss(&moved, &mut alone.workspace())
        });
        let difference = (up - down) / 2e-5;
        assert!((slope - difference).abs() < 1e-8 * (1.0 + slope.abs()), "{example}: {slope} against {difference}");
    }
}

#[test]
fn the_covariance_is_the_formed_one_in_products_and_trace() {
    for (model, theta) in models() {
        let what = format!("{:?} {:?} {}", model.shape(), model.activation(), model.weight_decay());
        let (d, mut workspace) = (model.dim(), model.workspace());
        let covariance = covariance(&model, &theta);
        let v = Uniforms(15).vector(d, 1.0);
        let mut product = vec![0.0; d];
        model.noise_covariance_vector(&theta, &v, &mut product, &mut workspace);
        let expected: Vec<f64> = covariance.chunks_exact(d).map(|row| dot(row, &v)).collect();
        let trace: f64 = (0..d).map(|k| covariance[k * (d + 1)]).sum();
        let found = model.noise_trace(&theta, &mut workspace);
        if model.examples().len() == 1 {
            // One example alone has no noise.
            assert!(product.iter().all(|x| *x == 0.0) && found.abs() < 1e-14, "{what}: {found}");
        } else {
            assert!(relative_distance(&product, &expected) < 1e-12, "{what}");
            assert!((found - trace).abs() < 1e-12 * trace, "{what}: {found} against {trace}");
        }
    }
}

#[test]
fn the_top_of_the_noise_spectrum_is_that_of_the_formed_covariance() {
    let (model, theta) = model_and_theta(SHAPES[1].0, KINDS[1], 0.03, 60, 4);
    let (d, mut workspace) = (model.dim(), model.workspace());
    let expected = eigen(&covariance(&model, &theta), d).expect("finite").values;
    let apply = |v: &[f64], out: &mut [f64]| model.noise_covariance_vector(&theta, v, out, &mut workspace);
    let found = top_eigenvalues(d, apply, &Uniforms(1).vector(d, 1.0), 5, 1e-10, d).expect("finite");
    for (value, expected) in found.values.iter().zip(expected.iter().rev()) {
        assert!((value - expected).abs() < 1e-12 * expected, "{:?}", found.values);
    }
    assert_eq!(found.values.len(), 5);
}

#[test]
fn the_dense_hessian_is_that_of_the_products_and_symmetric() {
    for (model, theta) in models() {
        let (d, mut workspace) = (model.dim(), model.workspace());
        let hessian = model.dense_hessian(&theta).expect("small");
        assert!((0..d * d).all(|k| hessian[k].to_bits() == hessian[k % d * d + k / d].to_bits()));
        let v = Uniforms(16).vector(d, 1.0);
        let mut product = vec![0.0; d];
        let size = hessian.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
        for k in 0..d.min(40) {
            let mut unit = vec![0.0; d];
            unit[k * d / d.min(40)] = 1.0;
            model.hessian_vector(&theta, &unit, &mut product, &mut workspace);
            let column = &hessian[k * d / d.min(40) * d..][..d];
            let misfit = column.iter().zip(&product).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
            assert!(misfit <= 1e-13 * size, "{:?} {:?}: {misfit:e}", model.shape(), model.activation());
        }
        model.hessian_vector(&theta, &v, &mut product, &mut workspace);
        let dense: Vec<f64> = hessian.chunks_exact(d).map(|row| dot(row, &v)).collect();
        assert!(relative_distance(&dense, &product) < 1e-12, "{:?} {:?}", model.shape(), model.activation());
    }
    let shape = Shape { inputs: 1, hidden: MAX_DENSE / 2, classes: 1 };
    let (model, theta) = model_and_theta(shape, KINDS[1], 0.0, 3, 1);
    assert_eq!(model.dense_hessian(&theta), None);
}

#[test]
fn the_hessians_factor_gives_it_back_where_nothing_is_clipped() {
    // Weight decay makes it positive definite.
    let (model, theta) = model_and_theta(SHAPES[2].0, KINDS[3], 10.0, 8, 4);
    let d = model.dim();
    let hessian = model.dense_hessian(&theta).expect("small");
    let found = HessianFactor::of(&hessian, d).expect("finite");
    assert_eq!((found.rank, found.clipped_weight), (d, 0.0));
    let square: Vec<f64> =
        (0..d * d).map(|k| dot(&found.factor[k / d * d..][..d], &found.factor[k % d * d..][..d])).collect();
    assert!(relative_distance(&square, &hessian) < 1e-13);
}

fn bits(x: &[f64]) -> impl Iterator<Item = u64> {
    x.iter().map(|x| x.to_bits())
}

/// All of it, bit by bit.
fn evaluate(model: &Model, theta: &[f64], slots: Option<usize>) -> Vec<u64> {
    let mut workspace = slots.map_or_else(|| model.parallel_workspace(), |slots| model.workspace_of(slots));
    let (n, d) = (model.examples().len(), model.dim());
    let (mut slopes, mut sum, mut product) = (vec![0.0; n], vec![0.0; d], vec![0.0; d]);
    let v = Uniforms(4).vector(d, 1.0);
    model.directional_derivatives(theta, &v, &mut slopes, &mut workspace);
    model.weighted_gradient(theta, &slopes, &mut sum, &mut workspace);
    model.noise_covariance_vector(theta, &v, &mut product, &mut workspace);
    let trace = model.noise_trace(theta, &mut workspace);
    let hessian = if d < 100 { model.dense_hessian(theta).expect("small") } else { Vec::new() };
    bits(&slopes).chain(bits(&sum)).chain(bits(&product)).chain([trace.to_bits()]).chain(bits(&hessian)).collect()
}

#[test]
fn any_number_of_threads_and_every_build_gives_the_same_bits() {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for (shape, examples) in SHAPES {
        for activation in KINDS {
            let (model, theta) = model_and_theta(shape, activation, 0.01, examples, 6);
            let expected = evaluate(&model, &theta, Some(1));
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                for slots in [None, Some(2), Some(7)] {
                    let found = pool.install(|| evaluate(&model, &theta, slots));
                    assert!(found == expected, "{shape:?} {activation:?}: {threads} threads, {slots:?} slots");
                }
            }
            for bits in expected {
                hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01B3);
            }
        }
    }
    assert_eq!(hash, 0xA705_FAB5_E0AC_211A, "{hash:#x}");
}

#[test]
#[ignore = "a measurement, a minute long"]
fn timing() {
    let shape = Shape { inputs: 10, hidden: 50, classes: 12 };
    for examples in [2000, 10430] {
        let (model, theta) = model_and_theta(shape, KINDS[0], 0.0, examples, 1);
        let mut workspace = model.parallel_workspace();
        let mut out = vec![0.0; model.dim()];
        let start = std::time::Instant::now();
        model.hessian_vector(&theta, &theta, &mut out, &mut workspace);
        println!("N = {examples}: Hv {:?}", start.elapsed());
        let start = std::time::Instant::now();
        model.noise_covariance_vector(&theta, &theta, &mut out, &mut workspace);
        println!("N = {examples}: Cv {:?}", start.elapsed());
        let start = std::time::Instant::now();
        let hessian = model.dense_hessian(&theta).expect("small");
        println!("N = {examples}: H {:?}", start.elapsed());
        let start = std::time::Instant::now();
        let factor = HessianFactor::of(&hessian, model.dim()).expect("finite");
        println!("factor {:?}, rank {}, clipped {}", start.elapsed(), factor.rank, factor.clipped_weight);
    }
}
