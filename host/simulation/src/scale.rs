//! The subresource `scale`: a workload as nothing but a number of replicas, and how that number is written back.

use http::StatusCode;
use serde_json::{Value, json};

use super::resource::Resource;
use super::status::{Cause, Refusal, details};

/// The group, the version and the kind of it, whatever the workload's.
pub(super) const KIND: (&str, &str, &str) = ("autoscaling", "v1", "Scale");

/// Whether a resource has it.
pub(super) fn is_of(resource: &Resource) -> bool {
    matches!(resource.kind, "Deployment" | "ReplicaSet" | "StatefulSet") && resource.group == "apps"
}

/// The scale of a workload.
pub(super) fn of(workload: &Value) -> Value {
    let mut scale = json!({"kind": KIND.2, "apiVersion": format!("{}/{}", KIND.0, KIND.1), "metadata": {}, "spec": {}});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        scale["metadata"][field] = workload["metadata"][field].clone();
    }
    if let Some(replicas) = workload["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = json!(replicas);
    }
    let replicas = workload["status"]["replicas"].as_i64().unwrap_or_default();
    // Expressions, of which a selector may have some, too, are not among it.
    let labels = workload["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let labels: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    scale["status"] = json!({"replicas": replicas, "selector": labels.join(",")});
    scale
}

/// The workload with the number of replicas that its scale has been given.
pub(super) fn write(resource: &Resource, workload: &Value, scale: &Value) -> Result<Value, Refusal> {
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    let (given, actual) = (&scale["metadata"]["uid"], &workload["metadata"]["uid"]);
    if !given.is_null() && given != actual {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (given, actual) = (text(given), text(actual));
        let text = format!("Precondition failed: UID in precondition: {given}, UID in object meta: {actual}");
        let (group, plural) = (resource.group, format!("{}/scale", resource.plural));
        let message = format!("Operation cannot be fulfilled on {plural}.{group} {name:?}: {text}");
        let details = details(group, &plural, name);
        return Err(Refusal::new(StatusCode::CONFLICT, "Conflict", message, details));
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    if replicas < 0 {
        let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
        return Err(Refusal::invalid_kind(KIND.0, KIND.2, name, &[cause]));
    }
    let mut workload = workload.clone();
    workload["spec"]["replicas"] = json!(replicas);
    workload["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
    Ok(workload)
}
