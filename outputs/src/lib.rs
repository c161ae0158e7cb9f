//! Where artifacts go: the targets that a rule's `output:` can name.
//!
//! Each target is a file of its own; all are described here, so that rules are checked before
//! the first event. Knows neither the host nor the rules, and builds no client: what a target
//! needs, it is given.

mod artifact;
mod room;

mod digests;
mod error;
mod key;
mod place;
mod source;

mod bucket;

pub mod gcs;
pub mod local;
pub mod s3;

mod catalogue;

use serde_json::{Value, json};

pub use artifact::Artifact;
pub use catalogue::Entry;
pub use error::OutputError;
pub use key::key;
pub use place::Place;
pub use room::{NoRoom, Room};
pub use source::Source;

/// What became of an artifact that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// One sentence for a person.
    pub message: String,
    /// Where it is now, for logs and scripts, as (kind, name).
    pub objects: Vec<(&'static str, String)>,
}

/// A place that artifacts can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A folder of the host's own file system.
    LocalFile,
    /// A bucket of a MinIO server.
    MinioS3,
    /// A bucket of AWS S3.
    AwsS3,
    /// A bucket of Google Cloud Storage.
    GcpGcs,
}

/// Those of AWS that hold objects of any bucket in a region.
const AWS_STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
];

impl Target {
    /// All targets.
    pub const ALL: [Self; 4] = [Self::LocalFile, Self::MinioS3, Self::AwsS3, Self::GcpGcs];

    /// The name by which a rule's `target:` asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LocalFile => "local:file",
            Self::MinioS3 => "minio:s3",
            Self::AwsS3 => "aws:s3",
            Self::GcpGcs => "gcp:gcs",
        }
    }

    /// The target of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// What targets of this kind share, as logs show it: `local` of `local:file`.
    pub fn category(self) -> &'static str {
        self.name().split_once(':').map_or(self.name(), |(category, _)| category)
    }

    /// The JSON Schema (2020-12) of the `parameters:` of an `output:`.
    pub fn parameters_schema(self) -> Value {
        let text = || json!({"type": "string"});
        let one_of = |values: &[&str]| json!({"type": "string", "enum": values});
        let bucket = json!({"type": "string", "minLength": 1});
        let (properties, required) = match self {
            Self::LocalFile => (json!({"destination": {"type": "string", "minLength": 1}}), "destination"),
            Self::MinioS3 => (
                json!({
                    "bucket": bucket,
                    "prefix": text(),
                    "server_side_encryption": one_of(&["AES256", "aws:kms"]),
                    "kms_key_id": text(),
                    "storage_class": one_of(&["STANDARD", "REDUCED_REDUNDANCY"]),
                }),
                "bucket",
            ),
            Self::AwsS3 => (
                json!({
                    "bucket": bucket,
                    "prefix": text(),
                    "region": text(),
                    "server_side_encryption": one_of(&["AES256", "aws:kms", "aws:kms:dsse"]),
                    "kms_key_id": text(),
                    "storage_class": one_of(&AWS_STORAGE_CLASSES),
                }),
                "bucket",
            ),
            Self::GcpGcs => (
                json!({
                    "bucket": bucket,
                    "prefix": text(),
                    "kms_key_name": text(),
                    "storage_class": one_of(&["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]),
                }),
                "bucket",
            ),
        };
        json!({"type": "object", "properties": properties, "required": [required], "additionalProperties": false})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a schema requires it must also describe, or no rule could ever satisfy it.
    #[test]
    fn schemas_describe_what_they_require() {
        for target in Target::ALL {
            let schema = target.parameters_schema();
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(schema["properties"].get(required.as_str().unwrap()).is_some(), "{}", target.name());
            }
        }
    }
}
