//! `taugrid bench core`: its JSON, its table, and what it refuses.

use rig::{Process, Run};
use serde_json::Value;

fn core(arguments: &[&str]) -> Run {
    Process::start("taugrid", ["bench", "core"].iter().chain(arguments)).end()
}

#[test]
fn one_size_of_a_workload_in_json() {
    let arguments = ["--workload", "W1/1", "--threads", "2", "--seconds", "0.05", "--repetitions", "1", "--json"];
    let run = core(&arguments);
    run.assert(0, &["peaks of 2 threads", "W1 d=1 f32", "W1 d=1 f64"]);
    let row = |line| serde_json::from_str(line).expect("each line is a JSON object");
    let rows: Vec<Value> = run.stdout.lines().map(row).collect();
    let (peaks, rates): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["workload"] == "peak");
    let resources: Vec<_> = peaks.iter().map(|peak| peak["resource"].as_str()).collect();
    assert_eq!(resources, [Some("fma"), Some("memory"), Some("generator")]);
    let dtypes: Vec<_> = rates.iter().map(|rate| rate["dtype"].as_str()).collect();
    assert_eq!(dtypes, [Some("f32"), Some("f64")]);
    for row in &rows {
        let rate = |key: &str| row[key].as_f64().expect("a number");
        assert!(0.0 < rate("min") && rate("min") <= rate("median") && rate("median") <= rate("max"), "{row}");
        assert_eq!((&row["threads"], &row["repetitions"]), (&2.into(), &1.into()), "{row}");
        assert!(row["isa"].is_string() && row["unit"].is_string(), "{row}");
    }
    for rate in rates {
        assert_eq!((&rate["workload"], &rate["d"]), (&"W1".into(), &1.into()));
        assert_eq!((&rate["chains"], &rate["unit"]), (&10_000.into(), &"particle-steps/s".into()));
        assert_eq!(rate["peak"], "generator");
        // Other tests run beside this one, and the peaks are measured before: only that it is one.
        assert!(rate["peak_fraction"].as_f64().is_some_and(|fraction| fraction > 0.0), "{rate}");
    }
}

#[test]
fn networks_in_a_table_on_all_cores() {
    let run = core(&["--workload", "W4/100", "--seconds", "0.05", "--repetitions", "1"]);
    run.assert(0, &["W4 B=100"]);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("workload size "), "{}", run.stdout);
    assert_eq!(lines.len(), 5, "{}", run.stdout);
    for word in ["W4 ", "B=100 ", " 256 ", "chain-steps/s", "% fma"] {
        assert!(lines[4].contains(word), "no {word:?} in {}", lines[4]);
    }
}

#[test]
fn bad_values_are_refused() {
    core(&["--workload", "W9"]).assert(2, &["W9", "W1, W2, W3 or W4"]);
    core(&["--workload", "W2/7"]).assert(2, &["\"7\"", "W2/10, W2/50, W2/100, W2/500"]);
    core(&["--seconds", "0"]).assert(2, &["--seconds", "0"]);
    core(&["--seconds", "soon"]).assert(2, &["--seconds", "soon"]);
    core(&["--repetitions", "0"]).assert(2, &["--repetitions"]);
    core(&["--threads", "none"]).assert(2, &["--threads", "none"]);
    let mut command = std::process::Command::new(rig::binary("taugrid"));
    command.args(["bench", "core"]).env("TAUGRID_ISA", "sse2");
    Process::spawn(command).end().assert(2, &["TAUGRID_ISA", "sse2"]);
}
