//! Create, update and patch: the order of the checks is the real API server's, since it decides which error a request
//! gets.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::apply::Applier;
use super::body::{self, Body};
use super::call::{self, Call, Subresource, Verb};
use super::change::{self, Tracking, remove};
use super::lookup::{key, stored};
use super::managed_fields;
use super::status::{Cause, Refusal};
use super::store::Store;
use super::{decode, merge, scale};

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Create the object in the body.
pub(super) fn create(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
    let object = body.object(call)?;
    let (object, warnings) = read(call, object)?;
    let object = change::insert(store, call, object, now)?;
    Ok(Answer { code: StatusCode::CREATED, body: object, warnings })
}

/// Replace the object by the one in the body.
pub(super) fn update(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
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
    let must_name_version = call.resource.custom || matches!(call.resource.kind, "PodDisruptionBudget" | "Lease");
    if new["metadata"]["resourceVersion"].is_null() && must_name_version {
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        // Here the real one names the resource, not the kind.
        let (group, plural) = (call.resource.group, call.resource.plural);
        return Err(Refusal::invalid_kind(group, plural, &call.name, &[cause]));
    }
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
        if new["metadata"][field].is_null() {
            new["metadata"][field] = old["metadata"][field].clone();
        }
    }
    let object = change::replace(store, call, &old, new, now, Tracking::Update)?;
    Ok(Answer { code: StatusCode::OK, body: object, warnings })
}

/// Change the object as the body says, or create it where the body is applied.
pub(super) fn patch(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
    let kind = call.content_type.as_deref().unwrap_or_default();
    let scales = call.subresource == Some(Subresource::Scale);
    if kind == APPLY && scales {
        let message = "the simulation applies no scale";
        return Err(Refusal::unsupported_media_type(message, Value::Null));
    }
    if kind == APPLY {
        return apply(store, call, body, now);
    }
    if !matches!(kind, MERGE | JSON | STRATEGIC) {
        return Err(Refusal::unsupported_media_type("415: Unsupported Media Type", json!({})));
    }
    if kind == STRATEGIC && call.resource.custom {
        let message = "the body of the request was in an unknown format - accepted media types include: \
                       application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return Err(Refusal::unsupported_media_type(message, Value::Null));
    }
    if call.query.force.is_some() {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(call::options_invalid(Verb::Patch, &cause));
    }
    let stored = stored(store, call)?.clone();
    let old = if scales { scale::of(&stored) } else { stored.clone() };
    let patched = match kind {
        MERGE => {
            let patch = body.patch("error decoding patch: ", "map[string]interface {}", Value::is_object)?;
            let mut patched = old;
            json_patch::merge(&mut patched, &patch);
            patched
        }
        JSON => {
            let patch = body.patch("error decoding patch: ", "[]handlers.jsonPatchOp", Value::is_array)?;
            body::json_patch(&old, &patch)?
        }
        _ => {
            let patch = body.patch("", "map[string]interface {}", Value::is_object)?;
            merge::strategic(call.structure(), old, patch)?
        }
    };
    let decoded = decode::decode(call.structure(), as_map(patched.clone())).map_err(|error| {
        let (value, text) = if kind == STRATEGIC {
            (merge::go(&body.json().unwrap_or_default()), error.converted)
        } else {
            (patched.to_string(), error.text)
        };
        Refusal::invalid_kind("", "", "", &[Cause::invalid("patch", &json!(value), &text)])
    })?;
    check_kind(call, &decoded.object, &patched)?;
    check_address(call, &decoded.object)?;
    let warnings = warnings(call, &decoded.unknown)?;
    let new = if scales { scale::write(call.resource, &stored, &decoded.object)? } else { decoded.object };
    let object = change::replace(store, call, &stored, new, now, Tracking::Update)?;
    Ok(Answer { code: StatusCode::OK, body: object, warnings })
}

fn apply(store: &mut Store, call: &Call, body: &Body, now: &Value) -> Result<Answer, Refusal> {
    let Some(manager) = &call.query.field_manager else {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(call::options_invalid(Verb::Patch, &cause));
    };
    let declared = body.declared()?;
    check_declared(call, &declared)?;
    let subresource = call.subresource.map_or("", Subresource::name);
    let force = call.query.force.unwrap_or_default();
    let applier = Applier { resource: call.resource, subresource, manager, force, now };
    let old = store.get(&key(call)).cloned();
    let mut start =
        old.clone().unwrap_or_else(|| json!({"apiVersion": declared["apiVersion"], "kind": declared["kind"]}));
    if start["metadata"].is_null() {
        start["metadata"] = json!({"name": call.name});
    }
    let mut object = applier.apply(&start, &declared)?;
    let holders = managed_fields::holders(&object);
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
        managed_fields::set_holders(&mut object, holders);
        let object = change::insert(store, call, object, now)?;
        return Ok(Answer { code: StatusCode::CREATED, body: object, warnings });
    };
    managed_fields::set_holders(&mut object, holders);
    let object = change::replace(store, call, &old, object, now, Tracking::Applied)?;
    Ok(Answer { code: StatusCode::OK, body: object, warnings })
}

/// An applied body must say what it is, and leave the server's own fields alone.
fn check_declared(call: &Call, declared: &Value) -> Result<(), Refusal> {
    let text = |field: &str| declared[field].as_str().unwrap_or_default();
    if (text("apiVersion"), text("kind")) != (&call.resource.api_version(), call.resource.kind) {
        let version = text("apiVersion");
        let version = if version.contains('/') { version.to_owned() } else { format!("/{version}") };
        return Err(Refusal::bad_request(format!("invalid object type: {version}, Kind={}", text("kind"))));
    }
    if !declared["metadata"]["managedFields"].is_null() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// Read an object of the call's kind, and tell which fields are unknown.
fn read(call: &Call, object: Value) -> Result<(Value, Vec<String>), Refusal> {
    let kind = call.resource.kind;
    let refused = |text: &str| {
        let version = call.resource.version;
        Refusal::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {text}"))
    };
    let decoded = decode::decode(call.resource.structure(), as_map(object)).map_err(|error| refused(&error.text))?;
    let warnings = warnings(call, &decoded.unknown)?;
    Ok((decoded.object, warnings))
}

fn warnings(call: &Call, unknown: &[String]) -> Result<Vec<String>, Refusal> {
    let texts: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
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
    let (group, version, kind) = call.kind();
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    if object["kind"] == kind && object["apiVersion"] == api_version {
        return Ok(());
    }
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let error = body::no_conversion(text("apiVersion"), text("kind"), body::internal_package(group), kind);
    Err(Refusal::invalid_kind("", "", "", &[Cause::invalid("patch", &json!(patched.to_string()), &error)]))
}

/// Name and namespace of a body must be those of its address.
fn check_address(call: &Call, object: &Value) -> Result<(), Refusal> {
    change::check_namespace(call, object)?;
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

fn address(call: &Call) -> String {
    call.namespace.as_ref().map_or_else(|| call.name.clone(), |namespace| format!("{namespace}/{}", call.name))
}

fn as_map(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}
