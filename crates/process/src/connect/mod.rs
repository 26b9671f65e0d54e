//! Dialling a coordinator: as every program that is not one does, by the access file or by an address.
//!
//! | module | what it is |
//! | --- | --- |
//! | `arguments` | the options that say where the coordinator is |
//! | `target` | one place to dial, with what lets in there |
//! | `error` | why that did not go well, and whether another try may go better |

mod arguments;
mod error;
mod target;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use arguments::ConnectArguments;
pub use error::{ConnectError, ConnectErrorKind};
pub use target::Target;

use crate::access::Access;
use crate::pem::PemFiles;
use crate::transport::{Dial, Tcp};

/// Where a coordinator is, as a program was told. What that means is looked up again for each connection.
#[derive(Debug, Clone)]
pub struct Coordinator {
    place: Place,
    /// The user's own certificates, rather than those of the access file.
    own: Option<PemFiles>,
    /// Plain text beyond this machine was said out loud.
    insecure: bool,
    dial: Arc<dyn Dial>,
}

#[derive(Debug, Clone)]
enum Place {
    Url(String),
    /// Read again for each connection: a coordinator that was started again listens elsewhere, with other keys.
    AccessFile(PathBuf),
}

impl Coordinator {
    /// One that listens in plain text on this machine's loopback: that of `taugrid run`, in the very process.
    pub fn local(address: SocketAddr) -> Self {
        Self::at(Place::Url(format!("http://{address}")))
    }

    /// One that has written, or will write, this access file.
    pub fn by_access_file(path: PathBuf) -> Self {
        Self::at(Place::AccessFile(path))
    }

    /// One that is reached over something else than TCP, in plain text: `http://HOST:PORT`, whatever that means to `dial`.
    pub fn over(dial: Arc<dyn Dial>, url: String) -> Self {
        Self { insecure: true, dial, ..Self::at(Place::Url(url)) }
    }

    fn at(place: Place) -> Self {
        Self { place, own: None, insecure: false, dial: Arc::new(Tcp) }
    }

    /// The access file that says where it is, if it is one that says it.
    pub fn access_file(&self) -> Option<&Path> {
        match &self.place {
            Place::AccessFile(path) => Some(path),
            Place::Url(_) => None,
        }
    }

    /// Where to dial now. Reads the access file and the PEM files, if there are any.
    pub fn find(&self) -> Result<Target, ConnectError> {
        let own = || self.own.as_ref().map(PemFiles::load).transpose();
        let target = match &self.place {
            Place::Url(url) => Target::new(url, own()?.as_ref(), self.insecure)?,
            Place::AccessFile(path) => {
                let access = Access::read(path)?;
                let credentials = own()?.or(access.tls);
                Target::new(&access.coordinator, credentials.as_ref(), self.insecure)?.that_may_change()
            }
        };
        Ok(target.over(Arc::clone(&self.dial)))
    }
}
