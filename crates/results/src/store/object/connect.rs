//! From a URL and the environment to a bucket.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, Error, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

/// A part has up to 120 MB, and a line may be slow; `AWS_TIMEOUT` and its like say otherwise.
const TIMEOUT: &str = "300 seconds";

/// How a request whose failure may pass is tried again.
fn retry() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(10), base: 2.0 };
    RetryConfig { backoff, max_retries: 10, retry_timeout: Duration::from_secs(120) }
}

/// The bucket of `url`, and the prefix in it.
pub(super) fn connect(url: &Url) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
    // TLS by ring. Had the program chosen a provider before, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (scheme, prefix) = ObjectStoreScheme::parse(url).map_err(Error::from)?;
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let objects: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let mut builder = AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry());
            if !is_set("AWS_TIMEOUT") {
                builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
            }
            Arc::new(builder.build()?)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry());
            if !is_set("GOOGLE_TIMEOUT") {
                builder = builder.with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
            }
            Arc::new(builder.build()?)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry());
            if !is_set("AZURE_TIMEOUT") {
                builder = builder.with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
            }
            Arc::new(builder.build()?)
        }
        _ => {
            return Err(Error::NotImplemented {
                operation: url.scheme().to_owned(),
                implementer: "taugrid".to_owned(),
            });
        }
    };
    Ok((objects, prefix))
}
