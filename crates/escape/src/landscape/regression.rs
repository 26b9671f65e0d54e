//! Linear regression on data: a quadratic whose SGD noise is that of real minibatches.
//!
//! ℓ_i(θ) = ½ (x_iᵀθ − y_i)² + (w/2)‖θ‖², L = (1/N) Σ ℓ_i. All that the theory speaks of is known in closed form:
//!
//! | what | value |
//! | --- | --- |
//! | θ* | (XᵀX/N + wI)⁻¹ Xᵀy/N |
//! | H* | XᵀX/N + wI, everywhere |
//! | ∇ℓ_i(θ* + z) | x_i (x_iᵀz − r_i) + w(θ* + z), with the residual r_i = y_i − x_iᵀθ* |
//! | C(θ* + z) | (1/N) Σ (x_iᵀz − r_i)² x_i x_iᵀ − g gᵀ, with g = (1/N) Σ (x_iᵀz − r_i) x_i |
//!
//! So Assumption 2, C = H, can be tested itself: it holds at θ*, up to a factor, where the residuals do not depend on the
//! inputs. How far it is from holding stands, exact, in the curvature. Everything is kept in the eigenbasis of H*.

use std::sync::Arc;

use super::quadratic::Quadratic;
use super::{Curvature, ExampleLoss, Landscape, WeightedLoss};
use crate::curvature::NoiseVersusHessian;
use crate::curvature::symmetric::{EigenError, eigen};
use crate::data::Examples;

/// Linear least squares on examples, seen from its minimum.
#[derive(Debug, Clone)]
pub struct LinearRegression {
    bowl: Arc<Quadratic>,
    /// x_i in the eigenbasis, row by row: N × d.
    inputs: Vec<f64>,
    /// r_i = y_i − x_iᵀθ*.
    residuals: Vec<f64>,
    /// θ* in the eigenbasis.
    theta: Vec<f64>,
    weight_decay: f64,
    loss: f64,
    /// That of the bowl, with C beside H*.
    curvature: Curvature,
}

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// The feature that is to be predicted from all others; `None` for the number of the class.
    pub target: Option<usize>,
    /// Whether a constant 1 is added to the inputs.
    pub intercept: bool,
    /// w ≥ 0, the coefficient of ½‖θ‖².
    pub weight_decay: f64,
}

/// Why there is no minimum. Fragments that read on after "failed to fit the regression: ".
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RegressionError {
    /// There is no such feature.
    Target {
        /// As asked for.
        target: usize,
        /// As there are.
        features: usize,
    },
    /// No inputs are left.
    NoInputs,
    /// Some directions are hardly in the data.
    Collinear {
        /// λmin/λmax of H*.
        ratio: f64,
    },
    /// H* has no eigenvalues.
    Eigen(EigenError),
}

impl std::fmt::Display for RegressionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target { target, features } => {
                write!(f, "there is no feature {target}: there are {features}, counted from 0")
            }
            Self::NoInputs => f.write_str("no inputs are left; add an intercept, or features"),
            Self::Collinear { ratio } => write!(
                f,
                "the inputs are collinear (the least eigenvalue of H* is {ratio:.1e} of the largest), so that θ* is not one \
                 point; leave an input out, or add weight_decay"
            ),
            Self::Eigen(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RegressionError {}

/// The least eigenvalue of H* is to be at least this share of the largest.
const LEAST_RATIO: f64 = 1e-10;

impl LinearRegression {
    /// Finds θ*, and turns everything into the eigenbasis of H* there.
    ///
    /// # Errors
    /// If the target is no feature, no inputs are left, or they are collinear and there is no weight decay.
    pub fn new(examples: &Examples, design: Design) -> Result<Self, RegressionError> {
        let (inputs, targets) = design.split(examples)?;
        let (n, d) = (targets.len(), inputs.len() / targets.len());
        let per_example = 1.0 / n as f64;
        let mut hessian = vec![0.0; d * d];
        for x in inputs.chunks_exact(d) {
            for (row, xi) in hessian.chunks_exact_mut(d).zip(x) {
                row.iter_mut().zip(x).for_each(|(h, xj)| *h += xi * xj);
            }
        }
        hessian.iter_mut().for_each(|h| *h *= per_example);
        hessian.iter_mut().step_by(d + 1).for_each(|h| *h += design.weight_decay);
        let eigen = eigen(&hessian, d).map_err(RegressionError::Eigen)?;
        let ratio = eigen.values[0] / eigen.values[d - 1];
        let collinear = RegressionError::Collinear { ratio };
        if ratio.is_nan() || ratio < LEAST_RATIO {
            return Err(collinear);
        }
        let rotated: Vec<f64> =
            inputs.chunks_exact(d).flat_map(|x| eigen.vectors.chunks_exact(d).map(move |v| dot(v, x))).collect();
        let mut theta = vec![0.0; d];
        for (x, y) in rotated.chunks_exact(d).zip(&targets) {
            theta.iter_mut().zip(x).for_each(|(sum, x)| *sum += x * y);
        }
        theta.iter_mut().zip(&eigen.values).for_each(|(sum, h)| *sum *= per_example / h);
        let residuals: Vec<f64> = rotated.chunks_exact(d).zip(&targets).map(|(x, y)| y - dot(x, &theta)).collect();
        let squares = residuals.iter().map(|r| r * r).sum::<f64>();
        let loss = 0.5 * (squares * per_example + design.weight_decay * dot(&theta, &theta));
        let bowl = Quadratic::new(eigen.values).and_then(|bowl| bowl.with_basis(eigen.vectors)).ok_or(collinear)?;
        let weight_decay = design.weight_decay;
        let curvature = bowl.curvature().clone();
        let fit = Self { bowl: Arc::new(bowl), inputs: rotated, residuals, theta, weight_decay, loss, curvature };
        let noise = NoiseVersusHessian::exact(&fit.noise_covariance(&vec![0.0; d]), fit.bowl.eigenvalues());
        Ok(Self { curvature: Curvature { noise: Some(noise), ..fit.curvature }, ..fit })
    }

    /// The same bowl without its examples.
    pub fn bowl(&self) -> &Arc<Quadratic> {
        &self.bowl
    }

    /// L(θ*).
    pub fn loss_at_minimum(&self) -> f64 {
        self.loss
    }

    /// C(θ* + z) in the eigenbasis of H*, row by row: d × d.
    pub fn noise_covariance(&self, z: &[f64]) -> Vec<f64> {
        let d = self.dim();
        let (mut second, mut mean) = (vec![0.0; d * d], vec![0.0; d]);
        for (x, error) in self.errors(z) {
            for (row, xi) in second.chunks_exact_mut(d).zip(x) {
                row.iter_mut().zip(x).for_each(|(c, xj)| *c += error * error * xi * xj);
            }
            mean.iter_mut().zip(x).for_each(|(g, x)| *g += error * x);
        }
        let per_example = 1.0 / self.examples() as f64;
        mean.iter_mut().for_each(|g| *g *= per_example);
        for (row, gi) in second.chunks_exact_mut(d).zip(&mean) {
            row.iter_mut().zip(&mean).for_each(|(c, gj)| *c = *c * per_example - gi * gj);
        }
        second
    }

    /// x_i and x_iᵀz − r_i, example by example.
    fn errors<'a>(&'a self, z: &'a [f64]) -> impl Iterator<Item = (&'a [f64], f64)> {
        self.inputs.chunks_exact(self.dim()).zip(&self.residuals).map(move |(x, r)| (x, dot(x, z) - r))
    }

    fn input(&self, example: usize) -> &[f64] {
        &self.inputs[example * self.dim()..][..self.dim()]
    }

    /// w(θ* + z) for each unit of weight.
    fn add_decay(&self, z: &[f64], weight: f64, out: &mut [f64]) {
        if self.weight_decay != 0.0 {
            let factor = weight * self.weight_decay;
            out.iter_mut().zip(&self.theta).zip(z).for_each(|((out, theta), z)| *out += factor * (theta + z));
        }
    }
}

impl Design {
    /// The inputs, row by row, and the targets.
    fn split(self, examples: &Examples) -> Result<(Vec<f64>, Vec<f64>), RegressionError> {
        let features = examples.features();
        if let Some(target) = self.target.filter(|target| *target >= features) {
            return Err(RegressionError::Target { target, features });
        }
        if features + usize::from(self.intercept) == usize::from(self.target.is_some()) {
            return Err(RegressionError::NoInputs);
        }
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for (x, label) in examples.inputs().chunks_exact(features).zip(examples.labels()) {
            let others = x.iter().enumerate().filter(|(feature, _)| Some(*feature) != self.target);
            inputs.extend(others.map(|(_, x)| *x));
            inputs.extend(self.intercept.then_some(1.0));
            targets.push(self.target.map_or(f64::from(*label), |target| x[target]));
        }
        Ok((inputs, targets))
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Landscape for LinearRegression {
    type Workspace = ();

    fn workspace(&self) -> Self::Workspace {}

    fn dim(&self) -> usize {
        self.bowl.dim()
    }

    fn excess_loss(&self, z: &[f64], (): &mut ()) -> f64 {
        self.bowl.excess_loss(z, &mut ())
    }

    fn gradient(&self, z: &[f64], out: &mut [f64], (): &mut ()) {
        self.bowl.gradient(z, out, &mut ());
    }

    fn curvature(&self) -> &Curvature {
        &self.curvature
    }
}

impl ExampleLoss for LinearRegression {
    fn examples(&self) -> usize {
        self.residuals.len()
    }

    fn minibatch_gradient(&self, z: &[f64], batch: &[u32], out: &mut [f64], (): &mut ()) {
        out.fill(0.0);
        for &index in batch {
            let x = self.input(index as usize);
            let error = dot(x, z) - self.residuals[index as usize];
            out.iter_mut().zip(x).for_each(|(out, x)| *out += error * x);
        }
        let per_example = 1.0 / batch.len() as f64;
        out.iter_mut().for_each(|out| *out *= per_example);
        self.add_decay(z, 1.0, out);
    }
}

impl WeightedLoss for LinearRegression {
    fn weighted_gradient(&self, z: &[f64], weights: &[f64], out: &mut [f64], (): &mut ()) {
        out.fill(0.0);
        for ((x, error), weight) in self.errors(z).zip(weights) {
            let factor = weight * error;
            out.iter_mut().zip(x).for_each(|(out, x)| *out += factor * x);
        }
        self.add_decay(z, weights.iter().sum(), out);
    }

    fn noise_along(&self, z: &[f64], direction: &[f64], (): &mut ()) -> f64 {
        let (mut sum, mut squares) = (0.0, 0.0);
        for (x, error) in self.errors(z) {
            let slope = error * dot(x, direction);
            sum += slope;
            squares += slope * slope;
        }
        let n = self.examples() as f64;
        (squares / n - (sum / n) * (sum / n)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, StreamKey};

    fn examples() -> Examples {
        let mut stream = Stream::new(StreamKey::derive(4, 5), 6);
        let inputs = (0..300 * 4).map(|_| stream.normal()).collect();
        let labels = (0..300).map(|i| i % 3).collect();
        Examples::new(inputs, labels, 4, 3).expect("valid")
    }

    fn regression(weight_decay: f64) -> LinearRegression {
        let design = Design { target: Some(1), intercept: true, weight_decay };
        LinearRegression::new(&examples(), design).expect("it can be fitted")
    }

    /// L(θ* + z) from its definition, over the examples.
    fn loss(regression: &LinearRegression, z: &[f64]) -> f64 {
        let squares: f64 = regression.errors(z).map(|(_, error)| error * error).sum();
        let theta: Vec<f64> = regression.theta.iter().zip(z).map(|(theta, z)| theta + z).collect();
        0.5 * (squares / 300.0 + regression.weight_decay * dot(&theta, &theta))
    }

    #[test]
    fn it_is_the_quadratic_that_it_says_around_its_minimum() {
        for weight_decay in [0.0, 0.3] {
            let regression = regression(weight_decay);
            assert_eq!(regression.dim(), 4);
            assert!((loss(&regression, &[0.0; 4]) - regression.loss_at_minimum()).abs() < 1e-14);
            let z = [0.3, -1.2, 0.5, 0.7];
            let excess = loss(&regression, &z) - regression.loss_at_minimum();
            assert!((excess - regression.excess_loss(&z, &mut ())).abs() < 1e-12, "{excess}");
            // The gradient over all examples, as a batch and as weights.
            let (mut exact, mut batch, mut weighted) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            regression.gradient(&z, &mut exact, &mut ());
            regression.minibatch_gradient(&z, &(0..300).collect::<Vec<_>>(), &mut batch, &mut ());
            regression.weighted_gradient(&z, &[1.0 / 300.0; 300], &mut weighted, &mut ());
            for k in 0..4 {
                assert!((exact[k] - batch[k]).abs() < 1e-12 && (exact[k] - weighted[k]).abs() < 1e-12);
            }
        }
    }

    /// H0: minibatches without replacement have the covariance (N − B)/(N − 1) · C/B, where C is the closed form. B = 20,
    /// n = 400,000 batches; a variance is known to √(2/n) = 0.22 % of itself, so that 1.2 % is 5.4 s.d. away (7e-8), 10
    /// entries: 7e-7.
    #[test]
    fn minibatch_gradients_have_the_covariance_of_the_closed_form() {
        let (regression, z) = (regression(0.1), [0.1, -0.2, 0.3, 0.1]);
        let closed = regression.noise_covariance(&z);
        let mut minibatches = crate::dynamics::sgd::Minibatches::of(300);
        let mut stream = Stream::new(StreamKey::derive(7, 8), 9);
        let (mut batch, mut gradient, mut mean) = ([0u32; 20], [0.0; 4], [0.0; 4]);
        regression.gradient(&z, &mut mean, &mut ());
        let (mut sums, count) = ([[0.0; 4]; 4], 400_000);
        for _ in 0..count {
            minibatches.draw(&mut batch, |n| stream.below(n));
            regression.minibatch_gradient(&z, &batch, &mut gradient, &mut ());
            for i in 0..4 {
                for j in 0..4 {
                    sums[i][j] += (gradient[i] - mean[i]) * (gradient[j] - mean[j]);
                }
            }
        }
        let factor = (300.0 - 20.0) / 299.0 / 20.0;
        for i in 0..4 {
            for j in 0..4 {
                let (found, expected) = (sums[i][j] / f64::from(count), factor * closed[4 * i + j]);
                let scale = factor * (closed[5 * i] * closed[5 * j]).sqrt();
                assert!((found - expected).abs() < 0.012 * scale, "C[{i}][{j}]: {found} against {expected}");
            }
            // The variance along an axis is the diagonal.
            let axis: Vec<f64> = (0..4).map(|k| f64::from(u8::from(k == i))).collect();
            assert!((regression.noise_along(&z, &axis, &mut ()) - closed[5 * i]).abs() < 1e-12);
        }
    }

    /// The distance of C from H is that of the covariance of the examples' own gradients, with or without weight decay.
    #[test]
    fn the_noise_is_held_against_the_hessian_exactly() {
        for weight_decay in [0.0, 0.3] {
            let regression = regression(weight_decay);
            let mut c = [[0.0; 4]; 4];
            let mut gradient = [0.0; 4];
            for example in 0..300 {
                // ∇L = 0 at θ*.
                regression.minibatch_gradient(&[0.0; 4], &[example], &mut gradient, &mut ());
                for (row, gi) in c.iter_mut().zip(&gradient) {
                    row.iter_mut().zip(&gradient).for_each(|(c, gj)| *c += gi * gj / 300.0);
                }
            }
            let h = regression.bowl().eigenvalues();
            let found = regression.curvature().noise.expect("it has examples");
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} against {b}");
            close(found.trace_noise, (0..4).map(|k| c[k][k]).sum());
            close(found.trace_hessian, h.iter().sum());
            close(found.inner, (0..4).map(|k| c[k][k] * h[k]).sum());
            close(found.noise_norm.powi(2), c.as_flattened().iter().map(|c| c * c).sum());
            let apart = |i: usize, j: usize| c[i][j] - if i == j { h[i] } else { 0.0 };
            let square: f64 = (0..16).map(|k| apart(k / 4, k % 4).powi(2)).sum();
            close(found.distance(1.0, 1.0), square.sqrt() / found.hessian_norm);
        }
    }

    /// avila-tr.txt, standardized and clipped at 5; `None` where TAUGRID_AVILA does not name it.
    fn avila() -> Option<Examples> {
        let path = std::env::var_os("TAUGRID_AVILA").filter(|path| std::path::Path::new(path).exists())?;
        let text = std::fs::read_to_string(path).expect("readable");
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let (features, class) = line.rsplit_once(',').expect("features and a class");
            inputs.extend(features.split(',').map(|x| x.trim().parse::<f64>().expect("a number")));
            labels.push(u32::from(class.as_bytes()[0] - b'A'));
        }
        let examples = Examples::new(inputs, labels, 10, 26).and_then(Examples::standardized);
        Some(examples.and_then(|examples| examples.clipped(5.0)).expect("valid"))
    }

    /// H0: as above, at θ* on the paper's data, its first feature predicted from the others. B = 20, n = 6,000,000 batches;
    /// the s.d. of an entry, from the fourth moments of the examples' gradients, is at most √(15.2/n) = 0.16 % of
    /// √(C_ii C_jj), so that 1 % is 6.3 s.d. away (3e-10), 55 entries: 2e-8.
    #[test]
    fn minibatches_of_avila_have_the_covariance_of_the_closed_form() {
        let Some(examples) = avila() else {
            eprintln!("skipped: TAUGRID_AVILA does not name avila-tr.txt");
            return;
        };
        let design = Design { target: Some(0), intercept: true, weight_decay: 0.0 };
        let regression = LinearRegression::new(&examples, design).expect("it can be fitted");
        let (origin, closed) = ([0.0; 10], regression.noise_covariance(&[0.0; 10]));
        let mut minibatches = crate::dynamics::sgd::Minibatches::of(10_430);
        let mut stream = Stream::new(StreamKey::derive(7, 8), 10);
        let (mut batch, mut gradient) = ([0u32; 20], [0.0; 10]);
        let (mut sums, count) = ([[0.0; 10]; 10], 6_000_000);
        for _ in 0..count {
            minibatches.draw(&mut batch, |n| stream.below(n));
            regression.minibatch_gradient(&origin, &batch, &mut gradient, &mut ());
            for (row, gi) in sums.iter_mut().zip(&gradient) {
                row.iter_mut().zip(&gradient).for_each(|(sum, gj)| *sum += gi * gj);
            }
        }
        let factor = (10_430.0 - 20.0) / 10_429.0 / 20.0;
        for (k, sum) in sums.as_flattened().iter().enumerate() {
            let (i, j) = (k / 10, k % 10);
            let (found, expected) = (sum / f64::from(count), factor * closed[k]);
            let scale = factor * (closed[11 * i] * closed[11 * j]).sqrt();
            assert!((found - expected).abs() < 0.01 * scale, "C[{i}][{j}]: {found} against {expected}, of {scale}");
        }
        // Assumption 2 is far from holding: no β brings C within a half of H.
        let noise = regression.curvature().noise.expect("it has examples");
        let least = noise.distance(1.0, noise.closest_beta());
        assert!((0.76..0.77).contains(&noise.alignment()) && least > 0.5, "{noise:?}");
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let refused = |examples: &Examples, target, intercept| {
            LinearRegression::new(examples, Design { target, intercept, weight_decay: 0.0 }).expect_err("no fit")
        };
        assert!(matches!(refused(&examples(), Some(4), true), RegressionError::Target { target: 4, features: 4 }));
        let twice = Examples::new(vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0], vec![0, 1, 0], 2, 2).expect("valid");
        assert!(matches!(refused(&twice, None, true), RegressionError::Collinear { .. }));
        let one = Examples::new(vec![1.0, 2.0], vec![0, 1], 1, 2).expect("valid");
        assert_eq!(refused(&one, Some(0), false), RegressionError::NoInputs);
    }
}
