//! The bucket of a server within the test, as a client sees it that retries quickly.

use std::sync::Arc;
use std::time::Duration;

use buckets::{BUCKET, ID, SECRET, Server};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::ObjectStorage;

pub(crate) fn objects(server: &Server, secret: &str) -> Arc<dyn ObjectStore> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (init_backoff, max_backoff) = (Duration::from_millis(1), Duration::from_millis(5));
    let backoff = BackoffConfig { init_backoff, max_backoff, base: 2.0 };
    let builder = AmazonS3Builder::new()
        .with_bucket_name(BUCKET)
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_access_key_id(ID)
        .with_secret_access_key(secret)
        .with_retry(RetryConfig { backoff, ..RetryConfig::default() });
    Arc::new(builder.build().expect("all is said"))
}

pub(crate) fn storage(server: &Server, prefix: &str) -> ObjectStorage {
    ObjectStorage::new(objects(server, SECRET), Path::from(prefix)).expect("threads")
}
