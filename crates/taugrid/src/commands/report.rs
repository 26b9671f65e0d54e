//! `taugrid report`: the figures of a dataset, complete or not.

use taugrid_analysis::report::write_report;
use taugrid_analysis::saving::Saving;
use taugrid_analysis::table::cell_table;
use taugrid_coordinator::directory::{store, survey};
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::{CellSummary, Location, Store};

use super::print;

pub(crate) fn run(dir: &Location) -> Result<Exit, Failure> {
    let (name, summaries) = survey(dir)?;
    show(&summaries)?;
    write(&name, dir, store(dir)?.as_ref(), &summaries)?;
    Ok(Exit::Done)
}

/// Prints the table of cells, and what stopping by precision saved.
pub(crate) fn show(summaries: &[CellSummary]) -> Result<(), Failure> {
    print(cell_table(summaries))?;
    Saving::of(summaries).map_or(Ok(()), print)
}

/// Writes the report, and says where it is.
pub(crate) fn write(name: &str, out: &Location, store: &dyn Store, summaries: &[CellSummary]) -> Result<(), Failure> {
    let written = write_report(store, name, summaries)
        .map_err(|error| Failure::interrupted(format!("{out}: {error}; `taugrid report` draws it again")))?;
    written.iter().try_for_each(|file| print(out.file(file)))
}
