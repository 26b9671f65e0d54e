//! What the toolkit finds against what is known exactly.

mod boundary;
mod hamilton_jacobi;
mod point;
mod steepness;

use super::diffusion::{Closures, Diffusion};
use super::metric::Metric;
use crate::curvature::symmetric::{Eigen, eigen};

const BOTH: [Metric; 2] = [Metric::FreidlinWentzell, Metric::Paper];

/// That `found` is within `relative` of `exact`.
fn assert_close(found: f64, exact: f64, relative: f64, what: &str) {
    assert!((found - exact).abs() <= relative * exact.abs(), "{what}: {found} against {exact}");
}

/// L = ½ Σ h_i x_i².
fn quadratic(h: &[f64], c: &[f64]) -> impl Diffusion + use<> {
    rotated(h, c, &vec![0.0; h.len()])
}

/// L = ½ xᵀ R diag(h) R x, with R the reflection at the plane with the normal `mirror` (none if that is zero).
fn rotated(h: &[f64], c: &[f64], mirror: &[f64]) -> impl Diffusion + use<> {
    let (h, mirror) = (h.to_vec(), mirror.to_vec());
    let (g, glass) = (h.clone(), mirror.clone());
    Closures::new(
        c.to_vec(),
        move |x: &[f64]| 0.5 * reflect(x, &mirror).iter().zip(&h).map(|(y, h)| h * y * y).sum::<f64>(),
        move |x: &[f64], out: &mut [f64]| {
            let y: Vec<f64> = reflect(x, &glass).iter().zip(&g).map(|(y, h)| h * y).collect();
            out.copy_from_slice(&reflect(&y, &glass));
        },
    )
    .expect("variances are positive")
}

fn reflect(x: &[f64], mirror: &[f64]) -> Vec<f64> {
    let square: f64 = mirror.iter().map(|m| m * m).sum();
    let share = if square > 0.0 { 2.0 * x.iter().zip(mirror).map(|(x, m)| x * m).sum::<f64>() / square } else { 0.0 };
    x.iter().zip(mirror).map(|(x, m)| x - share * m).collect()
}

/// The matrix Q of V = xᵀ Q x for [`rotated`]: Q = ½ Σ⁻¹ with HΣ + ΣH = a⁻¹, row by row. In H's eigenbasis, into
/// which R leads, Σ_ij = (R a⁻¹ R)_ij / (h_i + h_j).
fn exact_form(h: &[f64], c: &[f64], mirror: &[f64], metric: Metric) -> Vec<f64> {
    let n = h.len();
    let unit = |i: usize| -> Vec<f64> { (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect() };
    let rows: Vec<Vec<f64>> = (0..n).map(|i| reflect(&unit(i), mirror)).collect();
    let sandwich = |inner: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let entry = |i: usize, j: usize| -> f64 {
            (0..n).flat_map(|k| (0..n).map(move |l| (k, l))).map(|(k, l)| rows[i][k] * inner(k, l) * rows[j][l]).sum()
        };
        (0..n * n).map(|k| entry(k / n, k % n)).collect()
    };
    let mobility = sandwich(&|k, l| if k == l { metric.mobility(c[k]) } else { 0.0 });
    let sigma = sandwich(&|k, l| mobility[k * n + l] / (h[k] + h[l]));
    let Eigen { values, vectors } = eigen(&sigma, n).expect("finite");
    let entry =
        |i: usize, j: usize| -> f64 { (0..n).map(|k| 0.5 / values[k] * vectors[k * n + i] * vectors[k * n + j]).sum() };
    (0..n * n).map(|k| entry(k / n, k % n)).collect()
}

/// xᵀ Q x.
fn form(q: &[f64], x: &[f64]) -> f64 {
    let n = x.len();
    (0..n * n).map(|k| q[k] * x[k / n] * x[k % n]).sum()
}

/// n eigenvalues from 1 down to `least`, geometrically.
fn spectrum(n: usize, least: f64) -> Vec<f64> {
    (0..n).map(|i| least.powf(i as f64 / (n - 1) as f64)).collect()
}

/// A normal that mixes all coordinates.
fn mirror(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * i + 3 * i + 1) as f64).sin()).collect()
}

/// L = ¼ (u² − 1)², u = x − 1: minima at x = 0 and 2, a saddle of height ¼ at 1.
fn double_well(c: f64) -> impl Diffusion + use<> {
    Closures::new(
        vec![c],
        |x: &[f64]| 0.25 * ((x[0] - 1.0).powi(2) - 1.0).powi(2),
        |x: &[f64], out: &mut [f64]| out[0] = (x[0] - 1.0) * ((x[0] - 1.0).powi(2) - 1.0),
    )
    .expect("c is positive")
}

/// L = ¼ p² + ½ k (y − s p)², p = (x − 1)² − 1: minima at (0, 0) and (2, 0), and a curved valley from one to the other
/// over the saddle at (1, −s), ¼ high.
fn curved_double_well(c: [f64; 2], k: f64, s: f64) -> impl Diffusion + use<> {
    Closures::new(
        c.to_vec(),
        move |x: &[f64]| {
            let p = (x[0] - 1.0).powi(2) - 1.0;
            0.25 * p * p + 0.5 * k * (x[1] - s * p).powi(2)
        },
        move |x: &[f64], out: &mut [f64]| {
            let u = x[0] - 1.0;
            let p = u * u - 1.0;
            let q = k * (x[1] - s * p);
            out[0] = p * u - 2.0 * s * u * q;
            out[1] = q;
        },
    )
    .expect("variances are positive")
}
