//! Where artifacts go: the targets that a rule's `output:` can name.
//!
//! Each target is a file of its own; all are described here, so that rules are checked before
//! the first event. Knows neither the host nor the rules, and builds no client: what a target
//! needs, it is given.

mod artifact;
mod key;
pub mod local;
mod room;

use std::io;

use serde_json::{Value, json};

pub use artifact::Artifact;
pub use key::key;
pub use room::{NoRoom, Room};

/// What became of an artifact that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// One sentence for a person.
    pub message: String,
    /// Where it is now, for logs and scripts, as (kind, name).
    pub objects: Vec<(&'static str, String)>,
}

/// Why an artifact was not stored.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder that the rule names is not there.
    #[error("folder '{0}' does not exist")]
    NoFolder(String),
    /// The file system refuses.
    #[error("can't write to the folder '{folder}': {error}")]
    File {
        /// The folder that the rule names.
        folder: String,
        /// Why.
        error: io::Error,
    },
}

impl OutputError {
    /// Whether another attempt may succeed without a change of the rule.
    pub fn is_temporary(&self) -> bool {
        match self {
            // As a bucket that is not there: the rule names what nobody has made.
            Self::NoFolder(_) => false,
            Self::File { .. } => true,
        }
    }
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
