//! `objects`: read and store objects of the buckets that the policy gives labels to.
//!
//! A key is one below the prefix of the grant. In a dry run nothing is stored.

use futures_util::TryStreamExt;
use http_body_util::StreamBody;
use hyper::body::Frame;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions, PutPayload};
use policy::{ObjectRequest, ObjectTarget, ObjectVerb, Request};
use tokio::time::timeout_at;

use super::bindings::falco_talon::actionner::objects::Host;
use super::call::{Call, Closed};
use super::media_type::check_media_type;
use crate::body::{self, BodyError};
use crate::clients::{Aws, RequestError, is_not_connected, with_causes};
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
            let read = read(&location, bytes_max).await;
            read.map_err(|error| RequestError::from_body(error, |error| self.failed(CAPABILITY, error)))
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
            stored.map(drop).map_err(|error| {
                let is_sent = !is_not_connected(&error);
                match self.failed(CAPABILITY, error) {
                    RequestError::Unavailable(text) if is_sent => RequestError::Unknown(text),
                    error => error,
                }
            })
        };
        let late = || RequestError::Unknown("the storage did not answer in time".to_owned());
        let result = timeout_at(self.deadline, put).await.unwrap_or_else(|_| Err(late()));
        self.close(entry, result)
    }
}

/// The whole object, up to `bytes_max`, whatever length was announced.
async fn read(location: &Location, bytes_max: usize) -> Result<Vec<u8>, BodyError<object_store::Error>> {
    let found = location.bucket.get(&location.path).await.map_err(BodyError::Broken)?;
    if found.meta.size > bytes_max as u64 {
        return Err(BodyError::TooLarge { bytes_max });
    }
    let frames = StreamBody::new(found.into_stream().map_ok(Frame::data));
    Ok(body::read(frames, bytes_max).await?.into())
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
        let bucket = bucket.map_err(|error| self.failed(entry.capability(), error))?;
        let path = Path::parse(format!("{}{key}", grant.prefix));
        Ok(Location { bucket, path: path.map_err(|error| RequestError::Invalid(error.to_string()))? })
    }

    /// The only table from a storage's errors to those of the contract. Their texts carry
    /// addresses and names of accounts, which are not for guests.
    fn failed(&self, capability: &'static str, error: object_store::Error) -> RequestError {
        use object_store::Error;
        if let Error::NotFound { .. } = error {
            return RequestError::NotFound;
        }
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
