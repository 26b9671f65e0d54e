//! V0 of a perceptron within the subspace of the Hessian's leading eigenvectors, by a minimum action method.
//!
//! Where the escape goes along sharp directions, which is what the paper's theory is of, its path lies in their span. The
//! noise there is that of C restricted to it, VᵀCV, whose eigenvectors are the coordinates. V0 of the subspace is at least
//! that of the whole space: a path may not leave it.

use std::cell::RefCell;

use taugrid_escape::action::boundary::ExitBoundary;
use taugrid_escape::action::diffusion::Closures;
use taugrid_escape::action::error::ActionError;
use taugrid_escape::action::exit::Search;
use taugrid_escape::action::metric::Metric;
use taugrid_escape::action::resolution::Resolution;
use taugrid_escape::curvature::symmetric::{EigenError, eigen};
use taugrid_escape::curvature::{EigenvalueError, top_eigenvalues};
use taugrid_escape::landscape::Landscape;
use taugrid_escape::landscape::mlp::{Activation, Mlp};
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_sweep::Covariance;

use crate::quasipotential::{Easiest, by_action};

/// Why there is no V0. Fragments that read on after "failed to find the quasi-potential: ".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubspaceError {
    /// No eigenvectors.
    #[error(transparent)]
    Spectrum(#[from] EigenvalueError),
    /// No eigenvectors of the noise.
    #[error(transparent)]
    Noise(#[from] EigenError),
    /// No path.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// The span of the Hessian's leading eigenvectors at θ*, as far as their eigenvalues are positive.
pub struct Subspace<'a> {
    mlp: &'a Mlp,
    eigenvalues: Vec<f64>,
    /// Unit vectors of θ's length, one after another.
    basis: Vec<f64>,
}

/// Of Lanczos' method.
const TOLERANCE: f64 = 1e-6;
const MAX_PRODUCTS: usize = 200;
/// Apart from the streams of trials.
const DRAW_DIRECTION: u64 = u64::from_be_bytes(*b"subspace");

impl<'a> Subspace<'a> {
    /// Of at most `dim` dimensions.
    ///
    /// # Errors
    /// If the Hessian's products are not finite.
    pub fn leading(mlp: &'a Mlp, dim: usize) -> Result<Self, SubspaceError> {
        let (d, mut workspace) = (mlp.dim(), mlp.model().parallel_workspace());
        let mut stream = Stream::new(StreamKey::derive(1, DRAW_DIRECTION), 0);
        let start: Vec<f64> = (0..d).map(|_| stream.normal()).collect();
        let apply = |v: &[f64], out: &mut [f64]| mlp.model().hessian_vector(mlp.theta(), v, out, &mut workspace);
        let found = top_eigenvalues(d, apply, &start, dim.min(d), TOLERANCE, MAX_PRODUCTS)?;
        let positive = found.values.iter().take_while(|value| **value > 0.0).count();
        Ok(Self { mlp, eigenvalues: found.values[..positive].to_vec(), basis: found.vectors[..positive * d].to_vec() })
    }

    /// How many dimensions it has.
    pub fn dim(&self) -> usize {
        self.eigenvalues.len()
    }

    /// V0* of the base landscape within it, with C of the noise at θ*; see [`crate::quasipotential::scale`] for what α and
    /// β make of it.
    ///
    /// # Errors
    /// If the path does not reach the boundary, or the loss is not finite.
    pub fn easiest(
        &self,
        covariance: Covariance,
        metric: Metric,
        boundary: ExitBoundary,
    ) -> Result<Easiest, SubspaceError> {
        let (variances, basis) = self.noise(covariance)?;
        let place = |x: &[f64]| self.place(&basis, x);
        let workspace = RefCell::new((self.mlp.workspace(), vec![0.0; self.mlp.dim()]));
        let loss = |x: &[f64]| self.mlp.excess_loss(&place(x), &mut workspace.borrow_mut().0);
        let gradient = |x: &[f64], out: &mut [f64]| {
            let (workspace, slope) = &mut *workspace.borrow_mut();
            self.mlp.gradient(&place(x), slope, workspace);
            for (out, v) in out.iter_mut().zip(basis.chunks_exact(self.mlp.dim())) {
                *out = dot(v, slope);
            }
        };
        let diffusion = Closures::new(variances, loss, gradient)?;
        let search = Search { random: 2, descents: 4, images: 21, max_steps: 30, ..Search::default() };
        let found = by_action(&diffusion, metric, boundary, &search, self.resolution())?;
        let method = format!("{} in {} dimensions", found.method, self.dim());
        Ok(Easiest { method, ..found })
    }

    /// The eigenvalues of C within the subspace, and their eigenvectors in θ's coordinates.
    fn noise(&self, covariance: Covariance) -> Result<(Vec<f64>, Vec<f64>), SubspaceError> {
        match covariance {
            Covariance::Hessian => Ok((self.eigenvalues.clone(), self.basis.clone())),
            Covariance::Identity => Ok((vec![1.0; self.dim()], self.basis.clone())),
            Covariance::Sample | Covariance::Frozen => self.noise_of_examples(),
        }
    }

    fn noise_of_examples(&self) -> Result<(Vec<f64>, Vec<f64>), SubspaceError> {
        let (d, k) = (self.mlp.dim(), self.dim());
        let model = self.mlp.model();
        let (mut workspace, mut product) = (model.parallel_workspace(), vec![0.0; d]);
        let mut restricted = Vec::with_capacity(k * k);
        for v in self.basis.chunks_exact(d) {
            model.noise_covariance_vector(self.mlp.theta(), v, &mut product, &mut workspace);
            restricted.extend(self.basis.chunks_exact(d).map(|u| dot(u, &product)));
        }
        let found = eigen(&restricted, k)?;
        let turned = found.vectors.chunks_exact(k).flat_map(|row| self.place(&self.basis, row)).collect();
        Ok((found.values, turned))
    }

    /// Σ x_k v_k.
    fn place(&self, basis: &[f64], x: &[f64]) -> Vec<f64> {
        let mut z = vec![0.0; self.mlp.dim()];
        for (x, v) in x.iter().zip(basis.chunks_exact(z.len())) {
            z.iter_mut().zip(v).for_each(|(z, v)| *z += x * v);
        }
        z
    }

    /// A gradient is dear here, and has jumps where a ReLU has its kinks.
    fn resolution(&self) -> Resolution {
        match self.mlp.model().activation() {
            Activation::Relu => Resolution { images: 41, tolerance: 1e-3, max_iterations: 300, difference: 0.03 },
            Activation::Tanh => {
                Resolution { images: 41, tolerance: 1e-4, max_iterations: 300, ..Resolution::default() }
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use taugrid_sweep::{BuiltLandscape, Sweep};

    use super::*;

    /// Close to θ* the loss is its second order, so that V0 is that of a bowl with the leading eigenvalues: in closed form.
    #[test]
    fn near_to_the_minimum_it_is_the_bowls() {
        let text = "name: x\nseed: 1\nlandscape: {kind: mlp, data: {synthetic: {examples: 60, features: 2, classes: 2, \
                    seed: 1}}, hidden: 4, activation: tanh, weight_decay: 0.01, \
                    minimum: {train: {epochs: 20000, learning_rate: 0.3, seed: 1}}}\n\
                    domain: {kind: ball, radius: 1}\ndynamics: {kind: sgd}\ngrid: {eta: 0.1, batch_size: 1}\n\
                    trials: 1\nmax_steps: 10\n";
        let sweep = Sweep::parse(text, Path::new("x.yaml")).expect("a sweep");
        let artifact = sweep.prepare(&mut |_| ControlFlow::Continue(())).expect("prepared");
        let landscape = sweep.physics().landscape(artifact.as_ref()).expect("a landscape");
        let BuiltLandscape::Mlp(mlp) = landscape else { panic!("a perceptron") };
        let subspace = Subspace::leading(&mlp, 2).expect("finite");
        let least = subspace.eigenvalues[1];
        let (radius, metric) = (1e-3, Metric::FreidlinWentzell);
        let of =
            |covariance| subspace.easiest(covariance, metric, ExitBoundary::Ball { radius }).expect("a path").value;
        assert!((of(Covariance::Hessian) / (radius * radius) - 1.0).abs() < 0.02, "{}", of(Covariance::Hessian));
        assert!((of(Covariance::Identity) / (least * radius * radius) - 1.0).abs() < 0.02);
        // In one dimension: V = h x²/c with c = vᵀCv.
        let line = Subspace::leading(&mlp, 1).expect("finite");
        let mut product = vec![0.0; mlp.dim()];
        let mut workspace = mlp.model().workspace();
        mlp.model().noise_covariance_vector(mlp.theta(), &line.basis, &mut product, &mut workspace);
        let expected = line.eigenvalues[0] / dot(&line.basis, &product) * radius * radius;
        let found = line.easiest(Covariance::Frozen, metric, ExitBoundary::Ball { radius }).expect("a path").value;
        assert!((found / expected - 1.0).abs() < 0.02, "{found} against {expected}");
    }
}
