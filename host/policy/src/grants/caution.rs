//! What is allowed in a policy, and whoever wrote it may not have meant: power that reaches further than it seems,
//! secrets in plaintext, and lines that can never match.
//!
//! Each is a sentence that says what would be narrower. Nothing here is refused, and nothing is decided.

use rules::nearest::hint;

use super::field::{FieldPath, Segment};
use super::fields::FieldGrant;
use super::http::{HeaderSource, HttpGrant};
use super::kubernetes::{KubernetesGrant, Scope, Verb};
use super::power::steps_to_write_out;
use super::write::flow_list;
use crate::address::{ResourceName, known};

/// What holds the rules of who may do what.
const RBAC: &str = "rbac.authorization.k8s.io";

/// What the metadata of every object has.
const METADATA: [&str; 15] = [
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];

/// Texts by a key: nothing lies in them.
const TEXTS: [&str; 2] = ["labels", "annotations"];

/// What the whole of a grant should be known to give, each as a sentence.
pub(super) fn of_grant(grant: &KubernetesGrant) -> Vec<String> {
    let power = grant.resources.iter().filter_map(|resource| {
        let over = power(grant, resource)?;
        let verbs: Vec<String> = grant.verbs.iter().map(|verb| format!("`{verb}`")).collect();
        Some(format!("{} of `{resource}` gives power over {over}", verbs.join(", ")))
    });
    power.chain(never_in_namespace(grant)).collect()
}

/// What a field of a grant should be known to give, or that no object has it.
pub(super) fn of_field(resources: &[ResourceName], field: &FieldGrant) -> Option<String> {
    let path = &field.path;
    let steps = path.segments();
    if field.values.is_empty() && steps_to_write_out(steps) == steps.len() {
        return Some(format!(
            "`{path}` gives power over a node or an account, whatever is left there: narrow it by `values`"
        ));
    }
    never_there(resources, path)
}

/// What a grant of addresses should be known to give.
pub(super) fn of_http(grant: &HttpGrant) -> Vec<String> {
    let url = grant.url.url();
    let host = url.host_str().unwrap_or_default();
    let mut cautions = Vec::new();
    if host.contains('*') {
        cautions.push(format!(
            "`{host}` can never match: hosts are compared as they are written, and `*` is not a pattern there; write \
             a grant for each host, so that what is sent to one is not sent to all of a domain"
        ));
    }
    let leaves_the_machine = !grant.url.literal().is_some_and(|address| address.is_loopback());
    if url.scheme() == "http" && leaves_the_machine {
        let secret = grant.headers.iter().filter(|(name, source)| is_secret(name, source));
        cautions.extend(secret.map(|(name, _)| {
            format!("`{name}` is sent to `{host}` in plaintext, for all to read on the way: write `https://`")
        }));
    }
    cautions
}

/// Whether a header carries what opens something: what comes from elsewhere does, and what is named like it.
fn is_secret(name: &str, source: &HeaderSource) -> bool {
    const PARTS: [&str; 7] = ["auth", "token", "key", "secret", "cookie", "password", "credential"];
    let name = name.to_ascii_lowercase();
    !matches!(source, HeaderSource::Text(_)) || PARTS.iter().any(|part| name.contains(part))
}

/// Over what a grant of a resource gives power, and how.
fn power(grant: &KubernetesGrant, resource: &ResourceName) -> Option<&'static str> {
    let has = |verbs: &[Verb]| grant.verbs.iter().any(|verb| verbs.contains(verb));
    let sets = has(&[Verb::Create, Verb::Update, Verb::Patch]);
    let writes = sets || has(&[Verb::Delete]);
    let sets_one_of = |names: &[&str]| sets && grant.fields.iter().any(|field| begins_with(&field.path, names));
    let is_named = !grant.names.is_empty();
    // Others than those that an event names, and none by its name.
    let is_wide = grant.scope != Scope::EventTarget && !is_named;
    let ResourceName { group, resource, subresource } = resource;
    match (group.as_str(), resource.as_str(), subresource.as_deref()) {
        (RBAC, "clusterroles", _) if sets_one_of(&["rules", "aggregationRule"]) => {
            Some("the cluster: all that hold the role may do what is written into it")
        }
        (RBAC, "roles", _) if sets_one_of(&["rules"]) => {
            Some("a namespace: all that hold the role may do what is written into it")
        }
        (RBAC, "clusterrolebindings", _) if sets_one_of(&["subjects", "roleRef"]) => {
            Some("the cluster: any account can be given a role")
        }
        (RBAC, "rolebindings", _) if sets_one_of(&["subjects", "roleRef"]) => {
            Some("a namespace: any account can be given a role")
        }
        (RBAC, "clusterroles" | "clusterrolebindings", _) if has(&[Verb::Delete]) && !is_named => {
            Some("the cluster: its own parts work by some of them; narrow it by `names`")
        }
        ("admissionregistration.k8s.io", ..) if writes => {
            Some("the cluster: what is registered there sees, changes or refuses what anyone writes")
        }
        ("apiregistration.k8s.io", "apiservices", _) if writes => {
            Some("the cluster: what is registered there answers for a part of the API")
        }
        ("apiextensions.k8s.io", "customresourcedefinitions", _) if writes => {
            Some("the cluster: with a kind go all objects that are of it")
        }
        ("certificates.k8s.io", "certificatesigningrequests", Some("approval" | "status")) if writes => {
            Some("the cluster: a certificate that is signed opens it as any account")
        }
        ("", "secrets", None) if has(&[Verb::Get, Verb::List]) && is_wide => {
            Some("accounts: their credentials are in secrets; narrow it by `names`, or by `scope: event-target`")
        }
        ("", "secrets", None) if sets && is_wide => {
            Some("accounts: others take what is written there for their credentials; narrow it by `names`")
        }
        ("", "pods", Some("exec" | "ephemeralcontainers")) if is_wide => Some(
            "the accounts of all pods that it reaches: it runs there what it likes; narrow it by a scope of the event",
        ),
        ("", "nodes", Some("status")) if writes => Some("a node: what is sent to it goes where its status says"),
        ("", "nodes", _) if writes && is_wide => Some("every node; narrow it by `names`, or by `scope: event-target`"),
        ("", "nodes", None) if has(&[Verb::Delete, Verb::Update]) => Some("a node, and all that runs there"),
        ("", "namespaces", None) if has(&[Verb::Delete]) && !is_named => {
            Some("a namespace: with it goes all that lies in it; narrow it by `names`")
        }
        ("", "namespaces", None) if sets && grant.fields.iter().any(lifts_pod_security) => {
            Some("nodes: labels of a namespace say how much its pods may do; name the labels that are meant")
        }
        _ => None,
    }
}

/// Whether a grant covers the labels that Pod Security goes by.
fn lifts_pod_security(field: &FieldGrant) -> bool {
    const PREFIX: &str = "pod-security.kubernetes.io/";
    match field.path.segments() {
        [Segment::Key(metadata), Segment::Key(labels)] => metadata == "metadata" && labels == "labels",
        [_, _, Segment::Key(key), ..] => field.values.is_empty() && key.starts_with(PREFIX),
        _ => false,
    }
}

fn begins_with(path: &FieldPath, names: &[&str]) -> bool {
    matches!(path.segments().first(), Some(Segment::Key(key)) if names.contains(&key.as_str()))
}

/// A grant for namespaces of what lies in none.
fn never_in_namespace(grant: &KubernetesGrant) -> Option<String> {
    let is_outside =
        |resource: &ResourceName| known(&resource.group, &resource.resource).is_some_and(|known| !known.in_namespace);
    let asks = !grant.namespaces.is_empty() || grant.scope == Scope::HostNamespace;
    let resources = flow_list(&grant.resources);
    (asks && grant.resources.iter().all(is_outside)).then(|| {
        format!(
            "this can never match: {resources} lie in no namespace; leave `namespaces` out, or narrow it by `names`"
        )
    })
}

/// That no object of these resources has a field of this path, as far as the kinds are known.
fn never_there(resources: &[ResourceName], path: &FieldPath) -> Option<String> {
    let [Segment::Key(first), rest @ ..] = path.segments() else { return None };
    let never = |whole: &str, key: &str, valid: &[&str]| {
        let hint = hint(key, valid.iter().copied());
        Some(format!("`{path}` can never match: there is no field `{key}` in {whole}{hint}"))
    };
    if first == "metadata" {
        return match rest {
            [Segment::Key(second), ..] if !METADATA.contains(&second.as_str()) => {
                never("`metadata`", second, &METADATA)
            }
            [Segment::Key(second), Segment::Key(key), _, ..] if TEXTS.contains(&second.as_str()) => Some(format!(
                "`{path}` can never match: nothing lies in a text of `metadata.{second}`; a key with a dot is written \
                 in brackets, as in `metadata.{second}[{key}.example/x]`"
            )),
            _ => None,
        };
    }
    let mut valid = Vec::new();
    for resource in resources {
        valid.extend_from_slice(top_level(resource)?);
    }
    valid.extend(["apiVersion", "kind", "metadata"]);
    valid.sort_unstable();
    valid.dedup();
    if valid.contains(&first.as_str()) { None } else { never(&flow_list(resources), first, &valid) }
}

/// The fields of the kinds that are known, beside those of each object.
fn top_level(resource: &ResourceName) -> Option<&'static [&'static str]> {
    if resource.subresource.is_some() {
        return None;
    }
    let known = known(&resource.group, &resource.resource)?;
    Some(match known.resource {
        "bindings" => &["target"],
        "componentstatuses" => &["conditions"],
        "configmaps" => &["data", "binaryData", "immutable"],
        "controllerrevisions" => &["data", "revision"],
        "endpoints" => &["subsets"],
        "events" => return None,
        "limitranges" => &["spec"],
        "podtemplates" => &["template"],
        "secrets" => &["data", "stringData", "type", "immutable"],
        "serviceaccounts" => &["secrets", "imagePullSecrets", "automountServiceAccountToken"],
        "roles" => &["rules"],
        "clusterroles" => &["rules", "aggregationRule"],
        "rolebindings" | "clusterrolebindings" => &["subjects", "roleRef"],
        _ => &["spec", "status"],
    })
}

#[cfg(test)]
mod tests;
