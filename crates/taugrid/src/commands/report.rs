//! `taugrid report`: the figures of a dataset, complete or not.

use std::path::Path;

use taugrid_analysis::report::write_report;
use taugrid_analysis::saving::Saving;
use taugrid_analysis::table::cell_table;
use taugrid_coordinator::directory::survey;
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::CellSummary;

use super::print;

pub(crate) fn run(dir: &Path) -> Result<Exit, Failure> {
    let (name, summaries) = survey(dir)?;
    show(&summaries)?;
    write(&name, dir, &summaries)?;
    Ok(Exit::Done)
}

/// Prints the table of cells, and what stopping by precision saved.
pub(crate) fn show(summaries: &[CellSummary]) -> Result<(), Failure> {
    print(cell_table(summaries))?;
    Saving::of(summaries).map_or(Ok(()), print)
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
