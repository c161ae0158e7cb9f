//! A new object, or another state of one, on its way into the store: what is filled in, checked and counted. It knows
//! no patches.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::call::{Call, Subresource};
use super::lookup::key;
use super::status::{Cause, Refusal};
use super::store::{Key, Store};
use super::{defaults, delete, ephemeral, job, managed_fields, pod, resource, seed, validation};

/// Whether who holds what is still to be found out.
#[derive(PartialEq, Clone, Copy)]
pub(super) enum Tracking {
    Update,
    Applied,
}

/// Store a new object.
pub(super) fn insert(store: &mut Store, call: &Call, mut object: Value, now: &Value) -> Result<Value, Refusal> {
    check_namespace(call, &object)?;
    let resource = call.resource;
    let metadata = &mut object["metadata"];
    if let (Value::Null, Some(prefix)) = (&metadata["name"], metadata["generateName"].as_str().map(str::to_owned)) {
        metadata["name"] = json!(format!("{prefix}{}", store.new_suffix()));
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    check_place(store, call, &object, &name)?;
    identify(store, call, &mut object, now);
    complete(call, &mut object);
    let mut causes = validation::object(resource, &object);
    if resource.kind == "Pod" && !object["spec"]["ephemeralContainers"].is_null() {
        causes = vec![Cause::forbidden("spec.ephemeralContainers", "cannot be set on create")];
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid(resource, &name, &causes));
    }
    let key = Key::new(resource, call.namespace.as_deref(), &name);
    if store.get(&key).is_some() {
        return Err(Refusal::already_exists(resource, &name));
    }
    if managed_fields::holders(&object).is_empty() {
        managed_fields::track_update(resource, "", &Value::Null, &mut object, &call.manager, now);
    }
    if call.query.dry_run {
        return Ok(object);
    }
    let object = store.put(key.clone(), object);
    if resource.kind == "Namespace" {
        seed::furnish(store, &name, now);
    }
    if resource.kind == "Pod" && !object["spec"]["nodeName"].is_null() {
        // The kubelet's part: the answer still shows a pod that is about to begin.
        let mut running = object.clone();
        seed::settle(resource, &mut running);
        store.put(key, running);
    } else if resource.kind == "Job" {
        job::run(store, &key, now);
    }
    Ok(object)
}

/// Whether there is a place for a new object.
fn check_place(store: &Store, call: &Call, object: &Value, name: &str) -> Result<(), Refusal> {
    if !object["metadata"]["resourceVersion"].is_null() {
        return Err(Refusal::internal("resourceVersion should not be set on objects to be created"));
    }
    if let Some(namespace) = &call.namespace {
        let Some(found) = store.namespace(namespace) else {
            return Err(Refusal::not_found(resource::namespaces(), namespace));
        };
        if !found["metadata"]["deletionTimestamp"].is_null() {
            return Err(terminating(call, name, namespace));
        }
    }
    Ok(())
}

/// Give a new object what distinguishes it from all others, and take what only a server writes.
fn identify(store: &mut Store, call: &Call, object: &mut Value, now: &Value) {
    let resource = call.resource;
    let metadata = &mut object["metadata"];
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        remove(metadata, field);
    }
    metadata["uid"] = json!(store.new_uid());
    metadata["creationTimestamp"] = now.clone();
    if resource.has_generation {
        metadata["generation"] = json!(1);
    }
    if resource.kind == "Job" {
        job::identify(object);
    }
    if resource.has_status {
        remove(object, "status");
        if let "Pod" | "Namespace" = resource.kind {
            object["status"] = json!({"phase": if resource.kind == "Pod" { "Pending" } else { "Active" }});
        }
    }
}

fn terminating(call: &Call, name: &str, namespace: &str) -> Refusal {
    let text = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let message = format!("namespace {namespace} is being terminated");
    let cause = json!({"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"});
    Refusal::forbidden(call.resource, name, &text, &[cause])
}

/// Store another state of an object.
pub(super) fn replace(
    store: &mut Store,
    call: &Call,
    old: &Value,
    mut new: Value,
    now: &Value,
    tracking: Tracking,
) -> Result<Value, Refusal> {
    let resource = call.resource;
    check_version(call, old, &new)?;
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    keep_other_part(call, old, &mut new);
    complete(call, &mut new);
    if resource.has_generation {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
        let changed = i64::from(content(old) != content(&new));
        new["metadata"]["generation"] = json!(generation + changed);
    }
    let mut causes = validation::object(resource, &new);
    causes.extend(if call.subresource == Some(Subresource::EphemeralContainers) {
        ephemeral::change(old, &new)
    } else {
        validation::change(resource, old, &new)
    });
    if !causes.is_empty() {
        return Err(Refusal::invalid(resource, &call.name, &causes));
    }
    if tracking == Tracking::Update {
        let subresource = call.subresource.map_or("", Subresource::name);
        managed_fields::track_update(resource, subresource, old, &mut new, &call.manager, now);
    }
    // The same state again changes nothing: the version stays.
    if call.query.dry_run || new == *old {
        return Ok(new);
    }
    let metadata = &new["metadata"];
    let let_go =
        !metadata["deletionTimestamp"].is_null() && metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
    if let_go && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0 {
        delete::finish(store, &key(call), now);
        return Ok(new);
    }
    let new = store.put(key(call), new);
    if call.subresource == Some(Subresource::EphemeralContainers) && new["status"]["phase"] == "Running" {
        // As with a new pod, the answer comes before the kubelet.
        let mut running = new.clone();
        pod::run_ephemeral(&mut running);
        store.put(key(call), running);
    }
    Ok(new)
}

/// A version in the body must be the one that is stored.
fn check_version(call: &Call, old: &Value, new: &Value) -> Result<(), Refusal> {
    match new["metadata"]["resourceVersion"].as_str() {
        None | Some("") => {}
        Some(version) if version.parse::<u64>().is_err() => {
            return Err(Refusal::internal(format!("strconv.ParseUint: parsing {version:?}: invalid syntax")));
        }
        Some(version) if *version != old["metadata"]["resourceVersion"] => {
            return Err(Refusal::modified(call.resource, &call.name));
        }
        Some(_) => {}
    }
    Ok(())
}

/// What `metadata.generation` counts the changes of.
fn content(object: &Value) -> Map<String, Value> {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    for field in ["apiVersion", "kind", "metadata", "status"] {
        fields.remove(field);
    }
    fields
}

/// An update of the object leaves its status alone, and one of its status the rest.
fn keep_other_part(call: &Call, old: &Value, new: &mut Value) {
    match call.subresource {
        None if call.resource.has_status => {
            remove(new, "status");
            if !old["status"].is_null() {
                new["status"] = old["status"].clone();
            }
        }
        Some(Subresource::Status) => {
            let kept: Vec<String> = old.as_object().into_iter().flatten().map(|(field, _)| field.clone()).collect();
            for field in kept.iter().filter(|field| !matches!(field.as_str(), "status" | "metadata")) {
                new[field.as_str()] = old[field.as_str()].clone();
            }
            new["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"].clone();
            if new["metadata"]["ownerReferences"].is_null() {
                remove(&mut new["metadata"], "ownerReferences");
            }
        }
        Some(Subresource::EphemeralContainers) => *new = ephemeral::keep_rest(old, new),
        None | Some(Subresource::Eviction | Subresource::Exec | Subresource::Log | Subresource::Scale) => {}
    }
}

/// Fill in what the API server fills in.
fn complete(call: &Call, object: &mut Value) {
    object["apiVersion"] = json!(call.resource.api_version());
    object["kind"] = json!(call.resource.kind);
    if let Some(namespace) = &call.namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    if call.resource.kind == "Secret" {
        let texts = object["stringData"].take();
        remove(object, "stringData");
        for (key, text) in texts.as_object().into_iter().flatten() {
            object["data"][key] = json!(BASE64_STANDARD.encode(text.as_str().unwrap_or_default()));
        }
    }
    if call.resource.kind == "Namespace" {
        let name = object["metadata"]["name"].clone();
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    }
    defaults::fill(call.resource.structure(), object);
    if call.resource.kind == "Pod" {
        defaults::admit(&mut object["spec"]);
    }
}

pub(super) fn remove(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(field);
    }
}

/// A namespace in the body must be that of the address.
pub(super) fn check_namespace(call: &Call, object: &Value) -> Result<(), Refusal> {
    match object["metadata"]["namespace"].as_str() {
        None | Some("") => Ok(()),
        given if given == call.namespace.as_deref() => Ok(()),
        Some(_) => Err(Refusal::bad_request(super::body::OTHER_NAMESPACE)),
    }
}
