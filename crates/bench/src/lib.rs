//! What a machine is worth: four workloads of the escape core, as rates and as fractions of what the machine does at
//! best. Reads the clock; touches neither disk nor network.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`suite`] | all of it, in order: [`suite::run`] |
//! | [`workload`] | the names of the workloads, and which of them were asked for |
//! | [`row`] | one measurement, as JSON or as a line of a table |
//! | [`quadratic`] | W1: Gaussian SGD on quadratics, trials run to their exit |
//! | [`network`] | W2–W4: SGD on the MLP, trials that never leave |
//! | `peaks` | multiply-adds, memory and normals at their fastest |
//! | `timing` | repetitions, and how much work fills a given time |
//!
//! The workloads are run through the very path of a sweep: `CellProblem::simulation` and `ensemble::run` on a rayon
//! pool.

pub mod network;
mod peaks;
pub mod quadratic;
pub mod row;
pub mod suite;
mod timing;
pub mod workload;
