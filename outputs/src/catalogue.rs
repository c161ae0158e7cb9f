//! What each target says of itself to people: what it does, what it can be told, what it needs, and an example.

use serde_json::{Value, json};

use super::Target;

/// What is said of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// One sentence.
    pub description: &'static str,
    /// Each parameter with an empty value; the names of those that must be given say so.
    pub parameters: Value,
    /// What the host must be allowed.
    pub permissions: &'static str,
    /// An action whose artifact goes there.
    pub example: &'static str,
}

const LOCAL_FILE: &str = "- action: Capture the traffic
  actionner: kubernetes:tcpdump
  output:
    target: local:file
    parameters:
      destination: /var/lib/falco-talon/evidence
";

const MINIO_S3: &str = "- action: Capture the traffic
  actionner: kubernetes:tcpdump
  output:
    target: minio:s3
    parameters:
      bucket: evidence
      prefix: /captures/
";

const AWS_S3: &str = "- action: Capture the traffic
  actionner: kubernetes:tcpdump
  output:
    target: aws:s3
    parameters:
      bucket: evidence
      prefix: /captures/
      region: eu-west-1
      server_side_encryption: aws:kms
";

const GCP_GCS: &str = "- action: Capture the traffic
  actionner: kubernetes:tcpdump
  output:
    target: gcp:gcs
    parameters:
      bucket: evidence
      prefix: captures/
";

const AWS_PERMISSIONS: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
      "Resource": "arn:aws:s3:::BUCKET/*"
    },
    {
      "Effect": "Allow",
      "Action": "s3:ListBucket",
      "Resource": "arn:aws:s3:::BUCKET"
    }
  ]
}
"#;

impl Target {
    /// What it says of itself.
    pub fn entry(self) -> Entry {
        let (description, permissions, example) = match self {
            Self::LocalFile => (
                "Store the artifact in a folder of the host's own file system",
                "The host's user must be able to write to the folder",
                LOCAL_FILE,
            ),
            Self::MinioS3 => (
                "Store the artifact in a bucket of a MinIO server",
                "The keys of 'minio.access_key' need s3:PutObject, s3:GetObject, s3:AbortMultipartUpload and s3:ListBucket",
                MINIO_S3,
            ),
            Self::AwsS3 => ("Store the artifact in a bucket of AWS S3", AWS_PERMISSIONS, AWS_S3),
            Self::GcpGcs => (
                "Store the artifact in a bucket of Google Cloud Storage",
                "storage.objects.create and storage.objects.get, as in roles/storage.objectUser",
                GCP_GCS,
            ),
        };
        let schema = self.parameters_schema();
        let is_required = |name: &str| schema["required"].as_array().is_some_and(|it| it.contains(&json!(name)));
        let names = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name);
        let named = |name: &String| if is_required(name) { format!("{name} (required)") } else { name.clone() };
        let parameters = names.map(|name| (named(name), json!(""))).collect();
        Entry { description, parameters: Value::Object(parameters), permissions, example }
    }
}
