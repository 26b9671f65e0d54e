//! What stopping by precision saved: the trials of a sweep against those of a fixed number that serves every cell as well.

use std::fmt;

use taugrid_results::CellSummary;

use crate::numbers::count;

/// The trials of a sweep whose cells stop by their precision. Displayed as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// Trials of all cells.
    pub trials: u64,
    /// Trials that they would have if every cell had as many as the one with the most.
    pub fixed: u64,
    /// Cells whose precision was not reached.
    pub short: usize,
}

impl Saving {
    /// Of these cells; `None` where the trials were fixed.
    pub fn of(cells: &[CellSummary]) -> Option<Self> {
        cells.iter().find(|cell| cell.precision_reached.is_some())?;
        let most = cells.iter().map(|cell| cell.trials).max().unwrap_or(0);
        Some(Self {
            trials: cells.iter().map(|cell| cell.trials).sum(),
            fixed: most.saturating_mul(cells.len() as u64),
            short: cells.iter().filter(|cell| cell.precision_reached == Some(false)).count(),
        })
    }

    /// The share of the fixed number that was saved, 0 to 1.
    pub fn share(&self) -> f64 {
        if self.fixed == 0 { 0.0 } else { 1.0 - self.trials as f64 / self.fixed as f64 }
    }
}

impl fmt::Display for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trials, fixed, percent) = (count(self.trials), count(self.fixed), 100.0 * self.share());
        write!(
            f,
            "{trials} trials; a fixed count would have taken {fixed} (the largest cell's in every cell): saved {percent:.0} %"
        )?;
        match self.short {
            0 => Ok(()),
            1 => write!(f, "; one cell has not reached its precision"),
            cells => write!(f, "; {cells} cells have not reached their precision"),
        }
    }
}

#[cfg(test)]
mod tests {
    use taugrid_results::{Cell, CellKey};
    use taugrid_sweep::{Covariance, DynamicsSpec};

    use super::*;

    fn cells(trials: &[(u64, Option<bool>)]) -> Vec<CellSummary> {
        let summary = |(index, &(trials, precision_reached)): (usize, &(u64, Option<bool>))| {
            let dynamics = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
            let key = CellKey(index as u64);
            let cell = Cell { key, dynamics, alpha: 1.0, beta: 1.0, eta: 0.1, batch_size: 1 };
            CellSummary { trials, precision_reached, ..CellSummary::without_trials(cell) }
        };
        trials.iter().enumerate().map(summary).collect()
    }

    #[test]
    fn the_largest_cell_is_the_measure() {
        let saving = Saving::of(&cells(&[(100, Some(true)), (2000, Some(true)), (400, Some(true))])).expect("a saving");
        assert_eq!((saving.trials, saving.fixed, saving.short), (2500, 6000, 0));
        assert_eq!(
            saving.to_string(),
            "2500 trials; a fixed count would have taken 6000 (the largest cell's in every cell): saved 58 %"
        );
        let saving = Saving::of(&cells(&[(100, Some(true)), (100, Some(false))])).expect("a saving");
        assert!(saving.to_string().ends_with("saved 0 %; one cell has not reached its precision"), "{saving}");
    }

    #[test]
    fn fixed_trials_save_nothing_and_no_cells_nothing_either() {
        assert_eq!(Saving::of(&cells(&[(100, None), (50, None)])), None);
        assert_eq!(Saving::of(&[]), None);
        assert_eq!(Saving::of(&cells(&[(0, Some(false))])).map(|saving| saving.share()), Some(0.0));
    }
}
