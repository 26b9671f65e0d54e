//! The name of this machine.

/// The host's name, if it has one.
pub fn name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}
