//! The grid's α and β: L_αβ(θ) = β · L(θ* + √α (θ − θ*)).
//!
//! With x = θ − θ* and z = √α x, so that z is a point of the base landscape:
//! L_αβ = β L(z), ∇L_αβ = β√α ∇L(z), and the Hessian at θ* is αβ H*.

/// α, the surrogate of the sharpness, and β, the surrogate of the depth (Section 5 of the paper).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// α > 0.
    pub alpha: f64,
    /// β > 0.
    pub beta: f64,
}

impl Scale {
    /// √α: base displacement z for each unit of x.
    pub fn stretch(self) -> f64 {
        self.alpha.sqrt()
    }

    /// β√α: ∇L_αβ for each unit of ∇L.
    pub fn gradient_factor(self) -> f64 {
        self.beta * self.alpha.sqrt()
    }

    /// αβ: the Hessian at θ*, and its eigenvalues, for each unit of H*.
    pub fn hessian_factor(self) -> f64 {
        self.alpha * self.beta
    }
}
