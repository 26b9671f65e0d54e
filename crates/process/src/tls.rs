//! Mutual TLS: keys made for one life of a coordinator, or the user's own from PEM files.
//!
//! Made for a sweep are a certificate authority, whose key is forgotten at once, and two certificates: the
//! coordinator's, good for the names it is dialled by, and one that all its clients share. A client's certificate is
//! none for a server, so that a worker cannot pass itself off as the coordinator. rustls, with *ring*, does the work.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// One end's part of mutual TLS, in PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The certificate authorities that the other end's certificate must come from.
    pub ca: String,
    /// This end's certificate, and those between it and the authority, if any.
    pub certificate: String,
    /// The certificate's private key.
    pub key: String,
}

/// Says nothing of the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Whether they can be used: each part is what it should be, and the key is the certificate's.
    pub fn check(&self) -> Result<(), TlsError> {
        Parsed::from(self).map(drop)
    }
}

/// What is wrong with credentials. Nothing of their content is repeated.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The authority's certificate.
    #[error("{0}")]
    Ca(String),
    /// The certificate.
    #[error("{0}")]
    Certificate(String),
    /// The key.
    #[error("{0}")]
    Key(String),
    /// Keys could not be made.
    #[error("no certificate can be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// The credentials of both ends.
#[derive(Debug, Clone)]
pub struct Keys {
    /// For the coordinator.
    pub server: Credentials,
    /// For its clients; goes into the access file.
    pub client: Credentials,
}

impl Keys {
    /// Makes new ones. `names` are the host names and IP addresses that clients dial.
    pub fn generate(names: impl IntoIterator<Item = String>) -> Result<Self, TlsError> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(named(authority, "taugrid"), KeyPair::generate()?)?;
        let issue = |params, role, usage| -> Result<Credentials, TlsError> {
            let mut params: CertificateParams = named(params, role);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![usage];
            params.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &authority)?.pem();
            Ok(Credentials { ca: authority.pem(), certificate, key: key.serialize_pem() })
        };
        let names = CertificateParams::new(names.into_iter().collect::<Vec<_>>())?;
        Ok(Self {
            server: issue(names, "taugrid-coordinator", ExtendedKeyUsagePurpose::ServerAuth)?,
            client: issue(CertificateParams::default(), "taugrid client", ExtendedKeyUsagePurpose::ClientAuth)?,
        })
    }
}

/// With rcgen's dates, from 1975 to 4096: what the keys are good for ends with the coordinator, and a node whose clock is wrong is
/// not to be kept out.
fn named(mut params: CertificateParams, name: &str) -> CertificateParams {
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// `host`, which is a name or an IP address (with or without the brackets of a URL), as TLS compares it.
pub fn server_name(host: &str) -> Option<ServerName<'static>> {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::from(address)),
        Err(_) => ServerName::try_from(host.to_owned()).ok(),
    }
}

/// What the server end of a connection needs: only clients with a certificate of `credentials.ca` come in, and within
/// `patience`.
pub fn server_config(credentials: &Credentials, patience: Duration) -> Result<ServerTlsConfig, TlsError> {
    // tonic takes the provider of the process, and there is to be no doubt which one that is.
    let _ = ring::default_provider().install_default();
    credentials.check()?;
    Ok(ServerTlsConfig::new()
        .identity(Identity::from_pem(&credentials.certificate, &credentials.key))
        .client_ca_root(Certificate::from_pem(&credentials.ca))
        .timeout(patience))
}

/// What the client end of a connection needs: it shows its certificate, and takes a server of `credentials.ca` alone.
pub fn client_config(credentials: &Credentials) -> Result<Arc<ClientConfig>, TlsError> {
    let Parsed { roots, chain, key } = Parsed::from(credentials)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Key(error.to_string()))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| TlsError::Key(error.to_string()))?;
    config.alpn_protocols.push(b"h2".to_vec());
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Credentials that are whole, and whose key is the certificate's.
struct Parsed {
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Parsed {
    fn from(credentials: &Credentials) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&credentials.ca).map_err(TlsError::Ca)? {
            roots.add(certificate).map_err(|error| TlsError::Ca(format!("no certificate of an authority: {error}")))?;
        }
        let chain = certificates(&credentials.certificate).map_err(TlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(credentials.key.as_bytes())
            .map_err(|_| TlsError::Key("no private key in PEM".to_owned()))?;
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider()) {
            Ok(_) => Ok(Self { roots, chain, key }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsError::Key("this is not the key of the certificate".to_owned()))
            }
            Err(rustls::Error::InvalidCertificate(error)) => {
                Err(TlsError::Certificate(format!("no certificate that can be used: {error}")))
            }
            Err(error) => Err(TlsError::Key(format!("no private key that can be used: {error}"))),
        }
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err("no certificate in PEM".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn keys() -> Keys {
        Keys::generate(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap()
    }

    #[test]
    fn what_is_made_can_be_used_by_both_ends() {
        let keys = keys();
        server_config(&keys.server, Duration::from_secs(1)).unwrap();
        client_config(&keys.client).unwrap();
        assert_ne!(keys.server.key, keys.client.key);
        assert!(!format!("{keys:?}").contains("BEGIN"), "{keys:?}");
    }

    /// Each part that is wrong is the part that is named, and no error repeats a key.
    #[test]
    fn the_part_that_is_wrong_is_named() {
        let good = keys().client;
        let other = keys().client;
        let rubbish = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n".to_owned();
        let wrong = |credentials: Credentials| {
            let error = client_config(&credentials).unwrap_err();
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
            error
        };
        assert!(matches!(wrong(Credentials { ca: String::new(), ..good.clone() }), TlsError::Ca(_)));
        assert!(matches!(wrong(Credentials { ca: good.key.clone(), ..good.clone() }), TlsError::Ca(_)));
        assert!(matches!(wrong(Credentials { certificate: "x".into(), ..good.clone() }), TlsError::Certificate(_)));
        assert!(matches!(wrong(Credentials { key: good.certificate.clone(), ..good.clone() }), TlsError::Key(_)));
        assert!(matches!(wrong(Credentials { key: rubbish, ..good.clone() }), TlsError::Key(_)));
        assert!(matches!(wrong(Credentials { key: other.key, ..good }), TlsError::Key(_)));
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        for host in ["127.0.0.1", "::1", "[::1]"] {
            assert!(matches!(server_name(host), Some(ServerName::IpAddress(_))), "{host}");
        }
        assert!(matches!(server_name("node_7.cluster"), Some(ServerName::DnsName(_))));
        assert!(server_name("no name").is_none());
    }
}
