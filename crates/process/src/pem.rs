//! The user's own certificates: three PEM files, as a Kubernetes Secret holds them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::tls::{Credentials, TlsError};

/// The largest PEM file, in bytes.
const LARGEST: u64 = 1 << 20;

/// `--tls-ca`, `--tls-cert` and `--tls-key`: all of them or none.
#[derive(Args, Debug, Clone, Default)]
pub struct PemArguments {
    /// PEM file with the certificate of the authority that the other end's certificate must come from; with --tls-cert
    /// and --tls-key, in place of the certificates of the access file.
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// PEM file with this program's certificate.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key of --tls-cert.
    #[arg(long, value_name = "FILE", requires_all = ["tls_ca", "tls_cert"])]
    tls_key: Option<PathBuf>,
}

impl PemArguments {
    /// The files, if they are named.
    pub fn files(self) -> Option<PemFiles> {
        Some(PemFiles { ca: self.tls_ca?, certificate: self.tls_cert?, key: self.tls_key? })
    }
}

/// Where credentials are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFiles {
    /// The authority.
    pub ca: PathBuf,
    /// The certificate, and those between it and the authority.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
}

/// Why a PEM file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{option} {}: {reason}", path.display())]
pub struct PemError {
    /// The option that named it.
    pub option: &'static str,
    /// Which.
    pub path: PathBuf,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl PemFiles {
    /// Reads them, and checks that they can be used, and together.
    pub fn load(&self) -> Result<Credentials, PemError> {
        let read = |option, path: &Path| {
            read(path).map_err(|error| PemError { option, path: path.to_owned(), reason: error.to_string() })
        };
        let credentials = Credentials {
            ca: read("--tls-ca", &self.ca)?,
            certificate: read("--tls-cert", &self.certificate)?,
            key: read("--tls-key", &self.key)?,
        };
        credentials.check().map_err(|error| self.blame(error))?;
        Ok(credentials)
    }

    fn blame(&self, error: TlsError) -> PemError {
        let (option, path, wanted) = match error {
            TlsError::Ca(_) => ("--tls-ca", &self.ca, "the authority's certificate, -----BEGIN CERTIFICATE-----"),
            TlsError::Certificate(_) => (
                "--tls-cert",
                &self.certificate,
                "a certificate with subject alternative names, -----BEGIN CERTIFICATE-----",
            ),
            TlsError::Key(_) | TlsError::Made(_) => {
                ("--tls-key", &self.key, "the key of --tls-cert, unencrypted, -----BEGIN PRIVATE KEY-----")
            }
        };
        PemError { option, path: path.clone(), reason: format!("{error}; give a PEM file with {wanted}") }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {LARGEST} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;
    use crate::tls::Keys;

    #[test]
    fn each_file_is_blamed_for_what_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let files = PemFiles {
            ca: folder.path().join("ca.pem"),
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        let credentials = Keys::generate(["localhost".to_owned()]).unwrap().client;
        let write = |ca: &str, certificate: &str, key: &str| {
            fs::write(&files.ca, ca).unwrap();
            fs::write(&files.certificate, certificate).unwrap();
            fs::write(&files.key, key).unwrap();
        };
        let Credentials { ca, certificate, key } = &credentials;
        write(ca, certificate, key);
        assert_eq!(files.load().unwrap(), credentials);
        let blamed = |words: [&str; 2]| {
            let error = files.load().unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        write(key, certificate, key);
        blamed(["--tls-ca", "ca.pem"]);
        write(ca, "", key);
        blamed(["--tls-cert", "cert.pem"]);
        write(ca, certificate, "rubbish");
        blamed(["--tls-key", "key.pem"]);
        write(ca, certificate, &" ".repeat(LARGEST as usize + 1));
        blamed(["--tls-key", "bytes"]);
        fs::remove_file(&files.certificate).unwrap();
        blamed(["--tls-cert", "cert.pem"]);
    }
}
