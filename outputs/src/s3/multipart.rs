//! An object in parts: whole at the end, or nothing that the server keeps.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{Refusal, SHA256, Way};
use crate::bucket::Uploaded;
use crate::digests::Digests;
use crate::error::OutputError;

/// So many parts are in memory at once.
const PARTS_AT_ONCE: usize = 2;

/// How long it is tried to have the server forget what it has of an upload.
const ABORT_MAX: Duration = Duration::from_secs(10);

/// An upload that has begun. One that is dropped before its end is aborted at the server.
struct Unfinished {
    client: Client,
    bucket: String,
    name: String,
    id: String,
    is_over: bool,
}

impl Way<'_> {
    pub(super) async fn upload_parts(&self, name: &str, digests: &Digests) -> Result<Uploaded, OutputError> {
        let mut unfinished = self.begin(name, digests).await?;
        let parts = stream::iter(0..self.source.parts()).map(|number| self.part(&unfinished, number, digests));
        let parts: Result<Vec<_>, _> = parts.buffered(PARTS_AT_ONCE).try_collect().await;
        let completed = match parts {
            Ok(parts) => match self.complete(&unfinished, parts.clone(), Some("*")).await {
                // As for what comes in one request.
                Err(Refusal::NotImplemented) => self.complete(&unfinished, parts, None).await,
                completed => completed,
            },
            Err(error) => Err(Refusal::Error(error)),
        };
        unfinished.is_over = true;
        if completed.is_err() {
            unfinished.abort().await;
        }
        self.uploaded(completed, &digests.of_parts_base64(), name)
    }

    async fn begin(&self, name: &str, digests: &Digests) -> Result<Unfinished, OutputError> {
        let Self { s3, place, source } = self;
        let request = s3.client.create_multipart_upload().bucket(&place.bucket).key(name);
        let request = request.content_type(&source.media_type).metadata(SHA256, &digests.sha256);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_type(ChecksumType::Composite);
        let request = request.set_server_side_encryption(self.encryption()).set_ssekms_key_id(place.kms_key.clone());
        let begun = request.set_storage_class(self.class()).send().await.map_err(|error| self.error(&error))?;
        let reason = "it gives an upload no name".to_owned();
        let id = begun.upload_id.ok_or(OutputError::Unavailable { server: s3.server.clone(), reason })?;
        let (client, bucket, name) = (s3.client.clone(), place.bucket.clone(), name.to_owned());
        Ok(Unfinished { client, bucket, name, id, is_over: false })
    }

    async fn part(&self, upload: &Unfinished, number: usize, digests: &Digests) -> Result<CompletedPart, OutputError> {
        let part_bytes = self.source.part_bytes();
        let content = self.source.read(number as u64 * part_bytes, part_bytes).await?;
        let digest = digests.part_base64(number);
        // There are at most 10,000.
        let ordinal = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let request = upload.client.upload_part().bucket(&upload.bucket).key(&upload.name).upload_id(&upload.id);
        let request = request.part_number(ordinal).checksum_sha256(&digest).body(ByteStream::from(content));
        let sent = request.send().await.map_err(|error| self.error(&error))?;
        if let Some(said) = sent.checksum_sha256.filter(|said| *said != digest) {
            let difference = format!("the digest {said} of part {ordinal}, not {digest}");
            let (server, name) = (self.s3.server.clone(), upload.name.clone());
            return Err(OutputError::Different { server, name, difference });
        }
        let part = CompletedPart::builder().part_number(ordinal).checksum_sha256(digest).set_e_tag(sent.e_tag);
        Ok(part.build())
    }

    /// Make an object of the parts; what the server says of its digest.
    async fn complete(
        &self,
        upload: &Unfinished,
        parts: Vec<CompletedPart>,
        unless: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = upload.client.complete_multipart_upload().bucket(&upload.bucket).key(&upload.name);
        let request = request.upload_id(&upload.id).multipart_upload(parts);
        let request = request.checksum_type(ChecksumType::Composite).set_if_none_match(unless.map(str::to_owned));
        let completed = request.send().await.map_err(|error| self.refusal(&error))?;
        Ok(completed.checksum_sha256)
    }
}

impl Unfinished {
    /// Have the server forget the parts. Where it can't be reached, its own rules do that some day.
    async fn abort(&self) {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(&self.name).upload_id(&self.id);
        let _ = timeout(ABORT_MAX, request.send()).await;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (client, bucket, name, id) = (self.client.clone(), self.bucket.clone(), self.name.clone(), self.id.clone());
        runtime.spawn(async move { Self { client, bucket, name, id, is_over: true }.abort().await });
    }
}
