//! Whether an actionner may do what it asks: one pure question, asked before every call.
//!
//! [`decide`] compares a request with the grants of the actionner and the targets of the event.
//! It knows no client, no component and no clock, keeps nothing, and allocates nothing where it
//! allows. What it takes for granted is built here too: addresses whose every part was checked
//! ([`Address`]), the targets of an event ([`Targets`]) and the fields that a body touches
//! ([`touched_fields`]).

mod address;
mod body;
mod denial;
mod outside;
mod place;
#[cfg(test)]
mod properties;
mod targets;
#[cfg(test)]
mod tests;
mod touched;
mod web;

pub use address::{Address, AddressError};
pub(crate) use address::{NAMESPACE_BYTES_MAX, SHOWN_CHARS_MAX, check_name, check_resource, shown};
pub use body::{BodyError, check_identity, name_in_body};
pub use denial::{Denial, DenialReason};
pub use outside::{FunctionRequest, HttpRequest, ObjectRequest, OutsideError};
pub use place::Place;
pub use targets::{Target, Targets};
pub use touched::{PatchKind, touched_fields};
pub use web::{WebAddress, WebAddressError};

use crate::policy::{FieldPath, Grants, KubernetesGrant, Scope, Verb};

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

/// A call of the Kubernetes API, as far as a grant speaks of it.
///
/// Server-side apply is two requests, a create and a patch: the object may or may not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubernetesRequest<'a> {
    /// What is done.
    pub verb: Verb,
    /// Empty for the core group.
    pub group: &'a str,
    /// Plural, without the subresource.
    pub resource: &'a str,
    /// What follows the name in the address.
    pub subresource: Option<&'a str>,
    /// None for an object outside of namespaces, and for a list over all of them.
    pub namespace: Option<&'a str>,
    /// Only a list has none.
    pub name: Option<&'a str>,
    /// What a write touches; empty for reads and deletes.
    pub fields: &'a [FieldPath],
    /// The node whose pods alone a list asks for.
    pub node: Option<&'a str>,
}

impl<'a> From<KubernetesRequest<'a>> for Request<'a> {
    fn from(request: KubernetesRequest<'a>) -> Self {
        Self::Kubernetes(request)
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allowed {
        /// The grant that allows it, as an index into the list that speaks of such requests.
        grant: usize,
    },
    /// It may not be done.
    Denied(Denial),
}

/// Whether the grants allow a request, for an event with these targets.
///
/// One grant alone must allow all of it. The order is: the address must be well formed, the
/// namespace must not be protected, then the grants are tried as they stand.
pub fn decide(grants: &Grants, targets: &Targets, request: &Request<'_>) -> Decision {
    match request {
        Request::Kubernetes(request) => decide_kubernetes(grants, targets, request),
        Request::Function(request) => request.decide(grants),
        Request::Http(request) => request.decide(grants),
        Request::Object(request) => request.decide(grants),
        Request::Artifact if grants.granted.artifacts => Decision::Allowed { grant: 0 },
        Request::Artifact => {
            Decision::Denied(Denial::not_granted(grants, request.to_string(), "artifacts", Some("true".to_owned())))
        }
    }
}

fn decide_kubernetes(grants: &Grants, targets: &Targets, request: &KubernetesRequest<'_>) -> Decision {
    if let Err(error) = check_address(request) {
        return denied(grants, targets, request, DenialReason::Address(error));
    }
    if let Some(namespace) = protected_namespace(grants, request) {
        let reason = DenialReason::Protected(namespace.to_owned());
        return denied(grants, targets, request, reason);
    }
    let mut furthest = None;
    let is_own_write = is_own_write(grants, request);
    for (index, grant) in grants.granted.kubernetes.iter().enumerate() {
        if is_own_write && grant.scope != Scope::HostNamespace {
            continue;
        }
        match try_grant(grants, grant, targets, request) {
            Ok(()) => return Decision::Allowed { grant: index },
            Err(failed) => furthest = furthest.max(Some(failed)),
        }
    }
    if is_own_write && furthest.is_none() {
        let reason = DenialReason::Protected(request.namespace.unwrap_or_default().to_owned());
        return denied(grants, targets, request, reason);
    }
    let failed = furthest.unwrap_or(Failed::Resource);
    let reason = DenialReason::no_grant(failed, grants, targets, request);
    denied(grants, targets, request, reason)
}

fn denied(grants: &Grants, targets: &Targets, request: &KubernetesRequest<'_>, reason: DenialReason) -> Decision {
    Decision::Denied(Denial::new(grants, targets, request, reason))
}

/// A request's parts come from a guest, and end in the path of a URL.
fn check_address(request: &KubernetesRequest<'_>) -> Result<(), AddressError> {
    check_resource(request.group, request.resource, request.subresource)?;
    if let Some(namespace) = request.namespace {
        address::check_namespace(namespace)?;
    }
    let is_list = request.verb == Verb::List;
    match request.name {
        Some(_) if is_list => return Err(AddressError::NamedList),
        Some(name) => check_name(name)?,
        None if is_list => {}
        None => return Err(AddressError::Empty("name")),
    }
    address::check_place(request.group, request.resource, request.namespace, is_list)
}

/// The protected namespace that a write would change: the one that the object lies in, or the
/// one that the object is. Objects outside of namespaces, nodes among them, are protected by
/// nothing but the want of a grant.
fn protected_namespace<'a>(grants: &Grants, request: &KubernetesRequest<'a>) -> Option<&'a str> {
    if !request.verb.is_write() {
        return None;
    }
    let itself = if request.group.is_empty() && request.resource == "namespaces" { request.name } else { None };
    if itself.is_some() && itself == grants.own_namespace.as_deref() {
        return itself;
    }
    [request.namespace, itself].into_iter().flatten().find(|name| {
        let mut protected = grants.protected_namespaces.iter();
        protected.any(|pattern| pattern.matches(name))
    })
}

/// Whether it would write in the namespace that the host runs in, where one scope alone may.
fn is_own_write(grants: &Grants, request: &KubernetesRequest<'_>) -> bool {
    request.verb.is_write() && is_own_namespace(grants, request)
}

/// Whether the object lies in the namespace that the host runs in.
fn is_own_namespace(grants: &Grants, request: &KubernetesRequest<'_>) -> bool {
    request.namespace.is_some() && request.namespace == grants.own_namespace.as_deref()
}

/// Where a grant stopped short of a request; the later, the nearer it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Failed {
    Resource,
    Verb,
    Scope,
    Namespace,
    Name,
    Fields,
}

fn try_grant(
    grants: &Grants,
    grant: &KubernetesGrant,
    targets: &Targets,
    request: &KubernetesRequest<'_>,
) -> Result<(), Failed> {
    let KubernetesRequest { verb, group, resource, subresource, namespace, name, fields, node: _ } = *request;
    let mut resources = grant.resources.iter();
    if !resources.any(|granted| granted.is(group, resource, subresource)) {
        return Err(Failed::Resource);
    }
    if !grant.verbs.contains(&verb) {
        return Err(Failed::Verb);
    }
    if !is_in_scope(grant.scope, grants, targets, request) {
        return Err(Failed::Scope);
    }
    let narrows_to = |patterns: &[crate::policy::Pattern], name: Option<&str>| {
        patterns.is_empty() || name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
    };
    if !narrows_to(&grant.namespaces, namespace) {
        return Err(Failed::Namespace);
    }
    if !narrows_to(&grant.names, name) {
        return Err(Failed::Name);
    }
    let is_covered = |touched| grant.fields.iter().any(|granted| granted.covers(touched));
    if !fields.iter().all(is_covered) {
        return Err(Failed::Fields);
    }
    Ok(())
}

fn is_in_scope(scope: Scope, grants: &Grants, targets: &Targets, request: &KubernetesRequest<'_>) -> bool {
    let is_target =
        || request.name.is_some_and(|name| targets.contains(request.group, request.resource, request.namespace, name));
    match scope {
        Scope::Any => true,
        Scope::EventTarget => is_target(),
        Scope::EventNode => {
            let of_node = || request.node.is_some_and(|node| targets.contains("", "nodes", None, node));
            let on_node = |name| targets.is_on_node(request.group, request.resource, request.namespace, name);
            is_target() || request.name.map_or_else(of_node, on_node)
        }
        Scope::HostNamespace => is_own_namespace(grants, request),
        Scope::EventNamespace => {
            is_target() || request.namespace.is_some_and(|namespace| targets.has_namespace(namespace))
        }
    }
}
