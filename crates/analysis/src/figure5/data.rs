//! What the figure shows: for each dynamics and each axis of the grid, the series of cells that agree in all else.

use std::collections::BTreeMap;

use taugrid_results::CellSummary;
use taugrid_sweep::{Cell, DynamicsSpec};

use crate::table::sort;
use crate::typeset::Text;

/// An axis of the grid, and a panel of the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Alpha,
    Eta,
    BatchSize,
    Beta,
}

impl Parameter {
    /// The panels from left to right, in the paper's order.
    pub(super) const ALL: [Self; 4] = [Self::Alpha, Self::Eta, Self::BatchSize, Self::Beta];

    pub(super) fn value(self, cell: &Cell) -> f64 {
        match self {
            Self::Alpha => cell.alpha,
            Self::Eta => cell.eta,
            Self::BatchSize => cell.batch_size as f64,
            Self::Beta => cell.beta,
        }
    }

    /// The axis variable: what the paper's law is linear in.
    pub(super) fn abscissa(self, value: f64) -> f64 {
        match self {
            Self::Alpha => 1.0 / value.sqrt(),
            Self::Eta => 1.0 / value,
            Self::BatchSize | Self::Beta => value,
        }
    }

    pub(super) fn symbol(self) -> Text {
        Text::default().italic(match self {
            Self::Alpha => "α",
            Self::Eta => "η",
            Self::BatchSize => "B",
            Self::Beta => "β",
        })
    }

    pub(super) fn abscissa_label(self) -> Text {
        match self {
            Self::Alpha => self.symbol().up("−1/2"),
            Self::Eta => Text::plain("1/").then(self.symbol()),
            Self::BatchSize | Self::Beta => self.symbol(),
        }
    }

    /// The property that the parameter stands for.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Alpha => "sharpness",
            Self::Eta => "learning rate",
            Self::BatchSize => "batch size",
            Self::Beta => "depth",
        }
    }
}

/// A cell in a panel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// The axis variable.
    pub(super) x: f64,
    /// E\[ν\], in units of time.
    pub(super) mean: Option<f64>,
    /// The 95 % interval.
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    /// The exact mean, where it was computed.
    pub(super) exact: Option<f64>,
    /// Whether any trial is censored.
    pub(super) censored: bool,
}

impl Point {
    fn new(parameter: Parameter, summary: &CellSummary) -> Option<Self> {
        let drawable = |value: Option<f64>| value.filter(|v| v.is_finite() && *v > 0.0);
        let x = parameter.abscissa(parameter.value(&summary.cell));
        let (mean, lower) = (drawable(summary.mean_exit_time), drawable(summary.lower));
        let upper = drawable(summary.upper);
        let censored = summary.censored > 0;
        let exact = drawable(summary.effective.exact_mean_exit_time);
        (x.is_finite() && (mean.is_some() || lower.is_some())).then_some(Self {
            x,
            mean,
            lower,
            upper,
            exact,
            censored,
        })
    }

    /// The height at which its marker is drawn.
    pub(super) fn height(&self) -> Option<f64> {
        self.mean.or(self.lower)
    }
}

/// Cells that differ in the panel's parameter only, in the order of x.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Index into [`Data::dynamics`].
    pub(super) dynamics: usize,
    /// The values they agree in, in the order of [`Panel::others`].
    pub(super) others: [f64; 3],
    pub(super) points: Vec<Point>,
}

/// All series along one parameter.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub(super) parameter: Parameter,
    pub(super) others: [Parameter; 3],
    pub(super) series: Vec<Series>,
}

impl Panel {
    pub(super) fn of(&self, dynamics: &[usize]) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(move |series| dynamics.contains(&series.dynamics))
    }

    /// How many values of x the points of these dynamics have.
    pub(super) fn distinct(&self, dynamics: &[usize]) -> usize {
        let mut values: Vec<f64> = self.of(dynamics).flat_map(|s| s.points.iter().map(|p| p.x)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values.len()
    }

    /// The values that the series have in their `index`-th other parameter, ascending.
    pub(super) fn other_values(&self, index: usize) -> Vec<f64> {
        let mut values: Vec<f64> = self.series.iter().map(|series| series.others[index]).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }
}

/// The four panels of all dynamics.
#[derive(Debug, Clone)]
pub(super) struct Data {
    pub(super) dynamics: Vec<DynamicsSpec>,
    pub(super) panels: Vec<Panel>,
}

impl Data {
    pub(super) fn new(cells: &[CellSummary]) -> Self {
        let mut sorted: Vec<&CellSummary> = cells.iter().collect();
        sort(&mut sorted);
        let mut dynamics: Vec<DynamicsSpec> = sorted.iter().map(|summary| summary.cell.dynamics).collect();
        dynamics.dedup();

        let panel = |parameter| panel(parameter, &sorted, &dynamics);
        let mut panels: Vec<Panel> = Parameter::ALL.into_iter().map(panel).collect();
        // A cell that is alone in its series says nothing in a panel, unless there is nothing else to show.
        let alone = |series: &Series| series.points.len() < 2;
        if !panels.iter().all(|panel| panel.series.iter().all(alone)) {
            for panel in &mut panels {
                panel.series.retain(|series| !alone(series));
            }
        } else {
            // Points of different cells above one x would look like a series.
            for panel in &mut panels {
                let mut seen = Vec::new();
                panel.series.retain(|series| {
                    let first = !seen.contains(&series.dynamics);
                    seen.push(series.dynamics);
                    first
                });
            }
        }
        Self { dynamics, panels }
    }

    pub(super) fn name(&self, dynamics: usize) -> String {
        self.dynamics.get(dynamics).map(|dynamics| dynamics.label()).unwrap_or_default()
    }

    /// Whether every panel has at most one series of each dynamics: they then fit into one row of panels.
    pub(super) fn is_simple(&self) -> bool {
        (0..self.dynamics.len()).all(|dynamics| self.panels.iter().all(|panel| panel.of(&[dynamics]).count() <= 1))
    }
}

fn panel(parameter: Parameter, cells: &[&CellSummary], dynamics: &[DynamicsSpec]) -> Panel {
    let [a, b, c, d] = Parameter::ALL;
    let others = match parameter {
        Parameter::Alpha => [b, c, d],
        Parameter::Eta => [a, c, d],
        Parameter::BatchSize => [a, b, d],
        Parameter::Beta => [a, b, c],
    };
    // Bits order positive floats as their values do.
    let mut series: BTreeMap<(usize, [u64; 3]), Vec<Point>> = BTreeMap::new();
    for summary in cells {
        let Some(index) = dynamics.iter().position(|d| *d == summary.cell.dynamics) else { continue };
        let Some(point) = Point::new(parameter, summary) else { continue };
        let key = others.map(|other| other.value(&summary.cell).to_bits());
        series.entry((index, key)).or_default().push(point);
    }
    let series = series
        .into_iter()
        .map(|((dynamics, key), mut points)| {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Series { dynamics, others: key.map(f64::from_bits), points }
        })
        .collect();
    Panel { parameter, others, series }
}

/// Pearson's r of ln E\[ν\] with x, as the paper prints it; over several series, of the values centred in each one, so
/// that what the series differ in does not count. `None` where either does not vary.
pub(super) fn pearson<'a>(series: impl IntoIterator<Item = &'a Series>) -> Option<f64> {
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for series in series {
        let points: Vec<(f64, f64)> =
            series.points.iter().filter_map(|point| Some((point.x, point.mean?.ln()))).collect();
        let count = points.len().max(1) as f64;
        let mean_x = points.iter().map(|p| p.0).sum::<f64>() / count;
        let mean_y = points.iter().map(|p| p.1).sum::<f64>() / count;
        for (x, y) in points {
            xx += (x - mean_x) * (x - mean_x);
            xy += (x - mean_x) * (y - mean_y);
            yy += (y - mean_y) * (y - mean_y);
        }
    }
    let r = xy / (xx * yy).sqrt();
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Whether in each series the 95 % intervals have a value in common: x may well make no difference, and r says nothing.
pub(super) fn is_flat<'a>(series: impl IntoIterator<Item = &'a Series>) -> bool {
    series.into_iter().all(|series| {
        let known = || series.points.iter().filter(|point| point.mean.is_some());
        let lower = known().filter_map(|point| point.lower).fold(f64::NEG_INFINITY, f64::max);
        let upper = known().filter_map(|point| point.upper).fold(f64::INFINITY, f64::min);
        lower <= upper
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{IDENTITY, grid, one_at_a_time};
    use super::*;

    fn series(points: &[(f64, f64)]) -> Series {
        let point =
            |&(x, y): &(f64, f64)| Point { x, mean: Some(y), lower: None, upper: None, exact: None, censored: false };
        Series { dynamics: 0, others: [0.0; 3], points: points.iter().map(point).collect() }
    }

    #[test]
    fn pearson_of_one_series() {
        // ln y = 0, 1, 3 against x = 1, 2, 3: Sxy = 3, Sxx = 2, Syy = 14/3.
        let r = pearson([&series(&[(1.0, 1.0), (2.0, 1f64.exp()), (3.0, 3f64.exp())])]).unwrap();
        assert!((r - 3.0 / (2.0_f64 * 14.0 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(pearson([&series(&[(1.0, 5.0), (2.0, 5.0)])]), None);
        assert_eq!(pearson([]), None);
    }

    #[test]
    fn an_offset_between_series_does_not_lower_r() {
        let low = series(&[(1.0, 1f64.exp()), (2.0, 2f64.exp()), (3.0, 3f64.exp())]);
        let high = series(&[(1.0, 11f64.exp()), (2.0, 12f64.exp()), (3.0, 13f64.exp())]);
        assert!((pearson([&low, &high]).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn flat_where_the_intervals_overlap() {
        let data = Data::new(&one_at_a_time(&[IDENTITY]));
        let flat: Vec<bool> = data.panels.iter().map(|panel| is_flat(panel.of(&[0]))).collect();
        // Identity noise does not see the sharpness.
        assert_eq!(flat, [true, false, false, false]);
    }

    #[test]
    fn one_at_a_time_is_one_series_a_panel() {
        let data = Data::new(&one_at_a_time(&[IDENTITY]));
        assert!(data.is_simple());
        for panel in &data.panels {
            assert_eq!(panel.series.len(), 1);
            assert_eq!(panel.distinct(&[0]), 5);
            assert!(panel.series[0].points.windows(2).all(|pair| pair[0].x < pair[1].x));
        }
    }

    #[test]
    fn a_full_grid_has_a_series_for_each_of_the_others() {
        let data = Data::new(&grid());
        assert_eq!(data.dynamics.len(), 2);
        assert!(!data.is_simple());
        let counts: Vec<usize> = data.panels.iter().map(|panel| panel.series.len()).collect();
        // 3 α × 2 β × 4 η × 2 B, two dynamics; panels α, η, B, β.
        assert_eq!(counts, [32, 24, 48, 48]);
    }
}
