//! A covariance given by a factor: C = F Fᵀ with F of d × r, and what it takes to draw from N(0, C): F ξ, ξ ~ N(0, I_r).
//!
//! A product reads all of F once, which is all of its price as soon as F does not fit into a cache. So F is laid out in
//! the order in which it is read: panels of [`PANEL`] rows of sixteen parameters, column after column in each. Every sum
//! over the columns is taken in their order, one fused multiply-add each.

use super::row::{Layout, Row};
use crate::landscape::mlp::{MlpError, Shape};
use crate::simd::{Kernel, LANES, Simd};

/// Rows whose sums are in registers side by side: eight registers of AVX2, four of AVX-512.
const PANEL: usize = 4;

/// F, d × r, in f32. Immutable; for chains of networks of one shape.
#[derive(Debug, Clone)]
pub struct Factor {
    layout: Layout,
    rank: usize,
    /// `[panels][r][PANEL]`; over the strips, b₂, and zeros to fill up the last panel.
    panels: Vec<[Row; PANEL]>,
}

impl Factor {
    /// F of `rank` columns, row by row: a row for each parameter, in θ's layout. Rounded to f32.
    ///
    /// # Errors
    /// Unless there are d · `rank` numbers, all of them finite as f32.
    pub fn new(shape: Shape, rank: usize, values: &[f64]) -> Result<Self, MlpError> {
        let (layout, expected) = (Layout::new::<f32>(shape), shape.parameters() * rank);
        if values.len() != expected {
            return Err(MlpError::Length { name: "factor", expected, found: values.len() });
        }
        if let Some(index) = values.iter().position(|x| !(*x as f32).is_finite()) {
            return Err(MlpError::NotFinite { index });
        }
        let count = rows(layout).div_ceil(PANEL);
        let mut factor = Self { layout, rank, panels: vec![[Row::ZERO; PANEL]; count * rank] };
        let mut place = |row: usize, lane: usize, at: usize| {
            for (column, x) in values[at * rank..][..rank].iter().enumerate() {
                factor.panels[row / PANEL * rank + column][row % PANEL].0[lane] = *x as f32;
            }
        };
        layout.places(0, &mut place);
        let first = layout.rows() * shape.hidden;
        for class in 0..shape.classes {
            place(strip_rows(layout) + class / LANES, class % LANES, first + class);
        }
        Ok(factor)
    }

    /// r.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// d.
    pub fn dim(&self) -> usize {
        self.layout.shape.parameters()
    }

    /// Multiplications and additions of a product.
    pub(crate) fn operations(&self) -> u64 {
        2 * (self.panels.len() * PANEL * LANES) as u64
    }

    /// ‖Fᵀv‖², in f64: vᵀCv.
    ///
    /// # Panics
    /// Unless v has θ's length.
    pub fn squared_projection(&self, v: &[f64]) -> f64 {
        assert_eq!(v.len(), self.dim(), "a vector of another length than theta");
        let mut lanes = vec![[0.0; LANES]; rows(self.layout).next_multiple_of(PANEL)];
        self.layout.places(0, |row, lane, at| lanes[row][lane] = v[at]);
        let first = self.layout.rows() * self.layout.shape.hidden;
        for (class, x) in v[first..].iter().enumerate() {
            lanes[strip_rows(self.layout) + class / LANES][class % LANES] = *x;
        }
        let mut projections = vec![[0.0; LANES]; self.rank];
        for (panel, v) in self.panels.chunks_exact(self.rank.max(1)).zip(lanes.chunks_exact(PANEL)) {
            for (rows, sums) in panel.iter().zip(&mut projections) {
                for (row, v) in rows.iter().zip(v) {
                    for ((sum, x), v) in sums.iter_mut().zip(row.0).zip(v) {
                        *sum += f64::from(x) * v;
                    }
                }
            }
        }
        projections.into_iter().map(|lanes| super::walk::fold(lanes).powi(2)).sum()
    }

    /// Whether this is for networks of that layout.
    pub(super) fn fits(&self, layout: Layout) -> bool {
        self.layout == layout
    }

    /// Room for a product.
    pub(super) fn zeros(&self) -> Vec<Row> {
        vec![Row::ZERO; rows(self.layout).next_multiple_of(PANEL)]
    }
}

/// Rows of all strips.
fn strip_rows(layout: Layout) -> usize {
    layout.groups * layout.rows()
}

/// The same with b₂.
fn rows(layout: Layout) -> usize {
    strip_rows(layout) + layout.class_planes()
}

/// F ξ.
pub(super) struct Product<'a> {
    pub(super) factor: &'a Factor,
    /// ξ, `[r]`.
    pub(super) xi: &'a [f32],
    /// Whole panels of rows: the strips, and b₂.
    pub(super) out: &'a mut [Row],
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { factor, xi, out } = self;
        if xi.is_empty() {
            out.fill(Row::ZERO);
            return;
        }
        for (panel, out) in factor.panels.chunks_exact(xi.len()).zip(out.as_chunks_mut::<PANEL>().0) {
            let mut sums = [s.splat(0.0); PANEL];
            for (rows, xi) in panel.iter().zip(xi) {
                let xi = s.splat(*xi);
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum = s.fma(s.load(&row.0), xi, *sum);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                s.store(sum, &mut out.0);
            }
        }
    }
}
