//! Why a request was denied, and what the operator would have to write to allow it.

#[cfg(test)]
mod tests;

use std::fmt;

use super::address::{AddressError, check_name};
use super::{Failed, KubernetesRequest, Place, SHOWN_CHARS_MAX, Targets, is_own_write, shown, try_grant};
use crate::policy::resource::write_address;
use crate::policy::{FieldPath, Grants, KubernetesGrant, Pattern, ResourceName, Scope, Segment, Verb};

/// A line that lists more fields than this names their parents instead.
const FIELDS_IN_LINE_MAX: usize = 8;
/// How many names or fields a sentence lists.
const LISTED_MAX: usize = 6;

/// A refusal: who asked for what, what is allowed, and the line that would allow it.
///
/// Its text is fit for a log and for the guest, and says nothing about whether the target exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Who asked.
    pub actionner: String,
    /// What for, as `patch pods shop/web-0`; every part escaped.
    pub request: String,
    /// Why not.
    pub reason: DenialReason,
    /// The key of the actionner's entry that such a grant stands under.
    pub key: &'static str,
    /// The narrowest line under that key that would allow it; none where no line could.
    pub line: Option<String>,
}

/// Why a request was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenialReason {
    /// A part of its address is malformed.
    Address(AddressError),
    /// It would write in this protected namespace, or to it.
    Protected(String),
    /// No grant speaks of such a request.
    Ungranted,
    /// It leads to where no grant reaches.
    Place(Place),
    /// No grant speaks of the resource.
    Resource,
    /// Only these verbs are granted for the resource.
    Verb(Vec<Verb>),
    /// The object is none of the event's; the grants reach only these.
    Scope(Vec<String>),
    /// The grants hold in these namespaces.
    Namespace(Vec<String>),
    /// The grants hold for these names.
    Name(Vec<String>),
    /// The request touches fields that the nearest grant does not name.
    Fields {
        /// What it names.
        allowed: Vec<FieldPath>,
        /// What else is touched.
        outside: Vec<FieldPath>,
    },
}

impl DenialReason {
    /// One word for a metric's label, out of a fixed set.
    pub fn label(&self) -> &'static str {
        match self {
            DenialReason::Address(_) => "address",
            DenialReason::Protected(_) => "protected",
            DenialReason::Ungranted => "ungranted",
            DenialReason::Place(_) => "place",
            DenialReason::Resource => "resource",
            DenialReason::Verb(_) => "verb",
            DenialReason::Scope(_) => "scope",
            DenialReason::Namespace(_) => "namespace",
            DenialReason::Name(_) => "name",
            DenialReason::Fields { .. } => "fields",
        }
    }

    /// What the grants that came nearest lack.
    pub(super) fn no_grant(
        failed: Failed,
        grants: &Grants,
        targets: &Targets,
        request: &KubernetesRequest<'_>,
    ) -> Self {
        let nearest: Vec<&KubernetesGrant> = grants
            .granted
            .kubernetes
            .iter()
            .filter(|grant| try_grant(grants, grant, targets, request) == Err(failed))
            .collect();
        let texts = |patterns: fn(&KubernetesGrant) -> &[Pattern]| {
            let patterns = nearest.iter().flat_map(|grant| patterns(grant));
            patterns.map(ToString::to_string).collect()
        };
        match failed {
            Failed::Resource => DenialReason::Resource,
            Failed::Verb => {
                let mut verbs: Vec<Verb> = nearest.iter().flat_map(|grant| grant.verbs.iter().copied()).collect();
                verbs.sort_unstable();
                verbs.dedup();
                DenialReason::Verb(verbs)
            }
            Failed::Scope => {
                let widest = nearest.iter().map(|grant| grant.scope).max();
                DenialReason::Scope(reach(widest.unwrap_or_default(), targets))
            }
            Failed::Namespace => DenialReason::Namespace(texts(|grant| &grant.namespaces)),
            Failed::Name => DenialReason::Name(texts(|grant| &grant.names)),
            Failed::Fields => {
                let outside = |grant: &KubernetesGrant| -> Vec<FieldPath> {
                    let is_outside = |touched: &&FieldPath| !grant.fields.iter().any(|granted| granted.covers(touched));
                    request.fields.iter().filter(is_outside).cloned().collect()
                };
                let fewest = nearest.iter().min_by_key(|grant| outside(grant).len());
                DenialReason::Fields {
                    allowed: fewest.map(|grant| grant.fields.clone()).unwrap_or_default(),
                    outside: fewest.map(|grant| outside(grant)).unwrap_or_default(),
                }
            }
        }
    }
}

/// The objects and namespaces that a scope reaches for an event.
fn reach(scope: Scope, targets: &Targets) -> Vec<String> {
    let mut reach: Vec<String> = targets.iter().map(ToString::to_string).collect();
    match scope {
        Scope::EventNamespace => reach.extend(targets.namespaces().map(|name| format!("anything in {name}"))),
        Scope::EventNode => reach.push("the pods of the event's node, once they were listed".to_owned()),
        Scope::HostNamespace => return vec!["the namespace that the host runs in".to_owned()],
        Scope::EventTarget | Scope::Any => {}
    }
    reach
}

impl fmt::Display for super::Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(formatter, &self.group, &self.resource, None)?;
        match &self.namespace {
            Some(namespace) => write!(formatter, " {namespace}/{}", self.name),
            None => write!(formatter, " {}", self.name),
        }
    }
}

impl Denial {
    pub(super) fn new(
        grants: &Grants,
        targets: &Targets,
        request: &KubernetesRequest<'_>,
        reason: DenialReason,
    ) -> Self {
        let line = match reason {
            DenialReason::Address(_)
            | DenialReason::Protected(_)
            | DenialReason::Ungranted
            | DenialReason::Place(_) => None,
            DenialReason::Resource
            | DenialReason::Verb(_)
            | DenialReason::Scope(_)
            | DenialReason::Namespace(_)
            | DenialReason::Name(_)
            | DenialReason::Fields { .. } => least_grant(grants, targets, request),
        };
        Denial {
            actionner: grants.actionner.clone(),
            request: request.to_string(),
            reason,
            key: "kubernetes",
            line: line.map(|grant| grant.to_string()),
        }
    }

    /// The refusal of a request that no grant speaks of.
    pub(super) fn not_granted(grants: &Grants, request: String, key: &'static str, line: Option<String>) -> Self {
        Denial { actionner: grants.actionner.clone(), request, reason: DenialReason::Ungranted, key, line }
    }
}

/// As the audit record and a denial name it.
impl fmt::Display for super::Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            super::Request::Kubernetes(request) => request.fmt(formatter),
            super::Request::Artifact => formatter.write_str("make artifacts"),
            super::Request::Function(request) => request.fmt(formatter),
            super::Request::Http(request) => request.fmt(formatter),
            super::Request::Object(request) => request.fmt(formatter),
        }
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

/// The narrowest grant that allows a request, if the policy can write one.
fn least_grant(grants: &Grants, targets: &Targets, request: &KubernetesRequest<'_>) -> Option<KubernetesGrant> {
    let mut address = String::new();
    write_address(&mut address, request.group, request.resource, request.subresource).ok()?;
    // A resource that no policy can name, such as `pods/exec`, has no line.
    let resource: ResourceName = address.parse().ok()?;
    if resource.subresource.as_deref() == Some("exec") && request.verb != Verb::Create {
        return None;
    }
    let is_target =
        request.name.is_some_and(|name| targets.contains(request.group, request.resource, request.namespace, name));
    let exactly = |name: Option<&str>| -> Vec<Pattern> {
        let name = name.filter(|name| check_name(name).is_ok());
        name.map(|name| Pattern::Exact(name.to_owned())).into_iter().collect()
    };
    let lists_node = request.node.is_some_and(|node| targets.contains("", "nodes", None, node));
    let is_on_node =
        request.name.is_some_and(|name| targets.is_on_node(request.group, request.resource, request.namespace, name));
    let in_event_namespace = request.namespace.is_some_and(|namespace| targets.has_namespace(namespace));
    let (scope, namespaces, names) = if is_own_write(grants, request) {
        (Scope::HostNamespace, Vec::new(), exactly(request.name))
    } else if is_target {
        (Scope::EventTarget, Vec::new(), Vec::new())
    } else if lists_node || is_on_node {
        (Scope::EventNode, Vec::new(), Vec::new())
    } else if in_event_namespace {
        (Scope::EventNamespace, Vec::new(), exactly(request.name))
    } else {
        (Scope::Any, exactly(request.namespace), exactly(request.name))
    };
    let mut fields = writable(request.fields)?;
    let has_body = request.verb.has_fields() && (request.verb != Verb::Create || request.subresource.is_none());
    if fields.is_empty() && has_body {
        // A body that sets nothing needs a grant too, and that must name some field.
        fields = "metadata.labels".parse().into_iter().collect();
    }
    Some(KubernetesGrant { verbs: vec![request.verb], resources: vec![resource], scope, namespaces, names, fields })
}

/// Fields as a policy can write them, few enough to read; none where one can't be written.
fn writable(touched: &[FieldPath]) -> Option<Vec<FieldPath>> {
    let mut fields = touched
        .iter()
        .map(|field| {
            let segments = field.segments().iter().map(|segment| match segment {
                Segment::KeyOrIndex(_) => Segment::Items,
                segment => segment.clone(),
            });
            FieldPath::new(segments.collect())
        })
        .collect::<Vec<_>>();
    if fields.len() > FIELDS_IN_LINE_MAX {
        fields = fields.iter().map(parent).collect();
    }
    fields.sort_unstable();
    fields.dedup();
    let metadata = FieldPath::new(vec![Segment::Key("metadata".to_owned())]);
    let can_be_written =
        |field: &FieldPath| *field != metadata && field.to_string().parse::<FieldPath>().as_ref() == Ok(field);
    fields.iter().all(can_be_written).then_some(fields)
}

/// `spec` of all that lies in it, `metadata.labels` of all labels.
fn parent(field: &FieldPath) -> FieldPath {
    let depth = match field.segments() {
        [Segment::Key(first), ..] if first == "metadata" => 2,
        _ => 1,
    };
    FieldPath::new(field.segments().iter().take(depth).cloned().collect())
}

/// "`a`, `b` and 3 more"; "nothing" where there is none.
fn listed(items: &[impl fmt::Display]) -> String {
    if items.is_empty() {
        return "nothing".to_owned();
    }
    let few: Vec<String> = items.iter().take(LISTED_MAX).map(|item| format!("`{item}`")).collect();
    let few = few.join(", ");
    match items.len().saturating_sub(LISTED_MAX) {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

impl fmt::Display for DenialReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DenialReason::Address(error) => write!(formatter, "{error}"),
            DenialReason::Protected(namespace) => write!(
                formatter,
                "the namespace `{namespace}` is protected (`protected.namespaces`), and no grant allows a write there"
            ),
            DenialReason::Ungranted => formatter.write_str("it has no grant for this"),
            DenialReason::Place(place) => write!(formatter, "it leads to {place}, which no grant can allow"),
            DenialReason::Resource => formatter.write_str("it has no grant for this resource"),
            DenialReason::Verb(verbs) => {
                write!(formatter, "of this resource it is granted only {}", listed(verbs))
            }
            DenialReason::Scope(reach) => write!(
                formatter,
                "its grants reach only what the event names, and what that names once it was read: {}",
                listed(reach)
            ),
            DenialReason::Namespace(allowed) => {
                write!(formatter, "its grants hold only in the namespaces {}", listed(allowed))
            }
            DenialReason::Name(allowed) => {
                write!(formatter, "its grants hold only for the names {}", listed(allowed))
            }
            DenialReason::Fields { allowed, outside } => {
                write!(formatter, "its grants allow the fields {}, and it touches {}", listed(allowed), listed(outside))
            }
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denial { actionner, request, reason, key, line } = self;
        write!(formatter, "`{actionner}` may not {request}: {reason}")?;
        match line {
            Some(line) if *key == "artifacts" => {
                write!(formatter, "; to allow it, add to `{actionner}` in the policy:\n  {key}: {line}")
            }
            Some(line) => {
                write!(formatter, "; to allow it, add under `{key}:` of `{actionner}` in the policy:\n  - {line}")
            }
            None => Ok(()),
        }
    }
}
