//! Requests to read and store objects of buckets.

use std::fmt;

use super::denial::Decision;
use super::name::{self, NameError};
use crate::address::{SHOWN_CHARS_MAX, shown};
use crate::grants::{Grants, ObjectGrant, ObjectTarget, ObjectVerb, Proposal, check_key, check_label};

/// What a grant of a bucket that nobody has named yet is shown with.
const SOME_BUCKET: &str = "the-bucket";

/// A read or a write of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRequest<'a> {
    verb: ObjectVerb,
    label: &'a str,
    key: &'a str,
}

impl<'a> ObjectRequest<'a> {
    /// A read or a write of the object of this key, of the bucket of this label.
    ///
    /// # Errors
    ///
    /// Where no bucket can have the label, or no object the key.
    pub fn new(verb: ObjectVerb, label: &'a str, key: &'a str) -> Result<Self, NameError> {
        name::check(label, check_label(label))?;
        name::check(key, check_key(key))?;
        Ok(Self { verb, label, key })
    }

    pub(super) fn decide(&self, grants: &Grants) -> Decision {
        let granted = &grants.granted.objects;
        name::allowed(granted, |grant: &ObjectGrant| grant.covers(self.verb, self.label)).unwrap_or_else(|| {
            let verbs = vec![self.verb];
            let line = match granted.iter().find(|grant| grant.label == self.label) {
                Some(beside) => ObjectGrant { verbs, ..beside.clone() },
                None => ObjectGrant {
                    label: self.label.to_owned(),
                    target: ObjectTarget::AwsS3,
                    bucket: SOME_BUCKET.to_owned(),
                    prefix: String::new(),
                    verbs,
                },
            };
            name::not_granted(grants, self, Proposal::objects(&line))
        })
    }
}

/// `put shells/latest.json in evidence`.
impl fmt::Display for ObjectRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectRequest { verb, label, key } = self;
        write!(formatter, "{verb} {} in {label}", shown(key, 4 * SHOWN_CHARS_MAX))
    }
}

#[cfg(test)]
mod tests;
