//! What an error of S3 means for an upload.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::error::{OutputError, with_causes};

/// Why a request did not do what it was to.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is an object of that name.
    InUse,
    /// The server does not know what was asked for, such as conditions.
    NotImplemented,
    /// All else.
    Error(OutputError),
}

/// What no time mends: the rule asks for what there is not.
const FOR_GOOD: [&str; 9] = [
    "EntityTooLarge",
    "InvalidArgument",
    "InvalidBucketName",
    "InvalidEncryptionAlgorithmError",
    "InvalidStorageClass",
    "KMS.NotFoundException",
    "KeyTooLongError",
    "MetadataTooLarge",
    "InvalidURI",
];

/// The only table from what S3 says to what it means.
pub(super) fn refusal<E>(error: &SdkError<E>, server: &str, bucket: &str) -> Refusal
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let server = server.to_owned();
    let (Some(service), Some(response)) = (error.as_service_error(), error.raw_response()) else {
        return Refusal::Error(OutputError::Unavailable { server, reason: with_causes(error) });
    };
    let status = response.status().as_u16();
    let code = service.code().unwrap_or_default();
    let reason = match (service.code(), service.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => format!("the status {status}"),
    };
    match code {
        "NoSuchBucket" => Refusal::Error(OutputError::NoBucket(bucket.to_owned())),
        "PreconditionFailed" => Refusal::InUse,
        "NotImplemented" => Refusal::NotImplemented,
        _ if status == 412 => Refusal::InUse,
        _ if status == 501 => Refusal::NotImplemented,
        code if FOR_GOOD.contains(&code) => Refusal::Error(OutputError::Refused { server, reason }),
        _ => Refusal::Error(OutputError::Unavailable { server, reason }),
    }
}
