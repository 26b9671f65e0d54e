//! Paths as a row of images, φ_0 … φ_m.

use super::error::{ActionError, check_finite, check_length};

/// A path through n dimensions, discretised in images φ_0 … φ_m, joined by straight segments.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    dim: usize,
    points: Vec<f64>,
}

impl Path {
    /// The path with these images, one after another in one vector.
    ///
    /// # Errors
    /// [`ActionError::Length`] unless `dim` > 0 divides the length, [`ActionError::Images`] for less than two images,
    /// [`ActionError::NotFinite`] for a coordinate that is not finite.
    pub fn new(dim: usize, points: Vec<f64>) -> Result<Self, ActionError> {
        if dim == 0 || !points.len().is_multiple_of(dim) {
            return Err(ActionError::Length { expected: dim, found: points.len() });
        }
        if points.len() / dim < 2 {
            return Err(ActionError::Images);
        }
        check_finite(&points)?;
        Ok(Self { dim, points })
    }

    /// The straight path with `images` images, `to` included, from `from`.
    ///
    /// # Errors
    /// As [`Path::new`].
    pub fn straight(from: &[f64], to: &[f64], images: usize) -> Result<Self, ActionError> {
        check_length(from.len(), to.len())?;
        if images < 2 {
            return Err(ActionError::Images);
        }
        let last = (images - 1) as f64;
        let point = |k: usize| from.iter().zip(to).map(move |(a, b)| a + (b - a) * (k as f64 / last));
        Self::new(from.len(), (0..images).flat_map(point).collect())
    }

    /// n.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of images, m + 1.
    #[must_use]
    pub fn images(&self) -> usize {
        self.points.len() / self.dim
    }

    /// The images, from φ_0 on.
    pub fn points(&self) -> impl Iterator<Item = &[f64]> {
        self.points.chunks_exact(self.dim)
    }

    /// φ_m.
    #[must_use]
    pub fn end(&self) -> &[f64] {
        &self.points[self.points.len() - self.dim..]
    }

    /// All coordinates in one vector, image by image.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.points
    }
}

/// The nodes moved along their path, `count` of them afterwards, so that every segment has the same share of `weights`
/// (one a segment, not all zero). The ends stay.
pub(super) fn redistribute(nodes: &[f64], dim: usize, weights: &[f64], count: usize) -> Vec<f64> {
    let segments = weights.len();
    let total: f64 = weights.iter().sum();
    let mut moved = Vec::with_capacity(count * dim);
    moved.extend_from_slice(&nodes[..dim]);
    let (mut segment, mut before) = (0, 0.0);
    for k in 1..count - 1 {
        let goal = total * k as f64 / (count - 1) as f64;
        while segment + 1 < segments && before + weights[segment] < goal {
            before += weights[segment];
            segment += 1;
        }
        let share = ((goal - before) / weights[segment]).clamp(0.0, 1.0);
        let share = if share.is_finite() { share } else { 0.5 };
        for i in 0..dim {
            let (a, b) = (nodes[segment * dim + i], nodes[(segment + 1) * dim + i]);
            moved.push(a + share * (b - a));
        }
    }
    moved.extend_from_slice(&nodes[segments * dim..]);
    moved
}
