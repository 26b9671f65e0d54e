//! A port that anyone may read and nobody may change anything at: plain text, for probes, metrics and scalers, none of
//! which brings a certificate. HTTP/1 and HTTP/2. What it may cost is bounded, whoever comes.

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Server;

use super::{GuardedServer, Incoming, LetInLayer, MOST_HEADER_BYTES, MOST_ON_PROBATION, MOST_STREAMS, PROBATION};
use crate::http2::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT};

/// Connections at once. More wait outside, in the system's queue.
const MOST_CONNECTIONS: usize = 256;
/// A connection is closed when it is so old; who needs it dials again.
const LONGEST: Duration = Duration::from_secs(3600);
/// It has this long to end what it is about.
const GRACE: Duration = Duration::from_secs(5);
/// An answer begins within this time, or there is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server to add read-only services to, and the connections for it to serve.
pub fn public(tcp: TcpListener) -> (GuardedServer, Incoming) {
    let server = Server::builder()
        .accept_http1(true)
        .timeout(PATIENCE)
        .max_concurrent_streams(MOST_STREAMS)
        .http2_max_header_list_size(MOST_HEADER_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_connection_age(LONGEST)
        .max_connection_age_grace(GRACE)
        .layer(LetInLayer);
    (server, Incoming::new(Box::new(tcp), MOST_ON_PROBATION, PROBATION).at_most(MOST_CONNECTIONS))
}
