//! `taugrid plan`: validates a sweep file, and says what it would take.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration};
use serde_json::json;
use taugrid_analysis::effective::Facts;
use taugrid_process::exit::{Exit, Failure};
use taugrid_sweep::{Cell, LandscapeSpec, Physics, Sweep};
use taugrid_worker::life::default_threads;

use super::print;

/// Coordinate steps a second of one core: `taugrid bench core`'s W1 on a server with AVX-512. For predictions of time
/// alone.
const COORDINATE_STEPS_A_SECOND: f64 = 2e9;

pub(crate) fn run(path: &Path, as_json: bool) -> Result<Exit, Failure> {
    let sweep = Sweep::load(path).map_err(Failure::usage)?;
    check_fit(&sweep)?;
    let cells = sweep.cells();
    let prediction = predict(&sweep, &cells);
    // To a program a part of the sweep is no prediction.
    let whole = prediction.filter(|prediction| prediction.unknown == 0);
    let trials = cells.len() as u64 * sweep.most_trials();
    let typical = sweep.demand.precision().map(|precision| precision.typical());
    if as_json {
        print(json!({
            "name": sweep.name,
            "sweep": sweep.physics().sweep_id(),
            "cells": cells.len(),
            "trials": trials,
            "typical_trials": typical.map(|typical| typical * cells.len() as u64),
            "predicted_steps": whole.map(|prediction| prediction.steps),
            "predicted_core_seconds": whole.map(Prediction::core_seconds),
            "cell_keys": cells.iter().map(|cell| cell.key.to_string()).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    let most = if typical.is_some() { "at most " } else { "" };
    print(format_args!(
        "{}: {} cells, {most}{} trials",
        sweep.name,
        HumanCount(cells.len() as u64),
        HumanCount(trials)
    ))?;
    match prediction {
        Some(prediction) => {
            let threads = default_threads().get();
            let seconds = prediction.core_seconds() / threads as f64;
            let wall = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            let but = match prediction.unknown {
                0 => String::new(),
                cells => format!("; without {} of which nothing is known before", count(cells)),
            };
            print(format_args!(
                "about {:.1e} steps, exactly or by the law of large deviations: some {} on the {threads} cores here, give or \
                 take a factor of three{but}",
                prediction.steps,
                HumanDuration(wall)
            ))?;
        }
        None => print(format_args!(
            "how long is not known before it is measured; at most {:.1e} steps, for trials end at {}",
            trials as f64 * sweep.max_steps as f64,
            HumanCount(sweep.max_steps)
        ))?,
    }
    if let Some(typical) = typical {
        let share = 100.0 * typical as f64 / sweep.most_trials() as f64;
        print(format_args!(
            "that is for so many trials; a cell stops at its precision, which takes {} trials ({share:.1} % of that) where exit \
             times are exponential",
            HumanCount(typical)
        ))?;
    }
    Ok(Exit::Done)
}

/// Whether a regression can be fitted, which its data decide; a perceptron's training would take too long to be tried.
fn check_fit(sweep: &Sweep) -> Result<(), Failure> {
    if let LandscapeSpec::LinearRegression(_) = sweep.landscape {
        sweep.prepare(&mut |_| ControlFlow::Continue(())).map_err(Failure::usage)?;
    }
    Ok(())
}

/// What a sweep would take, as far as it is known.
#[derive(Clone, Copy)]
struct Prediction {
    /// Of all trials of the cells that something is known of.
    steps: f64,
    /// d.
    dim: f64,
    /// Cells of which nothing is known.
    unknown: usize,
}

impl Prediction {
    fn core_seconds(self) -> f64 {
        self.steps * self.dim / COORDINATE_STEPS_A_SECOND
    }
}

fn count(cells: usize) -> String {
    if cells == 1 { "one cell".to_owned() } else { format!("{cells} cells") }
}

/// Where the landscape is not trained and something is known of some cell.
fn predict(sweep: &Sweep, cells: &[Cell]) -> Option<Prediction> {
    let dim = match &sweep.landscape {
        LandscapeSpec::Quadratic { eigenvalues, .. } | LandscapeSpec::Quartic { eigenvalues, .. } => eigenvalues.len(),
        LandscapeSpec::DoubleWell { transverse, .. } => 1 + transverse.len(),
        LandscapeSpec::LinearRegression(_) | LandscapeSpec::Mlp(_) => return None,
    };
    let physics = sweep.physics();
    let landscape = physics.landscape(None).ok()?;
    let facts = Facts::new(&physics, &landscape);
    facts.find_exact(cells);
    let known: Vec<f64> = cells.iter().filter_map(|cell| mean_steps(cell, &physics, &facts)).collect();
    let unknown = cells.len() - known.len();
    let steps = known.iter().sum::<f64>() * sweep.most_trials() as f64;
    (!known.is_empty()).then_some(Prediction { steps, dim: dim as f64, unknown })
}

/// The exact mean exit steps where there is a method. Else the mean exit time, in steps, of a 1-D Ornstein–Uhlenbeck process
/// with the cell's quasi-potential V = (B/η)V0 and λmax: τ ≈ (√π / 2) (e^V − 1) / (λ √V), which has the right exponent in
/// any dimension and a prefactor that serves.
fn mean_steps(cell: &Cell, physics: &Physics, facts: &Facts) -> Option<f64> {
    let effective = facts.effective(cell);
    let v = effective.exponent_freidlin_wentzell?;
    let estimate = 0.5 * std::f64::consts::PI.sqrt() * v.min(700.0).exp_m1() / (effective.lambda_max * v.sqrt());
    let time = effective.exact_mean_exit_time.unwrap_or(estimate);
    Some((time / cell.step_length()).clamp(1.0, physics.max_steps() as f64))
}
