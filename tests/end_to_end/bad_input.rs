//! Bad input ends with exit code 2, a message that names the place and the remedy, and nothing written.

use rig::{Folder, Process};

use crate::SMALL;

/// Runs a sweep that is wrong, and checks that nothing was made of it.
#[track_caller]
fn refused(folder: &Folder, sweep: impl AsRef<[u8]>, words: &[&str]) {
    folder.write("sweep.yaml", sweep);
    folder.run("sweep.yaml", "out", &[]).assert(2, words);
    assert!(!folder.path("out").exists(), "something was written");
}

#[test]
fn every_error_of_a_sweep_file_is_shown_at_once_with_its_place() {
    let bad = SMALL
        .replace("eta: [0.1, 0.2]", "eta: [0.1, -0.2], etta: 3")
        .replace("alpha: [2]", "alpha: [.nan]")
        .replace("batch_size: [1]", "batch_size: []");
    refused(&Folder::new(), bad, &["sweep.yaml:6:", "grid.eta[1]", "-0.2", "etta", "grid.alpha[0]", "grid.batch_size"]);
}

#[test]
fn a_missing_file_is_named() {
    Folder::new().run("none.yaml", "out", &[]).assert(2, &["none.yaml"]);
}

#[test]
fn a_grid_of_a_million_million_cells_is_refused_at_once() {
    let axis = "{from: 0.001, to: 0.5, points: 1000, spacing: log}";
    let bad = SMALL.replace(
        "grid: {alpha: [2], eta: [0.1, 0.2], batch_size: [1]}",
        &format!("grid: {{alpha: {axis}, beta: {axis}, eta: {axis}, batch_size: {{from: 1, to: 1000, points: 1000, spacing: linear}}}}"),
    );
    refused(&Folder::new(), bad, &["grid", "cells"]);
}

#[test]
fn what_is_no_text_or_no_yaml_is_refused() {
    let folder = Folder::new();
    refused(&folder, [0xff, 0xfe, 0x00], &["sweep.yaml"]);
    refused(&folder, "name: [", &["sweep.yaml"]);
    refused(&folder, "", &["sweep.yaml"]);
}

const MLP: &str = "\
name: mlp
seed: 1
landscape:
  kind: mlp
  data: {path: data.csv, label: last}
  hidden: 3
  loss: mse
  minimum: {train: {epochs: 5, learning_rate: 0.1, seed: 1}}
domain: {kind: ball, radius: 0.1}
dynamics: {kind: sgd}
grid: {eta: [0.1], batch_size: [2]}
trials: 3
max_steps: 10
";

#[test]
fn a_broken_csv_is_refused_with_its_line() {
    let folder = Folder::new();
    folder.write("data.csv", "1,2,a\n3,x,b\n5,6\n7,8,a\n");
    refused(&folder, MLP, &["data.csv", "2", "x", "3"]);
    folder.write("data.csv", "");
    refused(&folder, MLP, &["data.csv"]);
    std::fs::remove_file(folder.path("data.csv")).expect("it was there");
    refused(&folder, MLP, &["data.csv"]);
}

/// A safetensors file with one F32 tensor of the given name and shape, all zeros.
fn safetensors(name: &str, shape: [usize; 2]) -> Vec<u8> {
    let bytes = 4 * shape[0] * shape[1];
    let header = format!(
        "{{\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{},{}],\"data_offsets\":[0,{bytes}]}}}}",
        shape[0], shape[1]
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(vec![0; bytes]);
    file
}

#[test]
fn parameters_of_another_shape_are_refused() {
    let folder = Folder::new();
    folder.write("data.csv", "1,2,a\n3,4,b\n");
    let sweep =
        MLP.replace("minimum: {train: {epochs: 5, learning_rate: 0.1, seed: 1}}", "minimum: {load: theta.safetensors}");
    folder.write("theta.safetensors", safetensors("fc1.weight", [7, 2]));
    refused(&folder, &sweep, &["theta.safetensors", "fc1.weight", "7"]);
    folder.write("theta.safetensors", "rubbish");
    refused(&folder, &sweep, &["theta.safetensors"]);
}

#[test]
fn bad_usage_has_its_exit_code() {
    Process::start("taugrid", ["frobnicate"]).end().assert(2, &["frobnicate"]);
    Process::start("taugrid", ["report", "/nowhere/at/all"]).end().assert(2, &["/nowhere/at/all"]);
    Process::start("taugrid-worker", [""; 0]).end().assert(2, &["--access-file"]);
}

#[test]
fn a_small_mlp_runs_to_its_end() {
    let folder = Folder::new();
    folder.write("data.csv", "1,2,a\n3,4,b\n2,2,a\n4,4,b\n");
    folder.write("sweep.yaml", MLP);
    folder.run("sweep.yaml", "out", &[]).assert(0, &[]);
    folder.run("sweep.yaml", "again", &["--local-workers", "2"]).assert(0, &[]);
    assert!(folder.dataset("out") == folder.dataset("again"));
}
