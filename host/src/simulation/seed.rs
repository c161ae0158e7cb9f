//! The objects that a simulation begins with: those it is given, and what every cluster has.

use serde_json::{Map, Value, json};

use super::resource::{self, Resource};
use super::store::{Key, Store};
use super::{clock, decode, defaults, managed, validation};

/// The field manager that holds the fields of the objects at the beginning.
pub const SEED_MANAGER: &str = "falco-talon-simulation";

/// Why a simulation can't begin.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The text is no YAML, or not of objects.
    #[error("{0}")]
    Yaml(String),
    /// An object is none that the simulation could keep.
    #[error("object {number} ({name}): {reason}")]
    Object {
        /// Its place, counted from one.
        number: usize,
        /// Its kind and name, as far as they are known.
        name: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// The store with these objects, and the namespaces that every cluster has.
pub(super) fn store(objects: Vec<Value>) -> Result<Store, SimulationError> {
    let now = clock::now();
    let mut store = Store::default();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        add_namespace(&mut store, name, &now);
    }
    // Owners are found by name, whatever comes first.
    let mut objects = objects;
    for object in &mut objects {
        let metadata = &mut object["metadata"];
        if metadata.is_object() && metadata["uid"].is_null() {
            metadata["uid"] = json!(store.new_uid());
        }
    }
    let uids: Vec<Value> = objects.clone();
    for (index, mut object) in objects.into_iter().enumerate() {
        link_owners(&mut object, &uids);
        let name = format!(
            "{} {}",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        );
        add(&mut store, object, &now).map_err(|reason| SimulationError::Object {
            number: index + 1,
            name,
            reason,
        })?;
    }
    Ok(store)
}

/// The objects of a YAML text with any number of documents; a `List` counts as its items.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, SimulationError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| SimulationError::Yaml(error.to_string()))?;
    let mut objects = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                if let Some(Value::Array(items)) = list.remove("items") {
                    objects.extend(items);
                }
            }
            object => objects.push(object),
        }
    }
    Ok(objects)
}

/// What the controllers put into a new namespace.
pub(super) fn furnish(store: &mut Store, namespace: &str, now: &Value) {
    let objects = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt", "namespace": namespace},
            "data": {"ca.crt": "a certificate would be here"},
        }),
    ];
    for object in objects {
        // Names and fields are ours and right: there is nothing to report.
        let _ = add(store, object, now);
    }
}

fn add_namespace(store: &mut Store, name: &str, now: &Value) {
    let _ = add(
        store,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
        now,
    );
}

fn add(store: &mut Store, object: Value, now: &Value) -> Result<(), String> {
    let Value::Object(object) = object else {
        return Err("it is not an object: apiVersion, kind and metadata are needed".to_owned());
    };
    let resource = known(&object)?;
    let decoded = decode::decode(resource.structure(), object).map_err(|error| error.text)?;
    if let Some(field) = decoded.unknown.first() {
        return Err(format!("a {} has no field `{field}`", resource.kind));
    }
    let mut object = decoded.object;
    let name = text(&object["metadata"]["name"]).to_owned();
    let namespace = resource
        .namespaced
        .then(|| match text(&object["metadata"]["namespace"]) {
            "" => "default".to_owned(),
            namespace => namespace.to_owned(),
        });
    complete(store, resource, &mut object, namespace.as_deref(), now);
    let causes = validation::object(resource, &object);
    if !causes.is_empty() {
        return Err(super::status::Refusal::invalid(resource, &name, &causes).message);
    }
    if let Some(namespace) = namespace
        .as_deref()
        .filter(|namespace| store.namespace(namespace).is_none())
    {
        add_namespace(store, namespace, now);
    }
    let key = Key::new(resource, namespace.as_deref(), &name);
    // A namespace may be written out although another object has brought it, or the cluster has it.
    let is_namespace = resource.kind == "Namespace";
    if store.get(&key).is_some()
        && !is_namespace
        && name != "kube-root-ca.crt"
        && resource.kind != "ServiceAccount"
    {
        return Err("it is there already".to_owned());
    }
    store.put(key, object);
    if is_namespace {
        furnish(store, &name, now);
    }
    Ok(())
}

fn complete(
    store: &mut Store,
    resource: &Resource,
    object: &mut Value,
    namespace: Option<&str>,
    now: &Value,
) {
    let metadata = &mut object["metadata"];
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    if metadata["uid"].is_null() {
        metadata["uid"] = json!(store.new_uid());
    }
    if metadata["creationTimestamp"].is_null() {
        metadata["creationTimestamp"] = now.clone();
    }
    if resource.has_generation && metadata["generation"].is_null() {
        metadata["generation"] = json!(1);
    }
    if resource.kind == "Namespace" {
        metadata["labels"]["kubernetes.io/metadata.name"] = metadata["name"].clone();
    }
    defaults::fill(resource.structure(), object);
    if resource.kind == "Pod" {
        defaults::admit(&mut object["spec"]);
    }
    settle(resource, object);
    managed::track_update(resource, "", &Value::Null, object, SEED_MANAGER, now);
}

/// Give an object without a status, or a pod that has not begun, the one that it would have once the kubelet and the controllers are done with it.
pub(super) fn settle(resource: &Resource, object: &mut Value) {
    let status = object["status"].as_object();
    if status.is_some_and(|status| {
        status
            .values()
            .any(|value| !value.is_null() && *value != 0 && *value != "Pending")
    }) {
        return;
    }
    let replicas = object["spec"]["replicas"].clone();
    let generation = object["metadata"]["generation"].clone();
    object["status"] = match resource.kind {
        "Pod" => json!({"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}, {"type": "PodScheduled", "status": "True"},
        ]}),
        "Namespace" => json!({"phase": "Active"}),
        "Node" => {
            json!({"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]})
        }
        "ReplicaSet" | "Deployment" | "StatefulSet" => {
            json!({"observedGeneration": generation, "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas})
        }
        _ => return,
    };
}

/// Owners may be given without their uid: it is that of the object with this kind and name.
fn link_owners(object: &mut Value, objects: &[Value]) {
    let namespace = object["metadata"]["namespace"].clone();
    for owner in object["metadata"]["ownerReferences"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        if !owner["uid"].is_null() {
            continue;
        }
        let is_owner = |other: &&Value| {
            let same_place = other["metadata"]["namespace"] == namespace
                || other["metadata"]["namespace"].is_null();
            other["kind"] == owner["kind"]
                && other["metadata"]["name"] == owner["name"]
                && same_place
        };
        if let Some(found) = objects.iter().find(is_owner) {
            owner["uid"] = found["metadata"]["uid"].clone();
        }
    }
}

fn known(object: &Map<String, Value>) -> Result<&'static Resource, String> {
    let (api_version, kind) = (
        object.get("apiVersion").map_or("", text),
        object.get("kind").map_or("", text),
    );
    if api_version.is_empty() || kind.is_empty() {
        return Err("apiVersion and kind are needed".to_owned());
    }
    resource::by_kind(api_version, kind).ok_or_else(|| {
        let written = format!("{api_version} {kind}");
        let names = resource::kinds()
            .map(|resource| format!("{} {}", resource.api_version(), resource.kind));
        let nearest = names.max_by(|a, b| {
            strsim::jaro_winkler(a, &written).total_cmp(&strsim::jaro_winkler(b, &written))
        });
        format!(
            "the simulation knows no {written}; the nearest it knows is {}",
            nearest.unwrap_or_default()
        )
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
