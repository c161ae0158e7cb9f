//! Whether a body is the object that its address names.
//!
//! Only the address is decided on, so that a body which names something else must never be sent.

use serde_json::Value;

use crate::address::{Address, SHOWN_CHARS_MAX, known, shown};

/// How a body differs from its address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is a list, a text or the like.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// It lacks what every object must carry.
    #[error("the body has no `{0}`")]
    Missing(&'static str),
    /// It says otherwise than its address.
    #[error("the body's `{field}` is {found}, but its address says {expected}")]
    Differs {
        /// Where in the body.
        field: &'static str,
        /// What is there, as JSON.
        found: String,
        /// What must be there.
        expected: String,
    },
}

/// The name that a body gives its object: that of a create, whose address has none.
pub fn name_in_body(body: &Value) -> Result<&str, BodyError> {
    let name = body.pointer("/metadata/name").and_then(Value::as_str);
    name.ok_or(BodyError::Missing("metadata.name"))
}

/// Check that a body to be created or applied has the identity that its address names.
///
/// `apiVersion`, `kind` and `metadata.name` must be there; `metadata.namespace` may be left
/// out, since the address decides it. Of kinds that Kubernetes itself does not have, only the
/// API server knows which resource they are, and it compares them.
pub fn check_identity(address: &Address<'_>, body: &Value) -> Result<(), BodyError> {
    let object = body.as_object().ok_or(BodyError::NotAnObject)?;
    let no_metadata = Value::Null;
    let metadata = object.get("metadata").unwrap_or(&no_metadata);
    let expected_kind =
        known(address.group(), address.resource()).filter(|_| address.subresource().is_none()).map(|known| known.kind);
    let kind = object.get("kind").and_then(Value::as_str);
    let expected_kind = expected_kind.or(kind.filter(|kind| !kind.is_empty()));
    let api_version = address.api_version();
    require("apiVersion", object.get("apiVersion"), Some(&api_version))?;
    require("kind", object.get("kind"), expected_kind)?;
    require("metadata.name", metadata.get("name"), address.name())?;
    match metadata.get("namespace") {
        None => Ok(()),
        found => require("metadata.namespace", found, address.namespace()),
    }
}

fn require(field: &'static str, found: Option<&Value>, expected: Option<&str>) -> Result<(), BodyError> {
    let found = found.ok_or(BodyError::Missing(field))?;
    if expected.is_some() && found.as_str() == expected {
        return Ok(());
    }
    Err(BodyError::Differs {
        field,
        found: shown(&found.to_string(), SHOWN_CHARS_MAX),
        expected: expected.map_or_else(|| "none".to_owned(), |text| format!("`{text}`")),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(body: Value, expected: Result<(), &str>) {
        let address = Address::new("networking.k8s.io", "v1", "networkpolicies", Some("shop"), Some("x")).unwrap();
        let found = check_identity(&address, &body).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    fn body(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
        json!({"apiVersion": api_version, "kind": kind,
               "metadata": {"name": name, "namespace": namespace}})
    }

    #[test]
    fn a_body_is_what_its_address_names() {
        check(body("networking.k8s.io/v1", "NetworkPolicy", "shop", "x"), Ok(()));
        let without = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                             "metadata": {"name": "x"}});
        check(without, Ok(()));
    }

    #[test]
    fn each_part_of_the_identity_is_compared() {
        let differs =
            |field, found, expected| format!("the body's `{field}` is \"{found}\", but its address says `{expected}`");
        check(body("v1", "NetworkPolicy", "shop", "x"), Err(&differs("apiVersion", "v1", "networking.k8s.io/v1")));
        check(body("networking.k8s.io/v1", "Secret", "shop", "x"), Err(&differs("kind", "Secret", "NetworkPolicy")));
        check(
            body("networking.k8s.io/v1", "NetworkPolicy", "kube-system", "x"),
            Err(&differs("metadata.namespace", "kube-system", "shop")),
        );
        check(body("networking.k8s.io/v1", "NetworkPolicy", "shop", "y"), Err(&differs("metadata.name", "y", "x")));
    }

    #[test]
    fn what_is_no_object_or_lacks_a_part_is_refused() {
        check(json!([]), Err("the body is not a JSON object"));
        check(json!({}), Err("the body has no `apiVersion`"));
        check(json!({"apiVersion": "networking.k8s.io/v1"}), Err("the body has no `kind`"));
        check(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": []}),
            Err("the body has no `metadata.name`"),
        );
        check(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": 7}}),
            Err("the body's `metadata.name` is 7, but its address says `x`"),
        );
    }

    #[test]
    fn an_object_outside_of_namespaces_names_none() {
        let address = Address::new("", "v1", "nodes", None, Some("w")).unwrap();
        let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w", "namespace": "shop"}});
        let error = check_identity(&address, &body).unwrap_err().to_string();
        assert_eq!(error, "the body's `metadata.namespace` is \"shop\", but its address says none");
    }

    #[test]
    fn a_kind_that_kubernetes_does_not_have_is_left_to_the_api_server() {
        let address = Address::new("acme.example", "v1", "pages", Some("n"), Some("p")).unwrap();
        let body = |kind: &str| json!({"apiVersion": "acme.example/v1", "kind": kind, "metadata": {"name": "p"}});
        assert_eq!(check_identity(&address, &body("Page")), Ok(()));
        assert!(check_identity(&address, &body("")).is_err());
    }
}
