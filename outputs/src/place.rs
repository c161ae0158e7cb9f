//! The bucket that a rule names, and what it asks of the objects there.

use serde_json::Value;

use super::{Stored, Target};
use crate::digests::Digests;

/// Where in which bucket objects are put, as the `parameters:` of an `output:` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    target: Target,
    /// The name of the bucket.
    pub bucket: String,
    /// What stands before each key, with its slashes.
    pub prefix: String,
    /// The region of the bucket, where it is not the client's.
    pub region: Option<String>,
    /// How the server encrypts them.
    pub server_side_encryption: Option<String>,
    /// With which of its keys.
    pub kms_key: Option<String>,
    /// On which kind of storage they lie.
    pub storage_class: Option<String>,
}

impl Place {
    /// What these parameters say, which were checked against the schema of the target.
    pub fn new(target: Target, parameters: &Value) -> Self {
        let text = |name: &str| parameters[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            target,
            bucket: text("bucket").unwrap_or_default(),
            prefix: prefix(target, parameters["prefix"].as_str().unwrap_or_default()),
            region: text("region"),
            server_side_encryption: text("server_side_encryption"),
            kms_key: text("kms_key_id").or_else(|| text("kms_key_name")),
            storage_class: text("storage_class"),
        }
    }

    /// Where the artifact `file` is put, for logs and scripts, as (kind, name).
    pub fn objects(&self, file: &str, key: &str) -> Vec<(&'static str, String)> {
        let mut objects = vec![
            ("file", file.to_owned()),
            ("bucket", self.bucket.clone()),
            ("prefix", self.prefix.clone()),
            ("key", key.to_owned()),
        ];
        objects.extend(self.region.clone().map(|region| ("region", region)));
        objects
    }

    pub(crate) fn stored(&self, file: &str, key: &str, digests: &Digests) -> Stored {
        let Self { target, bucket, prefix, .. } = self;
        // As scripts that read the log expect it.
        let the = if *target == Target::GcpGcs { "The" } else { "the" };
        let message =
            format!("{the} file '{file}' has been uploaded as the key '{prefix}{key}' to the bucket '{bucket}'");
        let mut objects = self.objects(file, key);
        objects.push(("sha256", digests.sha256.clone()));
        Stored { message, objects }
    }
}

/// Which slashes are kept differs by target. Objects of before lie where each of them puts them.
fn prefix(target: Target, given: &str) -> String {
    let given = given.strip_suffix('/').unwrap_or(given);
    match target {
        Target::AwsS3 => format!("{}/", given.strip_prefix('/').unwrap_or(given)),
        Target::GcpGcs if given.is_empty() => String::new(),
        Target::GcpGcs | Target::MinioS3 | Target::LocalFile => format!("{given}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_its_own_slashes() {
        let check = |given, expected: [&str; 3]| {
            let targets = [Target::MinioS3, Target::AwsS3, Target::GcpGcs];
            assert_eq!(targets.map(|target| prefix(target, given)), expected, "{given}");
        };
        check("", ["/", "/", ""]);
        check("/", ["/", "/", ""]);
        check("files", ["files/", "files/", "files/"]);
        check("/files/", ["/files/", "files/", "/files/"]);
        check("a/b//", ["a/b//", "a/b//", "a/b//"]);
    }
}
