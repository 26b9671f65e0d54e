//! SIGINT and SIGTERM ask a program to stop in order.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Signals closer together are one: a terminal or a batch system tells a whole tree of processes, and so may its root.
const ECHO: Duration = Duration::from_millis(500);

/// A token that is cancelled at the first SIGINT or SIGTERM. A second one ends the process at once, with exit code 3.
pub fn stop_token() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = stop.clone();
    tokio::spawn(async move {
        let mut first: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            token.cancel();
            if first.get_or_insert_with(Instant::now).elapsed() > ECHO {
                break;
            }
        }
        std::process::exit(crate::exit::Exit::Interrupted as i32);
    });
    Ok(stop)
}
