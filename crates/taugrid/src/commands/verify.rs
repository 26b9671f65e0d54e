//! `taugrid verify`: reads a whole dataset and checks all there is to check.

use serde_json::json;
use taugrid_coordinator::directory::{explain, store, stored_landscape};
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::{Dataset, Location};

use super::print;

pub(crate) fn run(dir: &Location, as_json: bool) -> Result<Exit, Failure> {
    let report = Dataset::verify_in(store(dir)?).map_err(|error| explain(dir, &error))?;
    let missing = taugrid_results::coverage::count(&report.missing);
    if as_json {
        print(json!({
            "ok": report.is_sound(),
            "complete": report.is_complete(),
            "parts": report.parts,
            "trials": report.rows,
            "missing": missing,
            "problems": report.problems,
        }))?;
    } else {
        let state = if report.is_complete() {
            "complete".to_owned()
        } else {
            format!("incomplete: {missing} trials are still to be run")
        };
        print(format_args!("{} trials in {} parts, {state}", report.rows, report.parts))?;
    }
    if report.is_sound() {
        let dataset = Dataset::open_in(store(dir)?).map_err(|error| explain(dir, &error))?;
        stored_landscape(&dataset, dir)?;
        return Ok(Exit::Done);
    }
    let list = report.problems.iter().map(|problem| format!("\n  {problem}")).collect::<String>();
    Err(Failure::dataset(format!("{dir}: the dataset is damaged{list}")))
}
