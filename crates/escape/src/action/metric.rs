//! The power of C in the action.

/// The matrix a that velocities are measured with, |v|²_a = vᵀ a v: what the noise makes hard.
///
/// The two agree where C = I, and differ in units elsewhere. Let εC be in length²/time, as √ε C^½ dw demands. Then
/// V/ε is a pure number with C⁻¹, as the exponent of a probability must be, and stays the same when θ is measured in
/// another unit. With C^(−1/2) it is neither: where ε = η/B is a time, C is in (length/time)² and V is a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// a = C⁻¹: the action of Freidlin & Wentzell (2012, section 3.2) for noise √ε C^½ dw, to which the paper's
    /// Lemmas 1 and 2 refer.
    FreidlinWentzell,
    /// a = C^(−1/2): the paper's Definition 4, its Eqs. 14 and 24, and from there its Theorems 2 and 4.
    Paper,
}

impl Metric {
    /// The eigenvalue of a where that of C is `variance`.
    #[must_use]
    pub fn weight(self, variance: f64) -> f64 {
        1.0 / self.mobility(variance)
    }

    /// The eigenvalue of a⁻¹ where that of C is `variance`: C, and C^½ in the paper.
    #[must_use]
    pub fn mobility(self, variance: f64) -> f64 {
        match self {
            Self::FreidlinWentzell => variance,
            Self::Paper => variance.sqrt(),
        }
    }
}
