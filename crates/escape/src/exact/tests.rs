//! The methods against `exact.json`, against each other, and against limits that can be derived.

use serde_json::Value;

use super::*;

/// (unit-ball pull, noise) per coordinate, for a step of η or for a unit of time.
fn coordinates(row: &Value) -> (Vec<f64>, Vec<f64>) {
    let cell = |name: &str| row["cell"][name].as_f64().unwrap();
    let (alpha, beta, eta, batch) = (cell("alpha"), cell("beta"), cell("eta"), cell("batch_size"));
    let step = if row["dynamics"]["kind"] == "sde" { 1.0 } else { eta };
    row["landscape"]["eigenvalues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| {
            let h = h.as_f64().unwrap();
            let unit = match row["domain"]["kind"].as_str().unwrap() {
                "ball" => row["domain"]["radius"].as_f64().unwrap() / alpha.sqrt(),
                _ => (2.0 * row["domain"]["depth"].as_f64().unwrap() / (alpha * h)).sqrt(),
            };
            let variance = if row["dynamics"]["covariance"] == "identity" { 1.0 } else { alpha * beta * h };
            (step * alpha * beta * h, (step * eta * variance / batch).sqrt() / unit)
        })
        .unzip()
}

#[test]
fn every_row_of_the_oracles_is_met() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../tests/exact.json")).unwrap();
    for row in &rows {
        let (pull, noise) = coordinates(row);
        let motion = match row["dynamics"]["kind"].as_str().unwrap() {
            "sde" => Motion::Diffusion { pull: &pull, noise: &noise },
            _ => Motion::Chain { pull: &pull, noise: &noise },
        };
        let (id, oracle) =
            (row["id"].as_str().unwrap(), row["mean_exit_steps"].as_f64().or(row["mean_exit_time"].as_f64()));
        let start = std::time::Instant::now();
        let exact = mean_exit(motion).unwrap();
        let error = exact.value / oracle.unwrap() - 1.0;
        println!("{id:18} {:.12e}  off by {error:9.1e}  {:?}  {}", exact.value, start.elapsed(), exact.method);
        // The file's own accuracy: solved in double precision where the mean is small, and in 60 digits where it is
        // rare.
        let bound = if id.starts_with("rare") { 1e-8 } else { 1e-7 };
        assert!(error.abs() < bound, "{id}: {} is off by {error:e}", exact.value);
    }
}
