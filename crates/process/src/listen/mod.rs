//! Listening for clients, as a coordinator does: who may come in, and what it may cost those who are in already.
//!
//! | module | what it is |
//! | --- | --- |
//! | `arguments` | the options that say where to listen and whom to let in |
//! | `advertised` | the name by which clients dial |
//! | `probation` | a new connection: it has a few seconds to be let in |
//! | `public` | a port that anyone may read and nobody may change anything at |

mod advertised;
mod arguments;
mod probation;
mod public;

use std::fmt;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::{Server, ServerTlsConfig};
use tower::layer::util::{Identity, Stack};

pub use advertised::Advertised;
pub use arguments::{Door, ListenArguments};
pub use probation::{Incoming, LetInLayer};
pub use public::public;

use crate::http2::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, WINDOW_BYTES};
use crate::transport::Accept;

/// A new connection has this long until a call of its own succeeds: TLS, HTTP/2, and a worker's Hello.
pub const PROBATION: Duration = Duration::from_secs(10);
/// New connections at once; more wait outside, in the system's queue.
const MOST_ON_PROBATION: usize = 256;
/// Calls of one client at once. A worker has two.
const MOST_STREAMS: u32 = 16;
/// The headers of one call, in bytes. Those of a worker have some hundred.
const MOST_HEADER_BYTES: u32 = 8 << 10;

/// A socket that listens, and who may come in.
pub struct Listener {
    accept: Box<dyn Accept>,
    tls: Option<ServerTlsConfig>,
}

/// A gRPC server that lets connections off probation.
pub type GuardedServer = Server<Stack<LetInLayer, Identity>>;

impl Listener {
    /// Everyone who reaches `tcp` may come in, and read and change what others say. For a loopback socket of one
    /// process, or if the user said so out loud.
    pub fn plain(tcp: TcpListener) -> Self {
        Self::over(tcp)
    }

    /// The same, over something else than TCP.
    pub fn over(accept: impl Accept + 'static) -> Self {
        Self { accept: Box::new(accept), tls: None }
    }

    /// Clients with a certificate may come in.
    pub fn mutual_tls(tcp: TcpListener, tls: ServerTlsConfig) -> Self {
        Self { tls: Some(tls), ..Self::over(tcp) }
    }

    /// The server to add services to, and the connections for it to serve.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn open(self) -> Result<(GuardedServer, Incoming), tonic::transport::Error> {
        self.open_with(MOST_ON_PROBATION, PROBATION)
    }

    fn open_with(
        self,
        places: usize,
        probation: Duration,
    ) -> Result<(GuardedServer, Incoming), tonic::transport::Error> {
        let mut server = Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_concurrent_streams(MOST_STREAMS)
            .http2_max_header_list_size(MOST_HEADER_BYTES)
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT));
        if let Some(tls) = self.tls {
            server = server.tls_config(tls)?;
        }
        Ok((server.layer(LetInLayer), Incoming::new(self.accept, places, probation)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
