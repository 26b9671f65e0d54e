//! An S3 server within the test: `s3s-fs` on loopback, over a temporary folder, with what a test needs to go wrong.

// A rig of tests, where a broken expectation should end the test.
#![allow(clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::AUTHORIZATION;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// The one bucket there is.
pub const BUCKET: &str = "bucket";
/// Who may use it.
pub const ID: &str = "an-id";
/// The key of [`ID`].
pub const SECRET: &str = "a-very-secret-key";

/// How requests go wrong, counted down: 0 is never.
#[derive(Debug, Default)]
pub struct Faults {
    /// So many next writes are refused with 503 (nothing is done).
    pub refuse: AtomicU64,
    /// So many next writes are done, and their answer is lost with the connection.
    pub lose: AtomicU64,
    /// So many next writes are done, and answered with 500.
    pub lie: AtomicU64,
}

/// A server, until it is dropped.
pub struct Server {
    /// What goes wrong next.
    pub faults: Arc<Faults>,
    endpoint: String,
    folder: TempDir,
    runtime: Runtime,
}

fn take(counter: &AtomicU64) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Server {
    /// Starts one with an empty bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("made");
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).expect("a folder"));
        builder.set_auth(SimpleAuth::from_single(ID, SECRET));
        let service = builder.build();
        let runtime = Runtime::new().expect("threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let faults = Arc::new(Faults::default());
        runtime.spawn(serve(listener, service, faults.clone()));
        Self { faults, endpoint, folder, runtime }
    }

    /// Its URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a program that uses the bucket finds in its environment.
    pub fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ACCESS_KEY_ID", ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    /// The files of the bucket.
    pub fn folder(&self) -> std::path::PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// The threads it runs on.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

async fn serve(listener: TcpListener, service: S3Service, faults: Arc<Faults>) {
    // s3s-fs looks and then writes: one write at a time makes its conditions hold.
    let writing = Arc::new(Mutex::new(()));
    while let Ok((socket, _)) = listener.accept().await {
        let (service, faults, writing) = (service.clone(), faults.clone(), writing.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, service.clone(), faults.clone(), writing.clone()));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    service: S3Service,
    faults: Arc<Faults>,
    writing: Arc<Mutex<()>>,
) -> Result<Response<Body>, std::io::Error> {
    let request = request.map(Body::from);
    let failed = |error: s3s::HttpError| std::io::Error::other(format!("{error:?}"));
    assert!(request.headers().contains_key(AUTHORIZATION), "every request is signed");
    if request.method() != Method::PUT {
        return service.call(request).await.map_err(failed);
    }
    let with = |status: StatusCode| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Ok(response)
    };
    if take(&faults.refuse) {
        return with(StatusCode::SERVICE_UNAVAILABLE);
    }
    let _one = writing.lock().await;
    let response = service.call(request).await.map_err(failed)?;
    if take(&faults.lose) {
        return Err(std::io::Error::other("the answer is lost"));
    }
    if take(&faults.lie) {
        return with(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(response)
}
