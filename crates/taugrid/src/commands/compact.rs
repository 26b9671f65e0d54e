//! `taugrid compact`: puts a dataset into its canonical form.

use taugrid_coordinator::directory::{explain, lock, store};
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::{Dataset, Location};

use super::print;

pub(crate) fn run(dir: &Location) -> Result<Exit, Failure> {
    let explain = |error| explain(dir, &error);
    // First whether it is one: taking the lock would make the folder.
    Dataset::open_in(store(dir)?).map_err(explain)?;
    let (_lock, store) = lock(dir)?;
    let mut dataset = Dataset::open_in(store).map_err(explain)?;
    let report = dataset.compact().map_err(explain)?;
    print(format_args!("{} trials in {} parts, {} before", report.rows, report.parts_after, report.parts_before))?;
    Ok(Exit::Done)
}
