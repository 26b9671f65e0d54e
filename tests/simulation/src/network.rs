//! Simulated TCP: `turmoil`'s, with an ear on it, and a knife.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use taugrid_process::transport::{Accept, Connection, Dial, Dialling};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

/// Hears what is sent (`true`) and what comes in (`false`) on one connection.
pub type Listening = Box<dyn FnMut(bool, &[u8]) + Send>;

/// Connections that can be cut.
#[derive(Debug, Default, Clone)]
pub struct Knife(Arc<Mutex<Vec<Weak<Mutex<Cord>>>>>);

/// What a connection hangs by.
#[derive(Debug, Default)]
struct Cord {
    is_cut: bool,
    wakers: Vec<Waker>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Knife {
    /// Resets all connections there are, at this end. The other end learns of it over the network.
    pub fn cut(&self) {
        for cord in lock(&self.0).drain(..).filter_map(|cord| cord.upgrade()) {
            let mut cord = lock(&cord);
            cord.is_cut = true;
            cord.wakers.drain(..).for_each(Waker::wake);
        }
    }

    fn connection(&self, tcp: TcpStream, listening: Listening) -> Connection {
        let cord = Arc::new(Mutex::new(Cord::default()));
        let mut cords = lock(&self.0);
        cords.retain(|cord| cord.strong_count() > 0);
        cords.push(Arc::downgrade(&cord));
        Box::pin(Wire { tcp, cord, listening })
    }
}

/// One end of a connection.
struct Wire {
    tcp: TcpStream,
    cord: Arc<Mutex<Cord>>,
    listening: Listening,
}

impl Wire {
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut cord = lock(&self.cord);
        if cord.is_cut {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !cord.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            cord.wakers.push(cx.waker().clone());
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buf);
        (self.listening)(false, &buf.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let polled = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = polled {
            (self.listening)(true, &buf[..written]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Dials over simulated TCP.
pub struct Dialler {
    /// Cuts what is dialled.
    pub knife: Knife,
    /// Makes an ear for each connection.
    pub listening: Box<dyn Fn() -> Listening + Send + Sync>,
}

impl Dial for Dialler {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialling<'a> {
        Box::pin(async move { Ok(self.knife.connection(TcpStream::connect((host, port)).await?, (self.listening)())) })
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialler").finish_non_exhaustive()
    }
}

type Accepted = io::Result<(TcpStream, SocketAddr)>;

/// Listens on simulated TCP.
pub struct Acceptor {
    tcp: Arc<TcpListener>,
    next: Option<Pin<Box<dyn Future<Output = Accepted> + Send>>>,
    /// The knife, and an ear, for a connection from there.
    with: Box<dyn Fn(SocketAddr) -> (Knife, Listening) + Send>,
}

impl Acceptor {
    /// On this port of the host that this is called on.
    ///
    /// # Errors
    /// If somebody listens there.
    pub async fn bind(port: u16, with: impl Fn(SocketAddr) -> (Knife, Listening) + Send + 'static) -> io::Result<Self> {
        let tcp = Arc::new(TcpListener::bind(("0.0.0.0", port)).await?);
        Ok(Self { tcp, next: None, with: Box::new(with) })
    }
}

impl Accept for Acceptor {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Connection, SocketAddr)>> {
        let tcp = &self.tcp;
        let next = self.next.get_or_insert_with(|| {
            let tcp = Arc::clone(tcp);
            Box::pin(async move { tcp.accept().await })
        });
        let accepted = std::task::ready!(next.as_mut().poll(cx));
        self.next = None;
        let (tcp, peer) = accepted?;
        let (knife, listening) = (self.with)(peer);
        Poll::Ready(Ok((knife.connection(tcp, listening), peer)))
    }
}
