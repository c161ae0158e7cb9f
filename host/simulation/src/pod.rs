//! What a pod has inside: its containers, their logs, and the kubelet's part, which is to say that they run.

use serde_json::{Value, json};

use super::call::Call;
use super::lookup::stored;
use super::status::{Cause, Refusal};
use super::store::Store;

/// Annotations of a pod that say what its containers have logged: `…/log.<container>`, and `…/previous-log.<container>`
/// before they were restarted.
const LOG: &str = "simulation.falco-talon.org/log.";
const PREVIOUS_LOG: &str = "simulation.falco-talon.org/previous-log.";

/// The lists of a pod's specification, and of its status, that have containers.
const LISTS: [(&str, &str); 3] = [
    ("initContainers", "initContainerStatuses"),
    ("containers", "containerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
];

/// The container that a request means: the one of this name, or the only one where it names none.
pub(super) fn container<'a>(pod: &'a Value, pod_name: &str, name: &str) -> Result<&'a Value, Refusal> {
    let all = |list: &str| pod["spec"][list].as_array().map_or(&[][..], Vec::as_slice);
    if !name.is_empty() {
        let found = LISTS.iter().flat_map(|(list, _)| all(list)).find(|container| container["name"] == name);
        return found.ok_or_else(|| Refusal::bad_request(format!("container {name} is not valid for pod {pod_name}")));
    }
    let names = |list: &str| {
        let names: Vec<&str> = all(list).iter().filter_map(|container| container["name"].as_str()).collect();
        names.join(" ")
    };
    match all("containers") {
        [only] if all("initContainers").is_empty() && all("ephemeralContainers").is_empty() => Ok(only),
        _ => {
            let mut text = format!("a container name must be specified for pod {pod_name}");
            let (main, ephemeral) = (names("containers"), names("ephemeralContainers"));
            let choice = if ephemeral.is_empty() { main } else { format!("{main} {ephemeral}") };
            text.push_str(&format!(", choose one of: [{choice}]"));
            let init = names("initContainers");
            if !init.is_empty() {
                text.push_str(&format!(" or one of the init containers: [{init}]"));
            }
            Err(Refusal::bad_request(text))
        }
    }
}

/// What a container has logged; none where nothing could run yet.
pub(super) fn log(store: &Store, call: &Call) -> Result<Option<String>, Refusal> {
    let query = &call.query;
    if query.tail_lines.is_some_and(|lines| lines < 0) {
        let value = json!(query.tail_lines);
        let cause = Cause::invalid("tailLines", &value, "must be greater than or equal to 0");
        return Err(Refusal::invalid_kind("", "PodLogOptions", &call.name, &[cause]));
    }
    let pod = stored(store, call)?;
    let container = container(pod, &call.name, &query.container)?["name"].as_str().unwrap_or_default();
    if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
        return Ok(None);
    }
    let prefix = if query.previous { PREVIOUS_LOG } else { LOG };
    let text = pod["metadata"]["annotations"][format!("{prefix}{container}")].as_str();
    if text.is_none() && query.previous {
        let pod = &call.name;
        let text = format!("previous terminated container {container:?} in pod {pod:?} not found\n");
        return Err(Refusal::bad_request(text));
    }
    let lines: Vec<&str> = text.unwrap_or_default().split_inclusive('\n').collect();
    let kept = query.tail_lines.and_then(|lines| usize::try_from(lines).ok()).unwrap_or(usize::MAX);
    let text = lines[lines.len().saturating_sub(kept)..].concat();
    let end = query.limit_bytes.unwrap_or(usize::MAX).min(text.len());
    Ok(Some(text[..text.floor_char_boundary(end)].to_owned()))
}

/// The status of a pod whose containers all run.
pub(super) fn running(pod: &Value) -> Value {
    let mut status = json!({"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}, {"type": "PodScheduled", "status": "True"},
    ]});
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    status["containerStatuses"] = containers.map(|container| container_status(pod, container, true)).collect();
    status
}

/// Let the ephemeral containers of a pod run.
pub(super) fn run_ephemeral(pod: &mut Value) {
    let containers = pod["spec"]["ephemeralContainers"].as_array().into_iter().flatten();
    let statuses: Value = containers.map(|container| container_status(pod, container, false)).collect();
    pod["status"]["ephemeralContainerStatuses"] = statuses;
}

fn container_status(pod: &Value, container: &Value, ready: bool) -> Value {
    let (name, image) = (&container["name"], &container["image"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut status = json!({
        "name": name, "image": image, "imageID": format!("simulation://{}", text(image)), "ready": ready, "restartCount": 0,
        "containerID": format!("simulation://{}-{}-0", text(&pod["metadata"]["uid"]), text(name)),
        "state": {"running": {"startedAt": super::clock::now()}},
    });
    if ready {
        status["started"] = json!(true);
    }
    status
}
