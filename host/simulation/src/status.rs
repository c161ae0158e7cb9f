//! The ways to say no, in the words of the real API server.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::resource::Resource;

/// A refusal, as its answer will carry it.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: StatusCode,
    /// Absent for errors that the real one did not foresee.
    pub(super) reason: Option<&'static str>,
    pub(super) message: String,
    /// `null` where the real one sends none.
    pub(super) details: Value,
}

/// One field that is wrong.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    reason: &'static str,
    field: String,
    message: String,
}

impl Cause {
    /// The value at `field` is wrong; `text` says why.
    pub(super) fn invalid(field: impl Into<String>, value: &Value, text: &str) -> Cause {
        Cause { reason: "FieldValueInvalid", field: field.into(), message: format!("Invalid value: {value}: {text}") }
    }

    /// The field must be there.
    pub(super) fn required(field: impl Into<String>, text: &str) -> Cause {
        let message = if text.is_empty() { "Required value".to_owned() } else { format!("Required value: {text}") };
        Cause { reason: "FieldValueRequired", field: field.into(), message }
    }

    /// The field must not be there, or not change.
    pub(super) fn forbidden(field: impl Into<String>, text: &str) -> Cause {
        Cause { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {text}") }
    }

    /// The value is not one that the field knows.
    pub(super) fn unsupported(field: impl Into<String>, value: &Value, supported: &str) -> Cause {
        let message = format!("Unsupported value: {value}: supported values: {supported}");
        Cause { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    /// The value is that of another item too.
    pub(super) fn duplicate(field: impl Into<String>, value: &Value) -> Cause {
        Cause { reason: "FieldValueDuplicate", field: field.into(), message: format!("Duplicate value: {value}") }
    }

    /// The value names something that is not there.
    pub(super) fn not_found(field: impl Into<String>, value: &Value) -> Cause {
        Cause { reason: "FieldValueNotFound", field: field.into(), message: format!("Not found: {value}") }
    }

    /// Another manager holds the field.
    pub(super) fn held(manager: &str, field: String) -> Cause {
        Cause { reason: "FieldManagerConflict", field, message: format!("conflict with {manager}") }
    }

    fn json(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

impl Refusal {
    pub(super) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>, details: Value) -> Refusal {
        Refusal { code, reason: Some(reason), message: message.into(), details }
    }

    /// The address is not one of the API.
    pub(super) fn unknown_resource() -> Refusal {
        let message = "the server could not find the requested resource";
        Refusal::new(StatusCode::NOT_FOUND, "NotFound", message, json!({}))
    }

    pub(super) fn method_not_allowed() -> Refusal {
        let message = "the server does not allow this method on the requested resource";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, json!({}))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", message, Value::Null)
    }

    /// What the real one answers with where it did not foresee an error.
    pub(super) fn internal(message: impl Into<String>) -> Refusal {
        let code = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal { code, reason: None, message: message.into(), details: Value::Null }
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Refusal {
        let message = format!("{} {name:?} not found", resource.qualified());
        Refusal::new(StatusCode::NOT_FOUND, "NotFound", message, details(resource.group, resource.plural, name))
    }

    pub(super) fn already_exists(resource: &Resource, name: &str) -> Refusal {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Refusal::new(StatusCode::CONFLICT, "AlreadyExists", message, details(resource.group, resource.plural, name))
    }

    /// The object is not, or no longer, what the request takes it to be.
    pub(super) fn conflict(resource: &Resource, name: &str, text: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {text}", resource.qualified());
        Refusal::new(StatusCode::CONFLICT, "Conflict", message, details(resource.group, resource.plural, name))
    }

    /// A precondition of a deletion does not hold. Here the real one names the kind, not the resource.
    pub(super) fn precondition(resource: &Resource, name: &str, text: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {text}", resource.qualified_kind());
        Refusal::new(StatusCode::CONFLICT, "Conflict", message, details(resource.group, resource.kind, name))
    }

    pub(super) fn modified(resource: &Resource, name: &str) -> Refusal {
        let text = "the object has been modified; please apply your changes to the latest version and try again";
        Refusal::conflict(resource, name, text)
    }

    pub(super) fn forbidden(resource: &Resource, name: &str, text: &str, causes: &[Value]) -> Refusal {
        let message = format!("{} {name:?} is forbidden: {text}", resource.qualified());
        let mut details = details(resource.group, resource.plural, name);
        if !causes.is_empty() {
            details["causes"] = json!(causes);
        }
        Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message, details)
    }

    /// Fields of the object are wrong.
    pub(super) fn invalid(resource: &Resource, name: &str, causes: &[Cause]) -> Refusal {
        Refusal::invalid_kind(resource.group, resource.kind, name, causes)
    }

    /// Fields of something other than an object, such as options, are wrong.
    pub(super) fn invalid_kind(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Refusal {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut texts: Vec<String> = Vec::new();
        for cause in causes {
            let text = format!("{}: {}", cause.field, cause.message);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = if let [text] = texts.as_slice() { text.clone() } else { format!("[{}]", texts.join(", ")) };
        let mut details = details(group, kind, name);
        details["causes"] = causes.iter().map(Cause::json).collect();
        Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("{qualified} {name:?} is invalid: {list}"),
            details,
        )
    }

    /// A JSON patch can't be carried out; the real one does not tell why.
    pub(super) fn unprocessable() -> Refusal {
        let message = "the server rejected our request due to an error in our request";
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message, json!({}))
    }

    /// Other managers hold fields that an apply sets.
    pub(super) fn apply_conflict(message: String, causes: &[Cause]) -> Refusal {
        let causes: Vec<Value> = causes.iter().map(Cause::json).collect();
        Refusal::new(StatusCode::CONFLICT, "Conflict", message, json!({"causes": causes}))
    }

    pub(super) fn unsupported_media_type(message: &str, details: Value) -> Refusal {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message, details)
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code.as_u16(),
        });
        if let Some(reason) = self.reason {
            status["reason"] = json!(reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

/// What a status says about its object, without what is empty.
pub(super) fn details(group: &str, kind: &str, name: &str) -> Value {
    let fields = [("name", name), ("group", group), ("kind", kind)];
    let filled = fields.into_iter().filter(|(_, value)| !value.is_empty());
    Value::Object(filled.map(|(key, value)| (key.to_owned(), json!(value))).collect::<Map<_, _>>())
}
