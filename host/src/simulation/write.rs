//! Create, update and patch: the order of the checks is the real API server's, since it decides which error a request gets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::apply::Applier;
use super::body::{self, Body};
use super::call::{self, Call, Subresource, Verb};
use super::managed;
use super::status::{Cause, Refusal};
use super::store::{Key, Store};
use super::{Answer, decode, defaults, merge, resource, validation};

/// Create the object in the body.
pub(super) fn create(
    store: &mut Store,
    call: &Call,
    body: &Body,
    now: &Value,
) -> Result<Answer, Refusal> {
    let object = body.object(call)?;
    let (object, warnings) = read(call, object)?;
    let object = insert(store, call, object, now)?;
    Ok(Answer {
        code: StatusCode::CREATED,
        body: object,
        warnings,
    })
}

/// Replace the object by the one in the body.
pub(super) fn update(
    store: &mut Store,
    call: &Call,
    body: &Body,
    now: &Value,
) -> Result<Answer, Refusal> {
    let (mut new, warnings) = read(call, body.object(call)?)?;
    check_address(call, &new)?;
    let old = stored(store, call)?.clone();
    let (given, actual) = (new["metadata"]["uid"].clone(), &old["metadata"]["uid"]);
    if !given.is_null() && given != *actual {
        let place = format!("/registry/{}/{}", call.resource.plural, address(call));
        let text = format!(
            "StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {}, UID in object meta: {}",
            given.as_str().unwrap_or_default(),
            actual.as_str().unwrap_or_default(),
        );
        return Err(Refusal::conflict(call.resource, &call.name, &text));
    }
    let must_name_version =
        call.resource.custom || matches!(call.resource.kind, "PodDisruptionBudget" | "Lease");
    if new["metadata"]["resourceVersion"].is_null() && must_name_version {
        let cause = Cause::invalid(
            "metadata.resourceVersion",
            &json!(0),
            "must be specified for an update",
        );
        return Err(Refusal::invalid(call.resource, &call.name, &[cause]));
    }
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
    ] {
        if new["metadata"][field].is_null() {
            new["metadata"][field] = old["metadata"][field].clone();
        }
    }
    let object = replace(store, call, &old, new, now, Tracking::Update)?;
    Ok(Answer {
        code: StatusCode::OK,
        body: object,
        warnings,
    })
}

/// Change the object as the body says, or create it where the body is applied.
pub(super) fn patch(
    store: &mut Store,
    call: &Call,
    body: &Body,
    now: &Value,
) -> Result<Answer, Refusal> {
    let kind = call.content_type.as_deref().unwrap_or_default();
    if kind == "application/apply-patch+yaml" {
        return apply(store, call, body, now);
    }
    let supported = match kind {
        "application/merge-patch+json" | "application/json-patch+json" => true,
        "application/strategic-merge-patch+json" => !call.resource.custom,
        _ => false,
    };
    if !supported {
        return Err(Refusal::unsupported_media_type(
            "415: Unsupported Media Type",
            json!({}),
        ));
    }
    if call.query.force.is_some() {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(call::options_invalid(Verb::Patch, &cause));
    }
    let old = stored(store, call)?.clone();
    let patched = match kind {
        "application/merge-patch+json" => {
            let patch = body.patch(
                "error decoding patch: ",
                "map[string]interface {}",
                Value::is_object,
            )?;
            let mut patched = old.clone();
            json_patch::merge(&mut patched, &patch);
            patched
        }
        "application/json-patch+json" => {
            let patch = body.patch(
                "error decoding patch: ",
                "[]handlers.jsonPatchOp",
                Value::is_array,
            )?;
            body::json_patch(&old, &patch)?
        }
        _ => {
            let patch = body.patch("", "map[string]interface {}", Value::is_object)?;
            merge::strategic(call.resource.structure(), old.clone(), patch)?
        }
    };
    let decoded =
        decode::decode(call.resource.structure(), as_map(patched.clone())).map_err(|error| {
            let (value, text) = if kind == "application/strategic-merge-patch+json" {
                (merge::go(&body.json().unwrap_or_default()), error.converted)
            } else {
                (patched.to_string(), error.text)
            };
            Refusal::invalid_kind("", "", "", &[Cause::invalid("patch", &json!(value), &text)])
        })?;
    check_kind(call, &decoded.object, &patched)?;
    check_address(call, &decoded.object)?;
    let warnings = warnings(call, &decoded.unknown)?;
    let object = replace(store, call, &old, decoded.object, now, Tracking::Update)?;
    Ok(Answer {
        code: StatusCode::OK,
        body: object,
        warnings,
    })
}

fn apply(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
    let Some(manager) = &call.query.field_manager else {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(call::options_invalid(Verb::Patch, &cause));
    };
    let declared = body.declared()?;
    let text = |field: &str| declared[field].as_str().unwrap_or_default();
    if (text("apiVersion"), text("kind")) != (&call.resource.api_version(), call.resource.kind) {
        let version = text("apiVersion");
        let version = if version.contains('/') {
            version.to_owned()
        } else {
            format!("/{version}")
        };
        return Err(Refusal::bad_request(format!(
            "invalid object type: {version}, Kind={}",
            text("kind")
        )));
    }
    if !declared["metadata"]["managedFields"].is_null() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let subresource = if call.subresource.is_some() {
        "status"
    } else {
        ""
    };
    let force = call.query.force.unwrap_or_default();
    let applier = Applier {
        resource: call.resource,
        subresource,
        manager,
        force,
        now,
    };
    let old = store.get(&key(call)).cloned();
    let mut start = old
        .clone()
        .unwrap_or_else(|| json!({"apiVersion": declared["apiVersion"], "kind": declared["kind"]}));
    if start["metadata"].is_null() {
        start["metadata"] = json!({"name": call.name});
    }
    let mut object = applier.apply(&start, &declared)?;
    let holders = managed::holders(&object);
    for field in ["name", "namespace"] {
        if object["metadata"][field] == "" {
            remove(&mut object["metadata"], field);
        }
    }
    let (mut object, warnings) = read(call, object)?;
    check_address(call, &object)?;
    let Some(old) = old else {
        if call.subresource.is_some() {
            return Err(Refusal::not_found(call.resource, &call.name));
        }
        remove(&mut object["metadata"], "resourceVersion");
        managed::set_holders(&mut object, holders);
        let object = insert(store, call, object, now)?;
        return Ok(Answer {
            code: StatusCode::CREATED,
            body: object,
            warnings,
        });
    };
    managed::set_holders(&mut object, holders);
    let object = replace(store, call, &old, object, now, Tracking::Applied)?;
    Ok(Answer {
        code: StatusCode::OK,
        body: object,
        warnings,
    })
}

/// Whether who holds what is still to be found out.
#[derive(PartialEq)]
enum Tracking {
    Update,
    Applied,
}

/// Store a new object.
fn insert(
    store: &mut Store,
    call: &Call,
    mut object: Value,
    now: &Value,
) -> Result<Value, Refusal> {
    check_namespace(call, &object)?;
    let resource = call.resource;
    let metadata = &mut object["metadata"];
    if let (Value::Null, Some(prefix)) = (
        &metadata["name"],
        metadata["generateName"].as_str().map(str::to_owned),
    ) {
        metadata["name"] = json!(format!("{prefix}{}", store.new_suffix()));
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    if !metadata["resourceVersion"].is_null() {
        return Err(Refusal::internal(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if let Some(namespace) = &call.namespace {
        let Some(found) = store.namespace(namespace) else {
            return Err(Refusal::not_found(resource::namespaces(), namespace));
        };
        if !found["metadata"]["deletionTimestamp"].is_null() {
            return Err(terminating(call, &name, namespace));
        }
    }
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ] {
        remove(metadata, field);
    }
    metadata["uid"] = json!(store.new_uid());
    metadata["creationTimestamp"] = now.clone();
    if resource.has_generation {
        metadata["generation"] = json!(1);
    }
    if resource.has_status {
        remove(&mut object, "status");
        if let "Pod" | "Namespace" = resource.kind {
            object["status"] =
                json!({"phase": if resource.kind == "Pod" { "Pending" } else { "Active" }});
        }
    }
    complete(call, &mut object);
    let causes = validation::object(resource, &object);
    if !causes.is_empty() {
        return Err(Refusal::invalid(resource, &name, &causes));
    }
    let key = Key::new(resource, call.namespace.as_deref(), &name);
    if store.get(&key).is_some() {
        return Err(Refusal::already_exists(resource, &name));
    }
    if managed::holders(&object).is_empty() {
        managed::track_update(resource, "", &Value::Null, &mut object, &call.manager, now);
    }
    if call.query.dry_run {
        return Ok(object);
    }
    let object = store.put(key.clone(), object);
    if resource.kind == "Namespace" {
        super::seed::furnish(store, &name, now);
    }
    if resource.kind == "Pod" && !object["spec"]["nodeName"].is_null() {
        // The kubelet's part: the answer still shows a pod that is about to begin.
        let mut running = object.clone();
        super::seed::settle(resource, &mut running);
        store.put(key, running);
    }
    Ok(object)
}

fn terminating(call: &Call, name: &str, namespace: &str) -> Refusal {
    let text = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let message = format!("namespace {namespace} is being terminated");
    let cause = json!({"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"});
    Refusal::forbidden(call.resource, name, &text, &[cause])
}

/// Store another state of an object.
fn replace(
    store: &mut Store,
    call: &Call,
    old: &Value,
    mut new: Value,
    now: &Value,
    tracking: Tracking,
) -> Result<Value, Refusal> {
    let resource = call.resource;
    match new["metadata"]["resourceVersion"].as_str() {
        None | Some("") => {}
        Some(version) if version.parse::<u64>().is_err() => {
            return Err(Refusal::internal(format!(
                "strconv.ParseUint: parsing {version:?}: invalid syntax"
            )));
        }
        Some(version) if *version != old["metadata"]["resourceVersion"] => {
            return Err(Refusal::modified(resource, &call.name));
        }
        Some(_) => {}
    }
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    keep_other_part(call, old, &mut new);
    complete(call, &mut new);
    if resource.has_generation {
        let content = |object: &Value| -> Map<String, Value> {
            let fields = object.as_object().into_iter().flatten();
            let fields = fields.filter(|(field, _)| {
                !matches!(
                    field.as_str(),
                    "metadata" | "status" | "apiVersion" | "kind"
                )
            });
            fields
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect()
        };
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
        new["metadata"]["generation"] =
            json!(generation + i64::from(content(old) != content(&new)));
    }
    let mut causes = validation::object(resource, &new);
    causes.extend(validation::change(resource, old, &new));
    if !causes.is_empty() {
        return Err(Refusal::invalid(resource, &call.name, &causes));
    }
    if tracking == Tracking::Update {
        let subresource = if call.subresource.is_some() {
            "status"
        } else {
            ""
        };
        managed::track_update(resource, subresource, old, &mut new, &call.manager, now);
    }
    // The same state again is no change: the version stays.
    if call.query.dry_run || new == *old {
        return Ok(new);
    }
    let metadata = &new["metadata"];
    let let_go = !metadata["deletionTimestamp"].is_null()
        && metadata["finalizers"].as_array().is_none_or(Vec::is_empty);
    if let_go
        && metadata["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or_default()
            == 0
    {
        super::delete::finish(store, &key(call), now);
        return Ok(new);
    }
    Ok(store.put(key(call), new))
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
            let kept: Vec<String> = old
                .as_object()
                .into_iter()
                .flatten()
                .map(|(field, _)| field.clone())
                .collect();
            for field in kept
                .iter()
                .filter(|field| !matches!(field.as_str(), "status" | "metadata"))
            {
                new[field.as_str()] = old[field.as_str()].clone();
            }
            new["metadata"]["ownerReferences"] = old["metadata"]["ownerReferences"].clone();
            if new["metadata"]["ownerReferences"].is_null() {
                remove(&mut new["metadata"], "ownerReferences");
            }
        }
        None | Some(Subresource::Eviction) => {}
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

/// Read an object of the call's kind, and tell which fields are unknown.
fn read(call: &Call, object: Value) -> Result<(Value, Vec<String>), Refusal> {
    let kind = call.resource.kind;
    let refused = |text: &str| {
        let version = call.resource.version;
        Refusal::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {text}"
        ))
    };
    let decoded = decode::decode(call.resource.structure(), as_map(object))
        .map_err(|error| refused(&error.text))?;
    let warnings = warnings(call, &decoded.unknown)?;
    Ok((decoded.object, warnings))
}

fn warnings(call: &Call, unknown: &[String]) -> Result<Vec<String>, Refusal> {
    let texts: Vec<String> = unknown
        .iter()
        .map(|path| format!("unknown field {path:?}"))
        .collect();
    if call.query.strict && !texts.is_empty() {
        let (kind, version) = (call.resource.kind, call.resource.version);
        let errors = format!("strict decoding error: {}", texts.join(", "));
        return Err(Refusal::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {errors}"
        )));
    }
    Ok(if call.query.lax { Vec::new() } else { texts })
}

/// A patch must not make the object another kind of object.
fn check_kind(call: &Call, object: &Value, patched: &Value) -> Result<(), Refusal> {
    if object["kind"] == call.resource.kind && object["apiVersion"] == call.resource.api_version() {
        return Ok(());
    }
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let error = body::no_conversion(
        text("apiVersion"),
        text("kind"),
        body::internal_package(call.resource.group),
        call.resource.kind,
    );
    Err(Refusal::invalid_kind(
        "",
        "",
        "",
        &[Cause::invalid("patch", &json!(patched.to_string()), &error)],
    ))
}

/// Name and namespace of a body must be those of its address.
fn check_address(call: &Call, object: &Value) -> Result<(), Refusal> {
    check_namespace(call, object)?;
    match object["metadata"]["name"].as_str().unwrap_or_default() {
        "" => Err(Refusal::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        ))),
        name if name != call.name => Err(Refusal::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        ))),
        _ => Ok(()),
    }
}

fn check_namespace(call: &Call, object: &Value) -> Result<(), Refusal> {
    match object["metadata"]["namespace"].as_str() {
        None | Some("") => Ok(()),
        given if given == call.namespace.as_deref() => Ok(()),
        Some(_) => Err(Refusal::bad_request(super::body::OTHER_NAMESPACE)),
    }
}

fn stored<'a>(store: &'a Store, call: &Call) -> Result<&'a Value, Refusal> {
    store
        .get(&key(call))
        .ok_or_else(|| Refusal::not_found(call.resource, &call.name))
}

fn key(call: &Call) -> Key {
    Key::new(call.resource, call.namespace.as_deref(), &call.name)
}

fn address(call: &Call) -> String {
    call.namespace.as_ref().map_or_else(
        || call.name.clone(),
        |namespace| format!("{namespace}/{}", call.name),
    )
}

fn remove(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(field);
    }
}

fn as_map(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value {
        fields
    } else {
        Map::new()
    }
}
