//! Estimates, tables and figures: from the trials of a sweep to what a person reads.
//!
//! Reads no dataset and opens no socket; only [`report`] writes files.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`estimate`] | a cell's trials → mean exit time, interval, median, test of the exponential law |
//! | [`effective`] | effective λmax, ΔL and predictions; one row of `cells.parquet` |
//! | [`quasipotential`] | V0, and how α and β change it |
//! | [`table`] | the cells as plain text |
//! | [`figure5`] | the paper's Figure 5 from a sweep, as SVG and PNG |
//! | [`report`] | the files of `OUT/report/` |

//!
//! The feature `figures`, on by default, stands for [`figure5`] and [`report`]; the coordinator does without.

pub mod effective;
pub mod estimate;
#[cfg(feature = "figures")]
pub mod figure5;
pub mod quasipotential;
#[cfg(feature = "figures")]
pub mod report;
pub mod table;

#[cfg(feature = "figures")]
mod axis;
mod exponential_test;
mod numbers;
#[cfg(feature = "figures")]
mod raster;
#[cfg(test)]
mod simulate;
#[cfg(feature = "figures")]
mod svg;
#[cfg(feature = "figures")]
mod typeset;

#[cfg(feature = "figures")]
pub use raster::RasterError;
