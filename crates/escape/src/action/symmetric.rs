//! The eigenvectors of a small symmetric matrix, by Jacobi's rotations.

/// A = Q diag(values) Qᵀ.
pub(super) struct Eigen {
    pub(super) values: Vec<f64>,
    /// Qᵀ, row by row: row i is the i-th eigenvector.
    pub(super) vectors: Vec<f64>,
}

/// Sweeps of rotations that are always enough: convergence is quadratic.
const SWEEPS: usize = 40;

/// The eigenvalues and vectors of the symmetric n × n matrix `a`, in no particular order (Golub & Van Loan, 8.5).
pub(super) fn eigen(mut a: Vec<f64>, n: usize) -> Eigen {
    let mut q = vec![0.0; n * n];
    for i in 0..n {
        q[i * n + i] = 1.0;
    }
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| i * n + j)).map(|k| a[k] * a[k]).sum();
        let size: f64 = a.iter().map(|v| v * v).sum();
        if off.is_nan() || off <= 1e-26 * size {
            break;
        }
        for i in 0..n {
            for j in i + 1..n {
                rotate(&mut a, &mut q, n, i, j);
            }
        }
    }
    Eigen { values: (0..n).map(|i| a[i * n + i]).collect(), vectors: q }
}

/// One rotation in the plane of i and j, after which a_ij = 0.
fn rotate(a: &mut [f64], q: &mut [f64], n: usize, i: usize, j: usize) {
    let aij = a[i * n + j];
    if aij == 0.0 {
        return;
    }
    let theta = (a[j * n + j] - a[i * n + i]) / (2.0 * aij);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (p, r) = (a[k * n + i], a[k * n + j]);
        a[k * n + i] = c * p - s * r;
        a[k * n + j] = s * p + c * r;
    }
    for k in 0..n {
        let (p, r) = (a[i * n + k], a[j * n + k]);
        a[i * n + k] = c * p - s * r;
        a[j * n + k] = s * p + c * r;
        let (p, r) = (q[i * n + k], q[j * n + k]);
        q[i * n + k] = c * p - s * r;
        q[j * n + k] = s * p + c * r;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        let n = 7;
        let a: Vec<f64> = (0..n * n)
            .map(|k| {
                let (i, j) = (k / n, k % n);
                1.0 / (1.0 + (i + j) as f64) + if i == j { i as f64 } else { 0.0 }
            })
            .collect();
        let Eigen { values, vectors } = eigen(a.clone(), n);
        for i in 0..n {
            for j in 0..n {
                let back: f64 = (0..n).map(|k| vectors[k * n + i] * values[k] * vectors[k * n + j]).sum();
                assert!((back - a[i * n + j]).abs() < 1e-12, "{i}, {j}: {back} against {}", a[i * n + j]);
            }
        }
    }
}
