//! What must be so of an object for a write to be made, put into the body that is sent.
//!
//! The API server compares the metadata of a body with those of the object, and does not write where they differ. They
//! are no fields that the write touches, so no grant has to name them.

use policy::{Address, PatchKind};
use serde_json::{Value, json};

use super::bindings::falco_talon::actionner::kubernetes_write::Preconditions;

/// The only subresource whose write compares the uid; the others take the object's own metadata.
const SCALE: &str = "scale";

/// Why a write can't carry its preconditions.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PreconditionError {
    /// The API server does not compare the uid here.
    #[error("the API server does not compare the uid where `{0}` is written: give the resource version")]
    Uid(String),
    /// There is no place for them.
    #[error("the body's metadata is not an object, or the patch not a list of operations")]
    Metadata,
}

/// Put `preconditions` into a body, which was looked through before.
///
/// # Errors
///
/// Where the API server would not heed them.
pub(super) fn require(
    preconditions: &Preconditions,
    kind: PatchKind,
    address: &Address<'_>,
    body: &mut Value,
) -> Result<(), PreconditionError> {
    let Preconditions { uid, resource_version } = preconditions;
    if uid.is_none() && resource_version.is_none() {
        return Ok(());
    }
    if uid.is_some() && !compares_uid(address) {
        return Err(PreconditionError::Uid(address.subresource().unwrap_or_default().to_owned()));
    }
    for (key, value) in [("uid", uid), ("resourceVersion", resource_version)] {
        let Some(value) = value else { continue };
        if kind == PatchKind::Json {
            let operations = body.as_array_mut().ok_or(PreconditionError::Metadata)?;
            // Last, so that no operation of the patch comes after it. To add is to set what is there already.
            operations.push(json!({"op": "add", "path": format!("/metadata/{key}"), "value": value}));
        } else {
            let body = body.as_object_mut().ok_or(PreconditionError::Metadata)?;
            let metadata = body.entry("metadata").or_insert_with(|| json!({}));
            let metadata = metadata.as_object_mut().ok_or(PreconditionError::Metadata)?;
            metadata.insert(key.to_owned(), value.as_str().into());
        }
    }
    Ok(())
}

/// Whether the API server compares the uid of a body that is written there.
pub(super) fn compares_uid(address: &Address<'_>) -> bool {
    address.subresource().is_none_or(|subresource| subresource == SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uid: Option<&str>, kind: PatchKind, resource: &str, mut body: Value, expected: Result<Value, &str>) {
        let preconditions = Preconditions { uid: uid.map(str::to_owned), resource_version: Some("7".to_owned()) };
        let address = Address::new("", "v1", resource, Some("shop"), Some("web-0")).unwrap();
        let required = require(&preconditions, kind, &address, &mut body);
        assert_eq!(required.map(|()| body).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_body_says_which_object_it_is_for() {
        let expected = json!({"metadata": {"labels": {"a": "b"}, "uid": "1", "resourceVersion": "7"}});
        let body = json!({"metadata": {"labels": {"a": "b"}}});
        check(Some("1"), PatchKind::Merge, "pods", body, Ok(expected));
        let expected = json!({"spec": {}, "metadata": {"resourceVersion": "7"}});
        check(None, PatchKind::Apply, "pods", json!({"spec": {}}), Ok(expected));
        let expected = json!([{"op": "add", "path": "/metadata/resourceVersion", "value": "7"}]);
        check(None, PatchKind::Json, "pods/status", json!([]), Ok(expected));
        check(Some("1"), PatchKind::Merge, "pods/scale", json!({}), {
            Ok(json!({"metadata": {"uid": "1", "resourceVersion": "7"}}))
        });
    }

    #[test]
    fn what_would_not_be_compared_is_refused() {
        let uid = "the API server does not compare the uid where `status` is written: give the resource version";
        check(Some("1"), PatchKind::StrategicMerge, "pods/status", json!({}), Err(uid));
        let metadata = "the body's metadata is not an object, or the patch not a list of operations";
        check(None, PatchKind::Merge, "pods", json!({"metadata": null}), Err(metadata));
        check(None, PatchKind::Json, "pods", json!({}), Err(metadata));
    }
}
