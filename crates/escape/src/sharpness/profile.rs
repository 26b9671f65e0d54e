//! What is recorded of a network at one θ of a training run.

use std::fmt;

use super::keskar::{Keskar, Search, maximum_in_box};
use crate::curvature::{EigenvalueError, Spectrum, top_eigenvalues};
use crate::landscape::mlp::Model;
use crate::landscape::mlp::lanes::norm;
use crate::rng::Stream;

/// The loss of a network at one θ, and how sharp it is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// L(θ), over all examples.
    pub loss: f64,
    /// ‖∇L(θ)‖.
    pub gradient_norm: f64,
    /// The share of the examples that are put into their own class.
    pub accuracy: f64,
    /// λmax of the Hessian at θ: its largest algebraic eigenvalue.
    pub lambda_max: f64,
    /// ‖Hx − λmax x‖ for the unit vector x that was found: an eigenvalue lies within it of `lambda_max`.
    pub lambda_max_residual: f64,
    /// Metric 2.1 of Keskar et al.
    pub keskar: Keskar,
}

/// Why there is no profile. Fragments that read on after "failed to measure the sharpness: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileError {
    /// The loss or its gradient is not finite.
    Diverged,
    /// It was asked to stop.
    Stopped,
    /// There is no λmax.
    Curvature(EigenvalueError),
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diverged => write!(f, "the loss, or its gradient, is not finite"),
            Self::Stopped => write!(f, "stopped"),
            Self::Curvature(error) => write!(f, "failed to find the largest eigenvalue of the Hessian: {error}"),
        }
    }
}

impl std::error::Error for ProfileError {}

/// λmax's residual, relative to it. Its error is of the order of the square.
const TOLERANCE: f64 = 1e-6;
/// Hessian-vector products for λmax, at most.
const PRODUCTS: usize = 100;
/// Lanczos' method keeps a vector a product: 2 GiB of them at most, in f64.
const MAX_KEPT: usize = 1 << 28;

/// Measures `model` at `theta`. The box of Metric 2.1 is searched from `starts` places: θ, the two corners that λmax's
/// eigenvector points to, and then corners drawn from `stream`, which gives Lanczos' method its start too. `stop` is asked before
/// each gradient and each product.
///
/// The same arguments give the same bits, in any pool.
///
/// # Errors
/// [`ProfileError::Diverged`] where L or ∇L is not finite; [`ProfileError::Stopped`] when `stop` says so.
///
/// # Panics
/// Unless θ has the model's length.
pub fn profile(
    model: &Model,
    theta: &[f64],
    search: Search,
    starts: usize,
    mut stream: Stream,
    stop: &dyn Fn() -> bool,
) -> Result<Profile, ProfileError> {
    let mut workspace = model.parallel_workspace();
    let mut gradient = vec![0.0; model.dim()];
    let loss = model.loss_and_gradient(theta, &mut gradient, &mut workspace);
    let gradient_norm = norm(&gradient);
    if !(loss.is_finite() && gradient_norm.is_finite()) {
        return Err(ProfileError::Diverged);
    }
    let accuracy = model.accuracy(theta, &mut workspace);
    let top = top(model, theta, &mut stream, stop)?;
    let (lambda_max, lambda_max_residual) = (top.values[0], top.residuals[0]);

    let corners = corners(&top.vectors, starts, stream);
    let mut objective = |x: &[f64], out: &mut [f64]| match stop() {
        // The search from a start ends at a loss that is not finite.
        true => f64::NAN,
        false => model.loss_and_gradient(x, out, &mut workspace),
    };
    let keskar = maximum_in_box(theta, loss, search, &corners, &mut objective);
    if stop() {
        return Err(ProfileError::Stopped);
    }
    Ok(Profile { loss, gradient_norm, accuracy, lambda_max, lambda_max_residual, keskar })
}

/// λmax and its vector.
fn top(model: &Model, theta: &[f64], stream: &mut Stream, stop: &dyn Fn() -> bool) -> Result<Spectrum, ProfileError> {
    let mut workspace = model.parallel_workspace();
    let start: Vec<f64> = (0..model.dim()).map(|_| stream.normal()).collect();
    let products = (MAX_KEPT / model.dim()).clamp(10, PRODUCTS);
    let apply = |v: &[f64], out: &mut [f64]| match stop() {
        // Lanczos' method ends at a product that is not finite.
        true => out.fill(f64::NAN),
        false => model.hessian_vector(theta, v, out, &mut workspace),
    };
    let found = top_eigenvalues(model.dim(), apply, &start, 1, TOLERANCE, products);
    if stop() { Err(ProfileError::Stopped) } else { found.map_err(ProfileError::Curvature) }
}

/// Where the search begins: at θ, at the corners of ±`vector`, and at random ones.
fn corners(vector: &[f64], starts: usize, mut stream: Stream) -> Vec<Vec<f64>> {
    let sign = |x: f64| if x < 0.0 { -1.0 } else { 1.0 };
    (0..starts)
        .map(|start| match start {
            0 => vec![0.0; vector.len()],
            1 => vector.iter().map(|x| sign(*x)).collect(),
            2 => vector.iter().map(|x| -sign(*x)).collect(),
            _ => vector.iter().map(|_| sign(stream.uniform() - 0.5)).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;
    use crate::curvature::largest_eigenvalue;
    use crate::data::Examples;
    use crate::landscape::mlp::{Activation, Loss, Shape};
    use crate::rng::StreamKey;

    const SHAPE: Shape = Shape { inputs: 3, hidden: 9, classes: 3 };
    const SEARCH: Search = Search { epsilon: 5e-4, iterations: 10 };

    fn stream() -> Stream {
        Stream::new(StreamKey::derive(1, 2), 3)
    }

    fn model() -> (Model, Vec<f64>) {
        let mut stream = Stream::new(StreamKey::derive(4, 5), 6);
        let inputs: Vec<f64> = (0..900).map(|_| stream.normal()).collect();
        let labels = inputs.chunks(3).map(|x| u32::from(x[0] > 0.2) + u32::from(x[1] > x[2])).collect();
        let examples = Examples::new(inputs, labels, 3, 3).expect("valid");
        let theta = SHAPE.initial_parameters(|| stream.uniform());
        (Model::new(SHAPE, Activation::Tanh, Loss::MeanSquared, 0.0, Arc::new(examples)).expect("valid"), theta)
    }

    #[test]
    fn lambda_max_is_that_of_lanczos_at_the_same_theta() {
        let (model, theta) = model();
        let found = profile(&model, &theta, SEARCH, 1, stream(), &|| false).expect("finite");
        let mut workspace = model.workspace();
        let apply = |v: &[f64], out: &mut [f64]| model.hessian_vector(&theta, v, out, &mut workspace);
        let start = vec![1.0; model.dim()];
        let lanczos = largest_eigenvalue(model.dim(), apply, &start, 1e-12, 200).expect("finite").value;
        assert!((found.lambda_max - lanczos).abs() < 1e-6 * lanczos, "{} for {lanczos}", found.lambda_max);
        assert!(found.lambda_max_residual <= TOLERANCE * lanczos);
        let mut gradient = vec![0.0; model.dim()];
        assert_eq!(found.loss, model.loss_and_gradient(&theta, &mut gradient, &mut model.workspace()));
        assert_eq!(found.gradient_norm, norm(&gradient));
    }

    /// In so small a box the loss is its Taylor series: its first term is a lower bound, and the rise is not far above it.
    #[test]
    fn metric_2_1_of_a_tiny_box_is_the_slope() {
        let (model, theta) = model();
        let search = Search { epsilon: 1e-7, ..SEARCH };
        let found = profile(&model, &theta, search, 4, stream(), &|| false).expect("finite");
        let mut gradient = vec![0.0; model.dim()];
        let loss = model.loss_and_gradient(&theta, &mut gradient, &mut model.workspace());
        let slope: f64 = theta.iter().zip(&gradient).map(|(x, g)| 1e-7 * (x.abs() + 1.0) * g.abs()).sum();
        let value = 100.0 * slope / (1.0 + loss);
        assert!((found.keskar.value / value - 1.0).abs() < 1e-4, "{} for {value}", found.keskar.value);
    }

    #[test]
    fn more_starts_find_no_less() {
        let (model, theta) = model();
        let of = |starts| profile(&model, &theta, SEARCH, starts, stream(), &|| false).expect("finite").keskar.rise;
        let rises = [1, 2, 3, 5, 9].map(of);
        assert!(rises[0] > 0.0 && rises.windows(2).all(|pair| pair[1] >= pair[0]), "{rises:?}");
    }

    #[test]
    fn a_profile_is_the_same_in_any_pool() {
        let (model, theta) = model();
        let profiles = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| profile(&model, &theta, SEARCH, 4, stream(), &|| false)).expect("finite")
        });
        assert_eq!(profiles[0], profiles[1]);
        assert_eq!(profiles[0], profiles[2]);
    }

    #[test]
    fn it_stops_wherever_it_is_told_to() {
        let (model, theta) = model();
        for after in [0, 1, 5, 30] {
            let asked = Cell::new(0);
            let stop = || {
                asked.set(asked.get() + 1);
                asked.get() > after
            };
            let stopped = profile(&model, &theta, SEARCH, 9, stream(), &stop);
            assert_eq!(stopped, Err(ProfileError::Stopped), "after {after}");
        }
        let nowhere = vec![f64::NAN; theta.len()];
        let diverged = profile(&model, &nowhere, SEARCH, 1, stream(), &|| false);
        assert_eq!(diverged, Err(ProfileError::Diverged));
    }
}
