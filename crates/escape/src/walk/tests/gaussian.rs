//! Steps with Gaussian noise against their definition, with the same normals: in the coordinates of θ, from the
//! gradients of single examples, in f64.

use super::*;
use crate::dynamics::Tail;
use crate::landscape::ExampleLoss;
use crate::landscape::mlp::chain::Factor;
use crate::rng::Stability;
use crate::rng::{StreamKey, TrialStream};
use crate::walk::gaussian::{ChainCovariance, Gaussian, GaussianSteps};

const STEP: f64 = 0.07;
const SIZE: f64 = 0.4;

/// A network with a θ* and a scale; and a point that is far enough from θ* for its gradients to be others.
pub(super) fn place() -> (Arc<Mlp>, Scale, Vec<f64>) {
    let problem = network(Dynamics::Sgd, Domain::Ball { radius: 1.0, follows_alpha: true }, Dtype::F32);
    let AnyLandscape::Mlp(mlp) = problem.landscape else { panic!("a network") };
    let z = (0..mlp.dim()).map(|i| f64::from((0.1 * (i as f64 * 0.37).sin()) as f32)).collect();
    (mlp, problem.scale, z)
}

fn stream() -> TrialStream {
    TrialStream::new(StreamKey::derive(7, 8), 9, Isa::current())
}

/// The normals of a step that draws one for each of so many.
fn normals(count: usize) -> Vec<f64> {
    let mut normals = vec![0.0; count];
    stream().normals(&mut normals);
    normals.into_iter().map(f64::from).collect()
}

/// z after a step from there, and ‖z‖² as the step gave it.
fn after(mlp: &Mlp, scale: Scale, from: &[f64], noise: &Gaussian) -> (Vec<f64>, f64) {
    let mut chain = Chain::new(mlp.network(), Isa::current());
    chain.read_displacement(from);
    let mut steps = GaussianSteps::new(noise, scale, STEP, mlp.network(), Isa::current());
    let square = steps.step(&mut chain, &mut stream());
    let mut z = vec![0.0; mlp.dim()];
    chain.write_displacement(&mut z);
    (z, square)
}

fn of(covariance: ChainCovariance) -> Gaussian {
    Gaussian { covariance, size: SIZE, tail: Tail::Gaussian, corrected: false }
}

/// z after the step −h∇L_αβ + s·`noise` of x = z/√α.
fn expected(mlp: &Mlp, scale: Scale, z: &[f64], noise: &[f64]) -> Vec<f64> {
    let mut gradient = vec![0.0; mlp.dim()];
    mlp.gradient(z, &mut gradient, &mut mlp.workspace());
    let root = scale.alpha.sqrt();
    z.iter()
        .zip(&gradient)
        .zip(noise)
        .map(|((z, g), n)| root * (z / root - STEP * scale.beta * root * g + SIZE * n))
        .collect()
}

/// ∇ℓ_i of L_αβ at z, of each example.
pub(super) fn examples_gradients(mlp: &Mlp, scale: Scale, z: &[f64]) -> Vec<Vec<f64>> {
    let mut workspace = mlp.workspace();
    let gradient = |index| {
        let mut gradient = vec![0.0; mlp.dim()];
        mlp.minibatch_gradient(z, &[index as u32], &mut gradient, &mut workspace);
        gradient.iter_mut().for_each(|g| *g *= scale.gradient_factor());
        gradient
    };
    (0..mlp.examples()).map(gradient).collect()
}

/// −Σ_i (ξ_i − ξ̄)/√N ∇ℓ_i of L_αβ at z.
fn noise_of_examples(mlp: &Mlp, scale: Scale, z: &[f64], xi: &[f64]) -> Vec<f64> {
    let (mut sum, n) = (vec![0.0; mlp.dim()], xi.len() as f64);
    let mean = xi.iter().sum::<f64>() / n;
    for (gradient, xi) in examples_gradients(mlp, scale, z).iter().zip(xi) {
        sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum -= (xi - mean) / n.sqrt() * g);
    }
    sum
}

/// The largest difference of the moves from `z`, over the largest move.
fn check(z: &[f64], (found, square): &(Vec<f64>, f64), expected: &[f64]) {
    let moves = z.iter().zip(expected).map(|(z, e)| (z - e).abs()).fold(0.0, f64::max);
    let error = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
    assert!(error < 1e-5 * moves, "{error:e} of {moves:e}");
    assert!((square / found.iter().map(|z| z * z).sum::<f64>() - 1.0).abs() < 1e-5);
}

#[test]
fn sample_and_frozen_steps_are_those_of_the_examples_gradients() {
    let (mlp, scale, z) = place();
    let xi = normals(mlp.examples());
    let zero = vec![0.0; mlp.dim()];
    for (covariance, at) in [(ChainCovariance::Sample, &z), (ChainCovariance::Frozen, &zero)] {
        let noise = noise_of_examples(&mlp, scale, at, &xi);
        check(&z, &after(&mlp, scale, &z, &of(covariance)), &expected(&mlp, scale, &z, &noise));
    }
}

#[test]
fn at_the_minimum_frozen_is_sample() {
    let (mlp, scale, _) = place();
    let zero = vec![0.0; mlp.dim()];
    let (sample, _) = after(&mlp, scale, &zero, &of(ChainCovariance::Sample));
    check(&zero, &after(&mlp, scale, &zero, &of(ChainCovariance::Frozen)), &sample);
}

#[test]
fn a_step_with_a_factor_is_that_of_its_columns() {
    let (mlp, scale, z) = place();
    for rank in [0, 1, 2, 33, mlp.dim()] {
        let f: Vec<f64> = (0..mlp.dim() * rank).map(|k| f64::from((k as f64 * 0.77).cos() as f32)).collect();
        let xi = normals(rank);
        let noise: Vec<f64> = (0..mlp.dim())
            .map(|row| 3.0_f64.sqrt() * f[row * rank..][..rank].iter().zip(&xi).map(|(f, xi)| f * xi).sum::<f64>())
            .collect();
        let factor = Arc::new(Factor::new(mlp.model().shape(), rank, &f).expect("fits"));
        let noisy = of(ChainCovariance::Factor { factor, variance: 3.0 });
        check(&z, &after(&mlp, scale, &z, &noisy), &expected(&mlp, scale, &z, &noise));
    }
}

#[test]
fn an_amplitude_multiplies_the_noise_of_the_step() {
    let (mlp, scale, z) = place();
    let stability = Stability::new(1.5).expect("in range");
    let amplitude = f64::from(stream().amplitude(stability));
    let factor = Factor::new(mlp.model().shape(), 1, &vec![0.3; mlp.dim()]).expect("fits");
    for covariance in [
        ChainCovariance::Sample,
        ChainCovariance::Frozen,
        ChainCovariance::Isotropic,
        ChainCovariance::Factor { factor: Arc::new(factor), variance: 1.0 },
    ] {
        let drawn = Gaussian { tail: Tail::Isotropic(stability), ..of(covariance.clone()) };
        let larger = Gaussian { size: SIZE * amplitude, ..of(covariance) };
        // The amplitude makes the lanes go on before the normals are drawn.
        let run = |noise: &Gaussian, drawn: bool| {
            let mut chain = Chain::new(mlp.network(), Isa::current());
            chain.read_displacement(&z);
            let mut stream = stream();
            if drawn {
                let _ = stream.amplitude(stability);
            }
            GaussianSteps::new(noise, scale, STEP, mlp.network(), Isa::current()).step(&mut chain, &mut stream)
        };
        assert_eq!(run(&drawn, false), run(&larger, true), "{drawn:?}");
    }
}

/// F Fᵀ is H*, its negative part clipped away: |Fᵀv|² = vᵀHv for v in the span of what is kept.
#[test]
fn the_root_of_the_hessian_is_that_of_its_products() {
    let (mlp, _, _) = place();
    let root = mlp.root_of_hessian().expect("small");
    assert!((0.0..0.2).contains(&root.clipped_weight), "{}", root.clipped_weight);
    let d = mlp.dim();
    let (mut product, mut workspace) = (vec![0.0; d], mlp.model().workspace());
    let start: Vec<f64> = (0..d).map(|i| (i as f64 * 0.37).sin()).collect();
    let apply = |v: &[f64], out: &mut [f64]| mlp.model().hessian_vector(mlp.theta(), v, out, &mut workspace);
    let top = crate::curvature::top_eigenvalues(d, apply, &start, 5, 1e-10, d).expect("finite");
    // Along an eigenvector, and across two of them.
    for (k, value) in top.values.iter().enumerate() {
        let v = &top.vectors[k * d..][..d];
        let found = root.factor.squared_projection(v);
        assert!((found / value - 1.0).abs() < 1e-5, "{k}: {found} against {value}");
    }
    let across: Vec<f64> = (0..d).map(|i| top.vectors[i] + 2.0 * top.vectors[d + i]).collect();
    mlp.model().hessian_vector(mlp.theta(), &across, &mut product, &mut mlp.model().workspace());
    let expected: f64 = across.iter().zip(&product).map(|(a, b)| a * b).sum();
    assert!((root.factor.squared_projection(&across) / expected - 1.0).abs() < 1e-5);
}
