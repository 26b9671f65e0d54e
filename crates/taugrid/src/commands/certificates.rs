//! `taugrid certificates DIR --name HOST`: the certificates for mutual TLS, as files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use taugrid_process::exit::{Exit, Failure};
use taugrid_process::tls::{Credentials, Keys, server_name};

use super::print;

/// What is made, and where.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The folder for coordinator/ and worker/, each with ca.crt, tls.crt and tls.key. Made if it is not there; nothing in
    /// it is overwritten.
    dir: PathBuf,
    /// A host name or IP address by which workers dial the coordinator; as often as there are such.
    #[arg(long = "name", value_name = "HOST", required = true)]
    names: Vec<String>,
}

/// Makes both sets. The authority's key is on no disk: whoever is to be let in later needs new sets, all of them.
pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    if let Some(name) = options.names.iter().find(|name| server_name(name).is_none()) {
        return Err(Failure::usage(format!("--name {name}: this is neither a host name nor an IP address")));
    }
    let names = options.names.iter().cloned().chain(["localhost".to_owned()]);
    let keys = Keys::generate(names).map_err(Failure::usage)?;
    let sets = [("coordinator", &keys.server), ("worker", &keys.client)];
    // All or nothing: half a set of an older making would let nobody in.
    for (name, _) in sets {
        let folder = options.dir.join(name);
        if folder.exists() {
            return Err(Failure::usage(format!("{} is there already; remove it, or name another", folder.display())));
        }
    }
    for (name, credentials) in sets {
        let folder = options.dir.join(name);
        write(&folder, credentials).map_err(|error| Failure::usage(format!("{}: {error}", folder.display())))?;
        print(folder.display())?;
    }
    eprintln!("they do not expire; whoever has the files of worker/ can send rows: they are as secret as a password");
    Ok(Exit::Done)
}

fn write(folder: &Path, credentials: &Credentials) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let Credentials { ca, certificate, key } = credentials;
    for (name, text) in [("ca.crt", ca), ("tls.crt", certificate), ("tls.key", key)] {
        private(&folder.join(name))?.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// A new file that its owner alone can read, whatever the umask.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
