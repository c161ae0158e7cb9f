//! Jobs: what the API server writes into one, and the controller's part, which is to make its pod. It does not see a
//! job end.

use serde_json::{Value, json};

use super::store::{Key, Store};
use super::{defaults, managed_fields, pod, resource};

/// The field manager of the real controller.
const MANAGER: &str = "kube-controller-manager";

/// Let the pods of a new job be distinguished from those of all others.
pub(super) fn identify(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (job["metadata"]["uid"].clone(), job["metadata"]["name"].clone());
    job["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    let labels = &mut job["spec"]["template"]["metadata"]["labels"];
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        labels[key] = value.clone();
    }
    if job["metadata"]["labels"].is_null() {
        job["metadata"]["labels"] = job["spec"]["template"]["metadata"]["labels"].clone();
    }
}

/// Make the pod of a job, and let it run where there is a node for it.
pub(super) fn run(store: &mut Store, key: &Key, now: &Value) {
    let (Some(mut job), Some(pods)) = (store.get(key).cloned(), resource::by_kind("v1", "Pod")) else {
        return;
    };
    let template = &job["spec"]["template"];
    let name = format!("{}-{}", key.name, store.new_suffix());
    let mut metadata = json!({
        "name": name, "generateName": format!("{}-", key.name), "namespace": key.namespace, "uid": store.new_uid(),
        "creationTimestamp": now, "generation": 1, "labels": template["metadata"]["labels"],
        "ownerReferences": [{
            "apiVersion": "batch/v1", "kind": "Job", "name": key.name, "uid": job["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        }],
    });
    if template["metadata"]["annotations"].is_object() {
        metadata["annotations"] = template["metadata"]["annotations"].clone();
    }
    let mut made = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
    defaults::fill(pods.structure(), &mut made);
    defaults::admit(&mut made["spec"]);
    if made["spec"]["nodeName"].is_null()
        && let Some(node) = free_node(store)
    {
        made["spec"]["nodeName"] = node;
    }
    let placed = !made["spec"]["nodeName"].is_null();
    made["status"] = if placed { pod::running(&made) } else { json!({"phase": "Pending"}) };
    managed_fields::track_update(pods, "", &Value::Null, &mut made, MANAGER, now);
    store.put(Key::new(pods, Some(&key.namespace), &name), made);
    job["status"] = json!({"active": 1, "ready": i32::from(placed), "terminating": 0, "startTime": now});
    store.put(key.clone(), job);
}

/// The scheduler's part.
fn free_node(store: &Store) -> Option<Value> {
    let nodes = resource::by_kind("v1", "Node")?;
    let mut nodes = store.of(nodes, None);
    let free = nodes.find(|(_, node)| node["spec"]["unschedulable"] != true);
    free.map(|(_, node)| node["metadata"]["name"].clone())
}
