//! One place to dial.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{ConnectError, ConnectErrorKind};
use crate::http2::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, WINDOW_BYTES};
use crate::tls::{self, Credentials};
use crate::transport::{Connection, Dial, Tcp};

/// A coordinator that does not answer by then is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One that says nothing by then to a client that says nothing is left alone.
const DIAGNOSIS: Duration = Duration::from_secs(2);
/// What a client that speaks plain HTTP/2 says first.
const PREFACE: &[u8] = b"PRI *";
/// The type of a TLS record that says what is wrong.
const ALERT: u8 = 0x15;

/// One place to dial, with what lets in there.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    host: String,
    port: u16,
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    may_change: bool,
    dial: Arc<dyn Dial>,
}

impl Target {
    /// The coordinator at `url`: `https://host:port` with credentials, or `http://host:port` without, on loopback or
    /// if `insecure`.
    pub fn new(url: &str, credentials: Option<&Credentials>, insecure: bool) -> Result<Self, ConnectError> {
        let wrong = |reason: &str| ConnectErrorKind::Address { url: url.to_owned(), reason: reason.to_owned() };
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("{error}")))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it begins with neither https:// nor http://").into()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
        let after_host = uri.authority().and_then(|authority| authority.as_str().strip_prefix(host));
        let port = match after_host.map(|port| port.strip_prefix(':').unwrap_or(port)) {
            Some("") => Ok(if secure { 443 } else { 80 }),
            Some(port) => port.parse().map_err(|_| wrong("the port is none")),
            None => Err(wrong("there is something before the host")),
        }?;
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("there is something after the port").into());
        }
        let tls = match (secure, credentials) {
            (true, Some(credentials)) => {
                let name = tls::server_name(host).ok_or_else(|| wrong("the host is neither a name nor an address"))?;
                Some((name, tls::client_config(credentials)?))
            }
            (true, None) => return Err(ConnectErrorKind::NoCertificate(url.to_owned()).into()),
            (false, Some(_)) => return Err(ConnectErrorKind::UselessCertificate(url.to_owned()).into()),
            (false, None) if insecure || is_loopback(host) => None,
            (false, None) => return Err(ConnectErrorKind::PlainText(url.to_owned()).into()),
        };
        Ok(Self { url: url.to_owned(), host: bare(host).to_owned(), port, tls, may_change: false, dial: Arc::new(Tcp) })
    }

    /// The same, but as the next life of the coordinator may replace it.
    pub(super) fn that_may_change(self) -> Self {
        Self { may_change: true, ..self }
    }

    /// The same, dialled otherwise.
    pub(super) fn over(self, dial: Arc<dyn Dial>) -> Self {
        Self { dial, ..self }
    }

    /// What is dialled.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Dials. The channel is of one connection: when that breaks, so do all calls on it, and one dials again.
    ///
    /// With TLS, a certificate that the coordinator refuses shows only in the first call: see [`Self::diagnose`].
    pub async fn dial(&self) -> Result<Channel, ConnectError> {
        let failed = |reason: String| self.error(ConnectErrorKind::Unreachable { url: self.url.clone(), reason });
        let stream = self.open().await?;
        // What tonic dials has TLS in it already, so tonic must not see the scheme; the coordinator does.
        let authority = self.url.split_once("://").map_or("", |(_, authority)| authority);
        let origin: Uri = self.url.parse().map_err(|error| failed(format!("{error}")))?;
        let endpoint = Endpoint::from_shared(format!("http://{authority}"))
            .map_err(|error| failed(error.to_string()))?
            .origin(origin)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        let mut stream = Some(stream);
        let once = service_fn(move |_: Uri| {
            let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset));
            async move { stream.map(TokioIo::new) }
        });
        endpoint.connect_with_connector(once).await.map_err(|error| failed(error.to_string()))
    }

    /// Why a coordinator hung up before its first word: tries once more, and listens. None if it was for no reason
    /// that this end has anything to do with.
    pub async fn diagnose(&self) -> Option<ConnectError> {
        let kind = match self.open().await {
            Err(ConnectError { kind: ConnectErrorKind::Unreachable { .. }, .. }) => return None,
            Err(error) => return Some(error),
            Ok(stream) => timeout(DIAGNOSIS, self.listen(stream)).await.ok()??,
        };
        Some(self.error(kind))
    }

    async fn listen(&self, mut stream: Connection) -> Option<ConnectErrorKind> {
        if self.tls.is_some() {
            // A coordinator that lets in speaks first; one that does not says why.
            let error = stream.read_u8().await.err()?;
            let kind = ConnectErrorKind::of_tls(&self.url, error);
            return (!matches!(kind, ConnectErrorKind::Unreachable { .. })).then_some(kind);
        }
        stream.write_all(PREFACE).await.ok()?;
        let first = stream.read_u8().await.ok()?;
        (first == ALERT).then(|| ConnectErrorKind::SpeaksTls(self.url.clone()))
    }

    /// A connection, encrypted or not.
    async fn open(&self) -> Result<Connection, ConnectError> {
        let unreachable =
            |error: io::Error| ConnectErrorKind::Unreachable { url: self.url.clone(), reason: error.to_string() };
        let opening = async {
            let plain = self.dial.dial(&self.host, self.port).await.map_err(unreachable)?;
            match &self.tls {
                None => Ok(plain),
                Some((name, config)) => {
                    let connecting = TlsConnector::from(Arc::clone(config)).connect(name.clone(), plain);
                    let tls = connecting.await.map_err(|error| ConnectErrorKind::of_tls(&self.url, error))?;
                    Ok(Box::pin(tls) as Connection)
                }
            }
        };
        let opened = timeout(CONNECT_TIMEOUT, opening).await;
        opened.unwrap_or_else(|_| Err(unreachable(io::ErrorKind::TimedOut.into()))).map_err(|kind| self.error(kind))
    }

    fn error(&self, kind: ConnectErrorKind) -> ConnectError {
        ConnectError { kind, may_change: self.may_change }
    }
}

/// Without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || bare(host).parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::tls::Keys;

    fn kind(url: &str, credentials: Option<&Credentials>, insecure: bool) -> Option<ConnectErrorKind> {
        Target::new(url, credentials, insecure).err().map(|error| error.kind)
    }

    #[test]
    fn addresses_are_checked() {
        for url in [
            "",
            "not an address",
            "ftp://h:1",
            "h:1",
            "http://",
            "http://h:99999",
            "http://me@h:1",
            "http://127.0.0.1:1/x",
        ] {
            assert!(matches!(kind(url, None, true), Some(ConnectErrorKind::Address { .. })), "{url}");
        }
        let target = Target::new("http://[::1]:7000", None, false).unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 7000));
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_said_out_loud() {
        for url in ["http://127.0.0.1:1", "http://127.8.9.1:1", "http://localhost:1", "http://[::1]:1"] {
            assert!(kind(url, None, false).is_none(), "{url}");
        }
        for url in ["http://10.0.0.1:1", "http://0.0.0.0:1", "http://localhost.evil.org:1", "http://[2001:db8::1]:1"] {
            assert!(matches!(kind(url, None, false), Some(ConnectErrorKind::PlainText(_))), "{url}");
            assert!(kind(url, None, true).is_none(), "{url}");
        }
    }

    #[test]
    fn certificates_go_with_https_and_https_with_certificates() {
        let client = Keys::generate([]).unwrap().client;
        for host in ["10.0.0.1", "[::1]", "node-7"] {
            let (https, http) = (format!("https://{host}:1"), format!("http://{host}:1"));
            assert!(kind(&https, Some(&client), false).is_none(), "{https}");
            assert!(matches!(kind(&https, None, true), Some(ConnectErrorKind::NoCertificate(_))));
            assert!(matches!(kind(&http, Some(&client), true), Some(ConnectErrorKind::UselessCertificate(_))));
        }
    }
}
