//! The options that say where the coordinator is, the same for every program.

use std::path::PathBuf;

use clap::Args;

use super::{ConnectError, Coordinator, Place};
use crate::pem::PemArguments;

/// `--access-file FILE`, or `--coordinator URL` with `--tls-ca`, `--tls-cert` and `--tls-key`.
#[derive(Args, Debug, Clone)]
pub struct ConnectArguments {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(flatten)]
    pem: PemArguments,
    /// Speak plain text to a coordinator beyond this machine that does so itself: no encryption, no authentication.
    #[arg(long)]
    insecure: bool,
}

#[derive(Args, Debug, Clone)]
#[group(required = true, multiple = false)]
struct PlaceArguments {
    /// The file that the coordinator wrote: its address, and the keys that let in.
    #[arg(long, value_name = "FILE")]
    access_file: Option<PathBuf>,
    /// The coordinator's address: https://HOST:PORT, with --tls-ca, --tls-cert and --tls-key.
    #[arg(long, value_name = "URL")]
    coordinator: Option<String>,
}

impl ConnectArguments {
    /// Where the coordinator is.
    ///
    /// # Errors
    /// If what was said cannot be right, whatever the coordinator does. An access file that is not there yet is no
    /// error.
    pub fn coordinator(self) -> Result<Coordinator, ConnectError> {
        let place = match (self.place.access_file, self.place.coordinator) {
            (Some(path), _) => Place::AccessFile(path),
            // clap asks for one of them; an empty address is refused below.
            (None, url) => Place::Url(url.unwrap_or_default()),
        };
        let coordinator = Coordinator { own: self.pem.files(), insecure: self.insecure, ..Coordinator::at(place) };
        match coordinator.find() {
            Err(error) if !error.is_passing() => Err(error),
            Ok(_) | Err(_) => Ok(coordinator),
        }
    }
}
