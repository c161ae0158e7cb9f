//! The question itself: what an actionner asks, and whether it may.

use std::fmt;

use super::denial::{Decision, Denial, DenialReason};
use super::facts::Facts;
use super::functions::FunctionRequest;
use super::http::HttpRequest;
use super::kubernetes::{
    Known, KubernetesRequest, Mismatch, check_address, is_own_write, protected_namespace, try_grant,
};
use super::objects::ObjectRequest;
use crate::grants::{Grants, Proposal, Scope};

/// What an actionner asks to do.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// A call of the Kubernetes API.
    Kubernetes(KubernetesRequest<'a>),
    /// A new artifact.
    Artifact,
    /// A call of a cloud function.
    Function(FunctionRequest<'a>),
    /// A request to an address of the web.
    Http(HttpRequest<'a>),
    /// A read or a write of an object of a bucket.
    Object(ObjectRequest<'a>),
}

impl<'a> From<KubernetesRequest<'a>> for Request<'a> {
    fn from(request: KubernetesRequest<'a>) -> Self {
        Self::Kubernetes(request)
    }
}

/// As the audit record and a denial name it.
impl fmt::Display for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Kubernetes(request) => request.fmt(formatter),
            Request::Artifact => formatter.write_str("make artifacts"),
            Request::Function(request) => request.fmt(formatter),
            Request::Http(request) => request.fmt(formatter),
            Request::Object(request) => request.fmt(formatter),
        }
    }
}

/// Whether the grants allow a request, given these facts.
///
/// One grant alone must allow all of it. The order is: the address must be well formed, the
/// namespace must not be protected, then the grants are tried as they stand.
pub fn decide(request: &Request<'_>, grants: &Grants, facts: &Facts) -> Decision {
    match request {
        Request::Kubernetes(request) => decide_kubernetes(request, grants, Known::by(facts)),
        Request::Function(request) => request.decide(grants),
        Request::Http(request) => request.decide(grants),
        Request::Object(request) => request.decide(grants),
        Request::Artifact if grants.granted.artifacts => Decision::Allowed { grant: 0 },
        Request::Artifact => {
            Decision::Denied(Denial::not_granted(grants, request.to_string(), Some(Proposal::artifacts())))
        }
    }
}

/// The same of a request to the Kubernetes API, where more may be taken to be known than the facts.
pub(super) fn decide_kubernetes(request: &KubernetesRequest<'_>, grants: &Grants, known: Known<'_>) -> Decision {
    if let Err(error) = check_address(request) {
        return denied(grants, known, request, DenialReason::Address(error));
    }
    if let Some(namespace) = protected_namespace(grants, request) {
        let reason = DenialReason::Protected(namespace.to_owned());
        return denied(grants, known, request, reason);
    }
    let mut furthest = None;
    let is_own_write = is_own_write(grants, request);
    for (index, grant) in grants.granted.kubernetes.iter().enumerate() {
        if is_own_write && grant.scope != Scope::HostNamespace {
            continue;
        }
        match try_grant(grants, grant, known, request) {
            Ok(()) => return Decision::Allowed { grant: index },
            Err(mismatch) => furthest = furthest.max(Some(mismatch)),
        }
    }
    if is_own_write && furthest.is_none() {
        let reason = DenialReason::Protected(request.namespace.unwrap_or_default().to_owned());
        return denied(grants, known, request, reason);
    }
    let mismatch = furthest.unwrap_or(Mismatch::Resource);
    let reason = DenialReason::no_grant(mismatch, grants, known, request);
    denied(grants, known, request, reason)
}

fn denied(grants: &Grants, known: Known<'_>, request: &KubernetesRequest<'_>, reason: DenialReason) -> Decision {
    Decision::Denied(Denial::new(grants, known, request, reason))
}
