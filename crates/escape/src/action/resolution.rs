//! How hard to try.

/// How finely and how far a path is relaxed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolution {
    /// Images of the path, ends included; at least 5.
    pub images: usize,
    /// The relative error of the minimisation that is small enough; see [`super::quasipotential::Quasipotential::residual`].
    pub tolerance: f64,
    /// Steps of L-BFGS on each of the two grids before it is given up.
    pub max_iterations: usize,
    /// Half the length of the central differences of ∇L that second derivatives are taken from, relative to the path's
    /// extent. Where ∇L jumps, as with ReLUs, it must be longer than the jumps lie apart: 0.03, say, with a `tolerance`
    /// of 10⁻³ or 10⁻⁴.
    pub difference: f64,
}

impl Default for Resolution {
    /// 201 images, 10⁻⁷, 2000 steps, and 10⁻⁵, which is for smooth losses.
    fn default() -> Self {
        Self { images: 201, tolerance: 1e-7, max_iterations: 2000, difference: 1e-5 }
    }
}
