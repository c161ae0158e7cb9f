//! The line that a policy would need for what was denied.

use super::facts::Facts;
use super::field::{TouchedField, Written};
use super::kubernetes::{KubernetesRequest, is_own_write};
use crate::address::{ResourceName, check_name, write_address};
use crate::grants::{FieldGrant, FieldPath, Grants, KubernetesGrant, Pattern, Scope, Segment, ValuePattern, Verb};

/// A line that lists more fields than this names their parents instead.
const FIELDS_IN_LINE_MAX: usize = 8;

/// The narrowest grant that allows a request, if the policy can write one.
pub(super) fn least_grant(grants: &Grants, facts: &Facts, request: &KubernetesRequest<'_>) -> Option<KubernetesGrant> {
    let targets = &facts.targets;
    let mut address = String::new();
    write_address(&mut address, request.group, request.resource, request.subresource).ok()?;
    // A resource that no policy can name, such as `pods/exec`, has no line.
    let resource: ResourceName = address.parse().ok()?;
    if resource.subresource.as_deref() == Some("exec") && request.verb != Verb::Create {
        return None;
    }
    let is_look = request.verb == Verb::Get && request.subresource.is_none();
    let KubernetesRequest { group, namespace, .. } = *request;
    let is_target = request.name.is_some_and(|name| {
        targets.contains(group, request.resource, namespace, name)
            || (is_look && targets.is_claimed(group, request.resource, namespace, name))
    });
    let exactly = |name: Option<&str>| -> Vec<Pattern> {
        let name = name.filter(|name| check_name(name).is_ok());
        name.map(|name| Pattern::Exact(name.to_owned())).into_iter().collect()
    };
    let lists_node = request.node.is_some_and(|node| targets.contains("", "nodes", None, node));
    let is_on_node = request.name.is_some_and(|name| {
        targets.is_on_node(group, request.resource, namespace, name)
            || (is_look && targets.is_claimed_on_node(group, request.resource, namespace, name))
    });
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
    let mut fields = writable(grants, request.fields)?;
    let has_body = request.verb.has_fields() && (request.verb != Verb::Create || request.subresource.is_none());
    if fields.is_empty() && has_body {
        // A body that sets nothing needs a grant too, and that must name some field.
        fields = "metadata.labels".parse::<FieldPath>().map(FieldGrant::from).into_iter().collect();
    }
    Some(KubernetesGrant { verbs: vec![request.verb], resources: vec![resource], scope, namespaces, names, fields })
}

/// Fields as a policy can write them, few enough to read; none where one can't be written.
fn writable(grants: &Grants, touched: &[TouchedField]) -> Option<Vec<FieldGrant>> {
    if touched.iter().any(TouchedField::is_beyond_grants) {
        return None;
    }
    let are_many = touched.iter().filter(|touched| !touched.gives_power()).count() > FIELDS_IN_LINE_MAX;
    let mut fields: Vec<FieldGrant> = Vec::new();
    for touched in touched {
        let path = in_a_policy(&touched.path);
        let field = match touched.gives_power() {
            true => FieldGrant { path, values: values(touched) },
            false if are_many => parent(&path).into(),
            false if is_valued(grants, &path) => FieldGrant { path, values: values(touched) },
            false => path.into(),
        };
        match fields.iter_mut().find(|other| other.path == field.path) {
            // Where one may be left, all may be.
            Some(other) if other.values.is_empty() || field.values.is_empty() => other.values.clear(),
            Some(other) => {
                for value in field.values {
                    if !other.values.contains(&value) {
                        other.values.push(value);
                    }
                }
            }
            None => fields.push(field),
        }
    }
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    let metadata = FieldPath::new(vec![Segment::Key("metadata".to_owned())]);
    let can_be_written =
        |path: &FieldPath| *path != metadata && path.to_string().parse::<FieldPath>().as_ref() == Ok(path);
    fields.iter().all(|field| can_be_written(&field.path)).then_some(fields)
}

/// A path of a grant, which names no place in a list.
fn in_a_policy(path: &FieldPath) -> FieldPath {
    let segments = path.segments().iter().map(|segment| match segment {
        Segment::KeyOrIndex(_) => Segment::Items,
        segment => segment.clone(),
    });
    FieldPath::new(segments.collect())
}

/// The values that are left, where all of them can be written; else none, which is any.
fn values(touched: &TouchedField) -> Vec<ValuePattern> {
    match &touched.written {
        Written::Values(values) => values.iter().map(ValuePattern::exactly).collect::<Option<_>>().unwrap_or_default(),
        Written::Nothing | Written::Composite | Written::Unknown => Vec::new(),
    }
}

/// Whether the policy looks at the values of this field already.
fn is_valued(grants: &Grants, path: &FieldPath) -> bool {
    let fields = grants.granted.kubernetes.iter().flat_map(|grant| &grant.fields);
    fields.into_iter().any(|field| !field.values.is_empty() && field.path.covers(path))
}

/// `spec` of all that lies in it, `metadata.labels` of all labels.
fn parent(field: &FieldPath) -> FieldPath {
    let depth = match field.segments() {
        [Segment::Key(first), ..] if first == "metadata" => 2,
        _ => 1,
    };
    FieldPath::new(field.segments().iter().take(depth).cloned().collect())
}
