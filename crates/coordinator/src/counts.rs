//! What is counted of one life of a coordinator. The dispatcher, to whom everything is told, counts; nothing is decided
//! by it.

use std::time::Duration;

/// Counts since the coordinator started.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Rows that workers sent and that were taken, those sent again among them.
    pub rows_received: u64,
    /// Rows that were made durable.
    pub rows_written: u64,
    /// Parts that were written.
    pub parts_written: u64,
    /// Their bytes.
    pub bytes_written: u64,
    /// Time spent on writing them.
    pub write_time: Duration,
    /// Leases given.
    pub leases_given: u64,
    /// Leases that workers finished.
    pub leases_finished: u64,
    /// Thread time that workers spent on those.
    pub busy_time: Duration,
    /// Thread time that workers were here for.
    pub thread_time: Duration,
    /// Streams of workers that came, those that came back among them.
    pub workers_joined: u64,
    /// Streams that ended in order.
    pub workers_left: u64,
    /// Streams that broke, or fell silent.
    pub workers_lost: u64,
    /// Workers that were sent away.
    pub workers_dismissed: u64,
    /// Trials whose state was made durable.
    pub checkpoints: u64,
    /// Leases at which a kernel failed.
    pub kernel_failures: u64,
}
