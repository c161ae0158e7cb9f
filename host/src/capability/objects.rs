//! `objects`: read and store objects of the buckets that the policy gives labels to.
//!
//! A key is one below the prefix of the grant. In a dry run nothing is stored.

use policy::{ObjectRequest, ObjectTarget, ObjectVerb, Request};

use super::bindings::falco_talon::actionner::objects::Host;
use super::call::{Call, Closed};
use super::catalogue::Capability;
use super::media_type::check_media_type;
use crate::clients::{Aws, Location, RequestError, Storage};
use crate::telemetry::audit::Entry;

impl Host for Call {
    async fn get(&mut self, bucket: String, key: String) -> Result<Vec<u8>, Closed> {
        let asked = self.understand(Capability::ObjectGet, || ObjectRequest::new(ObjectVerb::Get, &bucket, &key))?;
        let entry = self.gate(Capability::ObjectGet, &[Request::Object(asked)])?;
        let (storage, place) = match self.locate(&entry, &key) {
            Ok(located) => located,
            Err(error) => return self.close(entry, Err(error)),
        };
        let permit = match self.permit(&entry).await {
            Ok(permit) => permit,
            Err(error) => return self.close(entry, Err(error)),
        };
        let read = storage.get(&place, &permit, self.grants.limits.response_bytes_max).await;
        self.close_read(entry, read)
    }

    async fn put(&mut self, bucket: String, key: String, media_type: String, content: Vec<u8>) -> Result<(), Closed> {
        let asked = self.understand(Capability::ObjectPut, || ObjectRequest::new(ObjectVerb::Put, &bucket, &key))?;
        self.understand(Capability::ObjectPut, || check_media_type(&media_type))?;
        let entry = self.gate(Capability::ObjectPut, &[Request::Object(asked)])?;
        let (storage, place) = match self.locate(&entry, &key) {
            Ok(located) => located,
            Err(error) => return self.close(entry, Err(error)),
        };
        let permit = match self.permit(&entry).await {
            Ok(permit) => permit,
            Err(error) => return self.close(entry, Err(error)),
        };
        let end = storage.put(&place, media_type, content, &permit).await;
        self.close_write(entry, end)
    }
}

impl Call {
    /// Where the grant that allowed the call says that this key is.
    fn locate(&self, entry: &Entry, key: &str) -> Result<(&Storage, Location), RequestError> {
        let granted = entry.grant().and_then(|grant| self.grants.granted.objects.get(grant));
        let missing = || RequestError::Unavailable("the host has no client for this storage".to_owned());
        let grant = granted.ok_or_else(missing)?;
        let storage = match grant.target {
            ObjectTarget::AwsS3 => self.clients.aws.as_ref().map(Aws::storage),
            ObjectTarget::MinioS3 => self.clients.minio.as_ref(),
        };
        Ok((storage.ok_or_else(missing)?, Location::new(&grant.bucket, format!("{}{key}", grant.prefix))))
    }
}
