//! A grant of the Kubernetes API, as a checked value, and how it is written.

use std::fmt;

use super::fields::FieldGrant;
use super::pattern::Pattern;
use super::write::flow_list;
use crate::address::ResourceName;

/// What may be done to an object, in RBAC's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read the objects of a collection.
    List,
    /// Make a new object, or a subresource such as an eviction.
    Create,
    /// Replace an object.
    Update,
    /// Change parts of an object.
    Patch,
    /// Remove an object.
    Delete,
}

impl Verb {
    /// Every verb, reads first.
    pub const ALL: [Verb; 6] = [Verb::Get, Verb::List, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];

    /// As RBAC and the policy write it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    /// Whether it changes the cluster.
    pub fn is_write(self) -> bool {
        match self {
            Verb::Get | Verb::List => false,
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => true,
        }
    }

    /// Whether it sends fields of an object, which a grant must then name.
    pub fn has_fields(self) -> bool {
        match self {
            Verb::Get | Verb::List | Verb::Delete => false,
            Verb::Create | Verb::Update | Verb::Patch => true,
        }
    }
}

impl std::str::FromStr for Verb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Verb::ALL.into_iter().find(|verb| verb.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a verb; the verbs are {}", Verb::ALL.map(Verb::name).join(", ")))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which objects a grant reaches, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scope {
    /// The objects that the event names, and those that these name themselves once they
    /// were read in the same call.
    #[default]
    EventTarget,
    /// Also any object in the namespace of one that the event names: for what an actionner
    /// makes beside a pod.
    EventNamespace,
    /// Also the pods on the node of the event, once they were listed in the same call, and
    /// their owners.
    EventNode,
    /// Any object in the namespace that the host runs in. The only scope that allows a write
    /// there.
    HostNamespace,
    /// Any object of the cluster.
    Any,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Scope; 5] =
        [Scope::EventTarget, Scope::EventNamespace, Scope::EventNode, Scope::HostNamespace, Scope::Any];

    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::EventTarget => "event-target",
            Scope::EventNamespace => "event-namespace",
            Scope::EventNode => "event-node",
            Scope::HostNamespace => "host-namespace",
            Scope::Any => "any",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One line of the policy: what may be done to which objects of the cluster.
///
/// Every key narrows; none widens. A request is allowed where one grant alone allows all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesGrant {
    /// At least one.
    pub verbs: Vec<Verb>,
    /// At least one.
    pub resources: Vec<ResourceName>,
    /// Which objects, by their relation to the event.
    pub scope: Scope,
    /// In which namespaces; none named: in any, and outside of namespaces too.
    pub namespaces: Vec<Pattern>,
    /// Which objects, by name; none named: any.
    pub names: Vec<Pattern>,
    /// The fields that a body may touch, and what it may leave there; none named: none.
    pub fields: Vec<FieldGrant>,
}

/// As the policy file writes it: one mapping in braces. What is not narrowed is left out,
/// but the scope is always written.
impl fmt::Display for KubernetesGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KubernetesGrant { verbs, resources, scope, namespaces, names, fields } = self;
        write!(formatter, "{{verbs: {}", flow_list(verbs))?;
        write!(formatter, ", resources: {}, scope: {scope}", flow_list(resources))?;
        if !namespaces.is_empty() {
            write!(formatter, ", namespaces: {}", flow_list(namespaces))?;
        }
        if !names.is_empty() {
            write!(formatter, ", names: {}", flow_list(names))?;
        }
        if !fields.is_empty() {
            let fields: Vec<String> = fields.iter().map(FieldGrant::to_yaml).collect();
            write!(formatter, ", fields: [{}]", fields.join(", "))?;
        }
        formatter.write_str("}")
    }
}
