//! The binaries under test, of the very profile that the tests were built in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of a binary of the workspace. Built at the first call; a build that has nothing to do takes no time.
pub fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/<profile>/deps/<test>
    let folder = test.parent().and_then(Path::parent).expect("tests lie two folders deep").to_owned();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    // What `cargo test` says of a test's package is not to be seen by build scripts that ask for it, as ring's does: they
    // would run again, and all that stands on them would be built a second time, and a third by the next build.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        // With the features that the tests were built with, so that nothing is built twice.
        .args(["build", "--quiet", "--workspace", "--bins", "--tests", "--profile", profile])
        .arg("--target-dir")
        .arg(folder.parent().expect("a profile's folder lies in the target folder"))
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "the binaries do not build");
    folder
}
