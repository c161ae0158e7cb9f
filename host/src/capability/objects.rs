//! `objects`: read and store objects of the buckets that the policy gives labels to.
//!
//! A key is one below the prefix of the grant. In a dry run nothing is stored.

use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions, PutPayload};
use policy::{ObjectRequest, ObjectTarget, ObjectVerb, Request};
use tokio::time::timeout_at;

use super::bindings::falco_talon::actionner::objects::Host;
use super::call::{Call, Closed};
use super::media_type::check_media_type;
use crate::clients::{Aws, RequestError, with_causes};
use crate::telemetry::audit::Entry;

/// Where an object is.
struct Location {
    bucket: object_store::aws::AmazonS3,
    path: Path,
}

impl Host for Call {
    async fn get(&mut self, bucket: String, key: String) -> Result<Vec<u8>, Closed> {
        const CAPABILITY: &str = "objects.get";
        let asked = ObjectRequest::new(ObjectVerb::Get, &bucket, &key);
        let asked = asked.map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[Request::Object(asked)])?;
        let bytes_max = self.grants.limits.response_bytes_max;
        let get = async {
            let location = self.locate(&entry, &key)?;
            read(&location, bytes_max).await.map_err(|error| self.failed(CAPABILITY, error))
        };
        let result = timeout_at(self.deadline, get).await.unwrap_or(Err(RequestError::Timeout));
        self.close(entry, result)
    }

    async fn put(&mut self, bucket: String, key: String, media_type: String, content: Vec<u8>) -> Result<(), Closed> {
        const CAPABILITY: &str = "objects.put";
        let asked = ObjectRequest::new(ObjectVerb::Put, &bucket, &key);
        let asked = asked.map_err(|error| self.invalid(CAPABILITY, error))?;
        check_media_type(&media_type).map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let entry = self.gate(CAPABILITY, &[Request::Object(asked)])?;
        let put = async {
            if self.dry_run {
                return Ok(());
            }
            let Location { bucket, path } = self.locate(&entry, &key)?;
            let attributes = Attributes::from_iter([(Attribute::ContentType, media_type)]);
            let options = PutOptions { attributes, ..PutOptions::default() };
            let stored = bucket.put_opts(&path, PutPayload::from(content), options).await;
            stored.map(drop).map_err(|error| self.failed(CAPABILITY, ReadError::Store(error)))
        };
        let result = timeout_at(self.deadline, put).await.unwrap_or(Err(RequestError::Timeout));
        self.close(entry, result)
    }
}

/// Why an object was not read.
enum ReadError {
    TooLarge { bytes_max: u64 },
    Store(object_store::Error),
}

impl From<object_store::Error> for ReadError {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Count the bytes while they come, whatever length was announced.
async fn read(location: &Location, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
    let too_large = || ReadError::TooLarge { bytes_max: bytes_max as u64 };
    let found = location.bucket.get(&location.path).await?;
    if found.meta.size > bytes_max as u64 {
        return Err(too_large());
    }
    let mut content = Vec::new();
    let mut chunks = found.into_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if content.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

impl Call {
    /// Where the grant that allowed the call says that this key is.
    fn locate(&self, entry: &Entry, key: &str) -> Result<Location, RequestError> {
        let granted = entry.grant().and_then(|grant| self.grants.granted.objects.get(grant));
        let missing = || RequestError::Unavailable("the host has no client for this storage".to_owned());
        let grant = granted.ok_or_else(missing)?;
        let storage = match grant.target {
            ObjectTarget::AwsS3 => self.clients.aws.as_ref().map(Aws::storage),
            ObjectTarget::MinioS3 => self.clients.minio.as_ref(),
        };
        let bucket = storage.ok_or_else(missing)?.bucket(&grant.bucket);
        let bucket = bucket.map_err(|error| self.failed(entry.capability(), ReadError::Store(error)))?;
        let path = Path::parse(format!("{}{key}", grant.prefix));
        Ok(Location { bucket, path: path.map_err(|error| RequestError::Invalid(error.to_string()))? })
    }

    /// The only table from a storage's errors to those of the contract. Their texts carry
    /// addresses and names of accounts, which are not for guests.
    fn failed(&self, capability: &'static str, error: ReadError) -> RequestError {
        use object_store::Error;
        let error = match error {
            ReadError::TooLarge { bytes_max } => return RequestError::TooLarge { bytes_max },
            ReadError::Store(Error::NotFound { .. }) => return RequestError::NotFound,
            ReadError::Store(error) => error,
        };
        self.explain(capability, &with_causes(&error));
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                RequestError::Other("the storage forbids it to the host".to_owned())
            }
            Error::AlreadyExists { .. } | Error::Precondition { .. } => {
                RequestError::Conflict("the object was changed meanwhile".to_owned())
            }
            Error::InvalidPath { .. } => RequestError::Invalid("this can't be a key".to_owned()),
            _ => RequestError::Unavailable("the storage can't be reached, or answers with an error".to_owned()),
        }
    }
}
