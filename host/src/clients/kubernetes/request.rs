//! Requests to the API server as they are sent, and what is made of its answers.
//!
//! Does not know how they are sent, nor whether they may be.

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::clients::error::RequestError;

/// The content type of everything but patches.
pub(crate) const JSON: &str = "application/json";

/// What is asked of a write: who the object is, and not what is in it.
pub(super) const IDENTITY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// One request, complete but for the client's credentials. One that writes is sent as a rehearsal in a dry run.
pub(crate) struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// What of the object is asked for.
    pub(super) accept: &'static str,
}

/// The answer to a read.
pub(crate) struct Answer {
    /// The object, or the list.
    pub(crate) object: Value,
}

/// The answer to a write.
pub(crate) struct Written {
    /// The object that was written.
    pub(crate) identity: Identity,
    /// Whether it did not exist before.
    pub(crate) created: bool,
}

/// Which object it is; the rest of its metadata is not even held.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

/// An entry of `metadata.managedFields`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldManager {
    #[serde(default)]
    pub(crate) manager: String,
    #[serde(default)]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) subresource: String,
    #[serde(default, rename = "fieldsV1")]
    pub(crate) fields: Value,
}

impl Identity {
    /// Of an object.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        Self { name: text("name"), uid: text("uid"), resource_version: text("resourceVersion") }
    }
}

impl ApiRequest {
    pub(super) fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.to_owned(), content_type: JSON, body: Bytes::new(), accept: JSON }
    }

    /// One that writes, and is answered with which object it was.
    pub(crate) fn write(method: Method, path: String, content_type: &'static str, body: Bytes) -> Self {
        Self { method, path, content_type, body, accept: IDENTITY }
    }
}

impl Answer {
    /// What the guest gets.
    pub(crate) fn into_text(self) -> String {
        self.object.to_string()
    }
}

pub(super) fn json(body: &[u8]) -> Result<Value, RequestError> {
    serde_json::from_slice(body).map_err(|_| RequestError::Other("the API server's answer is not JSON".to_owned()))
}

pub(super) fn answer(body: &[u8]) -> Result<Answer, RequestError> {
    let mut object = json(body)?;
    strip_managed_fields(&mut object);
    Ok(Answer { object })
}

/// Who holds which field is of no use to an actionner, and often the larger half of an object.
fn strip_managed_fields(object: &mut Value) {
    let items = match object.get_mut("items") {
        Some(Value::Array(items)) => items.as_mut_slice(),
        _ => std::slice::from_mut(object),
    };
    for item in items {
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
}
