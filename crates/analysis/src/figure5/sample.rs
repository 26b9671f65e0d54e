//! Made-up cells for tests and for looking at the figure.

use taugrid_results::CellSummary;
use taugrid_sweep::{Cell, CellKey, Covariance, DynamicsSpec};

pub(crate) const HESSIAN: DynamicsSpec = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
pub(crate) const IDENTITY: DynamicsSpec = DynamicsSpec::GaussianSgd { covariance: Covariance::Identity };

/// A cell whose exponent follows Freidlin and Wentzell, with a little scatter.
pub(crate) fn summary(dynamics: DynamicsSpec, alpha: f64, beta: f64, eta: f64, batch_size: u64) -> CellSummary {
    let key = alpha.to_bits().wrapping_mul(31) ^ beta.to_bits().wrapping_mul(17) ^ eta.to_bits() ^ batch_size;
    let scatter = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
    let height = if dynamics == IDENTITY { beta } else { 1.0 / alpha };
    let mean = 1.5 * (0.35 * height * batch_size as f64 / eta + 0.1 * scatter).exp();
    let cell = Cell { key: CellKey(key), dynamics, alpha, beta, eta, batch_size };
    CellSummary {
        cell,
        trials: 100,
        exits: 100,
        mean_exit_steps: Some(mean / eta),
        mean_exit_time: Some(mean),
        lower: Some(mean * 0.82),
        upper: Some(mean / 0.82),
        std: Some(mean),
        median: Some(0.7 * mean),
        total_steps: (100.0 * mean / eta) as u64,
        drift: Some(false),
        ks_p: Some(0.4),
        ..CellSummary::without_trials(cell)
    }
}

/// The same with no trial that left.
pub(crate) fn without_exits(mut summary: CellSummary) -> CellSummary {
    summary.censored = summary.trials;
    summary.exits = 0;
    summary.lower = Some(1000.0 * summary.cell.eta);
    (summary.mean_exit_steps, summary.mean_exit_time, summary.upper) = (None, None, None);
    (summary.std, summary.median, summary.ks_p) = (None, None, None);
    summary
}

/// Five values an axis around α = 2, β = 1, η = 0.1, B = 2.
pub(crate) fn one_at_a_time(dynamics: &[DynamicsSpec]) -> Vec<CellSummary> {
    let mut cells = Vec::new();
    for &dynamics in dynamics {
        cells.push(summary(dynamics, 2.0, 1.0, 0.1, 2));
        cells.extend([1.0, 1.5, 3.0, 4.0].map(|alpha| summary(dynamics, alpha, 1.0, 0.1, 2)));
        cells.extend([0.5, 0.75, 1.25, 1.5].map(|beta| summary(dynamics, 2.0, beta, 0.1, 2)));
        cells.extend([0.05, 0.07, 0.14, 0.2].map(|eta| summary(dynamics, 2.0, 1.0, eta, 2)));
        cells.extend([1, 3, 4, 5].map(|batch_size| summary(dynamics, 2.0, 1.0, 0.1, batch_size)));
    }
    cells
}

/// 3 α × 2 β × 4 η × 2 B under both covariances; the longest ones censored.
pub(crate) fn grid() -> Vec<CellSummary> {
    let mut cells = Vec::new();
    for dynamics in [HESSIAN, IDENTITY] {
        for alpha in [1.0, 2.0, 4.0] {
            for beta in [1.0, 1.5] {
                for eta in [0.05, 0.08, 0.12, 0.2] {
                    for batch_size in [1, 2] {
                        let mut cell = summary(dynamics, alpha, beta, eta, batch_size);
                        if cell.mean_exit_time.is_some_and(|mean| mean > 3e8) {
                            cell = without_exits(cell);
                            cell.lower = Some(1e8);
                        } else if cell.mean_exit_time.is_some_and(|mean| mean > 1e5) {
                            cell.censored = 40;
                        }
                        cells.push(cell);
                    }
                }
            }
        }
    }
    cells
}

/// More values than there are colours, and awkward ones: 12 η on a log range × 3 α × 6 B.
pub(crate) fn wide() -> Vec<CellSummary> {
    let mut cells = Vec::new();
    for i in 0..12 {
        let eta = 0.05 * 4f64.powf(f64::from(i) / 11.0);
        for alpha in [1.0, 1.0 / 3.0, 10.0] {
            cells.extend((1..=6).map(|batch_size| summary(HESSIAN, alpha, 1.0, eta, batch_size)));
        }
    }
    cells
}
