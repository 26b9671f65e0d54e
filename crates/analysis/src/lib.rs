//! Estimates, tables and figures: from the trials of a sweep to what a person reads.
//!
//! Reads no dataset and opens no socket; only [`report`] writes files.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`estimate`] | a cell's trials → mean exit time, interval, median, test of the exponential law |
//! | [`effective`] | effective λmax, ΔL and predictions; one row of `cells.parquet` |
//! | [`quasipotential`] | V0, and how α and β change it |
//! | [`subspace`] | the same of a perceptron, along its sharpest directions |
//! | [`table`] | the cells as plain text |
//! | [`saving`] | what stopping by precision saved |
//! | [`training_table`] | runs of SGD as plain text |
//! | [`figure5`] | the paper's Figure 5 from a sweep, as SVG and PNG |
//! | [`figure1`] | the paper's Figure 1: sharpness along runs of SGD |
//! | [`report`] | the files of `OUT/report/` |

//!
//! The feature `figures`, on by default, stands for [`figure1`], [`figure5`] and [`report`]; the coordinator does without.

pub mod effective;
pub mod estimate;
#[cfg(feature = "figures")]
mod figure;
#[cfg(feature = "figures")]
pub mod figure1;
#[cfg(feature = "figures")]
pub mod figure5;
pub mod quasipotential;
#[cfg(feature = "figures")]
pub mod report;
pub mod saving;
pub mod subspace;
pub mod table;
pub mod training_table;

#[cfg(feature = "figures")]
mod axis;
mod exponential_test;
#[cfg(feature = "figures")]
mod frame;
#[cfg(feature = "figures")]
mod look;
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
pub use figure::Figure;
#[cfg(feature = "figures")]
pub use raster::RasterError;
