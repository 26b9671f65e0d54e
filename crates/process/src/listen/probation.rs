//! A new connection is on probation until a call of its own succeeds: who connects and says nothing, or nothing that
//! is worth an answer, is hung up on. Few are on probation at once, so that they cannot take the place of those who are in.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use tokio_stream::Stream;
use tokio_util::sync::PollSemaphore;
use tonic::codegen::http::{Request, Response};
use tonic::transport::server::Connected;
use tower::{Layer, Service};
use tracing::{debug, warn};

use crate::transport::{Accept, Connection};

/// After an error of the system's, such as too many open files, the next connection is taken this much later.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections that come in, each on probation.
pub struct Incoming {
    accept: Box<dyn Accept>,
    places: PollSemaphore,
    place: Option<OwnedSemaphorePermit>,
    /// Where all who are in, and not those on probation alone, are few.
    seats: Option<PollSemaphore>,
    seat: Option<OwnedSemaphorePermit>,
    pause: Option<Pin<Box<Sleep>>>,
    probation: Duration,
}

impl Incoming {
    pub(super) fn new(accept: Box<dyn Accept>, places: usize, probation: Duration) -> Self {
        let places = PollSemaphore::new(Arc::new(Semaphore::new(places)));
        Self { accept, places, place: None, seats: None, seat: None, pause: None, probation }
    }

    /// No more than `most` connections at once, on probation or not; more wait outside.
    pub(super) fn at_most(self, most: usize) -> Self {
        Self { seats: Some(PollSemaphore::new(Arc::new(Semaphore::new(most)))), ..self }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Newcomer>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            if this.place.is_none() {
                this.place = ready!(this.places.poll_acquire(cx));
            }
            if this.seat.is_none()
                && let Some(seats) = &mut this.seats
            {
                this.seat = ready!(seats.poll_acquire(cx));
            }
            match ready!(this.accept.poll_accept(cx)) {
                Ok((connection, peer)) => {
                    debug!("{peer} connects");
                    let probation = Probation(Arc::new(Mutex::new(this.place.take())));
                    let deadline = Some(Box::pin(sleep(this.probation)));
                    let seat = this.seat.take();
                    return Poll::Ready(Some(Ok(Newcomer { connection, probation, deadline, _seat: seat })));
                }
                Err(error) => {
                    warn!("a connection cannot be taken: {error}");
                    this.pause = Some(Box::pin(sleep(PAUSE)));
                }
            }
        }
    }
}

/// Holds one of the places for newcomers, until the connection is let in or ends. Known to every call of the connection.
#[derive(Debug, Clone)]
pub struct Probation(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Probation {
    fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// A connection that is cut off when its probation runs out.
pub struct Newcomer {
    connection: Connection,
    probation: Probation,
    /// None once it was let in.
    deadline: Option<Pin<Box<Sleep>>>,
    _seat: Option<OwnedSemaphorePermit>,
}

impl Connected for Newcomer {
    type ConnectInfo = Probation;

    fn connect_info(&self) -> Probation {
        self.probation.clone()
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        // Calls that are still being answered know the probation, too.
        self.probation.end();
    }
}

impl AsyncRead for Newcomer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(deadline) = &mut self.deadline {
            let ran_out = deadline.as_mut().poll(cx).is_ready();
            if self.probation.is_over() {
                self.deadline = None;
            } else if ran_out {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        self.connection.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Newcomer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_shutdown(cx)
    }
}

/// Lets a connection in once a call of its own succeeds, whichever service answers it.
#[derive(Debug, Clone, Copy)]
pub struct LetInLayer;

impl<S> Layer<S> for LetInLayer {
    type Service = LetIn<S>;

    fn layer(&self, inner: S) -> LetIn<S> {
        LetIn(inner)
    }
}

/// The service of [`LetInLayer`].
#[derive(Debug, Clone)]
pub struct LetIn<S>(S);

impl<S, A, B> Service<Request<A>> for LetIn<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let probation = request.extensions().get::<Probation>().cloned();
        let answering = self.0.call(request);
        Box::pin(async move {
            let answer = answering.await?;
            // A call that fails says so in the headers; one that succeeds, in the trailers.
            let failed = answer.headers().get("grpc-status").is_some_and(|status| status != "0");
            if let Some(probation) = probation
                && !failed
            {
                probation.end();
            }
            Ok(answer)
        })
    }
}
