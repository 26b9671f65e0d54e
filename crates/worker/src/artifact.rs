//! θ* and the data: fetched once from the coordinator, cached by content.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use taugrid_sweep::Artifact;
use taugrid_wire::v1::{ArtifactRef, FetchArtifactRequest, dispatch_client::DispatchClient};
use tonic::transport::Channel;
use tracing::{info, warn};

use crate::error::WorkerError;

/// The largest artifact a worker takes, in bytes.
const MOST_BYTES: u64 = 4 << 30;

/// The bytes of the artifact, from the cache in `folder` or else from the coordinator. A cache that cannot be used is
/// no reason to stop.
pub(crate) async fn obtain(
    wanted: &ArtifactRef,
    folder: &Path,
    client: &mut DispatchClient<Channel>,
) -> Result<Vec<u8>, WorkerError> {
    let path = folder.join(format!("{}.safetensors", wanted.sha256));
    if let Ok(bytes) = fs::read(&path) {
        if Artifact::sha256(&bytes) == wanted.sha256 {
            return Ok(bytes);
        }
        warn!("{} is damaged: fetching it again", path.display());
    }
    let bytes = fetch(wanted, client).await?;
    info!(sha256 = wanted.sha256, bytes = bytes.len(), "artifact fetched");
    if let Err(error) = cache(&path, folder, &bytes) {
        warn!("the artifact will be fetched again next time: {}: {error}", folder.display());
    }
    Ok(bytes)
}

async fn fetch(wanted: &ArtifactRef, client: &mut DispatchClient<Channel>) -> Result<Vec<u8>, WorkerError> {
    if wanted.bytes > MOST_BYTES {
        return Err(WorkerError::Protocol(format!("an artifact of {} bytes is too large", wanted.bytes)));
    }
    let request = FetchArtifactRequest { sha256: wanted.sha256.clone() };
    let mut chunks = client.fetch_artifact(request).await.map_err(WorkerError::Broken)?.into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.message().await.map_err(WorkerError::Broken)? {
        if (bytes.len() + chunk.data.len()) as u64 > wanted.bytes {
            return Err(WorkerError::Protocol("the artifact is longer than announced".to_owned()));
        }
        bytes.extend_from_slice(&chunk.data);
    }
    if Artifact::sha256(&bytes) != wanted.sha256 {
        return Err(WorkerError::Protocol("the artifact's content is not what its name says".to_owned()));
    }
    Ok(bytes)
}

fn cache(path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}
