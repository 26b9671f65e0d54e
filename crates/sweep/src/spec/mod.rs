//! The parts of a sweep as values, and how each is read from the sweep file.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`landscape`] | which landscape; quadratics by their eigenvalues or a spectrum, wells |
//! | [`dense`] | quadratics by their Hessian, or under a rotation |
//! | [`data`] | examples: from a file or drawn |
//! | [`regression`] | linear regression on examples |
//! | [`mlp`] | the multilayer perceptron and its minimum |
//! | [`domain`] | balls and sublevel sets |
//! | [`dtype`] | f32 or f64 |
//! | [`dynamics`] | the stepping rules |
//! | [`precision`] | how many trials: so many, or as many as it takes |
//! | [`range`] | `{from, to, points, spacing}` |
//! | [`training`] | the runs of `taugrid train` |
//! | [`grid`] | the axes α, β, η, B and their combination |

mod data;
pub(crate) mod dense;
mod domain;
mod dtype;
mod dynamics;
mod grid;
mod landscape;
mod mlp;
mod precision;
mod range;
mod regression;
mod training;

pub use data::{DataSource, DataSpec};
pub use domain::DomainSpec;
pub use dtype::Dtype;
pub use dynamics::{Coordinates, Covariance, DynamicsSpec};
pub use grid::{Grid, Point};
pub use landscape::LandscapeSpec;
pub use mlp::{Activation, Loss, MinimumSpec, MlpSpec};
pub use precision::{Demand, Precision};
pub use regression::RegressionSpec;
pub use training::{SharpnessSpec, TrainingSpec};

pub(crate) use domain::read as read_domain;
pub(crate) use dtype::read as read_dtype;
pub(crate) use dynamics::read_list as read_dynamics;
pub(crate) use grid::{Axes, MAX_CELLS, read as read_grid};
pub(crate) use landscape::read as read_landscape;
pub(crate) use mlp::{MAX_PARAMETERS, SEED};
pub(crate) use precision::{MAX_TRIALS, read as read_demand};
pub(crate) use training::read as read_training;
