//! Requests to the Kubernetes API, and how far one grant goes towards one of them.
//!
//! What is decided of all grants together, and how a refusal reads, is for others to say.

use std::fmt;

use super::facts::Facts;
use super::field::TouchedField;
use crate::address::{
    Address, AddressError, ObjectId, SHOWN_CHARS_MAX, check_name, check_namespace, check_place, check_resource, shown,
    write_address,
};
use crate::grants::{Grants, KubernetesGrant, Pattern, Scope, Verb};

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
    pub fields: &'a [TouchedField],
    /// The node whose pods alone a list asks for.
    pub node: Option<&'a str>,
}

impl<'a> KubernetesRequest<'a> {
    /// To do this to what lies at the address.
    pub fn new(verb: Verb, address: &Address<'a>, fields: &'a [TouchedField]) -> Self {
        Self {
            verb,
            group: address.group(),
            resource: address.resource(),
            subresource: address.subresource(),
            namespace: address.namespace(),
            name: address.name(),
            fields,
            node: None,
        }
    }

    /// The object that it is about, be it a part of it; none of a collection.
    pub fn object(&self) -> Option<ObjectId> {
        Some(ObjectId::new(self.group, self.resource, self.namespace, self.name?))
    }
}

/// `patch apps/deployments shop/web`.
impl fmt::Display for KubernetesRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{} ", self.verb);
        write_address(&mut text, self.group, self.resource, self.subresource)?;
        match (self.namespace, self.name) {
            (Some(namespace), Some(name)) => text += &format!(" {namespace}/{name}"),
            (None, Some(name)) => text += &format!(" {name}"),
            (Some(namespace), None) => text += &format!(" in {namespace}"),
            (None, None) => {}
        }
        formatter.write_str(&shown(&text, 4 * SHOWN_CHARS_MAX))
    }
}

/// A request's parts come from a guest, and end in the path of a URL.
pub(super) fn check_address(request: &KubernetesRequest<'_>) -> Result<(), AddressError> {
    check_resource(request.group, request.resource, request.subresource)?;
    if let Some(namespace) = request.namespace {
        check_namespace(namespace)?;
    }
    let is_list = request.verb == Verb::List;
    match request.name {
        Some(_) if is_list => return Err(AddressError::NamedList),
        Some(name) => check_name(name)?,
        None if is_list => {}
        None => return Err(AddressError::Empty("name")),
    }
    check_place(request.group, request.resource, request.namespace, is_list)
}

/// The protected namespace that a write would change: the one that the object lies in, or the
/// one that the object is. Objects outside of namespaces, nodes among them, are protected by
/// nothing but the want of a grant.
pub(super) fn protected_namespace<'a>(grants: &Grants, request: &KubernetesRequest<'a>) -> Option<&'a str> {
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
pub(super) fn is_own_write(grants: &Grants, request: &KubernetesRequest<'_>) -> bool {
    request.verb.is_write() && is_own_namespace(grants, request)
}

/// Whether the object lies in the namespace that the host runs in.
fn is_own_namespace(grants: &Grants, request: &KubernetesRequest<'_>) -> bool {
    request.namespace.is_some() && request.namespace == grants.own_namespace.as_deref()
}

/// Where a grant stopped short of a request; the later, the nearer it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mismatch {
    Resource,
    Verb,
    Scope,
    Namespace,
    Name,
    Fields,
}

/// What a read in the same call can teach of an object, which then is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// It is the node of the event's pod, or what that belongs to.
    FromPod,
    /// It is a pod of the event's node, or what such a pod belongs to.
    FromNode,
}

/// What is taken to be known of the object of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) facts: &'a Facts,
    /// As if this had been learnt, beside the facts.
    pub(super) assumed: Option<Lesson>,
}

impl<'a> Known<'a> {
    pub(super) fn by(facts: &'a Facts) -> Self {
        Known { facts, assumed: None }
    }

    pub(super) fn is_target(self, request: &KubernetesRequest<'_>) -> bool {
        let KubernetesRequest { group, resource, namespace, name, .. } = *request;
        let targets = &self.facts.targets;
        let is_known = |name| {
            targets.contains(group, resource, namespace, name)
                || (is_look(request) && targets.is_claimed(group, resource, namespace, name))
        };
        self.assumed == Some(Lesson::FromPod) || name.is_some_and(is_known)
    }

    /// Whether it is one of the objects on a node of the event, or asks for the list of those.
    pub(super) fn is_on_node(self, request: &KubernetesRequest<'_>) -> bool {
        let KubernetesRequest { group, resource, namespace, name, node, .. } = *request;
        let targets = &self.facts.targets;
        let of_node = || node.is_some_and(|node| targets.contains("", "nodes", None, node));
        let is_known = |name| {
            targets.is_on_node(group, resource, namespace, name)
                || (is_look(request) && targets.is_claimed_on_node(group, resource, namespace, name))
        };
        self.assumed == Some(Lesson::FromNode) || name.map_or_else(of_node, is_known)
    }

    pub(super) fn is_in_namespace(self, request: &KubernetesRequest<'_>) -> bool {
        request.namespace.is_some_and(|namespace| self.facts.targets.has_namespace(namespace))
    }
}

/// Whether it looks at an object as a whole, which is how what a pod says of its owner is verified.
pub(super) fn is_look(request: &KubernetesRequest<'_>) -> bool {
    request.verb == Verb::Get && request.subresource.is_none()
}

pub(super) fn try_grant(
    grants: &Grants,
    grant: &KubernetesGrant,
    known: Known<'_>,
    request: &KubernetesRequest<'_>,
) -> Result<(), Mismatch> {
    let KubernetesRequest { verb, group, resource, subresource, namespace, name, fields, node: _ } = *request;
    let mut resources = grant.resources.iter();
    if !resources.any(|granted| granted.is(group, resource, subresource)) {
        return Err(Mismatch::Resource);
    }
    if !grant.verbs.contains(&verb) {
        return Err(Mismatch::Verb);
    }
    if !is_in_scope(grant.scope, grants, known, request) {
        return Err(Mismatch::Scope);
    }
    let narrows_to = |patterns: &[Pattern], name: Option<&str>| {
        patterns.is_empty() || name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
    };
    if !narrows_to(&grant.namespaces, namespace) {
        return Err(Mismatch::Namespace);
    }
    if !narrows_to(&grant.names, name) {
        return Err(Mismatch::Name);
    }
    if !fields.iter().all(|touched| touched.try_grants(&grant.fields).is_ok()) {
        return Err(Mismatch::Fields);
    }
    Ok(())
}

fn is_in_scope(scope: Scope, grants: &Grants, known: Known<'_>, request: &KubernetesRequest<'_>) -> bool {
    match scope {
        Scope::Any => true,
        Scope::EventTarget => known.is_target(request),
        Scope::EventNode => known.is_target(request) || known.is_on_node(request),
        Scope::HostNamespace => is_own_namespace(grants, request),
        Scope::EventNamespace => known.is_target(request) || known.is_in_namespace(request),
    }
}
