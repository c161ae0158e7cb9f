//! Get and list: selection and paging. It changes nothing.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::selector::{FieldSelector, LabelSelector};
use super::status::Refusal;
use super::store::{Key, Store};

/// One object.
pub(super) fn get(store: &Store, call: &Call) -> Result<Answer, Refusal> {
    let key = Key::new(call.resource, call.namespace.as_deref(), &call.name);
    let object = store.get(&key).ok_or_else(|| Refusal::not_found(call.resource, &call.name))?;
    Ok(Answer { code: StatusCode::OK, body: object.clone(), warnings: Vec::new() })
}

/// The objects that the call's selectors name.
pub(super) fn select(store: &Store, call: &Call) -> Result<Vec<(Key, Value)>, Refusal> {
    let labels = LabelSelector::parse(&call.query.label_selector)?;
    let fields = FieldSelector::parse(&call.query.field_selector, call.resource)?;
    let all = store.of(call.resource, call.namespace.as_deref());
    let selected = all.filter(|(_, object)| labels.matches(&object["metadata"]["labels"]) && fields.matches(object));
    Ok(selected.map(|(key, object)| (key.clone(), object.clone())).collect())
}

/// A page of the objects.
pub(super) fn list(store: &Store, call: &Call) -> Result<Answer, Refusal> {
    let start = call.query.continue_from.as_deref().map(read_token).transpose()?;
    let mut selected = select(store, call)?;
    if let Some(start) = start {
        selected.retain(|(key, _)| place(key, call) > start);
    }
    let mut metadata = json!({"resourceVersion": store.version().to_string()});
    if let Some(limit) = call.query.limit.filter(|limit| *limit < selected.len()) {
        let rest = selected.split_off(limit).len();
        if let Some((key, _)) = selected.last() {
            metadata["continue"] = json!(write_token(&place(key, call), store.version()));
        }
        // With a selector the real one would have to look at every object to know.
        if call.query.label_selector.is_empty() && call.query.field_selector.is_empty() {
            metadata["remainingItemCount"] = json!(rest);
        }
    }
    let body = collection(call, &metadata, selected.into_iter().map(|(_, object)| object).collect());
    Ok(Answer { code: StatusCode::OK, body, warnings: Vec::new() })
}

/// Objects as a list of their kind. Items of a list don't repeat their kind, except custom ones.
pub(super) fn collection(call: &Call, metadata: &Value, mut items: Vec<Value>) -> Value {
    if !call.resource.custom {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.remove("apiVersion");
            item.remove("kind");
        }
    }
    json!({"kind": format!("{}List", call.resource.kind), "apiVersion": call.resource.api_version(), "metadata": metadata, "items": items})
}

fn place(key: &Key, call: &Call) -> String {
    if call.namespace.is_some() || !call.resource.namespaced {
        key.name.clone()
    } else {
        format!("{}/{}", key.namespace, key.name)
    }
}

fn write_token(place: &str, version: u64) -> String {
    BASE64_URL_SAFE_NO_PAD
        .encode(json!({"v": "meta.k8s.io/v1", "rv": version, "start": format!("{place}\0")}).to_string())
}

fn read_token(token: &str) -> Result<String, Refusal> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let token: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let start =
        token.as_ref().and_then(|token| token["start"].as_str()).map(|start| start.trim_end_matches('\0').to_owned());
    start.ok_or_else(|| Refusal::bad_request("invalid continue token: continue key is not valid"))
}
