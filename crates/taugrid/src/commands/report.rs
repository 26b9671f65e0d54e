//! `taugrid report`: the figures of a dataset, complete or not.

use std::path::Path;

use taugrid_analysis::report::write_report;
use taugrid_coordinator::directory::survey;
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::CellSummary;

use super::print;

pub(crate) fn run(dir: &Path) -> Result<Exit, Failure> {
    let (name, summaries) = survey(dir)?;
    print(taugrid_analysis::table::cell_table(&summaries))?;
    write(&name, dir, &summaries)?;
    Ok(Exit::Done)
}

/// Writes the report, and says where it is.
pub(crate) fn write(name: &str, out: &Path, summaries: &[CellSummary]) -> Result<(), Failure> {
    let folder = out.join("report");
    let written = write_report(&folder, name, summaries).map_err(|error| {
        Failure::interrupted(format!("{}: {error}; `taugrid report` draws it again", folder.display()))
    })?;
    for path in written {
        print(path.display())?;
    }
    Ok(())
}
