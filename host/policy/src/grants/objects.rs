//! Grants of object storage: buckets under labels, so that an actionner knows neither where
//! they are nor whose.

use std::fmt;

use super::write::{flow_list, scalar};

/// Whose storage a bucket is in, in the words of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectTarget {
    /// S3 of AWS, by the host's credentials for AWS.
    AwsS3,
    /// The server that `minio.endpoint` of the configuration names.
    MinioS3,
}

/// What may be done to objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectVerb {
    /// Read one.
    Get,
    /// Store one, in place of one that has the key.
    Put,
}

/// One line of the policy: which objects of which bucket may be read and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectGrant {
    /// What actionners call the bucket. Two grants of one label speak of one place.
    pub label: String,
    /// Whose storage.
    pub target: ObjectTarget,
    /// Its name there.
    pub bucket: String,
    /// What comes before the keys that actionners name: empty, or with `/` at its end.
    pub prefix: String,
    /// At least one.
    pub verbs: Vec<ObjectVerb>,
}

/// As long as S3 allows.
const KEY_BYTES_MAX: usize = 1_024;

impl ObjectTarget {
    /// Every target.
    pub const ALL: [ObjectTarget; 2] = [ObjectTarget::AwsS3, ObjectTarget::MinioS3];

    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectTarget::AwsS3 => "aws:s3",
            ObjectTarget::MinioS3 => "minio:s3",
        }
    }
}

impl ObjectVerb {
    /// Every verb.
    pub const ALL: [ObjectVerb; 2] = [ObjectVerb::Get, ObjectVerb::Put];

    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            ObjectVerb::Get => "get",
            ObjectVerb::Put => "put",
        }
    }
}

impl ObjectGrant {
    /// Whether it speaks of this.
    pub fn covers(&self, verb: ObjectVerb, label: &str) -> bool {
        self.label == label && self.verbs.contains(&verb)
    }

    /// Whether two grants speak of the same place.
    pub fn is_beside(&self, other: &ObjectGrant) -> bool {
        (self.target, &self.bucket, &self.prefix) == (other.target, &other.bucket, &other.prefix)
    }
}

/// A grant whose label another one before it gives to another place.
pub(super) fn of_another_place(grants: &[ObjectGrant]) -> Option<&ObjectGrant> {
    let is_taken = |(at, grant): &(usize, &ObjectGrant)| {
        grants[..*at].iter().any(|other| other.label == grant.label && !other.is_beside(grant))
    };
    grants.iter().enumerate().find(is_taken).map(|(_, grant)| grant)
}

/// Whether a text can be a label.
///
/// # Errors
///
/// What one is made of.
pub fn check_label(label: &str) -> Result<(), &'static str> {
    let fits = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_label = fits && label.starts_with(|first: char| first.is_ascii_lowercase()) && label.len() <= 63;
    if is_label {
        Ok(())
    } else {
        Err("a label is made of lower-case letters, digits and `-`, and begins with a letter")
    }
}

/// Whether a text can be the name of a bucket; those of S3, as they have been since 2018.
///
/// # Errors
///
/// What one is made of.
pub(super) fn check_bucket(bucket: &str) -> Result<(), &'static str> {
    let is_end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = bucket.as_bytes();
    let fits = bytes.iter().all(|byte| is_end(Some(byte)) || matches!(byte, b'-' | b'.')) && !bucket.contains("..");
    let is_bucket = fits && (3..=63).contains(&bytes.len()) && is_end(bytes.first()) && is_end(bytes.last());
    if is_bucket { Ok(()) } else { Err("a bucket is named by 3 to 63 lower-case letters, digits, `-` and `.`") }
}

/// Whether a text can be a key: segments between single slashes, none of them dots.
///
/// # Errors
///
/// What one is made of.
pub fn check_key(key: &str) -> Result<(), &'static str> {
    let is_segment = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
    if key.len() > KEY_BYTES_MAX {
        return Err("a key has 1024 bytes at most");
    }
    if !key.split('/').all(is_segment) || key.chars().any(char::is_control) || key.contains('\\') {
        return Err("a key is made of names with single `/` between them: no `.`, no `..`, no control characters");
    }
    Ok(())
}

impl fmt::Display for ObjectTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for ObjectVerb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// As the policy file writes it.
impl fmt::Display for ObjectGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectGrant { label, target, bucket, prefix, verbs } = self;
        write!(formatter, "{{label: {}, target: {target}, bucket: {}", scalar(label), scalar(bucket))?;
        if !prefix.is_empty() {
            write!(formatter, ", prefix: {}", scalar(prefix))?;
        }
        write!(formatter, ", verbs: {}}}", flow_list(verbs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_nowhere_else() {
        for key in ["a", "a/b.json", "shells/2025-11-22T13:24:41Z_web 0.json", "..a", "a..", "ключ"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.", "a\nb", "a\0b", "a\\b"] {
            assert!(check_key(key).is_err(), "{key}");
        }
        assert!(check_key(&"a".repeat(1_025)).is_err());
    }

    #[test]
    fn buckets_and_labels_are_names() {
        for bucket in ["acme-evidence", "a.b", "123"] {
            assert_eq!(check_bucket(bucket), Ok(()), "{bucket}");
        }
        for bucket in ["", "ab", "Acme", "a/b", "-acme", "acme-", "a..b", "a_b"] {
            assert!(check_bucket(bucket).is_err(), "{bucket}");
        }
        assert!(check_label("evidence-1").is_ok() && check_label("Evidence").is_err() && check_label("").is_err());
    }
}
