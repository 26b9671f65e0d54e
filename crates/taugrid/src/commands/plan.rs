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
    let steps = predict(&sweep, &cells);
    let seconds = steps.map(|(steps, dim)| steps * dim / COORDINATE_STEPS_A_SECOND);
    let steps = steps.map(|(steps, _)| steps);
    let trials = cells.len() as u64 * sweep.trials;
    if as_json {
        print(json!({
            "name": sweep.name,
            "sweep": sweep.physics().sweep_id(),
            "cells": cells.len(),
            "trials": trials,
            "predicted_steps": steps,
            "predicted_core_seconds": seconds,
            "cell_keys": cells.iter().map(|cell| cell.key.to_string()).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    print(format_args!("{}: {} cells, {} trials", sweep.name, HumanCount(cells.len() as u64), HumanCount(trials)))?;
    match (steps, seconds) {
        (Some(steps), Some(seconds)) => {
            let threads = default_threads().get();
            let wall = Duration::try_from_secs_f64(seconds / threads as f64).unwrap_or(Duration::MAX);
            print(format_args!(
                "about {steps:.1e} steps, by the law of large deviations: some {} on the {threads} cores here, give or \
                 take a factor of three",
                HumanDuration(wall)
            ))?;
        }
        _ => print(format_args!(
            "how long is not known before it is measured; at most {:.1e} steps, for trials end at {}",
            trials as f64 * sweep.max_steps as f64,
            HumanCount(sweep.max_steps)
        ))?,
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

/// Steps of all trials together, and the dimension, where the landscape has a closed form.
fn predict(sweep: &Sweep, cells: &[Cell]) -> Option<(f64, f64)> {
    let LandscapeSpec::Quadratic { eigenvalues, .. } = &sweep.landscape else { return None };
    let physics = sweep.physics();
    let landscape = physics.landscape(None).ok()?;
    let facts = Facts::new(&physics, &landscape);
    facts.find_exact(cells);
    let total: Option<f64> = cells.iter().map(|cell| mean_steps(cell, &physics, &facts)).sum();
    total.map(|total| (total * sweep.trials as f64, eigenvalues.len() as f64))
}

/// The exact mean exit steps where there is a method, else the mean exit time of a 1-D Ornstein–Uhlenbeck process with the cell's quasi-potential V = (B/η)V0 and λmax, in
/// steps: the mean τ ≈ (√π / 2) (e^V − 1) / (λ √V), which has the right exponent in any dimension and a prefactor that serves.
fn mean_steps(cell: &Cell, physics: &Physics, facts: &Facts) -> Option<f64> {
    let effective = facts.effective(cell);
    let v = effective.exponent_freidlin_wentzell?;
    let estimate = 0.5 * std::f64::consts::PI.sqrt() * v.min(700.0).exp_m1() / (effective.lambda_max * v.sqrt());
    let time = effective.exact_mean_exit_time.unwrap_or(estimate);
    Some((time / cell.step_length()).clamp(1.0, physics.max_steps() as f64))
}
