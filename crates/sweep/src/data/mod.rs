//! The files that a sweep file names: read once, checked, and known by the hash of their content.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@file`] | bytes off the disk, with errors for people; SHA-256 |
//! | [`table`] | a CSV as inputs and labels |
//! | [`weights`] | θ* out of a safetensors file |
//! | [`sources`] | what one sweep file has named so far |

mod file;
mod sources;
mod table;
mod weights;

pub(crate) use file::{read as read_file, sha256};
pub(crate) use sources::Sources;
pub(crate) use table::{LabelColumn, MAX_INPUTS};
pub(crate) use weights::numbers;
