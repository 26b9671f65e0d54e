//! Assumption 2 of the paper, C = H at θ*, as numbers: how far the covariance C of the gradient noise of single
//! examples is from the Hessian H, measured without forming either.
//!
//! With random probes v of independent components of mean 0 and variance 1, E vᵀCv = tr C, E ‖Cv‖² = tr C² = ‖C‖² and
//! E ⟨Cv, Hv⟩ = tr CH = ⟨C, H⟩, Frobenius' norm and inner product: each the mean over the same probes, unbiased.
//!
//! On L_αβ gradients carry β√α and Hessians αβ, so that C_αβ = β²α C and H_αβ = αβ H: C_αβ = H_αβ can hold at one β alone.

use super::trace::{Estimate, ProbeError};
use crate::landscape::mlp::lanes::dot;

/// The covariance C of the gradient noise at θ*, beside the Hessian H there; before the grid's α and β.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseVersusHessian {
    /// tr C.
    pub trace_noise: f64,
    /// tr H.
    pub trace_hessian: f64,
    /// ‖C‖, Frobenius: the root of an unbiased estimate of ‖C‖², where there are probes.
    pub noise_norm: f64,
    /// ‖H‖, likewise.
    pub hessian_norm: f64,
    /// ⟨C, H⟩ = tr CH.
    pub inner: f64,
    /// The probes that this was estimated from. Over normals, the relative standard error of a trace is at most
    /// √(2/probes)·‖·‖/tr. 0 where all of it is exact, of C and H themselves.
    pub probes: usize,
}

impl NoiseVersusHessian {
    /// The numbers of C itself, d × d, in the eigenbasis of H, whose eigenvalues are given.
    pub fn exact(noise: &[f64], eigenvalues: &[f64]) -> Self {
        let diagonal = || noise.iter().step_by(eigenvalues.len() + 1);
        Self {
            trace_noise: diagonal().sum(),
            trace_hessian: eigenvalues.iter().sum(),
            noise_norm: dot(noise, noise).sqrt(),
            hessian_norm: dot(eigenvalues, eigenvalues).sqrt(),
            inner: diagonal().zip(eigenvalues).map(|(c, h)| c * h).sum(),
            probes: 0,
        }
    }

    /// tr CH/(‖C‖‖H‖), the cosine of the angle between C and H: 1 if and only if C is H times a positive number, which
    /// is as much of Assumption 2 as does not depend on β. Never above 1 but for rounding. NaN if either is 0.
    pub fn alignment(&self) -> f64 {
        self.inner / (self.noise_norm * self.hessian_norm)
    }

    /// The β at which C_αβ comes closest to H_αβ, ⟨C, H⟩/‖C‖², for every α; at it the distance is √(1 − alignment²).
    /// NaN if C is 0.
    pub fn closest_beta(&self) -> f64 {
        self.inner / (self.noise_norm * self.noise_norm)
    }

    /// ‖C_αβ − H_αβ‖/‖H_αβ‖, how much of H_αβ Assumption 2 gets wrong in the cell (α, β): 0 where it holds. As C_αβ
    /// carries β²α and H_αβ αβ, it is ‖βC − H‖/‖H‖ for every α. NaN if H is 0.
    ///
    /// It is the root of a difference: below some 10⁻⁸ it is rounding.
    pub fn distance(&self, alpha: f64, beta: f64) -> f64 {
        let noise = beta * beta * alpha * self.noise_norm;
        let hessian = alpha * beta * self.hessian_norm;
        // α and β are positive, but their products can underflow or overflow; the quotient is of order β.
        let ratio = if hessian > 0.0 && hessian.is_finite() && noise.is_finite() {
            noise / hessian
        } else {
            beta * self.noise_norm / self.hessian_norm
        };
        let alignment = if self.inner == 0.0 { 0.0 } else { self.alignment() };
        (ratio * ratio - 2.0 * ratio * alignment + 1.0).max(0.0).sqrt()
    }
}

/// C against H, given by `noise(v, out)`: out ← Cv and `hessian(v, out)`: out ← Hv, d × d both; and tr H with its
/// standard error. `probe` gives the components of the probes, as in [`trace`](super::trace::trace): over signs ±1 all
/// is exact where C and H are diagonal.
///
/// # Errors
/// For no probes, and when a product is not finite.
pub fn noise_versus_hessian(
    dim: usize,
    mut noise: impl FnMut(&[f64], &mut [f64]),
    mut hessian: impl FnMut(&[f64], &mut [f64]),
    probes: usize,
    mut probe: impl FnMut() -> f64,
) -> Result<(NoiseVersusHessian, Estimate), ProbeError> {
    if probes == 0 {
        return Err(ProbeError::NoProbes);
    }
    let (mut v, mut cv, mut hv) = (vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]);
    let mut traces = Vec::with_capacity(probes);
    let mut sums = [0.0; 4];
    for number in 1..=probes {
        v.iter_mut().for_each(|v| *v = probe());
        noise(&v, &mut cv);
        hessian(&v, &mut hv);
        let found = [dot(&v, &cv), dot(&cv, &cv), dot(&hv, &hv), dot(&cv, &hv)];
        let trace = dot(&v, &hv);
        if !(trace.is_finite() && found.iter().all(|x| x.is_finite())) {
            return Err(ProbeError::NotFinite { probe: number });
        }
        traces.push(trace);
        sums.iter_mut().zip(found).for_each(|(sum, x)| *sum += x);
    }
    let [trace_noise, noise_square, hessian_square, inner] = sums.map(|sum| sum / probes as f64);
    let trace = Estimate::of(&traces);
    let numbers = NoiseVersusHessian {
        trace_noise,
        trace_hessian: trace.value,
        noise_norm: noise_square.sqrt(),
        hessian_norm: hessian_square.sqrt(),
        inner,
        probes,
    };
    Ok((numbers, trace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curvature::trace::sign;
    use crate::rng::{Stream, StreamKey};

    fn diagonal(entries: &[f64]) -> impl FnMut(&[f64], &mut [f64]) + '_ {
        move |v, out| out.iter_mut().zip(v).zip(entries).for_each(|((out, v), h)| *out = h * v)
    }

    fn of(noise: &[f64], hessian: &[f64], probes: usize) -> NoiseVersusHessian {
        let mut stream = Stream::new(StreamKey::derive(5, 6), 0);
        let probe = || sign(stream.uniform());
        noise_versus_hessian(noise.len(), diagonal(noise), diagonal(hessian), probes, probe).expect("finite").0
    }

    #[test]
    fn a_quadratic_with_c_equal_to_h_satisfies_the_assumption_at_beta_one() {
        let h = [4.0, 1.0, 0.25, 0.125];
        let found = of(&h, &h, 2);
        let square = 16.0 + 1.0 + 0.0625 + 0.015625_f64;
        assert_eq!((found.trace_noise, found.trace_hessian), (5.375, 5.375));
        assert_eq!((found.noise_norm, found.hessian_norm, found.inner), (square.sqrt(), square.sqrt(), square));
        assert!((found.alignment() - 1.0).abs() < 1e-15);
        for alpha in [0.5, 1.0, 7.0, 1e200] {
            assert!(found.distance(alpha, 1.0) < 1e-7, "{}", found.distance(alpha, 1.0));
            // C_αβ = β·H_αβ.
            for beta in [0.25, 0.5, 3.0] {
                assert!((found.distance(alpha, beta) - (beta - 1.0_f64).abs()).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn matrices_that_are_formed_need_no_probes() {
        let found = NoiseVersusHessian::exact(&[2.0, 1.0, 1.0, 3.0], &[4.0, 0.5]);
        assert_eq!((found.trace_noise, found.trace_hessian, found.inner), (5.0, 4.5, 9.5));
        assert_eq!((found.noise_norm, found.hessian_norm), (15.0_f64.sqrt(), 16.25_f64.sqrt()));
        // Of diagonal matrices, what one probe of signs finds.
        let (c, h) = ([2.0, 0.0, 1.0], [1.0, 3.0, -1.0]);
        let exact = NoiseVersusHessian::exact(&[2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], &h);
        assert_eq!(NoiseVersusHessian { probes: 1, ..exact }, of(&c, &h, 1));
    }

    #[test]
    fn diagonal_matrices_are_exact() {
        let (c, h) = ([2.0, 0.0, 1.0], [1.0, 3.0, -1.0]);
        let found = of(&c, &h, 1);
        assert_eq!((found.trace_noise, found.trace_hessian, found.inner), (3.0, 3.0, 1.0));
        assert_eq!((found.noise_norm, found.hessian_norm), (5.0_f64.sqrt(), 11.0_f64.sqrt()));
        assert!((found.alignment() - 1.0 / 55.0_f64.sqrt()).abs() < 1e-15);
        let (alpha, beta) = (2.0, 0.5);
        let square: f64 = c.iter().zip(&h).map(|(c, h)| (beta * beta * alpha * c - alpha * beta * h).powi(2)).sum();
        let expected = square.sqrt() / (alpha * beta * 11.0_f64.sqrt());
        assert!((found.distance(alpha, beta) - expected).abs() < 1e-14);
        let (closest, least) = (found.closest_beta(), found.distance(1.0, found.closest_beta()));
        assert!((closest - 0.2).abs() < 1e-15 && (least - (1.0 - 1.0 / 55.0_f64).sqrt()).abs() < 1e-15);
        assert!(found.distance(1.0, closest - 0.01) > least && found.distance(1.0, closest + 0.01) > least);
        // Nothing in common: the distance is Pythagoras'.
        let apart = of(&[1.0, 0.0], &[0.0, 1.0], 3);
        assert_eq!((apart.alignment(), apart.distance(1.0, 1.0)), (0.0, 2.0_f64.sqrt()));
        // No noise at all.
        assert_eq!(of(&[0.0, 0.0], &[1.0, 2.0], 3).distance(1.0, 1.0), 1.0);
    }

    /// H0: every estimate is unbiased. A = 30 × 30 matrices A Aᵀ of normals; n = 4000 probes of normals, in 40 groups
    /// of 100. Each mean lies within 8 standard errors, taken from the groups, of the truth: by Student's t of 39
    /// degrees 1e-9 each (the means of 100 are near normal), 5e-9 in all.
    #[test]
    fn dense_matrices_are_estimated_without_bias() {
        const DIM: usize = 30;
        let mut stream = Stream::new(StreamKey::derive(8, 9), 0);
        let mut positive = || -> Vec<f64> {
            let a: Vec<f64> = (0..DIM * DIM).map(|_| stream.normal()).collect();
            (0..DIM * DIM).map(|k| dot(&a[k / DIM * DIM..][..DIM], &a[k % DIM * DIM..][..DIM])).collect()
        };
        let (c, h) = (positive(), positive());
        fn multiply(a: &[f64]) -> impl FnMut(&[f64], &mut [f64]) + '_ {
            |v, out| out.iter_mut().zip(a.chunks_exact(DIM)).for_each(|(out, row)| *out = dot(row, v))
        }
        let trace = |a: &[f64]| (0..DIM).map(|k| a[k * (DIM + 1)]).sum::<f64>();
        let truth = [trace(&c), trace(&h), dot(&c, &c), dot(&h, &h), dot(&c, &h)];
        let mut stream = Stream::new(StreamKey::derive(10, 11), 0);
        let groups: Vec<[f64; 5]> = (0..40)
            .map(|_| {
                let (found, trace) =
                    noise_versus_hessian(DIM, multiply(&c), multiply(&h), 100, || stream.normal()).expect("finite");
                assert!(found.alignment() <= 1.0 && trace.value == found.trace_hessian);
                let squares = [found.noise_norm, found.hessian_norm].map(|norm| norm * norm);
                [found.trace_noise, found.trace_hessian, squares[0], squares[1], found.inner]
            })
            .collect();
        for (k, truth) in truth.into_iter().enumerate() {
            let found = Estimate::of(&groups.iter().map(|group| group[k]).collect::<Vec<_>>());
            let error = found.standard_error.expect("40 groups");
            assert!((found.value - truth).abs() < 8.0 * error, "{k}: {found:?} against {truth}");
        }
    }

    #[test]
    fn what_cannot_be_probed_is_refused() {
        let broken = |_: &[f64], out: &mut [f64]| out.fill(f64::NAN);
        assert_eq!(
            noise_versus_hessian(2, broken, diagonal(&[1.0, 1.0]), 3, || 1.0),
            Err(ProbeError::NotFinite { probe: 1 })
        );
        assert!(noise_versus_hessian(2, broken, broken, 0, || 1.0).is_err());
    }
}
