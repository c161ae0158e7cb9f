//! Object storage: S3 of AWS, and servers that speak its protocol.

mod refusal;

use std::io;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, Credentials, Region, SharedCredentialsProvider, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use http_body_util::BodyExt;
use outputs::s3::S3;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::circuit::{Attempt, Circuit, Reached};
use super::end::{End, Failed};
use super::error::{ClientError, Refusal, RequestError, Said};
use super::meter::Permit;
use super::web;
use crate::body::{self, BodyError};
use crate::config::clouds as config;
use crate::telemetry::logs::Logger;
use refusal::{convert_error, lost, reached, unreached};

/// The region that servers take for granted which have none.
const NO_REGION: &str = "us-east-1";

/// What is said where the time is over.
const LATE: &str = "the storage did not answer in time";

/// So often an upload sends a request that was not answered, or with an error of the server.
const UPLOAD_ATTEMPTS_MAX: u32 = 4;

/// A storage, by the host's own credentials.
#[derive(Clone)]
pub struct Storage {
    /// Sends once: retries and deadlines of a call are the host's own.
    once: Client,
    uploads: S3,
    circuit: Circuit,
}

/// Where an object is.
pub(crate) struct Location {
    bucket: String,
    key: String,
}

impl Storage {
    /// S3 of AWS.
    pub(super) fn aws(sdk: &SdkConfig, region: &Region, endpoint: Option<&str>, logger: &Logger) -> Self {
        let mut builder = Builder::from(sdk);
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint).force_path_style(true);
        }
        let server = server(endpoint).unwrap_or_else(|| format!("AWS S3 of {region}"));
        Self::new(builder, server, Circuit::new("aws-s3", Some(logger.clone())))
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
        let credentials = Credentials::new(&keys.access_key, keys.secret_key.expose(), None, None, "configuration");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(web::aws_http())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .region(Region::new(NO_REGION))
            .endpoint_url(format!("{scheme}://{endpoint}"))
            .build();
        let builder = Builder::from(&sdk).force_path_style(true);
        Ok(Self::new(builder, endpoint.clone(), Circuit::new("minio", Some(logger.clone()))))
    }

    fn new(builder: Builder, server: String, circuit: Circuit) -> Self {
        let times = TimeoutConfig::builder().connect_timeout(web::CONNECT_MAX);
        let once = builder.clone().retry_config(RetryConfig::disabled()).timeout_config(times.clone().build());
        let times = times.operation_attempt_timeout(web::PIECE_MAX).build();
        let again = RetryConfig::standard().with_max_attempts(UPLOAD_ATTEMPTS_MAX);
        let uploads = builder.retry_config(again).timeout_config(times);
        let uploads = S3 { client: Client::from_conf(uploads.build()), server };
        Self { once: Client::from_conf(once.build()), uploads, circuit }
    }

    /// Whether it can be reached.
    pub(super) fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// For artifacts, which are sent beside all calls.
    pub(crate) fn uploads(&self) -> S3 {
        self.uploads.clone()
    }

    /// The whole object, up to `bytes_max`, whatever length was announced.
    pub(crate) async fn get(&self, place: &Location, permit: &Permit, bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        let get = async {
            let attempt = self.enter(permit)?;
            let _place = permit.place().await.map_err(Failed::not_sent)?;
            let request = self.once.get_object().bucket(&place.bucket).key(&place.key);
            let found = self.begun(request.send(), 0, attempt, permit).await?;
            let too_large = || Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 });
            let announced = found.content_length.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
            if announced > bytes_max as u64 {
                return Err(too_large());
            }
            let content = found.body.into_inner().map_err(broken);
            let read = body::read(content, bytes_max).await.map_err(|error| match error {
                BodyError::TooLarge { .. } => too_large(),
                BodyError::Broken(error) => lost(&self.uploads.server, &error),
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
            let attempt = self.enter(permit)?;
            let _place = permit.place().await.map_err(Failed::not_sent)?;
            permit.is_being_sent();
            let bytes = content.len();
            let request = self.once.put_object().bucket(&place.bucket).key(&place.key).content_type(media_type);
            self.begun(request.body(ByteStream::from(content)).send(), bytes, attempt, permit).await.map(drop)
        };
        let put = timeout_at(permit.end(), put).await.unwrap_or_else(|_| Err(Failed::late(LATE)));
        End::of(put, false)
    }

    fn enter(&self, permit: &Permit) -> Result<Attempt, Failed> {
        permit.enter(&self.circuit).ok_or_else(|| Failed::not_sent(unreached()))
    }

    /// What is answered to a request with so long a body, of which at least the first byte comes in time.
    async fn begun<T, E>(
        &self,
        sent: impl Future<Output = Result<T, SdkError<E>>>,
        body_bytes: usize,
        attempt: Attempt,
        permit: &Permit,
    ) -> Result<T, Failed>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let server = &self.uploads.server;
        let end = Instant::now() + web::first_byte_within(body_bytes);
        match timeout_at(end.min(permit.end()), sent).await {
            Ok(answer) => {
                permit.settle(attempt, &reached(&answer, server));
                answer.map_err(|error| convert_error(&error, server))
            }
            Err(_) if end < permit.end() => {
                let words = format!("{server}: no answer has begun in time");
                permit.settle(attempt, &Reached::No(words.clone()));
                let said = Some(Said { words, is_about_the_object: false });
                Err(Failed::Lost { why: LATE.to_owned(), is_late: false, said })
            }
            Err(_) => Err(Failed::late(LATE)),
        }
    }
}

impl Location {
    /// Where the object of this key is.
    pub(crate) fn new(bucket: &str, key: String) -> Self {
        Self { bucket: bucket.to_owned(), key }
    }
}

/// As what an answer that breaks off is read.
fn broken(error: BoxError) -> io::Error {
    io::Error::other(error)
}

/// Host and port of an endpoint, for the log.
fn server(endpoint: Option<&str>) -> Option<String> {
    endpoint.and_then(|endpoint| Url::parse(endpoint).ok()).map(|endpoint| web::server(&endpoint))
}
