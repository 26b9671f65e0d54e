//! Compiles the protocol with protox, so that no protoc is needed on the machine.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let proto = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let files = ["taugrid/v1/dispatch", "taugrid/v1/control", "externalscaler/externalscaler"];
    let files = files.map(|name| proto.join(format!("{name}.proto")));
    println!("cargo:rerun-if-changed={}", proto.display());
    for file in &files {
        if !fs::exists(file)? {
            return Err(format!("{} is missing", file.display()).into());
        }
    }
    let descriptors = protox::compile(&files, [&proto])?;
    tonic_prost_build::configure()
        .bytes(".")
        // The largest by far: the others are moved about as what they are.
        .boxed(".taugrid.v1.CoordinatorMessage.kind.leases")
        .codec_path("crate::codec::LeanCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
