//! Requests to addresses of the web.

use std::fmt;

use super::denial::{Decision, Denial, DenialReason};
use super::name;
use crate::address::{Place, SHOWN_CHARS_MAX, WebAddress, shown};
use crate::grants::{Grants, HttpGrant, Method, Proposal};

/// A request to an address of the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpRequest<'a> {
    method: Method,
    url: &'a WebAddress,
}

/// There is no such method, or not for actionners.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a method; the methods are {list}", list = Method::ALL.map(Method::name).join(", "))]
pub struct MethodError(String);

impl<'a> HttpRequest<'a> {
    /// A request with this method, whose name is in upper case.
    ///
    /// # Errors
    ///
    /// Where there is no such method.
    pub fn new(method: &str, url: &'a WebAddress) -> Result<Self, MethodError> {
        let unknown = || MethodError(shown(method, SHOWN_CHARS_MAX));
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
        name::allowed(&grants.granted.http, covers).unwrap_or_else(|| {
            let line = HttpGrant { url: self.url.without_query(), methods: vec![self.method], headers: Vec::new() };
            name::not_granted(grants, self, Proposal::http(&line))
        })
    }
}

impl Denial {
    /// The refusal of a request that leads, by its address or by what its name stands for, to
    /// where no grant reaches.
    pub fn of_place(grants: &Grants, request: &HttpRequest<'_>, place: Place) -> Self {
        let none = Denial::not_granted(grants, request.to_string(), None);
        Denial { reason: DenialReason::Place(place), ..none }
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

#[cfg(test)]
mod tests;
