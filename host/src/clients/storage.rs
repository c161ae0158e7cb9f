//! Object storage: S3 of AWS, and servers that speak its protocol.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_lambda::config::{ProvideCredentials, SharedCredentialsProvider};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use http_body_util::StreamBody;
use hyper::body::Frame;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::client::{ClientOptions, HttpClient, HttpConnector, HttpError};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CredentialProvider, ObjectStore, ObjectStoreExt, PutOptions, PutPayload, RetryConfig,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::circuit::{Attempt, Circuit, Reached};
use super::end::{End, Failed};
use super::error::{ClientError, Refusal, RequestError, Said};
use super::meter::Permit;
use super::web;
use crate::body::{self, BodyError};
use crate::config::clouds as config;
use crate::telemetry::logs::Logger;

/// The region that servers take for granted which have none.
const NO_REGION: &str = "us-east-1";

/// What is said where the time is over.
const LATE: &str = "the storage did not answer in time";

const UNREACHED: &str = "the storage can't be reached, or answers with an error";

/// Credentials are asked for anew so long before they end.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// A storage, by the host's own credentials.
#[derive(Clone)]
pub struct Storage {
    builder: AmazonS3Builder,
    circuit: Circuit,
}

/// Where an object is.
pub(crate) struct Location {
    bucket: String,
    path: Path,
}

impl Storage {
    /// S3 of AWS.
    pub(super) fn aws(
        provider: SharedCredentialsProvider,
        region: &str,
        endpoint: Option<&str>,
        logger: &Logger,
    ) -> Result<Self, ClientError> {
        let credentials = Arc::new(Renewed { provider, last: Mutex::new(None) });
        let mut builder = builder()?.with_region(region).with_credentials(credentials);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        Ok(Self { builder, circuit: Circuit::new("aws-s3", Some(logger.clone())) })
    }

    /// A server of the operator's own.
    pub(super) fn minio(config: &config::Minio, logger: &Logger) -> Result<Self, ClientError> {
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
        Ok(Self { builder, circuit: Circuit::new("minio", Some(logger.clone())) })
    }

    /// Whether it can be reached.
    pub(super) fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// The whole object, up to `bytes_max`, whatever length was announced.
    pub(crate) async fn get(&self, place: &Location, permit: &Permit, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        let get = async {
            let bucket = self.bucket(place).map_err(Failed::not_sent)?;
            let attempt = self.enter(permit)?;
            let _place = permit.place().await.map_err(Failed::not_sent)?;
            let found = begun(bucket.get(&place.path), 0, attempt, permit).await?;
            let too_large = || Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 });
            if found.meta.size > bytes_max as u64 {
                return Err(too_large());
            }
            let frames = StreamBody::new(found.into_stream().map_ok(Frame::data));
            let read = body::read(frames, bytes_max).await.map_err(|error| match error {
                BodyError::TooLarge { .. } => too_large(),
                BodyError::Broken(error) => convert_error(error),
            });
            Ok(read?.into())
        };
        let got = timeout_at(permit.end(), get).await.unwrap_or_else(|_| Err(Failed::late(LATE)));
        got.map_err(Failed::into_refusal)
    }

    /// Store an object, which is not done in a dry run.
    pub(crate) async fn put(&self, place: &Location, media_type: String, content: Vec<u8>, permit: &Permit) -> End<()> {
        if permit.is_rehearsal() {
            return End::rehearsed(());
        }
        let put = async {
            let bucket = self.bucket(place).map_err(Failed::not_sent)?;
            let attempt = self.enter(permit)?;
            let _place = permit.place().await.map_err(Failed::not_sent)?;
            permit.is_being_sent();
            let attributes = Attributes::from_iter([(Attribute::ContentType, media_type)]);
            let options = PutOptions { attributes, ..PutOptions::default() };
            let bytes = content.len();
            begun(bucket.put_opts(&place.path, PutPayload::from(content), options), bytes, attempt, permit)
                .await
                .map(drop)
        };
        let put = timeout_at(permit.end(), put).await.unwrap_or_else(|_| Err(Failed::late(LATE)));
        End::of(put, false)
    }

    fn enter(&self, permit: &Permit) -> Result<Attempt, Failed> {
        let away = || Failed::not_sent(RequestError::Unavailable(UNREACHED.to_owned()));
        permit.enter(&self.circuit).ok_or_else(away)
    }

    fn bucket(&self, place: &Location) -> Result<AmazonS3, RequestError> {
        let bucket = self.builder.clone().with_bucket_name(&place.bucket).build();
        bucket.map_err(|_| RequestError::Other("the storage can't be asked for this bucket".to_owned()))
    }
}

impl Location {
    /// Where the object of this key is.
    ///
    /// # Errors
    ///
    /// Where it can't be a key.
    pub(crate) fn new(bucket: &str, key: &str) -> Result<Self, RequestError> {
        let path = Path::parse(key).map_err(|error| RequestError::Invalid(error.to_string()))?;
        Ok(Self { bucket: bucket.to_owned(), path })
    }
}

/// What is answered to a request with so long a body, of which at least the first byte comes in time.
async fn begun<T>(
    sent: impl Future<Output = object_store::Result<T>>,
    body_bytes: usize,
    attempt: Attempt,
    permit: &Permit,
) -> Result<T, Failed> {
    let end = Instant::now() + web::first_byte_within(body_bytes);
    match timeout_at(end.min(permit.end()), sent).await {
        Ok(answer) => {
            permit.settle(attempt, &reached(&answer));
            answer.map_err(convert_error)
        }
        Err(_) if end < permit.end() => {
            let words = "no answer has begun in time".to_owned();
            permit.settle(attempt, &Reached::No(words.clone()));
            let said = Some(Said { words, is_about_the_object: false });
            Err(Failed::Lost { why: LATE.to_owned(), is_late: false, said })
        }
        Err(_) => Err(Failed::late(LATE)),
    }
}

/// Their texts name the address.
fn reached<T>(answer: &object_store::Result<T>) -> Reached {
    let Err(error) = answer else { return Reached::Yes };
    if web::is_not_connected(error) {
        return Reached::No(web::with_causes(error));
    }
    let is_between = web::causes(error).any(|cause| cause.is::<HttpError>() || cause.is::<NoCredentials>());
    if is_between { Reached::Unclear } else { Reached::Yes }
}

/// The only table from a storage's errors to what is known of a request. Their texts carry addresses and names of
/// accounts, which are for the log.
fn convert_error(error: object_store::Error) -> Failed {
    use object_store::Error;
    let said = Some(Said { words: web::with_causes(&error), is_about_the_object: false });
    let error = match error {
        Error::NotFound { .. } => return Failed::Refused(RequestError::NotFound.into()),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            RequestError::Other("the storage forbids it to the host".to_owned())
        }
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            RequestError::Conflict("the object was changed meanwhile".to_owned())
        }
        Error::InvalidPath { .. } => RequestError::Invalid("this can't be a key".to_owned()),
        error if web::is_not_connected(&error) => {
            return Failed::not_sent(Refusal { error: RequestError::Unavailable(UNREACHED.to_owned()), said });
        }
        _ => return Failed::Lost { why: UNREACHED.to_owned(), is_late: false, said },
    };
    Failed::Refused(Refusal { error, said })
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

/// Nothing was sent to the storage.
#[derive(Debug, thiserror::Error)]
#[error("no credentials")]
struct NoCredentials(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Renewed {
    async fn credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        let is_good = |last: &Last| last.end.is_none_or(|end| SystemTime::now() + RENEWED_BEFORE < end);
        if let Some(last) = last.as_ref().filter(|last| is_good(last)) {
            return Ok(last.credential.clone());
        }
        let found = self.provider.provide_credentials().await;
        let none =
            |error| object_store::Error::Generic { store: "S3", source: Box::new(NoCredentials(Box::new(error))) };
        let found = found.map_err(none)?;
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
