//! The files of `OUT/report/`.

use taugrid_results::{CellSummary, Store, StoreError};
use taugrid_sweep::TrainingPoint;

use crate::figure::Figure;
use crate::figure1::figure1;
use crate::figure5::figure5;
use crate::raster::RasterError;

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Where it goes cannot be written to.
    #[error("failed to write {0}")]
    Store(#[from] StoreError),
    /// The picture.
    #[error("failed to draw {file}: {error}")]
    Raster {
        /// The file that was being made.
        file: String,
        /// What went wrong.
        error: RasterError,
    },
}

/// Writes `report/figure5.svg` and `report/figure5.png`, and returns these names. `name` is the sweep's. A file is
/// replaced in one step: a reader sees the old or the new one.
///
/// # Errors
/// If a file cannot be written, or the picture cannot be made.
pub fn write_report(store: &dyn Store, name: &str, cells: &[CellSummary]) -> Result<Vec<String>, ReportError> {
    write_figure(store, "figure5", &figure5(cells, name))
}

/// Writes `report/figure1.svg` and `report/figure1.png`, as [`write_report`] writes Figure 5.
///
/// # Errors
/// As [`write_report`].
pub fn write_training_report(
    store: &dyn Store,
    name: &str,
    points: &[TrainingPoint],
) -> Result<Vec<String>, ReportError> {
    write_figure(store, "figure1", &figure1(points, name))
}

fn write_figure(store: &dyn Store, stem: &str, figure: &Figure) -> Result<Vec<String>, ReportError> {
    let [svg, png] = ["svg", "png"].map(|kind| format!("report/{stem}.{kind}"));
    store.replace(&svg, figure.svg().as_bytes())?;
    let pixels = figure.png().map_err(|error| ReportError::Raster { file: png.clone(), error })?;
    store.replace(&png, &pixels)?;
    Ok(vec![svg, png])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use taugrid_results::LocalStore;

    use super::*;
    use crate::figure5::sample::{HESSIAN, one_at_a_time};

    #[test]
    fn writes_both_files_and_nothing_else_twice_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path().join("out"));
        let cells = one_at_a_time(&[HESSIAN]);
        let names = write_report(&store, "quickstart", &cells).unwrap();
        assert_eq!(names, ["report/figure5.svg", "report/figure5.png"]);
        let before: Vec<Vec<u8>> = names.iter().map(|name| store.read(name).unwrap()).collect();
        write_report(&store, "quickstart", &cells).unwrap();
        let after: Vec<Vec<u8>> = names.iter().map(|name| store.read(name).unwrap()).collect();
        assert!(before == after);
        assert_eq!(fs::read_dir(folder.path().join("out/report")).unwrap().count(), 2);
    }

    #[test]
    fn says_which_file_failed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_report(&LocalStore::new(file), "x", &[]).unwrap_err();
        assert!(error.to_string().contains("report/figure5.svg"), "{error}");
    }
}
