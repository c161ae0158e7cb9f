//! The capabilities `kubernetes-read` and `kubernetes-write`, with JSON values for JSON text.
//!
//! Each function is one call of the host, which the policy must grant; a component imports
//! only those that it calls. Does not retry and knows no kind of object but by its address.

use serde_json::Value;

use crate::bindings::falco_talon::actionner::{kubernetes_read, kubernetes_write};

pub use crate::bindings::falco_talon::actionner::kubernetes_read::{Departure, LogOptions, ResourceType};
pub use crate::bindings::falco_talon::actionner::kubernetes_write::{DeleteOptions, Eviction, PatchType};
pub use crate::bindings::falco_talon::actionner::types::{Collection, Error, Object};

/// An object as it is after a write: JSON that is parsed when it is asked for, since most
/// actionners only want to know that the write was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(String);

impl Written {
    /// The object, without `managedFields`.
    pub fn parse(&self) -> Result<Value, Error> {
        parsed(&self.0)
    }
}

/// What became of an applied object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The object as it is after the change.
    pub object: Written,
    /// Whether it did not exist before.
    pub created: bool,
}

/// The object, without `managedFields`.
pub fn get(object: &Object) -> Result<Value, Error> {
    kubernetes_read::get(object).and_then(|text| parsed(&text))
}

/// The objects of a collection.
pub fn list(collection: &Collection) -> Result<Vec<Value>, Error> {
    let mut list = kubernetes_read::list(collection).and_then(|text| parsed(&text))?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(Error::Other("the answer is not a list of objects".to_owned())),
    }
}

/// Changes parts of an object.
pub fn patch(object: &Object, patch_type: PatchType, body: &Value) -> Result<Written, Error> {
    kubernetes_write::patch(object, patch_type, &body.to_string()).map(Written)
}

/// Creates or updates by server-side apply; `body` carries only the fields to be held.
pub fn apply(object: &Object, body: &Value) -> Result<Applied, Error> {
    let applied = kubernetes_write::apply(object, &body.to_string())?;
    Ok(Applied { object: Written(applied.object), created: applied.created })
}

/// Creates an object.
pub fn create(collection: &Collection, body: &Value) -> Result<Written, Error> {
    kubernetes_write::create(collection, &body.to_string()).map(Written)
}

/// Deletes an object.
pub fn delete(object: &Object, options: &DeleteOptions) -> Result<(), Error> {
    kubernetes_write::delete(object, options)
}

/// Asks for the eviction of pods side by side, and returns what became of each, in their order.
pub fn evict(
    evictions: &[Eviction],
    grace_period_s: Option<u32>,
    timeout_ms: u32,
) -> Result<Vec<Result<(), Error>>, Error> {
    kubernetes_write::evict(evictions, grace_period_s, timeout_ms)
}

/// The resources with this plural, the API server's own before those of others.
pub fn discover(plural: &str) -> Result<Vec<ResourceType>, Error> {
    kubernetes_read::discover(plural)
}

/// Waits until `query`, a JSONPath, selects something in the object, which is returned.
pub fn wait(object: &Object, query: &str, timeout_ms: u32) -> Result<Value, Error> {
    kubernetes_read::wait(object, query, timeout_ms).and_then(|text| parsed(&text))
}

/// Waits until all of the objects are gone, and returns of each whether it is.
pub fn wait_deleted(departures: &[Departure], timeout_ms: u32) -> Result<Vec<bool>, Error> {
    kubernetes_read::wait_deleted(departures, timeout_ms)
}

impl Object {
    /// An object in a namespace. `api_version` is as in a manifest: `v1`, `apps/v1`.
    #[must_use]
    pub fn namespaced(api_version: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..Self::cluster(api_version, resource, name) }
    }

    /// An object that is in no namespace. `api_version` is as in a manifest: `v1`, `apps/v1`.
    #[must_use]
    pub fn cluster(api_version: &str, resource: &str, name: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            namespace: None,
            name: name.to_owned(),
        }
    }

    /// A node.
    #[must_use]
    pub fn node(name: &str) -> Self {
        Self::cluster("v1", "nodes", name)
    }
}

fn parsed(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Other(format!("the answer can't be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_splits_the_api_version() {
        fn check(api_version: &str, group: &str, version: &str) {
            let object = Object::namespaced(api_version, "things", "n", "x");
            assert_eq!((object.group.as_str(), object.version.as_str()), (group, version));
            assert_eq!(object.namespace.as_deref(), Some("n"));
        }
        check("v1", "", "v1");
        check("apps/v1", "apps", "v1");
        check("networking.k8s.io/v1", "networking.k8s.io", "v1");
    }

    #[test]
    fn an_answer_is_parsed_on_demand() {
        assert_eq!(Written(r#"{"a":1}"#.to_owned()).parse().unwrap()["a"], 1);
        let error = Written("no JSON".to_owned()).parse().unwrap_err();
        assert!(matches!(error, Error::Other(text) if text.starts_with("the answer can't be read")));
    }

    #[test]
    fn a_node_is_in_no_namespace() {
        assert_eq!(Object::node("n1").namespace, None);
    }
}
