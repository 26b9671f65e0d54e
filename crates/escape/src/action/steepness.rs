//! The action of a given path.

use super::diffusion::Diffusion;
use super::error::{ActionError, check_finite, check_length, check_positive, check_variances};
use super::metric::Metric;
use super::path::Path;

/// S_T(φ) = ½ ∫₀ᵀ (φ̇ + ∇L)ᵀ a (φ̇ + ∇L) dt of a path whose images are equally spaced in time, T in units of time.
///
/// With [`Metric::FreidlinWentzell`], a = C⁻¹: the normalised action functional of Freidlin & Wentzell (2012, section
/// 3.2) for noise √ε C^½ dw, where P(path) ~ exp(−S/ε). With [`Metric::Paper`], a = C^(−1/2): the paper's steepness,
/// Definition 4. The ½ is in both. With C = I both are Ŝ_T, Eq. 5. Midpoint rule in each segment; the error falls
/// with the square of the number of images.
///
/// # Errors
/// [`ActionError::Length`], [`ActionError::Variances`], [`ActionError::NotPositive`] for T,
/// [`ActionError::NotFinite`] where the gradient is not finite.
pub fn steepness<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    path: &Path,
    time: f64,
) -> Result<f64, ActionError> {
    check_positive(time)?;
    let segments = path.images() - 1;
    steepness_over(diffusion, metric, path, &vec![time / segments as f64; segments])
}

/// [`steepness`] of a path that spends `durations[k]` between its images k and k + 1; T is their sum.
///
/// # Errors
/// As [`steepness`].
pub fn steepness_over<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    path: &Path,
    durations: &[f64],
) -> Result<f64, ActionError> {
    check_length(path.images() - 1, durations.len())?;
    durations.iter().try_for_each(|&duration| check_positive(duration))?;
    sum_over_segments(diffusion, metric, path, |k, weights, step, gradient| {
        let dt = durations[k];
        let squares = weights.iter().zip(step).zip(gradient).map(|((a, dx), g)| {
            let against = dx / dt + g;
            a * against * against
        });
        0.5 * dt * squares.sum::<f64>()
    })
}

/// The geometric action ∫ (|φ'|_a |b|_a − ⟨φ', b⟩_a) ds with b = −∇L, |v|²_a = vᵀ a v: the least S_T over all ways to
/// run through the path in time (T included), reached at |φ̇|_a = |b|_a. It does not depend on the parametrisation.
///
/// Heymann & Vanden-Eijnden (2008), whose action has the same ½; in the paper it is Eq. 17, and Eq. 19, for
/// a = C^(−1/2). Midpoint rule in each segment.
///
/// # Errors
/// As [`steepness`].
pub fn geometric_action<D: Diffusion + ?Sized>(diffusion: &D, metric: Metric, path: &Path) -> Result<f64, ActionError> {
    sum_over_segments(diffusion, metric, path, |_, weights, step, gradient| {
        let (mut steps, mut drifts, mut product) = (0.0, 0.0, 0.0);
        for ((a, dx), g) in weights.iter().zip(step).zip(gradient) {
            steps += a * dx * dx;
            drifts += a * g * g;
            product += a * dx * g;
        }
        steps.sqrt() * drifts.sqrt() + product
    })
}

/// Σ over the segments of `term(k, a, φ_{k+1} − φ_k, ∇L in the middle)`.
fn sum_over_segments<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    path: &Path,
    mut term: impl FnMut(usize, &[f64], &[f64], &[f64]) -> f64,
) -> Result<f64, ActionError> {
    check_variances(diffusion.variances())?;
    check_length(diffusion.dim(), path.dim())?;
    let weights: Vec<f64> = diffusion.variances().iter().map(|&c| metric.weight(c)).collect();
    let n = path.dim();
    let (mut middle, mut step, mut gradient) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut sum = 0.0;
    for (k, (a, b)) in path.points().zip(path.points().skip(1)).enumerate() {
        for i in 0..n {
            middle[i] = 0.5 * (a[i] + b[i]);
            step[i] = b[i] - a[i];
        }
        diffusion.gradient(&middle, &mut gradient);
        sum += term(k, &weights, &step, &gradient);
    }
    check_finite(&[sum])?;
    Ok(sum)
}
