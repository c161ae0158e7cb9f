//! The objects that an event is about: all that the narrowest scope lets an actionner touch.
//!
//! They are the pod and the object of the audit record that the event names, and then what
//! these name themselves, once they were read for the same event: their owners, and the node
//! of a pod. Each call starts again from the event. Owner references are written by whoever
//! may write the object, so that only workloads are believed to be owners: a pod that claims
//! to be owned by a secret or a role makes no target of it.

#[cfg(test)]
mod tests;

use std::fmt;

use rules::{AuditTarget, Event};
use serde_json::Value;

use crate::address::{
    DOTLESS_GROUPS, check_name, check_namespace, check_place, check_resource, known, known_by_kind, known_by_plural,
    write_address,
};

/// An object learns its owners once for each read; more than these are never followed.
const TARGETS_MAX: usize = 64;

/// Twice the pods that a node is meant for, each with an owner.
const ON_NODE_MAX: usize = 1_000;

/// The kinds of Kubernetes itself that own pods, directly or through another.
const OWNERS: [(&str, &str); 8] = [
    ("", "Node"),
    ("", "ReplicationController"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
];

/// One object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Empty for the core group.
    pub group: String,
    /// Plural.
    pub resource: String,
    /// None outside of namespaces.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(formatter, &self.group, &self.resource, None)?;
        match &self.namespace {
            Some(namespace) => write!(formatter, " {namespace}/{}", self.name),
            None => write!(formatter, " {}", self.name),
        }
    }
}

/// The objects that one event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    objects: Vec<Target>,
    /// Those of the objects that the event itself names.
    namespaces: Vec<String>,
    /// The pods of a node among the objects, and their owners, once they were listed.
    on_node: Vec<Target>,
    refused: Vec<String>,
}

impl Targets {
    /// What the event names: its pod, and the object of its audit record.
    ///
    /// What can't be a name is not a target, and is reported by [`Targets::refused`]. The group of
    /// the object of an audit record is that of the request's path; where the record has none,
    /// the object counts only if the resource is one of Kubernetes' own.
    pub fn of(event: &Event) -> Targets {
        let mut targets = Targets::default();
        if let Some(pod) = event.pod() {
            targets.add_named("", "pods", Some(pod.namespace), pod.name);
        }
        if let Some(target) = event.audit_target() {
            targets.add_audited(&target, event.text("ka.uri").and_then(group_of_uri));
        }
        targets
    }

    /// Add what a target names itself: its owners, and the node of a pod.
    ///
    /// `object` is an object as the API server gave it. If it is not a target it teaches
    /// nothing, or an actionner could walk from any object that it may read to any other.
    pub fn learn(&mut self, object: &Value) {
        let Some(identity) = identity(object) else {
            return;
        };
        if !self.objects.contains(&identity) {
            return;
        }
        let owners = object.pointer("/metadata/ownerReferences");
        for owner in owners.and_then(Value::as_array).into_iter().flatten() {
            self.extend(owner_target(owner, identity.namespace.as_deref()));
        }
        if identity.group.is_empty() && identity.resource == "pods" {
            let node = object.pointer("/spec/nodeName").and_then(Value::as_str);
            self.extend(node.map(|name| target("", "nodes", None, name)));
        }
    }

    /// Add the pods of a list that are on a node among the targets, and their owners.
    ///
    /// They are reached by grants of that scope alone, and the namespaces that they lie in are
    /// none of the event's.
    pub fn learn_pods_of_node(&mut self, pods: &[Value]) {
        for pod in pods {
            let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
            let (Some(node), Some(namespace), Some(name)) =
                (text("/spec/nodeName"), text("/metadata/namespace"), text("/metadata/name"))
            else {
                continue;
            };
            if !self.contains("", "nodes", None, node) {
                continue;
            }
            self.add_on_node(target("", "pods", Some(namespace), name));
            let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            for owner in owners.into_iter().flatten() {
                // A mirror pod is owned by its node, which is a target already.
                let owner = owner_target(owner, Some(namespace)).filter(|owner| owner.namespace.is_some());
                owner.into_iter().for_each(|owner| self.add_on_node(owner));
            }
        }
    }

    fn add_on_node(&mut self, target: Target) {
        let valid = check_name(&target.name).is_ok() && self.on_node.len() < ON_NODE_MAX;
        if valid && !self.on_node.contains(&target) {
            self.on_node.push(target);
        }
    }

    /// Whether an object was learnt to be on the node of the event.
    pub fn is_on_node(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        is_among(&self.on_node, group, resource, namespace, name)
    }

    /// Whether an object is one of the targets.
    pub fn contains(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        is_among(&self.objects, group, resource, namespace, name)
    }

    /// Whether an object that the event names lies in a namespace.
    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|known| known == namespace)
    }

    /// The targets known by now, those that the event names first.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.objects.iter()
    }

    /// The namespaces of what the event names.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().map(String::as_str)
    }

    /// What the event names that can be no object, each with the reason, fit for a log.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    fn add_audited(&mut self, target: &AuditTarget<'_>, group: Option<&str>) {
        if let Err(error) = check_resource(group.unwrap_or_default(), target.resource, None) {
            self.refused.push(error.to_string());
            return;
        }
        let known_there = group.map_or_else(|| known_by_plural(target.resource), |group| known(group, target.resource));
        if let (Some(group), None) = (group, known_there) {
            // Whether others' resources lie in a namespace, only the record says.
            self.add_named(group, target.resource, target.namespace, target.name);
            return;
        }
        let Some(known) = known_there else {
            let resource = target.resource;
            self.refused.push(format!(
                "{resource}: an audit record names no group, and Kubernetes itself has no such resource"
            ));
            return;
        };
        // Falco names a namespace also for what lies in none.
        let namespace = target.namespace.filter(|_| known.in_namespace);
        if let Err(error) = check_place(known.group, known.resource, namespace, false) {
            self.refused.push(error.to_string());
            return;
        }
        self.add_named(known.group, known.resource, namespace, target.name);
    }

    fn add_named(&mut self, group: &str, resource: &str, namespace: Option<&str>, name: &str) {
        let checked = namespace.map_or(Ok(()), check_namespace).and_then(|()| check_name(name));
        if let Err(error) = checked {
            self.refused.push(format!("{resource}: {error}"));
            return;
        }
        if let Some(namespace) = namespace
            && !self.has_namespace(namespace)
        {
            self.namespaces.push(namespace.to_owned());
        }
        self.extend(Some(target(group, resource, namespace, name)));
    }

    /// Names of owners and nodes are checked like all others: they may come from an
    /// aggregated API server, which need not check them.
    fn extend(&mut self, target: Option<Target>) {
        let Some(target) = target.filter(|target| check_name(&target.name).is_ok()) else {
            return;
        };
        if self.objects.len() < TARGETS_MAX && !self.objects.contains(&target) {
            self.objects.push(target);
        }
    }
}

fn is_among(objects: &[Target], group: &str, resource: &str, namespace: Option<&str>, name: &str) -> bool {
    objects.iter().any(|object| {
        object.name == name
            && object.resource == resource
            && object.group == group
            && object.namespace.as_deref() == namespace
    })
}

fn target(group: &str, resource: &str, namespace: Option<&str>, name: &str) -> Target {
    Target {
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    }
}

/// The address of an object by what it says of itself.
fn identity(object: &Value) -> Option<Target> {
    let group = group_of(object.get("apiVersion")?.as_str()?);
    let kind = object.get("kind")?.as_str()?;
    let metadata = object.get("metadata")?;
    let namespace = metadata.get("namespace").and_then(Value::as_str);
    let resource = match known_by_kind(group, kind) {
        Some(known) => known.resource.to_owned(),
        None => plural_of_custom_kind(group, kind)?,
    };
    let name = metadata.get("name")?.as_str()?;
    Some(target(group, &resource, namespace, name))
}

/// The object that an owner reference names: a workload of Kubernetes itself, or an object of
/// a custom group in the namespace of what it owns.
fn owner_target(owner: &Value, namespace: Option<&str>) -> Option<Target> {
    let group = group_of(owner.get("apiVersion")?.as_str()?);
    let kind = owner.get("kind")?.as_str()?;
    let name = owner.get("name")?.as_str()?;
    if OWNERS.contains(&(group, kind)) {
        let known = known_by_kind(group, kind)?;
        let namespace = namespace.filter(|_| known.in_namespace);
        return (known.in_namespace == namespace.is_some()).then(|| target(group, known.resource, namespace, name));
    }
    let resource = plural_of_custom_kind(group, kind)?;
    Some(target(group, &resource, Some(namespace?), name))
}

/// `apps` of `/apis/apps/v1/namespaces/…`, empty of `/api/v1/…`.
fn group_of_uri(uri: &str) -> Option<&str> {
    let path = uri.split('?').next().unwrap_or_default();
    let mut steps = path.strip_prefix('/')?.split('/');
    match (steps.next()?, steps.next()?) {
        ("api", _) => Some(""),
        ("apis", group) => Some(group),
        _ => None,
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The plural of a kind that others have added to the cluster, by the rule that its tools
/// follow. Where a plural is irregular the guess names nothing, and the object is not a target.
/// Groups of Kubernetes itself are not guessed: what is not in [`OWNERS`] owns no workload.
fn plural_of_custom_kind(group: &str, kind: &str) -> Option<String> {
    let is_own = group.is_empty() || DOTLESS_GROUPS.contains(&group) || group.ends_with(".k8s.io");
    if is_own || kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let singular = kind.to_ascii_lowercase();
    let ends_in_vowel_y = ["ay", "ey", "oy", "uy"].iter().any(|end| singular.ends_with(end));
    let ends_in_hiss = ["s", "x", "z", "ch", "sh"].iter().any(|end| singular.ends_with(end));
    Some(match singular.strip_suffix('y') {
        Some(stem) if !ends_in_vowel_y => format!("{stem}ies"),
        _ if ends_in_hiss => format!("{singular}es"),
        _ => format!("{singular}s"),
    })
}
