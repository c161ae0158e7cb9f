//! The capabilities `kubernetes-read` and `kubernetes-write`, with JSON values for JSON text.
//!
//! Each function is one call of the host, which the policy must grant; a component imports
//! only those that it calls. Does not retry and knows no kind of object but by its address.

use serde_json::Value;

use crate::bindings::falco_talon::actionner::{kubernetes_read, kubernetes_write};

pub use crate::bindings::falco_talon::actionner::kubernetes_read::{
    Condition, Departure, Expectation, ListOptions, LogOptions, ResourceType, Since,
};
pub use crate::bindings::falco_talon::actionner::kubernetes_write::{
    ApplyOptions, DeleteOptions, Eviction, PatchType, Preconditions, Propagation, Written,
};
pub use crate::bindings::falco_talon::actionner::types::{Collection, Error, Object};

/// The object, without `managedFields`.
pub fn get(object: &Object) -> Result<Value, Error> {
    kubernetes_read::get(object).and_then(|text| parsed(&text))
}

/// The objects of a collection, as many as there are: lists that are cut off are gone on with.
pub fn list(collection: &Collection, options: &ListOptions) -> Result<Vec<Value>, Error> {
    let (mut objects, mut options) = (Vec::new(), options.clone());
    loop {
        let mut list = kubernetes_read::list(collection, &options).and_then(|text| parsed(&text))?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => objects.extend(items),
            _ => return Err(Error::Other("the answer is not a list of objects".to_owned())),
        }
        match list["metadata"]["continue"].as_str() {
            Some(next) if !next.is_empty() => options.continue_ = Some(next.to_owned()),
            _ => return Ok(objects),
        }
    }
}

/// Changes parts of an object.
pub fn patch(object: &Object, patch_type: PatchType, body: &Value) -> Result<Written, Error> {
    patch_if(object, patch_type, body, &Preconditions::default())
}

/// Changes parts of an object, if that is still the one that was looked at.
pub fn patch_if(
    object: &Object,
    patch_type: PatchType,
    body: &Value,
    preconditions: &Preconditions,
) -> Result<Written, Error> {
    kubernetes_write::patch(object, patch_type, &body.to_string(), preconditions)
}

/// Creates or updates by server-side apply; `body` carries only the fields to be held.
pub fn apply(object: &Object, body: &Value, options: &ApplyOptions) -> Result<Written, Error> {
    kubernetes_write::apply(object, &body.to_string(), options)
}

/// Creates an object.
pub fn create(collection: &Collection, body: &Value) -> Result<Written, Error> {
    kubernetes_write::create(collection, &body.to_string())
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

/// Waits until one of the conditions is met by the object, which is returned.
pub fn wait(object: &Object, any_of: &[Condition], timeout_ms: u32) -> Result<Value, Error> {
    kubernetes_read::wait(object, any_of, timeout_ms).and_then(|text| parsed(&text))
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

impl Collection {
    /// The objects of a resource in a namespace. `api_version` is as in a manifest: `v1`, `apps/v1`.
    #[must_use]
    pub fn namespaced(api_version: &str, resource: &str, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..Self::all(api_version, resource) }
    }

    /// The objects of a resource in all namespaces, or in none. `api_version` is as in a manifest: `v1`, `apps/v1`.
    #[must_use]
    pub fn all(api_version: &str, resource: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), resource: resource.to_owned(), namespace: None }
    }
}

impl Condition {
    /// That something is at `path`.
    #[must_use]
    pub fn exists(path: impl Into<String>) -> Self {
        Self { path: path.into(), expected: Expectation::Exists }
    }

    /// That a text, a number or a boolean is at `path` that is written as `value`.
    #[must_use]
    pub fn equals(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { path: path.into(), expected: Expectation::Equals(value.into()) }
    }
}

impl LogOptions {
    /// The whole log of a container since its last restart.
    #[must_use]
    pub fn of(container: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            tail_lines: None,
            since: None,
            limit_bytes: None,
            timestamps: false,
            previous: false,
        }
    }
}

/// Whatever is there.
impl Default for Preconditions {
    fn default() -> Self {
        Self { uid: None, resource_version: None }
    }
}

impl Preconditions {
    /// The object with this `metadata.uid`, where it is known.
    #[must_use]
    pub fn uid(uid: Option<impl Into<String>>) -> Self {
        Self { uid: uid.map(Into::into), resource_version: None }
    }

    /// The object as it was read: neither another nor changed since.
    #[must_use]
    pub fn unchanged(object: &Value) -> Self {
        Self { uid: text(object, "uid"), resource_version: text(object, "resourceVersion") }
    }

    /// The version that was read, which no other object has: for a subresource whose write compares no uid.
    #[must_use]
    pub fn version(object: &Value) -> Self {
        Self { uid: None, resource_version: text(object, "resourceVersion") }
    }
}

/// Others keep the fields that they hold.
impl Default for ApplyOptions {
    fn default() -> Self {
        Self { force: false, preconditions: Preconditions::default() }
    }
}

/// As the resource does by default.
impl Default for DeleteOptions {
    fn default() -> Self {
        Self { grace_period_s: None, propagation: None, preconditions: Preconditions::default() }
    }
}

/// All objects.
impl Default for ListOptions {
    fn default() -> Self {
        Self { label_selector: String::new(), field_selector: String::new(), limit: None, continue_: None }
    }
}

fn text(object: &Value, key: &str) -> Option<String> {
    object["metadata"][key].as_str().map(str::to_owned)
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
    fn an_answer_that_is_not_json_is_an_error() {
        let error = parsed("no JSON").unwrap_err();
        assert!(matches!(error, Error::Other(text) if text.starts_with("the answer can't be read")));
    }

    #[test]
    fn preconditions_are_of_what_was_read() {
        let object = serde_json::json!({"metadata": {"uid": "1", "resourceVersion": "7"}});
        let Preconditions { uid, resource_version } = Preconditions::unchanged(&object);
        assert_eq!((uid.as_deref(), resource_version.as_deref()), (Some("1"), Some("7")));
        assert_eq!(Preconditions::version(&object).uid, None);
        assert_eq!(Preconditions::unchanged(&Value::Null), Preconditions::default());
    }

    #[test]
    fn a_node_is_in_no_namespace() {
        assert_eq!(Object::node("n1").namespace, None);
    }
}
