//! A form of an object that does not depend on when and where it was made, for expectations of tests. It serves objects
//! of the simulation and of a real API server alike.

use serde_json::{Map, Value};

use super::{defaults, resource};

/// Fields of `metadata` that differ from run to run.
const VOLATILE: [&str; 8] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "selfLink",
    "deletionGracePeriodSeconds",
];

/// The object without what differs from run to run (uids, versions, times), without what the API server and its
/// controllers fill in (defaults, the token's volume, `status`), and without empty lists and structures.
#[must_use]
pub fn normalise(object: &Value) -> Value {
    let mut object = object.clone();
    let known = resource::by_kind(text(&object["apiVersion"]), text(&object["kind"]));
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !VOLATILE.contains(&field.as_str()));
        for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            remove(owner, "uid");
        }
        // The job controller's, by which it counts the pods that have ended.
        retain(metadata.get_mut("finalizers"), |finalizer| finalizer != "batch.kubernetes.io/job-tracking");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            // Of the deployment controller, on its deployments and on what they control.
            annotations.retain(|name, _| !name.starts_with("deployment.kubernetes.io/"));
        }
    }
    remove(&mut object, "status");
    if let Some(known) = known {
        defaults::remove(known.structure(), &mut object);
        if known.kind == "Pod" {
            admitted(&mut object["spec"]);
        }
    }
    prune(&mut object);
    object
}

/// Remove from a pod what admission has put there.
fn admitted(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    spec.retain(|field, value| !defaults::is_admitted(field, value));
    let is_token = |item: &Value| text(&item["name"]).starts_with("kube-api-access-");
    retain(spec.get_mut("volumes"), |volume| !is_token(volume));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            retain(container.get_mut("volumeMounts"), |mount| !is_token(mount));
        }
    }
    let by_admission = |toleration: &Value| {
        let key = text(&toleration["key"]);
        matches!(key, "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
            && toleration["tolerationSeconds"] == 300
    };
    retain(spec.get_mut("tolerations"), |toleration| !by_admission(toleration));
}

/// Remove what is null or an empty list or structure, from the inside out. An empty text stays: as a label's value it
/// says something.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(prune);
            fields.retain(|_, value| !is_empty(value));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn remove(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(field);
    }
}

fn retain(list: Option<&mut Value>, keep: impl Fn(&Value) -> bool) {
    if let Some(items) = list.and_then(Value::as_array_mut) {
        items.retain(|item| keep(item));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
