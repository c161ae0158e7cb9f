//! The objects that a simulation begins with: those it is given, and what every cluster has.

use rules::nearest;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;

use super::resource::{self, Resource};
use super::store::{Key, Store};
use super::{clock, decode, defaults, managed_fields, pod, validation};

/// The field manager that holds the fields of the objects at the beginning.
pub const SEED_MANAGER: &str = "falco-talon-simulation";

/// Why a simulation can't begin.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The text is not YAML.
    #[error("{0}")]
    Yaml(String),
    /// The simulation can't keep an object.
    #[error("{place}: {name}: {reason}")]
    Object {
        /// Where it begins in the text (`line 3, column 1`), or its number where there is no text.
        place: String,
        /// Its kind and name, as far as they are known.
        name: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// An object to begin with, and where it is written.
pub(super) struct Seed {
    pub(super) place: String,
    pub(super) object: Value,
}

/// The store with these objects, and the namespaces that every cluster has.
pub(super) fn store(mut seeds: Vec<Seed>) -> Result<Store, SimulationError> {
    let now = clock::now();
    let mut store = Store::default();
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        add_namespace(&mut store, name, &now);
    }
    // Owners are found by name, whatever comes first: so all have a uid before any is looked for.
    for seed in &mut seeds {
        let metadata = seed.object.get_mut("metadata").and_then(Value::as_object_mut);
        if let Some(metadata) = metadata {
            metadata.entry("uid").or_insert_with(|| json!(store.new_uid()));
        }
    }
    let all: Vec<Value> = seeds.iter().map(|seed| seed.object.clone()).collect();
    for Seed { place, mut object } in seeds {
        link_owners(&mut object, &all);
        let name = format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]));
        let name = if name == " " { "an object".to_owned() } else { name };
        let added = add(&mut store, object, &now);
        added.map_err(|reason| SimulationError::Object { place, name, reason })?;
    }
    Ok(store)
}

/// The objects of a YAML text with any number of documents; a `List` counts as its items.
pub(super) fn parse(text: &str) -> Result<Vec<Seed>, SimulationError> {
    let documents: Vec<Spanned<Value>> =
        serde_saphyr::from_multiple(text).map_err(|error| SimulationError::Yaml(error.to_string()))?;
    let mut seeds = Vec::new();
    for document in documents {
        let at = document.referenced;
        let place = format!("line {}, column {}", at.line(), at.column());
        match document.value {
            Value::Null => {}
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                let Some(Value::Array(items)) = list.remove("items") else {
                    continue;
                };
                let items = items.into_iter().enumerate();
                seeds.extend(items.map(|(index, object)| {
                    let place = format!("{place}, item {}", index + 1);
                    Seed { place, object }
                }));
            }
            object => seeds.push(Seed { place, object }),
        }
    }
    Ok(seeds)
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
    let _ = add(store, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}), now);
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
    let namespace = resource.namespaced.then(|| match text(&object["metadata"]["namespace"]) {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    });
    complete(store, resource, &mut object, namespace.as_deref(), now);
    let causes = validation::object(resource, &object);
    if !causes.is_empty() {
        return Err(super::status::Refusal::invalid(resource, &name, &causes).message);
    }
    if let Some(namespace) = namespace.as_deref().filter(|namespace| store.namespace(namespace).is_none()) {
        add_namespace(store, namespace, now);
    }
    let key = Key::new(resource, namespace.as_deref(), &name);
    // A namespace may be written out although another object has brought it, or the cluster has it.
    let is_namespace = resource.kind == "Namespace";
    if store.get(&key).is_some() && !is_namespace && name != "kube-root-ca.crt" && resource.kind != "ServiceAccount" {
        return Err("it is there already".to_owned());
    }
    store.put(key, object);
    if is_namespace {
        furnish(store, &name, now);
    }
    Ok(())
}

fn complete(store: &mut Store, resource: &Resource, object: &mut Value, namespace: Option<&str>, now: &Value) {
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
    managed_fields::track_update(resource, "", &Value::Null, object, SEED_MANAGER, now);
}

/// Give an object without a status, or a pod that has not begun, the one that it would have once the kubelet and the
/// controllers are done with it.
pub(super) fn settle(resource: &Resource, object: &mut Value) {
    let status = object["status"].as_object();
    if status.is_some_and(|status| status.values().any(|value| !value.is_null() && *value != 0 && *value != "Pending"))
    {
        return;
    }
    let replicas = object["spec"]["replicas"].clone();
    let generation = object["metadata"]["generation"].clone();
    object["status"] = match resource.kind {
        "Pod" => pod::running(object),
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
    let owners = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten().filter_map(Value::as_object_mut) {
        if owner.contains_key("uid") {
            continue;
        }
        let is_owner = |other: &&Value| {
            let place = &other["metadata"]["namespace"];
            let is_named = owner.get("name") == Some(&other["metadata"]["name"]);
            owner.get("kind") == Some(&other["kind"]) && is_named && (*place == namespace || place.is_null())
        };
        if let Some(found) = objects.iter().find(is_owner) {
            owner.insert("uid".to_owned(), found["metadata"]["uid"].clone());
        }
    }
}

fn known(object: &Map<String, Value>) -> Result<&'static Resource, String> {
    let (api_version, kind) = (object.get("apiVersion").map_or("", text), object.get("kind").map_or("", text));
    if api_version.is_empty() || kind.is_empty() {
        return Err("apiVersion and kind are needed".to_owned());
    }
    resource::by_kind(api_version, kind).ok_or_else(|| {
        let written = format!("{api_version} {kind}");
        let known = resource::kinds().map(|resource| format!("{} {}", resource.api_version(), resource.kind));
        let known: Vec<String> = known.collect();
        let hint = nearest::hint(&written, known.iter().map(String::as_str));
        format!("the simulation knows no {written}{hint}")
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
