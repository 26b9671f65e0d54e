//! L(θ) = ½ (θ − θ*)ᵀ H* (θ − θ*), the landscape of Assumption 1, in the eigenbasis of H*.
//!
//! A Gaussian, or an isotropic vector, has the same law in every orthonormal basis, and balls and level sets have the same
//! form: so trials are simulated in the eigenbasis whatever basis H* was given in. What is not the same is noise that is
//! independent in each parameter and not Gaussian; for its sake the eigenvectors are kept.

use super::{Curvature, Landscape};

/// A quadratic bowl given by the eigenvalues of its Hessian.
#[derive(Debug, Clone)]
pub struct Quadratic {
    eigenvalues: Vec<f64>,
    /// Row k is the unit eigenvector of eigenvalue k; `None` where they are the coordinate axes.
    basis: Option<Vec<f64>>,
    curvature: Curvature,
}

impl Quadratic {
    /// The bowl with these eigenvalues; `None` unless there is at least one and all are finite and positive (else
    /// θ* would not be a minimum, or the domain not bounded).
    pub fn new(eigenvalues: Vec<f64>) -> Option<Self> {
        if eigenvalues.is_empty() || !eigenvalues.iter().all(|&h| h.is_finite() && h > 0.0) {
            return None;
        }
        let curvature = Curvature {
            lambda_max: eigenvalues.iter().copied().fold(f64::MIN, f64::max),
            lambda_min: Some(eigenvalues.iter().copied().fold(f64::MAX, f64::min)),
            trace: Some(eigenvalues.iter().sum()),
            gradient_norm: 0.0,
            noise: None,
        };
        Some(Self { eigenvalues, basis: None, curvature })
    }

    /// The same with these unit eigenvectors, one in each row, in the order of the eigenvalues. `None` unless there are d²
    /// numbers.
    pub fn with_basis(self, basis: Vec<f64>) -> Option<Self> {
        (basis.len() == self.eigenvalues.len().pow(2)).then_some(Self { basis: Some(basis), ..self })
    }

    /// The unit eigenvectors, one in each row; `None` where they are the coordinate axes.
    pub fn basis(&self) -> Option<&[f64]> {
        self.basis.as_deref()
    }

    /// The eigenvalues of H*, in the order of the coordinates.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }
}

impl Landscape for Quadratic {
    type Workspace = ();

    fn workspace(&self) -> Self::Workspace {}

    fn dim(&self) -> usize {
        self.eigenvalues.len()
    }

    fn excess_loss(&self, z: &[f64], (): &mut ()) -> f64 {
        0.5 * self.eigenvalues.iter().zip(z).map(|(h, z)| h * z * z).sum::<f64>()
    }

    fn gradient(&self, z: &[f64], out: &mut [f64], (): &mut ()) {
        for ((g, h), z) in out.iter_mut().zip(&self.eigenvalues).zip(z) {
            *g = h * z;
        }
    }

    fn curvature(&self) -> &Curvature {
        &self.curvature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_derivative_of_the_loss() {
        let bowl = Quadratic::new(vec![2.0, 0.5, 3.0]).expect("positive");
        let z = [0.3, -1.2, 0.7];
        let mut gradient = [0.0; 3];
        bowl.gradient(&z, &mut gradient, &mut ());
        for i in 0..3 {
            let (mut up, mut down) = (z, z);
            up[i] += 1e-6;
            down[i] -= 1e-6;
            let slope = (bowl.excess_loss(&up, &mut ()) - bowl.excess_loss(&down, &mut ())) / 2e-6;
            assert!((slope - gradient[i]).abs() < 1e-8, "coordinate {i}: {slope} against {}", gradient[i]);
        }
    }

    #[test]
    fn what_is_no_bowl_is_refused() {
        for bad in [vec![], vec![0.0], vec![1.0, -1.0], vec![f64::NAN], vec![f64::INFINITY]] {
            assert!(Quadratic::new(bad.clone()).is_none(), "{bad:?}");
        }
    }
}
