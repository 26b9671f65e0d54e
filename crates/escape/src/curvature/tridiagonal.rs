//! The tridiagonal matrix of Lanczos' method, and its largest eigenvalue to the last bit.

/// A symmetric tridiagonal matrix with positive entries beside the diagonal.
#[derive(Debug, Default)]
pub(super) struct Tridiagonal {
    /// α, k of them.
    pub(super) diagonal: Vec<f64>,
    /// β, k − 1 of them.
    pub(super) off_diagonal: Vec<f64>,
}

impl Tridiagonal {
    /// The largest absolute row sum: a bound on all |eigenvalues|.
    pub(super) fn size(&self) -> f64 {
        (0..self.diagonal.len()).map(|i| self.diagonal[i].abs() + self.left(i) + self.right(i)).fold(0.0, f64::max)
    }

    fn left(&self, i: usize) -> f64 {
        if i == 0 { 0.0 } else { self.off_diagonal[i - 1] }
    }

    fn right(&self, i: usize) -> f64 {
        self.off_diagonal.get(i).copied().unwrap_or(0.0)
    }

    /// The pivots of T − x from the top: d_i = α_i − x − β²_{i−1}/d_{i−1}. There are as many positive ones as
    /// eigenvalues above x (Sturm).
    fn pivots(&self, x: f64) -> impl Iterator<Item = f64> {
        let mut previous = -1.0;
        self.diagonal.iter().enumerate().map(move |(i, alpha)| {
            let pivot = (alpha - x) - self.left(i) * (self.left(i) / previous);
            // A zero pivot stands for one just above: x then counts as no upper bound.
            previous = if pivot == 0.0 { f64::MIN_POSITIVE } else { pivot };
            previous
        })
    }

    /// The largest eigenvalue, by bisection down to neighbouring floats, as the upper end of the last bracket: at it,
    /// all computed pivots are negative.
    pub(super) fn largest_eigenvalue(&self) -> f64 {
        let size = self.size();
        // Gershgorin: above the upper end there is no eigenvalue, also after rounding.
        let mut high = size + size * 1e-12 + f64::MIN_POSITIVE;
        // The largest eigenvalue is at least every diagonal entry.
        let mut low = self.diagonal.iter().copied().fold(-high, f64::max);
        if self.diagonal.len() == 1 {
            return low;
        }
        loop {
            let middle = low + 0.5 * (high - low);
            if middle <= low || middle >= high || high - low <= f64::EPSILON * 0.5 * size {
                return high;
            }
            if self.pivots(middle).all(|pivot| pivot < 0.0) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }

    /// |s_k|, the last component of the unit eigenvector to `value` as [`Self::largest_eigenvalue`] gives it.
    ///
    /// By twisted factorisation (Parlett & Dhillon 1997): the pivots from the top and those from the bottom meet at the
    /// row where they fit best, and the eigenvector is followed from there to both ends, always with, never against
    /// its decay. Its components all have one sign, as the top one of a matrix with positive β must.
    pub(super) fn last_component(&self, value: f64) -> f64 {
        let k = self.diagonal.len();
        let down: Vec<f64> = self.pivots(value).collect();
        let mut up = vec![0.0; k];
        for i in (0..k).rev() {
            let below = if i + 1 == k { 0.0 } else { self.right(i) * (self.right(i) / up[i + 1]) };
            let pivot = (self.diagonal[i] - value) - below;
            up[i] = if pivot == 0.0 { -f64::MIN_POSITIVE } else { pivot };
        }
        let misfit = |i: usize| ((down[i] + up[i]) - (self.diagonal[i] - value)).abs();
        let twist = (0..k).min_by(|&a, &b| misfit(a).total_cmp(&misfit(b))).unwrap_or(0);
        let mut squares = 1.0;
        let mut component: f64 = 1.0;
        for i in (0..twist).rev() {
            component *= self.right(i) / down[i];
            squares += component * component;
        }
        component = 1.0;
        for (i, pivot) in up.iter().enumerate().skip(twist + 1) {
            component *= self.left(i) / pivot;
            squares += component * component;
        }
        component.abs() / squares.sqrt()
    }
}
