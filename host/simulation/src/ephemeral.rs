//! Ephemeral containers: added to a pod through a subresource, and never changed or removed again.

use serde_json::{Value, json};

use super::names::dns_label;
use super::status::Cause;

/// What an ephemeral container can't have, though a container can.
const FORBIDDEN: [&str; 7] =
    ["ports", "resources", "resizePolicy", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"];

/// The pod with nothing changed but its ephemeral containers.
pub(super) fn keep_rest(old: &Value, new: &Value) -> Value {
    let mut kept = old.clone();
    for field in ["name", "namespace", "uid", "resourceVersion"] {
        kept["metadata"][field] = new["metadata"][field].clone();
    }
    let containers = &new["spec"]["ephemeralContainers"];
    if let (true, Some(spec)) = (containers.is_null(), kept["spec"].as_object_mut()) {
        spec.remove("ephemeralContainers");
    } else {
        kept["spec"]["ephemeralContainers"] = containers.clone();
    }
    kept
}

/// What is wrong with the ephemeral containers of a pod.
pub(super) fn object(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let regular = |name: &Value| {
        let lists = [&spec["containers"], &spec["initContainers"]];
        lists.into_iter().filter_map(Value::as_array).flatten().any(|container| container["name"] == *name)
    };
    let containers = list(spec);
    for (index, container) in containers.iter().enumerate() {
        let field = |part: &str| format!("spec.ephemeralContainers[{index}].{part}");
        let name = &container["name"];
        match name.as_str().unwrap_or_default() {
            "" => causes.push(Cause::required(field("name"), "")),
            text => {
                let texts = dns_label(text);
                causes.extend(texts.iter().map(|text| Cause::invalid(field("name"), name, text)));
            }
        }
        if regular(name) || containers[..index].iter().any(|other| other["name"] == *name) {
            causes.push(Cause::duplicate(field("name"), name));
        }
        if container["image"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(field("image"), ""));
        }
        let target = &container["targetContainerName"];
        if target.as_str().is_some_and(|target| !target.is_empty()) && !regular(target) {
            causes.push(Cause::not_found(field("targetContainerName"), target));
        }
        let is_set = |part: &&str| !container[*part].is_null() && container[*part] != json!({});
        let forbidden = FORBIDDEN.into_iter().filter(is_set);
        causes.extend(forbidden.map(|part| Cause::forbidden(field(part), "cannot be set for an Ephemeral Container")));
    }
    causes
}

/// What is wrong with a change of them.
pub(super) fn change(old: &Value, new: &Value) -> Vec<Cause> {
    let causes = list(&old["spec"]).iter().filter_map(|container| {
        let name = &container["name"];
        let text = match list(&new["spec"]).iter().find(|other| other["name"] == *name) {
            None => format!("existing ephemeral containers {name} may not be removed\n"),
            Some(other) if other != container => format!("existing ephemeral containers {name} may not be changed"),
            Some(_) => return None,
        };
        Some(Cause::forbidden("spec.ephemeralContainers", &text))
    });
    causes.collect()
}

fn list(spec: &Value) -> &[Value] {
    spec["ephemeralContainers"].as_array().map_or(&[], Vec::as_slice)
}
