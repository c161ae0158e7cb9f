//! The line that a policy would need for what was denied.

use serde_json::Value;

use super::facts::Facts;
use super::field::{TouchedField, Written};
use super::kubernetes::{Known, KubernetesRequest, Lesson, is_own_write};
use crate::address::{ResourceName, check_name, known, write_address};
use crate::grants::{
    FieldGrant, FieldPath, Grants, KubernetesGrant, Pattern, Proposal, Scope, Segment, ValuePattern, Verb,
};

/// A line that lists more fields than this names their parents instead.
const FIELDS_IN_LINE_MAX: usize = 32;

/// Texts that are longer are no names, and nobody reads them in a line.
const TEXT_CHARS_MAX: usize = 63;

/// The line without which nothing of this resource can be deleted, whatever an event names; none where it can be.
pub fn to_delete_targets(grants: &Grants, resource: &ResourceName) -> Option<Proposal> {
    let is_it = |granted: &ResourceName| granted == resource;
    let mut granted = grants.granted.kubernetes.iter();
    if granted.any(|grant| grant.verbs.contains(&Verb::Delete) && grant.resources.iter().any(is_it)) {
        return None;
    }
    let request = KubernetesRequest {
        verb: Verb::Delete,
        group: &resource.group,
        resource: &resource.resource,
        subresource: resource.subresource.as_deref(),
        namespace: None,
        name: None,
        fields: &[],
        node: None,
    };
    let known = Known { facts: &Facts::default(), assumed: Some(Lesson::FromPod) };
    least_grant(grants, known, &request).map(|grant| Proposal::kubernetes(&grant))
}

/// The narrowest grant that allows a request, if the policy can write one.
pub(super) fn least_grant(
    grants: &Grants,
    known: Known<'_>,
    request: &KubernetesRequest<'_>,
) -> Option<KubernetesGrant> {
    let mut address = String::new();
    write_address(&mut address, request.group, request.resource, request.subresource).ok()?;
    // A resource that no policy can name, such as `pods/exec` of a deployment, has no line.
    let resource: ResourceName = address.parse().ok()?;
    if resource.subresource.as_deref() == Some("exec") && request.verb != Verb::Create {
        return None;
    }
    let exactly = |name: Option<&str>| -> Vec<Pattern> {
        let name = name.filter(|name| check_name(name).is_ok());
        name.map(|name| Pattern::Exact(name.to_owned())).into_iter().collect()
    };
    let scope = if is_own_write(grants, request) {
        Scope::HostNamespace
    } else if known.is_target(request) {
        Scope::EventTarget
    } else if known.is_on_node(request) {
        Scope::EventNode
    } else if known.is_in_namespace(request) {
        Scope::EventNamespace
    } else {
        Scope::Any
    };
    let namespaces = if scope == Scope::HostNamespace { Vec::new() } else { exactly(request.namespace) };
    let mut fields = writable(request)?;
    let has_body = request.verb.has_fields() && (request.verb != Verb::Create || request.subresource.is_none());
    if fields.is_empty() && has_body {
        // A body that sets nothing needs a grant too, and that must name some field.
        fields = "metadata.labels".parse::<FieldPath>().map(FieldGrant::from).into_iter().collect();
    }
    let (verbs, resources, names) = (vec![request.verb], vec![resource], exactly(request.name));
    Some(KubernetesGrant { verbs, resources, scope, namespaces, names, fields })
}

/// Fields as a policy can write them, few enough to read; none where one can't be written.
fn writable(request: &KubernetesRequest<'_>) -> Option<Vec<FieldGrant>> {
    let touched = request.fields;
    if touched.iter().any(TouchedField::is_beyond_grants) {
        return None;
    }
    let are_many = touched.iter().filter(|touched| !touched.gives_power()).count() > FIELDS_IN_LINE_MAX;
    let mut fields: Vec<FieldGrant> = Vec::new();
    for touched in touched {
        let path = in_a_policy(&touched.path);
        let field = match touched.gives_power() {
            false if are_many => parent(&path).into(),
            false if may_be_secret(request, &path) => path.into(),
            _ => FieldGrant { path, values: values(touched) },
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
    // What a path without values allows, no other needs to say.
    let wide: Vec<FieldGrant> = fields.iter().filter(|field| field.values.is_empty()).cloned().collect();
    fields.retain(|field| !wide.iter().any(|wide| wide.path != field.path && wide.reaches(&field.path)));
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    let metadata = FieldPath::new(vec![Segment::Key("metadata".to_owned())]);
    let can_be_written =
        |path: &FieldPath| *path != metadata && path.to_string().parse::<FieldPath>().as_ref() == Ok(path);
    fields.iter().all(|field| can_be_written(&field.path)).then_some(fields)
}

/// Whether what is in a field may be nobody's business who reads the log: contents, variables of a container, and
/// whatever is in objects whose kind is not known here.
fn may_be_secret(request: &KubernetesRequest<'_>, path: &FieldPath) -> bool {
    let is = |step: &Segment, name: &str| matches!(step, Segment::Key(key) if key == name);
    let steps = path.segments();
    if steps.first().is_some_and(|first| is(first, "metadata")) {
        return false;
    }
    let holds_contents = request.group.is_empty() && matches!(request.resource, "secrets" | "configmaps");
    let is_content = |step: &Segment| ["data", "stringData", "binaryData", "env"].iter().any(|name| is(step, name));
    holds_contents || known(request.group, request.resource).is_none() || steps.iter().any(is_content)
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
    let is_name =
        |value: &Value| value.as_str().is_none_or(|text| text.chars().count() <= TEXT_CHARS_MAX && !is_moment(text));
    match &touched.written {
        Written::Values(values) if touched.gives_power() || values.iter().all(is_name) => {
            values.iter().map(ValuePattern::exactly).collect::<Option<_>>().unwrap_or_default()
        }
        // To remove a field is allowed whatever the values are; an empty text is the least that can be among them.
        Written::Nothing => vec![ValuePattern::Text(String::new())],
        Written::Values(_) | Written::Composite | Written::Unknown => Vec::new(),
    }
}

/// Whether a text is a time of day, which no other call will ever write: `2026-07-22T14:24:41Z`.
fn is_moment(text: &str) -> bool {
    const DATE: &str = "0000-00-00T00:00:00";
    let fits = |(shape, byte): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() >= DATE.len() && DATE.bytes().zip(text.bytes()).all(fits)
}

/// `spec` of all that lies in it, `metadata.labels` of all labels.
fn parent(field: &FieldPath) -> FieldPath {
    let depth = match field.segments() {
        [Segment::Key(first), ..] if first == "metadata" => 2,
        _ => 1,
    };
    FieldPath::new(field.segments().iter().take(depth).cloned().collect())
}
