//! An access file. `@ca`, `@certificate` and `@key` in it stand for real ones: no key is committed, and none is found by
//! chance.

use std::sync::LazyLock;

use taugrid_process::access::Access;
use taugrid_process::connect::Target;
use taugrid_process::tls::{Credentials, Keys};

static CLIENT: LazyLock<Option<Credentials>> = LazyLock::new(|| Keys::generate(None).ok().map(|keys| keys.client));

/// See the module: taken is what could be dialled.
///
/// # Panics
/// If something is wrong with what reads it.
pub fn access_file(bytes: &[u8]) -> bool {
    let mut access = match Access::parse(bytes) {
        Ok(access) => access,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    if let (Some(Credentials { ca, certificate, key }), Some(client)) = (&mut access.tls, &*CLIENT) {
        for text in [ca, certificate, key] {
            let named = [("@ca", &client.ca), ("@certificate", &client.certificate), ("@key", &client.key)];
            named.iter().for_each(|(name, real)| *text = text.replacen(name, real, 1));
        }
    }
    let credentials = access.tls.as_ref();
    if let Some(credentials) = credentials {
        let _ = credentials.check();
    }
    let dial = |credentials, insecure| Target::new(&access.coordinator, credentials, insecure).is_ok();
    [dial(credentials, false), dial(credentials, true), dial(None, true)].contains(&true)
}
