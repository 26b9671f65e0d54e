//! The sweep: what to measure, from the file that a person writes to the problems that the escape core simulates.
//!
//! ```text
//! sweep.yaml ──► Sweep ──► Cells (grid × dynamics, each with its stable key)
//!                  │
//!                  ├─────► Physics (what all cells share; goes over the wire as canonical JSON)
//!                  └─────► Artifact (data, and of a network θ* and its curvature; goes over the wire too)
//!
//! Physics + Artifact ──► landscape;   landscape + Cell ──► CellProblem, for the escape core
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | `sweep` | [`Sweep`]: the file as a whole |
//! | `compatible` | what its parts must be to one another |
//! | `spec` | the parts: landscape, domain, dynamics, grid; how each is read |
//! | `yaml` | a YAML text as a tree whose nodes know their path, line and column |
//! | `data` | the files that a sweep file names: CSV, safetensors |
//! | `error` | [`SweepError`]: all problems at once |
//! | `tally`, `quantile` | [`Tally`]: the sums that a cell's mean and its interval rest on |
//! | `cell`, `physics` | [`Cell`], [`CellKey`], [`Physics`] |
//! | `canonical` | the JSON that keys and identities are hashes of |
//! | `artifact`, `prepare` | [`Artifact`], and how it is made |
//! | `train` | minibatch SGD, and the sharpness along it |
//! | `problem` | to the escape core |
//!
//! Files are read here and nowhere below; nothing here knows of the network.

mod artifact;
mod canonical;
mod cell;
mod compatible;
mod data;
mod error;
mod physics;
mod prepare;
mod problem;
mod quantile;
mod spec;
mod sweep;
mod tally;
mod train;
mod yaml;

pub use artifact::{Artifact, ArtifactError, Network};
pub use cell::{Cell, CellKey, ParseCellKeyError};
pub use error::{Problem, SweepError};
pub use physics::{Physics, PhysicsError};
pub use prepare::{Preparation, PrepareError};
pub use problem::LandscapeError;
pub use spec::{
    Activation, Coordinates, Covariance, DataSource, DataSpec, Demand, DomainSpec, Dtype, DynamicsSpec, Grid,
    LandscapeSpec, Loss, MinimumSpec, MlpSpec, Point, Precision, RegressionSpec, SharpnessSpec, TrainingSpec,
};
pub use sweep::{Estimator, Sweep};
pub use tally::Tally;
/// What [`Physics::landscape`] builds.
pub use taugrid_escape::problem::AnyLandscape as BuiltLandscape;
pub use train::{TrainError, TrainingPoint, TrainingProgress};
