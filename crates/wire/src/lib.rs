//! The wire: gRPC messages between coordinator and workers, and the limits both ends keep.

pub mod batch;
mod codec;
mod columns;
pub mod leases;
pub mod rows;
pub mod trials;

pub use columns::ColumnError;

/// The messages and services, generated from `proto/taugrid/v1`; the comments there are the documentation.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("taugrid.v1");
}

/// KEDA's interface to scalers, generated from `proto/externalscaler`; the comments there are the documentation.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod externalscaler {
    tonic::include_proto!("externalscaler");
}

/// The version of the protocol this build speaks.
pub const PROTOCOL: u32 = 5;

/// The release of this build. Kernels decide bits, so both ends must be of one release.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The largest message either end accepts, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// A batch is full when its messages have come to this many bytes.
pub const BATCH_BYTES: usize = 1 << 18;

/// The largest message that goes into a batch, in bytes: whatever is before it, the batch is no larger than
/// [`MAX_MESSAGE_BYTES`].
pub const MAX_SINGLE_BYTES: usize = MAX_MESSAGE_BYTES - 2 * BATCH_BYTES;

/// The largest batch of checkpoints in one message, in bytes; a single checkpoint may be larger, up to
/// [`MAX_SINGLE_BYTES`].
pub const CHECKPOINT_BATCH_BYTES: usize = 4 << 20;

/// The most leases that a worker holds.
pub const MOST_LEASES: usize = 256;

/// The largest piece of an artifact in one message, in bytes.
pub const ARTIFACT_CHUNK_BYTES: usize = 1 << 20;
