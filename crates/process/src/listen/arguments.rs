//! The options that say where to listen and whom to let in.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;
use tonic::transport::ServerTlsConfig;

use super::{Advertised, Listener, PROBATION};
use crate::access::{Access, AccessFile};
use crate::exit::Failure;
use crate::host;
use crate::pem::PemArguments;
use crate::tls::{self, Credentials, Keys, server_name};

/// Where to listen, and whom to let in: holders of the access file, of certificates of the user's own, or anyone.
#[derive(Args, Debug, Clone)]
pub struct ListenArguments {
    /// Where to listen; port 0 takes any that is free.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to write how workers find this coordinator, and the keys that let them in; readable by you alone, removed
    /// at the end.
    #[arg(long, value_name = "FILE")]
    access_file: Option<PathBuf>,
    /// The name or address by which workers dial this machine, for the access file; by default the one of --listen, or
    /// this host's name if that is 0.0.0.0.
    #[arg(long, value_name = "HOST[:PORT]", requires = "access_file")]
    advertise: Option<Advertised>,
    #[command(flatten)]
    pem: PemArguments,
    /// Speak plain text, and let in anyone who reaches the port: no encryption, no authentication. On loopback that is
    /// what happens where there is no access file and there are no certificates.
    #[arg(long, conflicts_with_all = ["tls_ca", "tls_cert", "tls_key"])]
    insecure: bool,
}

/// A socket that listens, and what clients need to come in.
#[derive(Debug)]
pub struct Door {
    /// What to serve.
    pub listener: Listener,
    /// The address, as this machine sees it: `https://IP:PORT`.
    pub url: String,
    announcement: Option<Announcement>,
}

#[derive(Debug)]
struct Announcement {
    path: PathBuf,
    coordinator: String,
    credentials: Option<Credentials>,
}

impl ListenArguments {
    /// Whether they make sense. Before anything is done that takes long, or shows.
    pub fn check(&self) -> Result<(), Failure> {
        let open = !self.insecure && self.access_file.is_none() && self.pem.clone().files().is_none();
        if open && !self.listen.ip().is_loopback() {
            return Err(Failure::usage(format!(
                "--listen {}: nothing says who may come in; say --access-file FILE, which workers then read, or --tls-ca, \
                 --tls-cert and --tls-key, or --insecure to let in anyone who reaches the port, in plain text",
                self.listen
            )));
        }
        if self.access_file.is_some() {
            self.advertised()?;
        }
        Ok(())
    }

    /// Whether the files that they name can be used.
    pub fn check_files(&self) -> Result<(), Failure> {
        self.own().map(drop)
    }

    fn own(&self) -> Result<Option<Credentials>, Failure> {
        self.pem.clone().files().map(|files| files.load()).transpose().map_err(Failure::usage)
    }

    /// Begins to listen. Makes the keys, or reads them.
    pub async fn open(self) -> Result<Door, Failure> {
        self.check()?;
        let own = self.own()?;
        // Without an access file there is nobody to give keys to.
        let wants_keys = own.is_none() && !self.insecure && self.access_file.is_some();
        let keys = wants_keys.then(|| self.make_keys()).transpose()?;
        let server = own.as_ref().or(keys.as_ref().map(|keys| &keys.server)).map(secure).transpose()?;
        let tcp = TcpListener::bind(self.listen).await.map_err(|error| {
            Failure::usage(format!("--listen {}: {error}; choose another port, or port 0 for any", self.listen))
        })?;
        let address = tcp.local_addr().map_err(Failure::internal)?;
        let scheme = if server.is_some() { "https" } else { "http" };
        let announcement = match &self.access_file {
            None => None,
            Some(path) => Some(Announcement {
                path: path.clone(),
                coordinator: format!("{scheme}://{}", self.advertised()?.authority(address.port())),
                credentials: keys.map(|keys| keys.client),
            }),
        };
        let listener = match server {
            Some(tls) => Listener::mutual_tls(tcp, tls),
            None => Listener::plain(tcp),
        };
        Ok(Door { listener, url: format!("{scheme}://{address}"), announcement })
    }

    /// What workers dial.
    fn advertised(&self) -> Result<Advertised, Failure> {
        if let Some(advertised) = &self.advertise {
            return Ok(advertised.clone());
        }
        if !self.listen.ip().is_unspecified() {
            return Ok(Advertised::address(self.listen.ip()));
        }
        let host = host::name().filter(|host| server_name(host).is_some());
        host.map(|host| Advertised { host, port: None }).ok_or_else(|| {
            Failure::usage(format!(
                "--listen {} with --access-file: workers cannot dial that, and this host has no name; say --advertise HOST",
                self.listen
            ))
        })
    }

    /// Keys whose server certificate is good for every name that this machine may be dialled by.
    fn make_keys(&self) -> Result<Keys, Failure> {
        let ip = self.listen.ip();
        let mut names = vec![self.advertised()?.host, "localhost".to_owned()];
        names.extend(host::name().filter(|host| server_name(host).is_some()));
        names.extend((!ip.is_unspecified()).then(|| ip.to_string()));
        names.sort();
        names.dedup();
        Keys::generate(names).map_err(Failure::internal)
    }
}

fn secure(credentials: &Credentials) -> Result<ServerTlsConfig, Failure> {
    tls::server_config(credentials, PROBATION).map_err(Failure::internal)
}

impl Door {
    /// Writes the access file, if one is wanted: from then on workers come.
    pub fn announce(&self, sweep: &str) -> Result<Option<AccessFile>, Failure> {
        let Some(Announcement { path, coordinator, credentials }) = &self.announcement else { return Ok(None) };
        let access = Access {
            coordinator: coordinator.clone(),
            sweep: sweep.to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            tls: credentials.clone(),
        };
        AccessFile::write(path, &access).map(Some).map_err(Failure::usage)
    }
}
