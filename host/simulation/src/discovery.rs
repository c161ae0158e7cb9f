//! Discovery in its aggregated form: which resources are served.

use http::HeaderMap;
use http::header::ACCEPT;
use serde_json::{Value, json};

use super::resource::{self, Resource};

/// The form that clients ask for, and the content type of the answer.
pub(super) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The resources of the core group at `/api`, or of all others at `/apis`; none for other paths, and for a client that
/// asks for another form.
pub(super) fn list(path: &str, headers: &HeaderMap) -> Option<Value> {
    let is_core = match path.trim_end_matches('/') {
        "/api" => true,
        "/apis" => false,
        _ => return None,
    };
    let accepted = headers.get(ACCEPT)?.to_str().ok()?;
    if !accepted.split(',').any(|form| form.trim() == AGGREGATED) {
        return None;
    }
    let served = || resource::kinds().filter(|resource| resource.group.is_empty() == is_core);
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for resource in served() {
        if !groups.contains(&(resource.group, resource.version)) {
            groups.push((resource.group, resource.version));
        }
    }
    let items = groups.into_iter().map(|(group, version)| {
        let resources: Vec<Value> = served().filter(|resource| resource.group == group).map(describe).collect();
        let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
        json!({
            "metadata": metadata,
            "versions": [{"version": version, "freshness": "Current", "resources": resources}],
        })
    });
    let items: Vec<Value> = items.collect();
    Some(
        json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}),
    )
}

fn describe(resource: &Resource) -> Value {
    // The real one names group and version only where they are defined by a custom resource definition.
    let (group, version) = if resource.custom { (resource.group, resource.version) } else { ("", "") };
    json!({
        "resource": resource.plural,
        "responseKind": {"group": group, "version": version, "kind": resource.kind},
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.kind.to_lowercase(),
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update"],
    })
}
