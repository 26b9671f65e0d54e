//! Every landscape through the trait: its gradient against differences of its loss, and its Hessian at θ* against what
//! `curvature` says.

// A broken expectation should end the run, in what tests share as in them.
#![allow(clippy::expect_used)]

use std::sync::Arc;

use proptest::prelude::*;
use taugrid_escape::curvature::symmetric::eigen;
use taugrid_escape::data::Examples;
use taugrid_escape::landscape::mlp::{Activation, Loss, Mlp, Model, Shape};
use taugrid_escape::landscape::quadratic::Quadratic;
use taugrid_escape::landscape::regression::{Design, LinearRegression};
use taugrid_escape::landscape::well::Well;
use taugrid_escape::landscape::{Curvature, Landscape};
use taugrid_escape::rng::{Stream, StreamKey};

/// d numbers that are standard normal.
fn normals(n: usize, seed: u64) -> Vec<f64> {
    let mut stream = Stream::new(StreamKey::derive(seed, 1), 2);
    (0..n).map(|_| stream.normal()).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ∇L by differences of the loss over `width`, to the fourth order.
fn differences<L: Landscape>(landscape: &L, z: &[f64], width: f64) -> Vec<f64> {
    let mut workspace = landscape.workspace();
    let mut moved = z.to_vec();
    let mut slope = |k: usize| {
        let mut at = |step: f64| {
            moved[k] = z[k] + step * width;
            let loss = landscape.excess_loss(&moved, &mut workspace);
            moved[k] = z[k];
            loss
        };
        (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * width)
    };
    (0..z.len()).map(&mut slope).collect()
}

/// ‖a − b‖/(‖a‖ + ‖b‖).
fn apart(a: &[f64], b: &[f64]) -> f64 {
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    norm(&difference) / (norm(a) + norm(b))
}

/// L − L(θ*) = 0 at θ*, and ∇L is the derivative of L at z. A network of ReLUs has kinks, where there is none: what differences
/// of two widths do not agree on is no case of it.
fn is_its_derivative<L: Landscape>(landscape: &L, z: &[f64]) -> Result<(), TestCaseError> {
    let mut workspace = landscape.workspace();
    prop_assert_eq!(landscape.excess_loss(&vec![0.0; z.len()], &mut workspace), 0.0);
    let mut gradient = vec![0.0; z.len()];
    landscape.gradient(z, &mut gradient, &mut workspace);
    let [narrow, wide] = [1e-4, 2e-4].map(|width| differences(landscape, z, width));
    prop_assume!(apart(&narrow, &wide) < 1e-8);
    prop_assert!(apart(&narrow, &gradient) < 1e-8, "{:?} against {:?}", narrow, gradient);
    Ok(())
}

/// The Hessian at θ*, by differences of the gradient, has the eigenvalues that are said.
fn has_its_curvature<L: Landscape>(landscape: &L) -> Result<(), TestCaseError> {
    let (d, width) = (landscape.dim(), 1e-4);
    let mut workspace = landscape.workspace();
    let mut hessian = vec![0.0; d * d];
    for k in 0..d {
        let mut at = |step: f64| {
            let (mut z, mut gradient) = (vec![0.0; d], vec![0.0; d]);
            z[k] = step * width;
            landscape.gradient(&z, &mut gradient, &mut workspace);
            gradient
        };
        let [near, far] = [[at(1.0), at(-1.0)], [at(2.0), at(-2.0)]];
        for i in 0..d {
            hessian[d * i + k] = (8.0 * (near[0][i] - near[1][i]) - (far[0][i] - far[1][i])) / (12.0 * width);
        }
    }
    let trace: f64 = hessian.iter().step_by(d + 1).sum();
    let values = eigen(&hessian, d).expect("symmetric and finite").values;
    let said = landscape.curvature();
    let scale = said.lambda_max;
    for (found, said) in [(values[d - 1], Some(scale)), (values[0], said.lambda_min), (trace, said.trace)] {
        let said = said.expect("known");
        prop_assert!((found - said).abs() < 1e-8 * scale * d as f64, "{found} against {said}");
    }
    prop_assert!(said.gradient_norm < 1e-12 * scale);
    Ok(())
}

fn examples(n: usize, features: usize, classes: usize, seed: u64) -> Examples {
    let labels = (0..n).map(|i| (i * i % classes) as u32).collect();
    Examples::new(normals(n * features, seed), labels, features, classes).expect("valid")
}

fn eigenvalues() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-3.0..2.0f64).prop_map(f64::exp), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quadratics(h in eigenvalues(), seed in any::<u64>()) {
        let bowl = Quadratic::new(h).expect("positive");
        is_its_derivative(&bowl, &normals(bowl.dim(), seed))?;
        has_its_curvature(&bowl)?;
    }

    #[test]
    fn wells(barrier in 0.1..2.0f64, half_width in 0.5..2.0f64, q in -2.0..2.0f64, h in eigenvalues(), seed in any::<u64>()) {
        for well in [Well::double(barrier, half_width, &h), Well::quartic(&h, q)] {
            let well = well.expect("sound");
            is_its_derivative(&well, &normals(well.dim(), seed))?;
            has_its_curvature(&well)?;
        }
    }

    #[test]
    fn regressions(features in 1..6usize, decay in 0.0..0.5f64, intercept in any::<bool>(), seed in any::<u64>()) {
        let design = Design { target: None, intercept, weight_decay: decay };
        let regression = LinearRegression::new(&examples(50, features, 3, seed), design).expect("it can be fitted");
        is_its_derivative(&regression, &normals(regression.dim(), seed))?;
        has_its_curvature(&regression)?;
    }

    #[test]
    fn perceptrons(inputs in 1..4usize, hidden in 1..9usize, classes in 2..4usize, decay in 0.0..0.1f64, seed in any::<u64>()) {
        let losses = [Loss::MeanSquared, Loss::CrossEntropy];
        for (activation, loss) in [Activation::Tanh, Activation::Relu].into_iter().flat_map(|a| losses.map(|l| (a, l))) {
            let shape = Shape { inputs, hidden, classes };
            let examples = Arc::new(examples(12, inputs, classes, seed));
            let model = Model::new(shape, activation, loss, decay, examples).expect("valid");
            let theta = normals(model.dim(), seed ^ 1);
            let curvature =
                Curvature { lambda_max: 1.0, lambda_min: None, trace: None, gradient_norm: 0.0, noise: None };
            let mlp = Mlp::around(model, theta, curvature).expect("finite");
            let z: Vec<f64> = normals(mlp.dim(), seed ^ 2).iter().map(|z| 0.3 * z).collect();
            is_its_derivative(&mlp, &z)?;
        }
    }
}
