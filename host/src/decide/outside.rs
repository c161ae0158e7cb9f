//! Requests that leave the cluster: functions of clouds, addresses of the web, objects of
//! buckets.
//!
//! Each is checked where it is made, so that a grant is asked about nothing that could be read
//! in two ways.

use std::fmt;

use super::{Decision, Denial, DenialReason, SHOWN_CHARS_MAX, WebAddress, WebAddressError, shown};
use crate::policy::{
    FunctionGrant, FunctionPattern, Grants, HttpGrant, Method, ObjectGrant, ObjectTarget, ObjectVerb, Provider,
    check_key, check_label,
};

/// What a grant of a bucket that nobody has named yet is shown with.
const SOME_BUCKET: &str = "the-bucket";

/// A call of a cloud function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionRequest<'a> {
    provider: Provider,
    name: &'a str,
    location: Option<&'a str>,
}

/// A request to an address of the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpRequest<'a> {
    method: Method,
    url: &'a WebAddress,
}

/// A read or a write of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRequest<'a> {
    verb: ObjectVerb,
    label: &'a str,
    key: &'a str,
}

/// Why a request makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    /// A part of its address is not what it must be.
    #[error("`{0}`: {1}")]
    Name(String, &'static str),
    /// The address of the web is none.
    #[error("{0}")]
    Web(#[from] WebAddressError),
    /// There is no such method, or not for actionners.
    #[error("`{0}` is not a method; the methods are {list}", list = Method::ALL.map(Method::name).join(", "))]
    Method(String),
}

fn named(name: &str, check: Result<(), &'static str>) -> Result<(), OutsideError> {
    check.map_err(|reason| OutsideError::Name(shown(name, SHOWN_CHARS_MAX), reason))
}

impl<'a> FunctionRequest<'a> {
    /// A call of a function of Lambda.
    ///
    /// # Errors
    ///
    /// Where no function can have the name.
    pub fn aws(name: &'a str) -> Result<Self, OutsideError> {
        named(name, Provider::Aws.check_name(name))?;
        Ok(Self { provider: Provider::Aws, name, location: None })
    }

    /// A call of a function of Google Cloud.
    ///
    /// # Errors
    ///
    /// Where no function can have the name, or no location.
    pub fn gcp(name: &'a str, location: &'a str) -> Result<Self, OutsideError> {
        named(name, Provider::Gcp.check_name(name))?;
        named(location, Provider::check_location(location))?;
        Ok(Self { provider: Provider::Gcp, name, location: Some(location) })
    }

    pub(super) fn decide(&self, grants: &Grants) -> Decision {
        let covers = |grant: &FunctionGrant| grant.covers(self.provider, self.name, self.location);
        allowed(&grants.granted.functions, covers).unwrap_or_else(|| {
            let exactly = |name: &str| vec![FunctionPattern::Exact(name.to_owned())];
            let line = FunctionGrant {
                provider: self.provider,
                names: exactly(self.name),
                locations: self.location.map(exactly).unwrap_or_default(),
            };
            not_granted(grants, self, "functions", &line)
        })
    }
}

impl<'a> HttpRequest<'a> {
    /// A request with this method, whose name is in upper case.
    ///
    /// # Errors
    ///
    /// Where there is no such method.
    pub fn new(method: &str, url: &'a WebAddress) -> Result<Self, OutsideError> {
        let unknown = || OutsideError::Method(shown(method, SHOWN_CHARS_MAX));
        Ok(Self { method: Method::find(method).ok_or_else(unknown)?, url })
    }

    /// What is asked of the address.
    pub fn method(&self) -> Method {
        self.method
    }

    pub(super) fn decide(&self, grants: &Grants) -> Decision {
        if let Some(place) = self.url.out_of_reach() {
            return Decision::Denied(Denial::of_place(grants, self, place));
        }
        let covers = |grant: &HttpGrant| grant.covers(self.method, self.url);
        allowed(&grants.granted.http, covers).unwrap_or_else(|| {
            let line = HttpGrant { url: self.url.without_query(), methods: vec![self.method], headers: Vec::new() };
            not_granted(grants, self, "http", &line)
        })
    }
}

impl<'a> ObjectRequest<'a> {
    /// A read or a write of the object of this key, of the bucket of this label.
    ///
    /// # Errors
    ///
    /// Where no bucket can have the label, or no object the key.
    pub fn new(verb: ObjectVerb, label: &'a str, key: &'a str) -> Result<Self, OutsideError> {
        named(label, check_label(label))?;
        named(key, check_key(key))?;
        Ok(Self { verb, label, key })
    }

    pub(super) fn decide(&self, grants: &Grants) -> Decision {
        let granted = &grants.granted.objects;
        allowed(granted, |grant: &ObjectGrant| grant.covers(self.verb, self.label)).unwrap_or_else(|| {
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
            not_granted(grants, self, "objects", &line)
        })
    }
}

fn allowed<T>(granted: &[T], covers: impl Fn(&T) -> bool) -> Option<Decision> {
    granted.iter().position(covers).map(|grant| Decision::Allowed { grant })
}

fn not_granted(grants: &Grants, request: &impl fmt::Display, key: &'static str, line: &impl fmt::Display) -> Decision {
    Decision::Denied(Denial::not_granted(grants, request.to_string(), key, Some(line.to_string())))
}

impl Denial {
    /// The refusal of a request that leads, by its address or by what its name stands for, to
    /// where no grant reaches.
    pub fn of_place(grants: &Grants, request: &HttpRequest<'_>, place: super::Place) -> Self {
        let none = Denial::not_granted(grants, request.to_string(), "http", None);
        Denial { reason: DenialReason::Place(place), ..none }
    }
}

/// `call the function respond of aws`.
impl fmt::Display for FunctionRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FunctionRequest { provider, name, location } = self;
        write!(formatter, "call the function {name} of {provider}")?;
        location.map_or(Ok(()), |location| write!(formatter, " in {location}"))
    }
}

/// `POST https://hooks.acme.example/falco/`: without the query, in which secrets travel.
impl fmt::Display for HttpRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = shown(&self.url.without_query().to_string(), 4 * SHOWN_CHARS_MAX);
        let query = if self.url.has_query() { "?…" } else { "" };
        write!(formatter, "{} {url}{query}", self.method)
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
