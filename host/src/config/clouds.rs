//! How the host reaches clouds and object storage: credentials, and where their servers are.
//!
//! Nothing here is needed by a host whose rules use no cloud. What is not configured is looked
//! for where the cloud's own tools look for it.

use std::path::PathBuf;

pub use policy::Secret;

use super::raw::Reader;

/// How the host reaches clouds and object storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clouds {
    /// AWS.
    pub aws: Aws,
    /// Google Cloud.
    pub google: Google,
    /// A server of one's own that speaks S3's protocol.
    pub minio: Minio,
}

/// How the host reaches AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aws {
    /// The host's own keys; none for what the SDK finds (environment, files, the machine's role).
    pub keys: Option<Keys>,
    /// None for what the SDK finds.
    pub region: Option<String>,
    /// A role to take on with those keys.
    pub role: Option<Role>,
    /// Where all of its services are, as `AWS_ENDPOINT_URL` says.
    pub endpoint: Option<String>,
    /// Where Lambda is, as `AWS_ENDPOINT_URL_LAMBDA` says.
    pub lambda_endpoint: Option<String>,
    /// Where S3 is, as `AWS_ENDPOINT_URL_S3` says.
    pub s3_endpoint: Option<String>,
    /// Where the metadata service of the instance is, as `AWS_EC2_METADATA_SERVICE_ENDPOINT` says.
    pub metadata_endpoint: Option<String>,
    /// Whether that must not be asked, as `AWS_EC2_METADATA_DISABLED` says.
    pub metadata_disabled: bool,
}

/// A name and its secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Which.
    pub access_key: String,
    /// The proof.
    pub secret_key: Secret,
}

/// A role of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name: an ARN.
    pub arn: String,
    /// What its owner asks of those who take it on.
    pub external_id: Option<String>,
}

/// How the host reaches Google Cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Google {
    /// The key of a service account, as `gcp.credentials_path` or `GOOGLE_APPLICATION_CREDENTIALS`
    /// say; none for the service account of the machine, asked of its metadata server.
    pub credentials_path: Option<PathBuf>,
    /// The project, as `GOOGLE_CLOUD_PROJECT` says, where the credentials don't.
    pub project: Option<String>,
    /// Where Cloud Functions' API is, as `CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS` says.
    pub functions_endpoint: Option<String>,
    /// Where Cloud Storage's API is, as `CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE` says.
    pub storage_endpoint: Option<String>,
    /// Where the metadata server is, as `GCE_METADATA_HOST` says.
    pub metadata_host: Option<String>,
}

/// How the host reaches a server of one's own that speaks S3's protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minio {
    /// Host and port; empty for none.
    pub endpoint: String,
    /// The host's keys.
    pub keys: Keys,
    /// Whether it speaks TLS.
    pub use_ssl: bool,
}

/// Read the keys of the clouds, and the variables that their own tools read.
pub(super) fn clouds(reader: &mut Reader, environment: &impl Fn(&str) -> Option<String>) -> Clouds {
    let set = |name| environment(name).filter(|value| !value.is_empty());
    let (access_key, secret_key) = (reader.text("aws.access_key"), reader.secret("aws.secret_key"));
    if access_key.is_empty() != secret_key.is_empty() {
        // Half of it would be as good as none, and other credentials be used in its place.
        let [given, missing] =
            if access_key.is_empty() { ["secret_key", "access_key"] } else { ["access_key", "secret_key"] };
        let key = if access_key.is_empty() { "aws.secret_key" } else { "aws.access_key" };
        reader.problem(key, format!("'aws.{given}' needs 'aws.{missing}'"));
    }
    let (arn, external_id) = (reader.text("aws.role_arn"), some(reader.text("aws.external_id")));
    if arn.is_empty() && external_id.is_some() {
        reader.problem("aws.external_id", "'aws.external_id' needs 'aws.role_arn'".to_owned());
    }
    let aws = Aws {
        keys: some(access_key).map(|access_key| Keys { access_key, secret_key }),
        region: some(reader.text("aws.region")),
        role: some(arn).map(|arn| Role { arn, external_id }),
        endpoint: set("AWS_ENDPOINT_URL"),
        lambda_endpoint: set("AWS_ENDPOINT_URL_LAMBDA"),
        s3_endpoint: set("AWS_ENDPOINT_URL_S3"),
        metadata_endpoint: set("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        metadata_disabled: set("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")),
    };
    let google = Google {
        credentials_path: some(reader.text("gcp.credentials_path"))
            .or_else(|| set("GOOGLE_APPLICATION_CREDENTIALS"))
            .map(PathBuf::from),
        project: set("GOOGLE_CLOUD_PROJECT"),
        functions_endpoint: set("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS"),
        storage_endpoint: set("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"),
        metadata_host: set("GCE_METADATA_HOST"),
    };
    Clouds { aws, google, minio: minio(reader) }
}

fn minio(reader: &mut Reader) -> Minio {
    let endpoint = reader.text("minio.endpoint");
    let host = endpoint.rsplit_once(':').map_or(endpoint.as_str(), |(host, _)| host);
    if endpoint.contains(['/', '@', '?', '#', ' ']) || (host.is_empty() && !endpoint.is_empty()) {
        // What stands before an `@` would be a password.
        let message = "'minio.endpoint' is host:port, without a scheme, a user or a path";
        reader.problem("minio.endpoint", message.to_owned());
    }
    let keys = Keys { access_key: reader.text("minio.access_key"), secret_key: reader.secret("minio.secret_key") };
    Minio { endpoint, keys, use_ssl: reader.switch("minio.use_ssl") }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
