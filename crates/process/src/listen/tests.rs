//! Both ends over real sockets, on loopback: who comes in, who does not, and what either is told.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use super::*;
use crate::connect::{ConnectErrorKind, Target};
use crate::tls::{Credentials, Keys, server_config};

/// A service whose calls succeed. Calls of any other fail.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}

/// Serves until the test ends. Gives the address.
async fn serve(keys: Option<&Keys>, places: usize, probation: Duration) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let listener = match keys {
        Some(keys) => Listener::mutual_tls(tcp, server_config(&keys.server, probation).unwrap()),
        None => Listener::plain(tcp),
    };
    let (mut server, incoming) = listener.open_with(places, probation).unwrap();
    tokio::spawn(server.add_service(Greeter).serve_with_incoming(incoming));
    address
}

/// Whether a call of `service` is answered, well or not.
async fn is_answered(channel: &mut Channel, service: &str) -> bool {
    let uri = format!("http://host/{service}/greet");
    let request = Request::post(uri).header("content-type", "application/grpc").body(Body::empty()).unwrap();
    let Ok(channel) = channel.ready().await else { return false };
    channel.call(request).await.is_ok()
}

/// Of a public port the places are few for those who are in, too, and nobody keeps one by saying nothing.
#[tokio::test]
async fn a_public_port_takes_few_and_hangs_up_on_who_says_nothing() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let probation = Duration::from_millis(300);
    let (mut server, _) = public(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let incoming = Incoming::new(Box::new(tcp), 8, probation).at_most(2);
    tokio::spawn(server.add_service(Greeter).serve_with_incoming(incoming));
    let dial = || async { TcpStream::connect(address).await.unwrap() };
    let greet = |mut stream: TcpStream| async move {
        stream.write_all(b"POST /greeter/greet HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    // Two are in, one of them having said something: the third waits outside until the silent one is hung up on.
    let (silent, heard) = (dial().await, greet(dial().await).await);
    let began = Instant::now();
    let third = greet(dial().await).await;
    assert!(began.elapsed() > probation / 3, "{:?}", began.elapsed());
    hung_up(silent).await;
    // Both that are in stay, and nobody else comes in before one of them goes.
    let mut fourth = dial().await;
    fourth.write_all(b"POST /greeter/greet HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let mut byte = [0];
    assert!(tokio::time::timeout(2 * probation, fourth.read(&mut byte)).await.is_err());
    drop(third);
    assert_eq!(fourth.read(&mut byte).await.unwrap(), 1);
    drop(heard);
}

fn keys() -> Keys {
    Keys::generate(["127.0.0.1".to_owned()]).unwrap()
}

fn https(address: SocketAddr, credentials: &Credentials) -> Target {
    Target::new(&format!("https://{address}"), Some(credentials), false).unwrap()
}

/// Reads until the other end hangs up.
async fn hung_up(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut sink = Vec::new();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut sink).await;
}

#[tokio::test]
async fn who_has_the_keys_comes_in() {
    let keys = keys();
    let address = serve(Some(&keys), 8, PROBATION).await;
    let target = https(address, &keys.client);
    assert!(is_answered(&mut target.dial().await.unwrap(), "greeter").await);
    assert!(target.diagnose().await.is_none());
}

/// Everything right but the certificate: of another authority, of its own, or the coordinator's own.
#[tokio::test]
async fn impostors_get_no_answer_and_are_told_so() {
    let keys = keys();
    let address = serve(Some(&keys), 8, PROBATION).await;
    let other = Keys::generate([]).unwrap().client;
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::default().self_signed(&own_key).unwrap();
    for (certificate, key) in [
        (other.certificate, other.key),
        (own.pem(), own_key.serialize_pem()),
        (keys.server.certificate.clone(), keys.server.key.clone()),
    ] {
        let target = https(address, &Credentials { ca: keys.client.ca.clone(), certificate, key });
        if let Ok(mut channel) = target.dial().await {
            assert!(!is_answered(&mut channel, "greeter").await);
        }
        let error = target.diagnose().await.unwrap();
        assert!(matches!(error.kind, ConnectErrorKind::Refused { .. }), "{error}");
        assert!(!error.is_passing());
    }
}

#[tokio::test]
async fn plain_text_to_a_coordinator_with_tls_gets_no_answer_and_is_told_so() {
    let keys = keys();
    let address = serve(Some(&keys), 8, PROBATION).await;
    let target = Target::new(&format!("http://{address}"), None, false).unwrap();
    if let Ok(mut channel) = target.dial().await {
        assert!(!is_answered(&mut channel, "greeter").await);
    }
    let error = target.diagnose().await.unwrap();
    assert!(matches!(error.kind, ConnectErrorKind::SpeaksTls(_)), "{error}");
}

#[tokio::test]
async fn plain_text_on_both_ends_works() {
    let address = serve(None, 8, PROBATION).await;
    let target = Target::new(&format!("http://{address}"), None, false).unwrap();
    assert!(is_answered(&mut target.dial().await.unwrap(), "greeter").await);
    assert!(target.diagnose().await.is_none());
}

#[tokio::test]
async fn a_client_that_expects_tls_shows_its_certificate_to_no_one_else() {
    let keys = keys();
    let plain = serve(None, 8, PROBATION).await;
    let error = https(plain, &keys.client).dial().await.unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::NotTls(_)), "{error}");

    let other = serve(Some(&self::keys()), 8, PROBATION).await;
    let error = https(other, &keys.client).dial().await.unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::Untrusted { .. }), "{error}");

    // The right keys, but under a name that the certificate is not for.
    let right = serve(Some(&keys), 8, PROBATION).await;
    let by_name = format!("https://localhost:{}", right.port());
    let error = Target::new(&by_name, Some(&keys.client), false).unwrap().dial().await.unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::Untrusted { .. }), "{error}");
}

/// Whatever it is that they do not say: TLS, HTTP/2, a call, or one that succeeds.
#[tokio::test]
async fn connections_that_come_to_nothing_are_hung_up_on() {
    let keys = keys();
    let brief = Duration::from_millis(200);
    for address in [serve(Some(&keys), 8, brief).await, serve(None, 8, brief).await] {
        hung_up(TcpStream::connect(address).await.unwrap()).await;
    }
    let plain = serve(None, 8, brief).await;
    let mut client = TcpStream::connect(plain).await.unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    hung_up(client).await;

    let target = https(serve(Some(&keys), 8, brief).await, &keys.client);
    let mut channel = target.dial().await.unwrap();
    while is_answered(&mut channel, "nobody").await {}
}

#[tokio::test]
async fn connections_that_were_let_in_stay() {
    let keys = keys();
    let address = serve(Some(&keys), 8, Duration::from_millis(200)).await;
    let mut channel = https(address, &keys.client).dial().await.unwrap();
    assert!(is_answered(&mut channel, "greeter").await);
    // One that came later is hung up on before.
    hung_up(TcpStream::connect(address).await.unwrap()).await;
    assert!(is_answered(&mut channel, "greeter").await);
}

/// Newcomers that say nothing take all places there are, over and over; who is in does not notice, and who comes waits
/// for his turn.
#[tokio::test]
async fn newcomers_have_few_places() {
    let keys = keys();
    let brief = Duration::from_millis(200);
    let address = serve(Some(&keys), 2, brief).await;
    let mut channel = https(address, &keys.client).dial().await.unwrap();
    assert!(is_answered(&mut channel, "greeter").await);
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(is_answered(&mut channel, "greeter").await);
    let late = https(address, &keys.client);
    assert!(is_answered(&mut late.dial().await.unwrap(), "greeter").await);
    // Before it were six, two at a time.
    assert!(began.elapsed() >= 3 * brief);
    for stream in silent {
        hung_up(stream).await;
    }
}
