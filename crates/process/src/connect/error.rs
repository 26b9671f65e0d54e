//! Why a coordinator could not be reached, or did not let in.

use std::io;

use tokio_rustls::rustls::{self, InvalidMessage};

use crate::access::AccessError;
use crate::exit::{Exit, Failure};
use crate::pem::PemError;

/// Why a coordinator could not be reached, or did not let in.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ConnectError {
    /// What went wrong.
    #[source]
    pub kind: ConnectErrorKind,
    /// What was dialled came from an access file, which the next life of the coordinator replaces.
    pub(super) may_change: bool,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConnectErrorKind {
    /// The access file cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The user's own certificates cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The address is none.
    #[error(
        "{url} is not the address of a coordinator ({reason}): write https://HOST:PORT, or http://HOST:PORT on loopback"
    )]
    Address {
        /// What was given.
        url: String,
        /// Why it is none.
        reason: String,
    },
    /// Plain text beyond this machine.
    #[error(
        "{0}: beyond loopback, plain text lets anyone on the way read and change rows; name the coordinator's \
         --access-file, or its https:// address with --tls-ca, --tls-cert and --tls-key, or say --insecure if the network \
         is trusted"
    )]
    PlainText(String),
    /// TLS without certificates.
    #[error(
        "{0}: a coordinator lets in who shows a certificate; name its --access-file, or --tls-ca, --tls-cert and --tls-key"
    )]
    NoCertificate(String),
    /// Certificates without TLS.
    #[error(
        "{0}: certificates are of no use in plain text: write https://HOST:PORT, or leave out --tls-ca, --tls-cert and --tls-key"
    )]
    UselessCertificate(String),
    /// The credentials of an access file cannot be used.
    #[error("the access file's certificates cannot be used ({0}): start the coordinator again")]
    Credentials(#[from] crate::tls::TlsError),
    /// Nobody answers.
    #[error("the coordinator cannot be reached: {url}: {reason}")]
    Unreachable {
        /// What was dialled.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Plain text to one that speaks TLS.
    #[error(
        "{0}: this coordinator speaks TLS: name its --access-file, or its https:// address with --tls-ca, --tls-cert and --tls-key"
    )]
    SpeaksTls(String),
    /// TLS to one that speaks plain text.
    #[error("{0}: this is no coordinator that speaks TLS: check host and port, or start it without --insecure")]
    NotTls(String),
    /// The coordinator is not who it should be.
    #[error(
        "{url}: its certificate is not to be trusted ({reason}): it must come from the authority of --tls-ca or the \
         access file, and be valid now and for this host; is this the access file of the coordinator that runs?"
    )]
    Untrusted {
        /// What was dialled.
        url: String,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// The coordinator does not let in.
    #[error(
        "{url}: the coordinator refuses our certificate ({reason}): it must come from the coordinator's --tls-ca and be \
         valid now; is this the access file of the coordinator that runs?"
    )]
    Refused {
        /// What was dialled.
        url: String,
        /// What it said.
        reason: rustls::Error,
    },
}

impl ConnectErrorKind {
    /// What an error of a TLS stream to `url` means.
    pub(super) fn of_tls(url: &str, error: io::Error) -> Self {
        let url = url.to_owned();
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Self::NotTls(url),
            Some(reason @ rustls::Error::AlertReceived(_)) => Self::Refused { url, reason: reason.clone() },
            Some(reason) => Self::Untrusted { url, reason: reason.clone() },
            None => Self::Unreachable { url, reason: error.to_string() },
        }
    }
}

impl ConnectError {
    /// Whether another try may go better, with nobody doing anything about it here.
    pub fn is_passing(&self) -> bool {
        match &self.kind {
            ConnectErrorKind::Access(error) => error.is_missing(),
            ConnectErrorKind::Unreachable { .. } => true,
            ConnectErrorKind::SpeaksTls(_)
            | ConnectErrorKind::NotTls(_)
            | ConnectErrorKind::Untrusted { .. }
            | ConnectErrorKind::Refused { .. } => self.may_change,
            ConnectErrorKind::Pem(_)
            | ConnectErrorKind::Address { .. }
            | ConnectErrorKind::PlainText(_)
            | ConnectErrorKind::NoCertificate(_)
            | ConnectErrorKind::UselessCertificate(_)
            | ConnectErrorKind::Credentials(_) => false,
        }
    }

    /// The exit code of a program that gives up on it.
    pub fn exit(&self) -> Exit {
        match &self.kind {
            ConnectErrorKind::Unreachable { .. } => Exit::Interrupted,
            ConnectErrorKind::Access(error) if error.is_missing() => Exit::Interrupted,
            _ => Exit::Usage,
        }
    }
}

impl<E: Into<ConnectErrorKind>> From<E> for ConnectError {
    fn from(kind: E) -> Self {
        Self { kind: kind.into(), may_change: false }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self { exit: error.exit(), message: error.to_string() }
    }
}
