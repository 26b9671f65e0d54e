//! The files of `OUT/report/`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use taugrid_results::CellSummary;
use taugrid_sweep::TrainingPoint;

use crate::figure::Figure;
use crate::figure1::figure1;
use crate::figure5::figure5;
use crate::raster::RasterError;

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {}", path.display())]
pub struct ReportError {
    /// The file or folder that was being written.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub kind: ReportErrorKind,
}

/// What can go wrong in writing a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportErrorKind {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The picture.
    #[error(transparent)]
    Raster(#[from] RasterError),
}

/// Writes `figure5.svg` and `figure5.png` into `folder` (usually `OUT/report`), which is made if it is not there, and
/// returns their paths. `name` is the sweep's. A file is replaced in one step: a reader sees the old or the new one.
///
/// # Errors
/// If the folder or a file cannot be written, or the picture cannot be made.
pub fn write_report(folder: &Path, name: &str, cells: &[CellSummary]) -> Result<Vec<PathBuf>, ReportError> {
    write_figure(folder, "figure5", &figure5(cells, name))
}

/// Writes `figure1.svg` and `figure1.png`, as [`write_report`] writes Figure 5.
///
/// # Errors
/// As [`write_report`].
pub fn write_training_report(folder: &Path, name: &str, points: &[TrainingPoint]) -> Result<Vec<PathBuf>, ReportError> {
    write_figure(folder, "figure1", &figure1(points, name))
}

fn write_figure(folder: &Path, stem: &str, figure: &Figure) -> Result<Vec<PathBuf>, ReportError> {
    let failed = |path: &Path, kind: ReportErrorKind| ReportError { path: path.to_owned(), kind };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error.into()))?;
    let (svg, png) = (folder.join(format!("{stem}.svg")), folder.join(format!("{stem}.png")));
    replace(&svg, figure.svg().as_bytes()).map_err(|error| failed(&svg, error.into()))?;
    let pixels = figure.png().map_err(|error| failed(&png, error.into()))?;
    replace(&png, &pixels).map_err(|error| failed(&png, error.into()))?;
    Ok(vec![svg, png])
}

/// Writes under a temporary name in the same folder and renames.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure5::sample::{HESSIAN, one_at_a_time};

    #[test]
    fn writes_both_files_and_nothing_else_twice_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("out/report");
        let cells = one_at_a_time(&[HESSIAN]);
        let paths = write_report(&report, "quickstart", &cells).unwrap();
        assert_eq!(paths, [report.join("figure5.svg"), report.join("figure5.png")]);
        let before: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        write_report(&report, "quickstart", &cells).unwrap();
        let after: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        assert!(before == after);
        assert_eq!(fs::read_dir(&report).unwrap().count(), 2);
    }

    #[test]
    fn says_which_path_failed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_report(&file.join("report"), "x", &[]).unwrap_err();
        assert!(error.to_string().contains("report"), "{error}");
    }
}
