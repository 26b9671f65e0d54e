//! What both ends of a connection agree on below gRPC.

use std::time::Duration;

/// The flow-control window of both ends, in bytes: a few batches in flight, whatever the latency.
pub const WINDOW_BYTES: u32 = 4 << 20;
/// How long a connection is silent before it is asked whether it lives.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long it then has to answer.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
