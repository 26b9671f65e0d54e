//! The action of a row of nodes in y for given durations, its derivative, and the durations that are best.

use super::diffusion::Diffusion;
use super::weighted::{Scratch, Weighted, dot, norm};

/// Where b vanishes, at a saddle, the best duration is infinite. No node is given more than |Δ| / (this × |Δ| × the
/// mean slope of |b|): a waiting time that costs next to nothing.
const SLOWEST: f64 = 0.05;

/// E(φ, τ) = ½ Σ τ_k |r_k|² with r_k = Δ_k/τ_k − b(ȳ_k), Δ_k = y_{k+1} − y_k and ȳ_k between them: the midpoint rule for
/// S_T. Its minimum over τ_k, at τ_k = |Δ_k|/|b(ȳ_k)|, is the geometric action Σ (|Δ_k||b(ȳ_k)| − Δ_k·b(ȳ_k)).
pub(super) struct Energy<'w, 'd, D: ?Sized> {
    pub(super) weighted: &'w Weighted<'d, D>,
    pub(super) scratch: Scratch,
    middle: Vec<f64>,
    drift: Vec<f64>,
    residual: Vec<f64>,
    product: Vec<f64>,
}

/// What [`Energy::best_durations`] finds.
pub(super) struct Durations {
    /// τ_k, in units of time.
    pub(super) durations: Vec<f64>,
    /// The geometric action.
    pub(super) action: f64,
    /// |Δ_k|.
    pub(super) lengths: Vec<f64>,
    /// |Δ_k||b(ȳ_k)|.
    pub(super) efforts: Vec<f64>,
}

impl<'w, 'd, D: Diffusion + ?Sized> Energy<'w, 'd, D> {
    pub(super) fn new(weighted: &'w Weighted<'d, D>) -> Self {
        let zeros = || vec![0.0; weighted.dim()];
        Self {
            weighted,
            scratch: weighted.scratch(),
            middle: zeros(),
            drift: zeros(),
            residual: zeros(),
            product: zeros(),
        }
    }

    /// The durations that make the action of these nodes least, and that action.
    pub(super) fn best_durations(&mut self, nodes: &[f64]) -> Durations {
        let segments = nodes.len() / self.weighted.dim() - 1;
        let (mut lengths, mut efforts) = (Vec::with_capacity(segments), Vec::with_capacity(segments));
        let (mut speeds, mut action) = (Vec::with_capacity(segments), 0.0);
        for k in 0..segments {
            self.visit(nodes, k);
            let (length, speed) = (norm(&self.residual), norm(&self.drift));
            action += length * speed - dot(&self.residual, &self.drift);
            lengths.push(length);
            speeds.push(speed);
            efforts.push(length * speed);
        }
        let total: f64 = lengths.iter().sum();
        let slope = SLOWEST * speeds.iter().copied().fold(0.0, f64::max) / total;
        // Nodes that coincide would have no duration at all; they are given a tiny one.
        let durations = lengths.iter().zip(&speeds).map(|(&length, &speed)| {
            let length = length.max(1e-9 * total);
            length / speed.max(slope * length)
        });
        Durations { durations: durations.collect(), action, lengths, efforts }
    }

    /// E.
    pub(super) fn value(&mut self, nodes: &[f64], durations: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (k, &tau) in durations.iter().enumerate() {
            self.visit(nodes, k);
            self.subtract(tau);
            sum += 0.5 * tau * dot(&self.residual, &self.residual);
        }
        sum
    }

    /// E, and its derivative by all nodes' coordinates into `gradient`.
    pub(super) fn gradient(&mut self, nodes: &[f64], durations: &[f64], gradient: &mut [f64]) -> f64 {
        let n = self.weighted.dim();
        gradient.fill(0.0);
        let mut sum = 0.0;
        for (k, &tau) in durations.iter().enumerate() {
            self.visit(nodes, k);
            self.subtract(tau);
            sum += 0.5 * tau * dot(&self.residual, &self.residual);
            self.weighted.jacobian_transposed(&self.middle, &self.residual, &mut self.product, &mut self.scratch);
            for i in 0..n {
                let (r, half) = (self.residual[i], 0.5 * tau * self.product[i]);
                gradient[k * n + i] -= r + half;
                gradient[(k + 1) * n + i] += r - half;
            }
        }
        sum
    }

    /// ȳ_k, b(ȳ_k), and Δ_k in the place of r_k.
    fn visit(&mut self, nodes: &[f64], k: usize) {
        let n = self.weighted.dim();
        let (a, b) = (&nodes[k * n..(k + 1) * n], &nodes[(k + 1) * n..(k + 2) * n]);
        for i in 0..n {
            self.middle[i] = 0.5 * (a[i] + b[i]);
            self.residual[i] = b[i] - a[i];
        }
        self.weighted.drift(&self.middle, &mut self.drift, &mut self.scratch);
    }

    /// r_k from Δ_k.
    fn subtract(&mut self, tau: f64) {
        for (r, b) in self.residual.iter_mut().zip(&self.drift) {
            *r = *r / tau - b;
        }
    }
}
