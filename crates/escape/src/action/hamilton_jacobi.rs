//! The Hamilton–Jacobi equation of the quasi-potential (Theorem 4).

use super::diffusion::Diffusion;
use super::error::{ActionError, check_finite, check_length, check_variances};
use super::metric::Metric;

/// The two terms of the Hamilton–Jacobi equation at a point, which cancel where ∇V is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HamiltonJacobi {
    /// ½ ∇Vᵀ a⁻¹ ∇V.
    pub kinetic: f64,
    /// ∇L · ∇V.
    pub drift: f64,
}

impl HamiltonJacobi {
    /// ½ ∇Vᵀ a⁻¹ ∇V − ∇L·∇V, the left side of Theorem 4.
    #[must_use]
    pub fn residual(self) -> f64 {
        self.kinetic - self.drift
    }

    /// The residual over the mean size of its terms, in [−2, 2]; 0 where both vanish.
    #[must_use]
    pub fn relative(self) -> f64 {
        let size = 0.5 * (self.kinetic.abs() + self.drift.abs());
        if size > 0.0 { self.residual() / size } else { 0.0 }
    }
}

/// The terms of H(x, ∇V) = ½ ∇Vᵀ a⁻¹ ∇V − ∇L·∇V at x, for a candidate's gradient ∇V there; 0 for a quasi-potential
/// wherever it is differentiable.
///
/// [`Metric::FreidlinWentzell`]: a⁻¹ = C (Freidlin & Wentzell 2012, section 5.3; Dembo & Zeitouni 2010, section 5.7).
/// [`Metric::Paper`]: a⁻¹ = C^½, the paper's Theorem 4, which follows from its Definition 4. The ½ is in both. A
/// solution is not yet the quasi-potential: V = 0 is one, too.
///
/// # Errors
/// [`ActionError::Length`], [`ActionError::Variances`], [`ActionError::NotFinite`].
pub fn hamilton_jacobi<D: Diffusion + ?Sized>(
    diffusion: &D,
    metric: Metric,
    x: &[f64],
    gradient: &[f64],
) -> Result<HamiltonJacobi, ActionError> {
    check_variances(diffusion.variances())?;
    check_length(diffusion.dim(), x.len())?;
    check_length(diffusion.dim(), gradient.len())?;
    let mut slope = vec![0.0; x.len()];
    diffusion.gradient(x, &mut slope);
    let squares = gradient.iter().zip(diffusion.variances()).map(|(p, &c)| p * p * metric.mobility(c));
    let terms = HamiltonJacobi {
        kinetic: 0.5 * squares.sum::<f64>(),
        drift: gradient.iter().zip(&slope).map(|(p, g)| p * g).sum(),
    };
    check_finite(&[terms.kinetic, terms.drift])?;
    Ok(terms)
}

/// ∇v at x by central differences with this step in every coordinate: for candidates that are given as values, the
/// quasi-potential of [`super::quasipotential`] among them. Stops at the first error of `v`.
///
/// # Errors
/// Those of `v`.
pub fn central_gradient(
    x: &[f64],
    step: f64,
    mut v: impl FnMut(&[f64]) -> Result<f64, ActionError>,
) -> Result<Vec<f64>, ActionError> {
    let mut at = x.to_vec();
    let mut gradient = Vec::with_capacity(x.len());
    for i in 0..x.len() {
        at[i] = x[i] + step;
        let up = v(&at)?;
        at[i] = x[i] - step;
        let down = v(&at)?;
        at[i] = x[i];
        gradient.push((up - down) / (2.0 * step));
    }
    Ok(gradient)
}
