//! What carries the bytes between programs. TCP; a simulated network puts itself in its place.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A connection's bytes, both ways.
pub trait Io: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Io for S {}

/// A connection.
pub type Connection = Pin<Box<dyn Io>>;

/// Where connections come in.
pub trait Accept: Send {
    /// The next one, and where it comes from.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Connection, SocketAddr)>>;
}

/// A connection that is being made.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send + 'a>>;

/// How connections are made.
pub trait Dial: fmt::Debug + Send + Sync {
    /// Connects to `port` of `host`, which is a name or an address without brackets.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialling<'a>;
}

/// Dials over TCP.
#[derive(Debug, Clone, Copy)]
pub struct Tcp;

impl Dial for Tcp {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialling<'a> {
        Box::pin(async move {
            let tcp = TcpStream::connect((host, port)).await?;
            tcp.set_nodelay(true)?;
            Ok(Box::pin(tcp) as Connection)
        })
    }
}

impl Accept for TcpListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Connection, SocketAddr)>> {
        Self::poll_accept(self, cx).map(|accepted| {
            let (tcp, peer) = accepted?;
            tcp.set_nodelay(true)?;
            Ok((Box::pin(tcp) as Connection, peer))
        })
    }
}
