//! The coordinator's process, and what it takes of the machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use taugrid_process::connect::{Coordinator as Place, Target};
use taugrid_process::usage::Usage;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::LoadError;

/// How long it may take to say what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sweep, and whether its workers come by mutual TLS.
pub(crate) struct Stage {
    folder: TempDir,
    program: PathBuf,
    tls: bool,
}

impl Stage {
    pub(crate) fn new(sweep: &str, program: PathBuf, tls: bool) -> Result<Self, LoadError> {
        let folder = tempfile::tempdir().map_err(|error| LoadError::Io("a temporary folder".to_owned(), error))?;
        let file = folder.path().join("sweep.yaml");
        std::fs::write(&file, sweep).map_err(|error| LoadError::Io(file.display().to_string(), error))?;
        Ok(Self { folder, program, tls })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the coordinator, and waits until it listens.
    pub(crate) async fn start(&self) -> Result<Coordinator, LoadError> {
        let access = self.path("access.json");
        let mut command = Command::new(&self.program);
        command.arg(self.path("sweep.yaml")).arg("--out").arg(self.path("out"));
        if self.tls {
            command.arg("--access-file").arg(&access);
        }
        command.env("TAUGRID_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |error| LoadError::Io(self.program.display().to_string(), error);
        let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;
        let stderr = child.stderr.take().ok_or_else(|| LoadError::Coordinator(String::new()))?;
        let mut said = BufReader::new(stderr).lines();
        let url = wait_for(&mut said, "listening on ").await?;
        let place = if self.tls { Place::by_access_file(access) } else { Place::local(address(&url)?) };
        let target = place.find().map_err(|error| LoadError::Worker(error.to_string()))?;
        Ok(Coordinator { child, said, target })
    }
}

fn address(url: &str) -> Result<std::net::SocketAddr, LoadError> {
    let address = url.strip_prefix("http://").and_then(|address| address.trim().parse().ok());
    address.ok_or_else(|| LoadError::Coordinator(format!("listening on {url}")))
}

async fn wait_for(said: &mut Lines<BufReader<ChildStderr>>, words: &str) -> Result<String, LoadError> {
    let mut all = String::new();
    let listening = async {
        while let Ok(Some(line)) = said.next_line().await {
            if let Some(rest) = line.strip_prefix(words) {
                return Some(rest.to_owned());
            }
            all = all.clone() + &line + "\n";
        }
        None
    };
    let found = tokio::time::timeout(PATIENCE, listening).await.ok().flatten();
    found.ok_or(LoadError::Coordinator(all))
}

/// A coordinator that runs; killed when dropped.
pub(crate) struct Coordinator {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
    target: Target,
}

impl Coordinator {
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn usage(&self) -> Result<Usage, LoadError> {
        self.child.id().and_then(Usage::of).ok_or_else(|| LoadError::Coordinator("it has ended".to_owned()))
    }

    /// kill -9, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<(), LoadError> {
        self.child.kill().await.map_err(|error| LoadError::Io("the coordinator".to_owned(), error))
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self) -> Result<(), LoadError> {
        let mut all = String::new();
        while let Ok(Some(line)) = self.said.next_line().await {
            all = all + &line + "\n";
        }
        match self.child.wait().await {
            Ok(status) if status.success() => Ok(()),
            _ => Err(LoadError::Coordinator(all)),
        }
    }
}

/// A program of the same build as this one.
pub(crate) fn program(name: &str) -> Result<PathBuf, LoadError> {
    let own = std::env::current_exe().map_err(|error| LoadError::Io("this program".to_owned(), error))?;
    let beside = own.parent().unwrap_or(Path::new(".")).join(name);
    if beside.exists() { Ok(beside) } else { Err(LoadError::NoProgram(name.to_owned())) }
}
