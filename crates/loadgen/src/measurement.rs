//! One figure, as JSON or as a line of a table.

use std::fmt;

use serde::Serialize;

/// A figure of the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// What was measured.
    pub name: &'static str,
    /// Workers connected.
    pub workers: usize,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Whether the connections were encrypted.
    pub tls: bool,
}

impl Measurement {
    /// The line above all displayed figures.
    pub fn header() -> String {
        format!("{:<60} {:>8} {:>12}  unit", "measurement", "workers", "value")
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, workers, value, unit, .. } = self;
        let value = if *value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.3}") };
        write!(f, "{name:<60} {workers:>8} {value:>12}  {unit}")
    }
}
