//! Where artifacts go: the targets that a rule's `output:` can name.
//!
//! A target is described here, so that rules are checked before the first event. None of
//! the actionners of this version yields an artifact, so nothing is stored yet; the host says
//! so where a rule asks for it. Knows neither the host nor the rules.

use serde_json::{Value, json};

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

    /// The JSON Schema (2020-12) of the `parameters:` of an `output:`.
    pub fn parameters_schema(self) -> Value {
        let (properties, required) = match self {
            Self::LocalFile => (json!({"destination": {"type": "string", "minLength": 1}}), "destination"),
            Self::MinioS3 | Self::GcpGcs => {
                (json!({"bucket": {"type": "string", "minLength": 1}, "prefix": {"type": "string"}}), "bucket")
            }
            Self::AwsS3 => (
                json!({
                    "bucket": {"type": "string", "minLength": 1},
                    "prefix": {"type": "string"},
                    "region": {"type": "string"},
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
