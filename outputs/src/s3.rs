//! `aws:s3` and `minio:s3`: S3, and servers that speak its protocol.
//!
//! What is small goes in one request, all else in parts, of which two are in memory. The server is told the SHA-256 of
//! each, and takes nothing else.

mod multipart;
mod refusal;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};

use super::bucket::{self, Bucket, Looked, Uploaded};
use super::digests::Digests;
use super::{OutputError, Place, Source, Stored};
use refusal::{Refusal, refusal};

/// Of which object metadata says what was put there: also to us, where an attempt before got no answer.
const SHA256: &str = "sha256";

/// A server that speaks S3's protocol, by a client that sends again what was not answered.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Reaches it.
    pub client: Client,
    /// Host and port, or what it is called.
    pub server: String,
}

impl S3 {
    /// The region that it is asked in.
    pub fn region(&self) -> Option<String> {
        self.client.config().region().map(ToString::to_string)
    }

    /// The same server, in this region.
    #[must_use]
    pub fn within(self, region: &str) -> Self {
        let config = self.client.config().to_builder().region(Region::new(region.to_owned()));
        Self { client: Client::from_conf(config.build()), ..self }
    }
}

/// Store an artifact as `<prefix><key>`, or where that is taken with a number behind the key.
///
/// # Errors
///
/// Where the bucket is missing, or the server does not take it.
pub async fn store(s3: &S3, place: &Place, key: &str, source: &Source) -> Result<Stored, OutputError> {
    bucket::store(&Way { s3, place, source }, place, key, source).await
}

/// The way of one artifact.
struct Way<'a> {
    s3: &'a S3,
    place: &'a Place,
    source: &'a Source,
}

impl Bucket for Way<'_> {
    async fn look(&self, name: &str) -> Result<Looked, OutputError> {
        let looked = self.s3.client.head_object().bucket(&self.place.bucket).key(name).send().await;
        let found = match looked {
            Ok(found) => found,
            Err(SdkError::ServiceError(error)) if matches!(error.err(), HeadObjectError::NotFound(_)) => {
                return Ok(Looked::Nothing);
            }
            // It has no body that could say more: why it is refused is said where it is to be put there.
            Err(SdkError::ServiceError(error)) if error.raw().status().is_client_error() => {
                return Ok(Looked::Unknown);
            }
            Err(error) => return Err(self.error(&error)),
        };
        let bytes = found.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
        let sha256 = found.metadata().and_then(|metadata| metadata.get(SHA256)).cloned();
        Ok(Looked::Object { bytes, sha256 })
    }

    async fn upload(&self, name: &str, digests: &Digests) -> Result<Uploaded, OutputError> {
        if self.source.parts() > 1 {
            return self.upload_parts(name, digests).await;
        }
        match self.put(name, digests, Some("*")).await {
            Err(Refusal::NotImplemented) => {}
            put => return self.uploaded(put, &digests.sha256_base64(), name),
        }
        // It knows no conditions: what was there was looked at just before.
        self.uploaded(self.put(name, digests, None).await, &digests.sha256_base64(), name)
    }

    fn server(&self) -> &str {
        &self.s3.server
    }
}

impl Way<'_> {
    /// All of it in one request; what the server says of its digest.
    async fn put(&self, name: &str, digests: &Digests, unless: Option<&str>) -> Result<Option<String>, Refusal> {
        let Self { s3, place, source } = self;
        let content = source.read(0, source.bytes).await.map_err(Refusal::Error)?;
        let request = s3.client.put_object().bucket(&place.bucket).key(name);
        let request = request.body(ByteStream::from(content)).content_type(&source.media_type);
        let request = request.metadata(SHA256, &digests.sha256).checksum_sha256(digests.sha256_base64());
        let request = request.set_if_none_match(unless.map(str::to_owned));
        let request = request.set_server_side_encryption(self.encryption()).set_ssekms_key_id(place.kms_key.clone());
        let put = request.set_storage_class(self.class()).send().await;
        put.map(|put| put.checksum_sha256).map_err(|error| self.refusal(&error))
    }

    /// What an answer means that says `said` of what should be `expected`.
    fn uploaded(
        &self,
        answer: Result<Option<String>, Refusal>,
        expected: &str,
        name: &str,
    ) -> Result<Uploaded, OutputError> {
        match answer {
            Ok(Some(said)) if said == expected => Ok(Uploaded::Whole),
            Ok(Some(said)) => {
                let difference = format!("the digest {said}, not {expected}");
                Err(OutputError::Different { server: self.s3.server.clone(), name: name.to_owned(), difference })
            }
            Ok(None) => Ok(Uploaded::Taken),
            Err(Refusal::InUse) => Ok(Uploaded::InUse),
            Err(Refusal::NotImplemented) => {
                let reason = "it does not know what this needs".to_owned();
                Err(OutputError::Refused { server: self.s3.server.clone(), reason })
            }
            Err(Refusal::Error(error)) => Err(error),
        }
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.place.server_side_encryption.as_deref().map(ServerSideEncryption::from)
    }

    fn class(&self) -> Option<StorageClass> {
        self.place.storage_class.as_deref().map(StorageClass::from)
    }

    fn refusal<E>(&self, error: &SdkError<E>) -> Refusal
    where
        E: std::error::Error + aws_sdk_s3::error::ProvideErrorMetadata + 'static,
    {
        refusal(error, &self.s3.server, &self.place.bucket)
    }

    fn error<E>(&self, error: &SdkError<E>) -> OutputError
    where
        E: std::error::Error + aws_sdk_s3::error::ProvideErrorMetadata + 'static,
    {
        match self.refusal(error) {
            Refusal::Error(error) => error,
            // Where nothing depends on what is there.
            Refusal::InUse | Refusal::NotImplemented => {
                OutputError::Unavailable { server: self.s3.server.clone(), reason: super::error::with_causes(error) }
            }
        }
    }
}
