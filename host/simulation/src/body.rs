//! The body of a request as its content type says, with the errors of the real API server for what can't be read.

use serde_json::{Value, json};

use super::call::{Call, Verb};
use super::resource;
use super::status::{Cause, Refusal};

/// Said of a body whose `metadata.namespace` is not that of its address.
pub(super) const OTHER_NAMESPACE: &str =
    "the namespace of the provided object does not match the namespace sent on the request";

/// The body of a request.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) bytes: &'a [u8],
}

impl Body<'_> {
    /// Whatever JSON there is.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.bytes).ok()
    }

    /// The object to create, or to put in another's place.
    pub(super) fn object(&self, call: &Call) -> Result<Value, Refusal> {
        let (kind, version) = (if is_eviction(call) { "Eviction" } else { call.resource.kind }, call.resource.version);
        let mut object = match call.content_type.as_deref() {
            None | Some("" | "application/json") => self.json_object(kind)?,
            Some("application/yaml") => {
                yaml(self.bytes).map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))?
            }
            Some(_) => {
                let message = "the body of the request was in an unknown format - accepted media types include: \
                               application/json, application/yaml, application/vnd.kubernetes.protobuf";
                return Err(Refusal::unsupported_media_type(message, Value::Null));
            }
        };
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let (given_version, given_kind) = (text("apiVersion"), text("kind"));
        let expected = if is_eviction(call) { "policy/v1".to_owned() } else { call.resource.api_version() };
        if call.resource.custom && given_kind.is_empty() {
            let shown = String::from_utf8_lossy(self.bytes);
            return Err(Refusal::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): Object 'Kind' is missing in '{shown}' ({shown})"
            )));
        }
        let right =
            (given_version.is_empty() || given_version == expected) && (given_kind.is_empty() || given_kind == kind);
        if !right && call.resource.custom {
            return Err(no_custom(call, &given_version, &given_kind));
        }
        if !right {
            let given_version = if given_version.is_empty() { expected } else { given_version };
            let package = if is_eviction(call) { "policy" } else { internal_package(call.resource.group) };
            let error = no_conversion(&given_version, &given_kind, package, kind);
            return Err(Refusal::bad_request(format!(
                "{given_kind} in version {version:?} cannot be handled as a {kind}: {error}"
            )));
        }
        object["apiVersion"] = json!(expected);
        object["kind"] = json!(kind);
        Ok(object)
    }

    fn json_object(&self, kind: &str) -> Result<Value, Refusal> {
        let unrecognised = |error: &str, shown: &str| {
            let error = format!("couldn't get version/kind; json parse error: {error}");
            Refusal::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): {error} ({shown})"
            ))
        };
        match serde_json::from_slice::<Value>(self.bytes) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(other) => {
                let tags = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";
                let error =
                    format!("json: cannot unmarshal {} into Go value of type {tags}", super::decode::describe(&other));
                let shown: String = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Err(unrecognised(&error, &shown))
            }
            Err(error) => {
                let shown = String::from_utf8_lossy(self.bytes);
                Err(unrecognised(&go_error(self.bytes, &error), if shown.is_empty() { "<empty>" } else { &shown }))
            }
        }
    }

    /// A patch in JSON. `expected` is how Go calls what it should be.
    pub(super) fn patch(&self, prefix: &str, expected: &str, fits: fn(&Value) -> bool) -> Result<Value, Refusal> {
        let patch: Value = serde_json::from_slice(self.bytes)
            .map_err(|error| Refusal::bad_request(format!("{prefix}{}", go_error(self.bytes, &error))))?;
        if fits(&patch) {
            return Ok(patch);
        }
        let found = super::decode::describe(&patch);
        Err(Refusal::bad_request(format!("{prefix}json: cannot unmarshal {found} into Go value of type {expected}")))
    }

    /// An object to apply: YAML, of which JSON is a part.
    pub(super) fn declared(&self) -> Result<Value, Refusal> {
        yaml(self.bytes).map_err(|error| {
            Refusal::bad_request(format!("error decoding YAML: error converting YAML to JSON: {error}"))
        })
    }
}

/// Why an object is not of a custom kind.
fn no_custom(call: &Call, version: &str, kind: &str) -> Refusal {
    let expected = call.resource.api_version();
    if version != expected {
        return Refusal::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        ));
    }
    let text = format!("must be {}", call.resource.kind);
    let cause = Cause::invalid("kind", &json!(kind), &text);
    Refusal::invalid_kind(call.resource.group, kind, &call.name, &[cause])
}

fn is_eviction(call: &Call) -> bool {
    call.verb == Verb::Create && call.subresource.is_some()
}

/// Why an object of one kind can't be taken for one of another.
pub(super) fn no_conversion(version: &str, kind: &str, package: &str, expected: &str) -> String {
    if resource::by_kind(version, kind).is_some() {
        let short = version.rsplit('/').next().unwrap_or_default();
        return format!("converting ({short}.{kind}) to ({package}.{expected}): unknown conversion");
    }
    format!("no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\"")
}

/// The package of Go that an API group's own form lives in, as an error of conversion shows it.
pub(super) fn internal_package(group: &str) -> &str {
    match group {
        "" => "core",
        "rbac.authorization.k8s.io" => "rbac",
        "networking.k8s.io" => "networking",
        "coordination.k8s.io" => "coordination",
        other => other,
    }
}

fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let value: Value = serde_saphyr::from_str(text).map_err(|error| format!("yaml: {error}"))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(format!("an object was expected, not {}", super::decode::describe(&value)))
    }
}

/// An error of a JSON parser in the words of Go's.
fn go_error(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let found = line.get(error.column().saturating_sub(1)).map_or('?', |byte| char::from(*byte));
    format!("invalid character '{found}' looking for beginning of value")
}

/// The object with the operations of a JSON patch carried out. The library follows RFC 6902; the real API server's does
/// not where `replace` finds nothing in an object: it adds.
pub(super) fn json_patch(object: &Value, operations: &Value) -> Result<Value, Refusal> {
    let mut object = object.clone();
    for operation in operations.as_array().into_iter().flatten() {
        let mut operation = operation.clone();
        let path = operation["path"].as_str().unwrap_or_default();
        let parent = path.rsplit_once('/').and_then(|(parent, _)| object.pointer(parent));
        if operation["op"] == "replace" && object.pointer(path).is_none() && parent.is_some_and(Value::is_object) {
            operation["op"] = json!("add");
        }
        let operation: json_patch::PatchOperation =
            serde_json::from_value(operation).map_err(|_| Refusal::unprocessable())?;
        json_patch::patch(&mut object, &[operation]).map_err(|_| Refusal::unprocessable())?;
    }
    Ok(object)
}
