//! A quadratic given by its Hessian, and the rotations that make dense ones.

use taugrid_escape::curvature::symmetric::{Eigen, eigen};
use taugrid_escape::rng::{Stream, StreamKey};

use super::LandscapeSpec;
use crate::error::Problems;
use crate::yaml::{Node, Value, number};

/// Dimensions in which a matrix is formed.
pub(crate) const MAX_DIM: usize = 1000;

const EXAMPLE: &str = "[[2.0, 0.5], [0.5, 1.0]]";
/// Apart from the streams of trials, whose purposes are cell keys under the sweep's own seed.
const DRAW_ROTATION: u64 = u64::from_be_bytes(*b"rotation");

/// The quadratic whose Hessian stands at `node`.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<LandscapeSpec> {
    let rows = match &node.value {
        Value::List(rows) if !rows.is_empty() && rows.len() <= MAX_DIM => rows,
        Value::List(rows) => {
            problems.node(node, format!("{} rows; 1 to {MAX_DIM} can be, like {EXAMPLE}", rows.len()));
            return None;
        }
        _ => {
            problems.node(node, format!("{} stands here; a list of rows is expected, like {EXAMPLE}", node.shown()));
            return None;
        }
    };
    let dim = rows.len();
    let read: Vec<Option<Vec<f64>>> = rows.iter().map(|row| self::row(row, dim, problems)).collect();
    let matrix: Vec<f64> = read.into_iter().collect::<Option<Vec<_>>>()?.concat();
    if let Some((i, j)) = asymmetry(&matrix, dim) {
        let (there, back) = (matrix[i * dim + j], matrix[j * dim + i]);
        problems.node(
            &rows[i],
            format!("entry {j} is {there}, and entry {i} of row {j} is {back}; a Hessian is symmetric"),
        );
        return None;
    }
    let values = match eigen(&matrix, dim) {
        Ok(eigen) => eigen.values,
        Err(error) => {
            problems.node(node, format!("failed to find the eigenvalues: {error}"));
            return None;
        }
    };
    // Below this an eigenvalue is one of rounding.
    let least = values[dim - 1].abs() * dim as f64 * f64::EPSILON;
    if values[0] <= least {
        problems.node(
            node,
            format!("its least eigenvalue is {:.3e}; all must be above 0, else θ* is no minimum", values[0]),
        );
        return None;
    }
    Some(LandscapeSpec::Quadratic { eigenvalues: values, matrix: Some(matrix), rotation: None })
}

fn row(node: &Node, dim: usize, problems: &mut Problems) -> Option<Vec<f64>> {
    match &node.value {
        Value::List(entries) if entries.len() == dim => {
            let rule = "an entry of a Hessian is a finite number";
            let read: Vec<Option<f64>> = entries.iter().map(|entry| number::finite(entry, rule, problems)).collect();
            read.into_iter().collect()
        }
        Value::List(entries) => {
            problems.node(node, format!("{} entries in a matrix of {dim} rows; a Hessian is square", entries.len()));
            None
        }
        _ => {
            problems.node(node, format!("{} stands here; a row is expected, like [2.0, 0.5]", node.shown()));
            None
        }
    }
}

fn asymmetry(matrix: &[f64], dim: usize) -> Option<(usize, usize)> {
    let pairs = (0..dim).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.into_iter().find(|&(i, j)| matrix[i * dim + j] != matrix[j * dim + i])
}

/// What is wrong with a matrix that did not come from a sweep file, if anything.
pub(super) fn complaint(matrix: &[f64], eigenvalues: &[f64]) -> Option<String> {
    let dim = eigenvalues.len();
    let fits = matrix.len() == dim * dim
        && asymmetry(matrix, dim).is_none()
        && eigen(matrix, dim).is_ok_and(|eigen| eigen.values == eigenvalues);
    (!fits).then(|| "landscape.matrix: it does not have the eigenvalues that are given".to_owned())
}

/// The eigenvectors of H*, one in each row: of a matrix that has some, or of a random rotation.
pub(crate) fn basis(matrix: Option<&[f64]>, rotation: Option<u64>, dim: usize) -> Option<Vec<f64>> {
    match (matrix, rotation) {
        (Some(matrix), _) => eigen(matrix, dim).ok().map(|Eigen { vectors, .. }| vectors),
        (None, Some(seed)) => Some(random_rotation(seed, dim)),
        (None, None) => None,
    }
}

/// An orthogonal matrix of Haar's measure: Gaussian rows made orthonormal, each by the ones before it, twice.
fn random_rotation(seed: u64, dim: usize) -> Vec<f64> {
    let mut stream = Stream::new(StreamKey::derive(seed, DRAW_ROTATION), 0);
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(dim);
    while rows.len() < dim {
        let mut row: Vec<f64> = (0..dim).map(|_| stream.normal()).collect();
        for _ in 0..2 {
            for other in &rows {
                let along = dot(&row, other);
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
            let norm = dot(&row, &row).sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
        }
        rows.push(row);
    }
    rows.concat()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_rotation_is_orthogonal_and_its_seed_decides_it() {
        for dim in [1, 2, 30] {
            let rows = random_rotation(7, dim);
            for (i, a) in rows.chunks(dim).enumerate() {
                for (j, b) in rows.chunks(dim).enumerate() {
                    let expected = f64::from(u8::from(i == j));
                    assert!((dot(a, b) - expected).abs() < 1e-13, "{dim}: rows {i} and {j}");
                }
            }
            assert_eq!(rows, random_rotation(7, dim));
            assert!(dim == 1 || rows != random_rotation(8, dim));
        }
    }
}
