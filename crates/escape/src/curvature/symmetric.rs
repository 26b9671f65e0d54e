//! All eigenvalues and eigenvectors of a dense symmetric matrix.
//!
//! Householder reflections bring A to tridiagonal form, A = QTQᵀ, from the last row up, so that only rows and their
//! beginnings are touched (Martin, Reinsch & Wilkinson 1968); the implicit QL method finds T's eigenvalues and a
//! sequence of plane rotations (Dubrulle, Martin & Wilkinson 1968). Then Vᵀ = Zᵀ Qᵀ is made in panels of eight columns,
//! each of which sees every reflection and every rotation while it lies in the cache; panels are spread over rayon's
//! pool. About 4n³/3 + 5n³ operations, in n² + O(n) numbers and the rotations of a while.
//!
//! Only +, −, ×, ÷ and √ are used, in one order: the same bits on every machine and in any pool.

use std::fmt;

use rayon::prelude::*;

use crate::landscape::mlp::lanes::{self, LANES, Lanes, dot};

/// The eigenvalues and eigenvectors of a symmetric n × n matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct Eigen {
    /// Ascending, n of them.
    pub values: Vec<f64>,
    /// n × n, row by row: row k is the unit eigenvector of `values[k]`. Its largest component in size, the first of
    /// them where there are several, is positive.
    pub vectors: Vec<f64>,
}

impl Eigen {
    /// The unit eigenvector of `values[k]`.
    ///
    /// # Panics
    /// If there is no such eigenvalue.
    pub fn vector(&self, k: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[k * n..(k + 1) * n]
    }
}

/// Why a matrix has no eigenvalues here. Fragments that read on after "failed to find the eigenvalues: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EigenError {
    /// Not n × n numbers.
    Length {
        /// n × n.
        expected: usize,
        /// What there are.
        found: usize,
    },
    /// An entry of the lower triangle is not finite.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
    },
    /// The QL method did not end. It always does, as far as anyone knows.
    NotConverged,
}

impl fmt::Display for EigenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => write!(f, "the matrix must hold {expected} numbers, not {found}"),
            Self::NotFinite { row, column } => write!(f, "the entry in row {row}, column {column} is not finite"),
            Self::NotConverged => write!(f, "the QL method did not converge"),
        }
    }
}

impl std::error::Error for EigenError {}

/// The eigenvalues and eigenvectors of the symmetric n × n `matrix`, given row by row. Only its lower triangle is read.
///
/// Backward stable: the result is exact for a matrix within a small multiple of n·ε·‖A‖ of A, and the vectors are
/// orthogonal to that accuracy, also where eigenvalues are equal. Runs in rayon's current pool.
///
/// # Errors
/// For a matrix of another length, or one that is not finite.
pub fn eigen(matrix: &[f64], n: usize) -> Result<Eigen, EigenError> {
    let expected = n.saturating_mul(n);
    if matrix.len() != expected {
        return Err(EigenError::Length { expected, found: matrix.len() });
    }
    if n == 0 {
        return Ok(Eigen { values: Vec::new(), vectors: Vec::new() });
    }
    let mut size = 0.0_f64;
    for (row, entries) in matrix.chunks_exact(n).enumerate() {
        for (column, entry) in entries[..=row].iter().enumerate() {
            if !entry.is_finite() {
                return Err(EigenError::NotFinite { row, column });
            }
            size = size.max(entry.abs());
        }
    }
    let scale = power_of_two_near(size);
    let mut rows: Vec<f64> = matrix.iter().map(|entry| entry / scale).collect();
    let Reduced { diagonal, off_diagonal, squares } = tridiagonalize(&mut rows, n);
    let reflections = Reflections { rows: &rows, squares: &squares };
    let mut eigen = decompose(diagonal, off_diagonal, Some(&reflections))?;
    eigen.values.iter_mut().for_each(|value| *value *= scale);
    Ok(eigen)
}

/// The same for a symmetric tridiagonal matrix: `diagonal` of n entries, and n − 1 beside it.
///
/// # Errors
/// If the lengths do not fit, or an entry is not finite.
pub fn tridiagonal_eigen(diagonal: &[f64], off_diagonal: &[f64]) -> Result<Eigen, EigenError> {
    let n = diagonal.len();
    if off_diagonal.len() + 1 != n.max(1) {
        return Err(EigenError::Length { expected: n.saturating_sub(1), found: off_diagonal.len() });
    }
    if let Some(row) = diagonal.iter().position(|x| !x.is_finite()) {
        return Err(EigenError::NotFinite { row, column: row });
    }
    if let Some(column) = off_diagonal.iter().position(|x| !x.is_finite()) {
        return Err(EigenError::NotFinite { row: column + 1, column });
    }
    let size = diagonal.iter().chain(off_diagonal).fold(0.0_f64, |size, x| size.max(x.abs()));
    let scale = power_of_two_near(size);
    let scaled = |x: &[f64]| x.iter().map(|x| x / scale).collect::<Vec<_>>();
    let mut eigen = decompose(scaled(diagonal), scaled(off_diagonal), None)?;
    eigen.values.iter_mut().for_each(|value| *value *= scale);
    Ok(eigen)
}

/// The power of two just below `size`, so that dividing by it is exact, and squares neither overflow nor matter where
/// they underflow. 1 for 0; within the range whose inverse is normal.
fn power_of_two_near(size: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    if size == 0.0 { 1.0 } else { f64::from_bits(size.clamp(1e-300, 1e300).to_bits() & !MANTISSA) }
}

/// T, and what its reflections are divided by.
struct Reduced {
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
    /// h_i = ‖v_i‖²/2 of the reflection I − v vᵀ/h that cleared row i; 0 where none was needed.
    squares: Vec<f64>,
}

/// The reflections of [`tridiagonalize`].
struct Reflections<'a> {
    /// v_i is the beginning of row i, i entries of it.
    rows: &'a [f64],
    squares: &'a [f64],
}

/// Below this, the part of a row to be cleared is cleared without further ado: entries are about 1 in size.
const NEGLIGIBLE_SQUARE: f64 = 1e-280;

/// Reduces the lower triangle of `a` to tridiagonal form. Row i is left with v_i in its first i places.
///
/// Each row of the leading triangle is read and written once for a reflection: the rank-two update of the last one
/// and the product with the next one's vector are taken together.
fn tridiagonalize(a: &mut [f64], n: usize) -> Reduced {
    let mut reduced = Reduced { diagonal: vec![0.0; n], off_diagonal: vec![0.0; n - 1], squares: vec![0.0; n] };
    // The update that the leading triangle still lacks, −v wᵀ − w vᵀ, and the next one's product.
    let (mut v, mut w, mut product) = (Vec::new(), Vec::new(), vec![0.0; n]);
    let mut pending = false;
    for i in (1..n).rev() {
        let (above, row) = a.split_at_mut(i * n);
        let row = &mut row[..=i];
        if pending {
            update(row, &v, &w, i);
        }
        reduced.diagonal[i] = row[i];
        let x = &mut row[..i];
        let (last, rest) = (x[i - 1], dot(&x[..i - 1], &x[..i - 1]));
        if rest < NEGLIGIBLE_SQUARE {
            reduced.off_diagonal[i - 1] = last;
            x.fill(0.0);
            if pending {
                for (j, row) in above.chunks_exact_mut(n).enumerate() {
                    update(&mut row[..=j], &v, &w, j);
                }
                pending = false;
            }
            continue;
        }
        let square = rest + last * last;
        let length = square.sqrt();
        let beside = if last > 0.0 { -length } else { length };
        let h = square - last * beside;
        x[i - 1] = last - beside;
        reduced.off_diagonal[i - 1] = beside;
        reduced.squares[i] = h;
        // product ← S x, from the lower triangle of S, row by row.
        let product = &mut product[..i];
        for (j, row) in above.chunks_exact_mut(n).enumerate() {
            let row = &mut row[..=j];
            if pending {
                update(row, &v, &w, j);
            }
            product[j] = dot(row, &x[..=j]);
            add_scaled(&mut product[..j], x[j], &row[..j]);
        }
        product.iter_mut().for_each(|p| *p /= h);
        let half = dot(product, x) / (h + h);
        v.clear();
        v.extend_from_slice(x);
        w.clear();
        w.extend(product.iter().zip(x.iter()).map(|(p, x)| p - half * x));
        pending = true;
    }
    // Row 1 has nothing to clear, so nothing is pending here.
    reduced.diagonal[0] = a[0];
    reduced
}

/// Row i of −v wᵀ − w vᵀ, added to the beginning of a row.
fn update(row: &mut [f64], v: &[f64], w: &[f64], i: usize) {
    let (vi, wi) = (v[i], w[i]);
    for ((a, v), w) in row.iter_mut().zip(v).zip(w) {
        *a -= vi * w + wi * v;
    }
}

fn add_scaled(sum: &mut [f64], s: f64, x: &[f64]) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += s * x;
    }
}

/// Rotations of one QL sweep: of rows (m−1, m), (m−2, m−1), …
struct Rotations {
    /// (last row m, how many rotations) of each sweep.
    sweeps: Vec<(usize, usize)>,
    /// (cos, sin), sweep after sweep.
    turns: Vec<(f64, f64)>,
}

/// Rotations are collected so many at a time: 16 MiB.
const TURNS: usize = 1 << 20;
/// Sweeps for one eigenvalue; two are usual.
const MAX_SWEEPS: usize = 60;
/// Matrices smaller than this are not worth a pool.
const PARALLEL_FROM: usize = 96;

/// The eigenvectors while they are made: Vᵀ in panels of eight columns, each n rows of eight lanes.
struct Panels {
    n: usize,
    lanes: Vec<Lanes>,
}

impl Panels {
    /// Qᵀ, or the identity.
    fn new(n: usize, reflections: Option<&Reflections<'_>>) -> Self {
        let mut panels = Self { n, lanes: vec![[0.0; LANES]; n * n.div_ceil(LANES)] };
        panels.for_each(|p, panel| {
            for l in 0..LANES.min(n - p * LANES) {
                panel[p * LANES + l][l] = 1.0;
            }
            // Qᵀ = H_2 … H_{n−1}: the last reflection found is the last to act.
            if let Some(Reflections { rows, squares }) = reflections {
                for i in (1..n).rev().filter(|&i| squares[i] != 0.0) {
                    let v = &rows[i * n..i * n + i];
                    let mut along = [0.0; LANES];
                    for (v, row) in v.iter().zip(&panel[..i]) {
                        lanes::add_scaled(&mut along, *v, row);
                    }
                    let along = along.map(|x| x / squares[i]);
                    for (v, row) in v.iter().zip(&mut panel[..i]) {
                        lanes::add_scaled(row, -*v, &along);
                    }
                }
            }
        });
        panels
    }

    fn for_each(&mut self, work: impl Fn(usize, &mut [Lanes]) + Sync) {
        if self.n < PARALLEL_FROM {
            self.lanes.chunks_exact_mut(self.n).enumerate().for_each(|(p, panel)| work(p, panel));
        } else {
            self.lanes.par_chunks_exact_mut(self.n).enumerate().for_each(|(p, panel)| work(p, panel));
        }
    }

    /// Turns the rows of all panels, and forgets the rotations.
    fn turn(&mut self, rotations: &mut Rotations) {
        let Rotations { sweeps, turns } = &*rotations;
        self.for_each(|_, panel| {
            let mut turns = turns.iter();
            for &(last, count) in sweeps {
                // The row that two rotations in succession have in common stays in registers.
                let mut shared = panel[last];
                for (row, (cos, sin)) in (0..last).rev().zip(turns.by_ref().take(count)) {
                    let x = panel[row];
                    for l in 0..LANES {
                        panel[row + 1][l] = sin * x[l] + cos * shared[l];
                        shared[l] = cos * x[l] - sin * shared[l];
                    }
                }
                panel[last - count] = shared;
            }
        });
        rotations.sweeps.clear();
        rotations.turns.clear();
    }

    /// Row k of Vᵀ, with its sign as promised.
    fn write_row(&self, k: usize, out: &mut [f64]) {
        for (out, panel) in out.chunks_mut(LANES).zip(self.lanes.chunks_exact(self.n)) {
            out.copy_from_slice(&panel[k][..out.len()]);
        }
        let largest = out.iter().fold(0.0_f64, |largest, x| if x.abs() > largest.abs() { *x } else { largest });
        if largest < 0.0 {
            out.iter_mut().for_each(|x| *x = -*x);
        }
    }
}

/// The eigenvalues of T, and its eigenvectors times Q. T's entries are about 1 in size, or smaller.
fn decompose(mut d: Vec<f64>, mut e: Vec<f64>, reflections: Option<&Reflections<'_>>) -> Result<Eigen, EigenError> {
    let n = d.len();
    if n == 0 {
        return Ok(Eigen { values: d, vectors: e });
    }
    let mut panels = Panels::new(n, reflections);
    let mut rotations = Rotations { sweeps: Vec::new(), turns: Vec::with_capacity(TURNS.min(4 * n * n)) };
    let size = d.iter().chain(&e).fold(0.0_f64, |size, x| size.max(x.abs()));
    let negligible = 0.0625 * f64::EPSILON * size;
    for l in 0..n {
        for sweep in 0.. {
            let cut = (l..n - 1).find(|&m| {
                let beside = e[m].abs();
                beside <= negligible || beside <= 0.5 * f64::EPSILON * (d[m].abs() + d[m + 1].abs())
            });
            let m = cut.unwrap_or(n - 1);
            if m == l {
                break;
            }
            if sweep == MAX_SWEEPS {
                return Err(EigenError::NotConverged);
            }
            let before = rotations.turns.len();
            ql_sweep(&mut d, &mut e, l, m, &mut rotations.turns);
            rotations.sweeps.push((m, rotations.turns.len() - before));
            if rotations.turns.len() + n > TURNS {
                panels.turn(&mut rotations);
            }
        }
    }
    panels.turn(&mut rotations);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| d[i].total_cmp(&d[j]));
    let mut vectors = vec![0.0; n * n];
    for (row, &k) in vectors.chunks_exact_mut(n).zip(&order) {
        panels.write_row(k, row);
    }
    Ok(Eigen { values: order.into_iter().map(|k| d[k]).collect(), vectors })
}

/// One sweep of the implicit QL method with Wilkinson's shift on the block l..=m, whose off-diagonal entries are all
/// above rounding.
fn ql_sweep(d: &mut [f64], e: &mut [f64], l: usize, m: usize, turns: &mut Vec<(f64, f64)>) {
    let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
    // For a huge g the square overflows, and the shift becomes d[l], which is right.
    let root = (g * g + 1.0).sqrt();
    let mut g = d[m] - d[l] + e[l] / (g + root.copysign(g));
    let (mut sin, mut cos, mut p) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (sin * e[i], cos * e[i]);
        let r = (f * f + g * g).sqrt();
        if i + 1 < m {
            e[i + 1] = r;
        }
        if r == 0.0 {
            // The block has fallen apart here.
            d[i + 1] -= p;
            return;
        }
        (sin, cos) = (f / r, g / r);
        g = d[i + 1] - p;
        let r = (d[i] - g) * sin + 2.0 * cos * b;
        p = sin * r;
        d[i + 1] = g + p;
        g = cos * r - b;
        turns.push((cos, sin));
    }
    d[l] -= p;
    e[l] = g;
}

#[cfg(test)]
mod tests;
