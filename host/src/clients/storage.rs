//! Object storage: S3 of AWS, and servers that speak its protocol.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_lambda::config::{ProvideCredentials, SharedCredentialsProvider};
use futures_util::future::BoxFuture;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::{CredentialProvider, RetryConfig};
use tokio::sync::Mutex;

use super::error::ClientError;
use super::web;
use crate::config::clouds as config;

/// The region that servers take for granted which have none.
const NO_REGION: &str = "us-east-1";

/// Credentials are asked for anew so long before they end.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// A storage, by the host's own credentials.
#[derive(Clone)]
pub struct Storage {
    builder: AmazonS3Builder,
}

impl Storage {
    /// S3 of AWS.
    pub(super) fn aws(
        provider: SharedCredentialsProvider,
        region: &str,
        endpoint: Option<&str>,
    ) -> Result<Self, ClientError> {
        let credentials = Arc::new(Renewed { provider, last: Mutex::new(None) });
        let mut builder = builder()?.with_region(region).with_credentials(credentials);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        Ok(Self { builder })
    }

    /// A server of the operator's own.
    pub(super) fn minio(config: &config::Minio) -> Result<Self, ClientError> {
        let config::Minio { endpoint, keys, use_ssl } = config;
        for (key, is_empty) in [
            ("endpoint", endpoint.is_empty()),
            ("access_key", keys.access_key.is_empty()),
            ("secret_key", keys.secret_key.is_empty()),
        ] {
            if is_empty {
                return Err(ClientError::Configuration(format!("'minio.{key}' is not set")));
            }
        }
        let scheme = if *use_ssl { "https" } else { "http" };
        let builder = builder()?
            .with_region(NO_REGION)
            .with_endpoint(format!("{scheme}://{endpoint}"))
            .with_allow_http(!use_ssl)
            .with_access_key_id(&keys.access_key)
            .with_secret_access_key(keys.secret_key.expose());
        Ok(Self { builder })
    }

    /// One bucket; nothing is asked of it yet.
    pub(crate) fn bucket(&self, name: &str) -> object_store::Result<AmazonS3> {
        self.builder.clone().with_bucket_name(name).build()
    }
}

fn builder() -> Result<AmazonS3Builder, ClientError> {
    let client = web::build(web::client()?)?;
    // Retries and deadlines are the host's own, and know the call that they serve.
    let never = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    Ok(AmazonS3Builder::new().with_http_connector(Connector(client)).with_retry(never))
}

/// One client for all buckets.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Credentials of AWS, kept until shortly before their end.
#[derive(Debug)]
struct Renewed {
    provider: SharedCredentialsProvider,
    last: Mutex<Option<Last>>,
}

#[derive(Debug, Clone)]
struct Last {
    credential: Arc<AwsCredential>,
    end: Option<SystemTime>,
}

impl Renewed {
    async fn credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        let is_good = |last: &Last| last.end.is_none_or(|end| SystemTime::now() + RENEWED_BEFORE < end);
        if let Some(last) = last.as_ref().filter(|last| is_good(last)) {
            return Ok(last.credential.clone());
        }
        let found = self.provider.provide_credentials().await;
        let found = found.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        });
        *last = Some(Last { credential: credential.clone(), end: found.expiry() });
        Ok(credential)
    }
}

impl CredentialProvider for Renewed {
    type Credential = AwsCredential;

    // As the trait's own macro would write it.
    fn get_credential<'a, 'b>(&'a self) -> BoxFuture<'b, object_store::Result<Arc<AwsCredential>>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(self.credential())
    }
}
